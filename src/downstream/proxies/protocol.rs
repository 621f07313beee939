//! The PROXY protocol at the start of a connection, versions 1 and 2.
//!
//! Source: haproxy.org/download/3.0/doc/proxy-protocol.txt, sections 2.1 and 2.2.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line of version 1, its end included (section 2.1).
const MAX_LINE_BYTES: usize = 107;
/// What begins a header of version 2 (section 2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Addresses and what proxies add to them (a TLS certificate's name, an id of a private link) take some hundred bytes.
const MAX_REST_BYTES: u16 = 2048;

/// Why a connection of a trusted proxy does not begin as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyFault {
    /// It broke off.
    #[error("the connection broke off")]
    Io(#[from] io::Error),
    /// It begins with something else: to take that for a request would let the proxy speak for its client.
    #[error("the connection does not begin with the PROXY protocol")]
    Missing,
    /// It is longer than anything that a proxy has to say.
    #[error("the PROXY header is too long")]
    TooLong,
    /// It is not to be understood.
    #[error("the PROXY header is garbled")]
    Garbled,
}

/// Reads the header and not a byte more. `None` when the proxy speaks for itself, as it does to see whether somebody is there.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, ProxyFault> {
    // The shortest line is longer than that: "PROXY UNKNOWN".
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        binary(stream).await
    } else if start.starts_with(b"PROXY ") {
        line(start, stream).await
    } else {
        Err(ProxyFault::Missing)
    }
}

async fn line(start: [u8; 12], stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, ProxyFault> {
    let mut line = Vec::with_capacity(MAX_LINE_BYTES);
    line.extend(start);
    // Byte by byte: what follows belongs to the connection.
    while !line.ends_with(b"\r\n") {
        if line.len() >= MAX_LINE_BYTES {
            return Err(ProxyFault::TooLong);
        }
        line.push(stream.read_u8().await?);
    }
    let text = std::str::from_utf8(&line).map_err(|_| ProxyFault::Garbled)?;
    let mut words = text.trim_end().split(' ').skip(1);
    let kind = words.next();
    if kind == Some("UNKNOWN") {
        return Ok(None);
    }
    let (source, _destination, port) = (words.next(), words.next(), words.next());
    let address: IpAddr = source.and_then(|source| source.parse().ok()).ok_or(ProxyFault::Garbled)?;
    let port: u16 = port.and_then(|port| port.parse().ok()).ok_or(ProxyFault::Garbled)?;
    match (kind, address) {
        (Some("TCP4"), IpAddr::V4(_)) | (Some("TCP6"), IpAddr::V6(_)) => Ok(Some(SocketAddr::new(address, port))),
        _ => Err(ProxyFault::Garbled),
    }
}

async fn binary(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, ProxyFault> {
    let (command, family, length) = (stream.read_u8().await?, stream.read_u8().await?, stream.read_u16().await?);
    if length > MAX_REST_BYTES {
        return Err(ProxyFault::TooLong);
    }
    let mut rest = vec![0; length.into()];
    stream.read_exact(&mut rest).await?;
    match (command, family) {
        (0x20, _) => Ok(None), // LOCAL
        (0x21, 0x11) => {
            let ([a, b, c, d, _, _, _, _, high, low, ..], _) = split::<12>(&rest)?;
            Ok(Some(SocketAddr::new(Ipv4Addr::new(*a, *b, *c, *d).into(), u16::from_be_bytes([*high, *low]))))
        }
        (0x21, 0x21) => {
            let (source, rest) = split::<16>(&rest)?;
            let (_destination, rest) = split::<16>(rest)?;
            let (port, _) = split::<2>(rest)?;
            Ok(Some(SocketAddr::new(Ipv6Addr::from(*source).into(), u16::from_be_bytes(*port))))
        }
        (0x21, _) => Ok(None), // Unix sockets and what has no address
        _ => Err(ProxyFault::Garbled),
    }
}

fn split<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), ProxyFault> {
    bytes.split_first_chunk().ok_or(ProxyFault::Garbled)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(header: &[u8]) -> (String, usize) {
        let mut bytes = [header, b"GET / HTTP/1.1\r\n"].concat();
        bytes.truncate(header.len() + 16);
        let mut stream = bytes.as_slice();
        let read = read(&mut stream).await;
        let said = match read {
            Ok(Some(address)) => address.to_string(),
            Ok(None) => "itself".to_owned(),
            Err(fault) => format!("{fault:?}").split('(').next().unwrap().to_owned(),
        };
        (said, stream.len())
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    #[tokio::test]
    async fn reads_both_versions_and_leaves_what_follows() {
        let v4 = [203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        let v6 =
            [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0; 16], &[0x12, 0x67, 0, 80]].concat();
        let with_more = [&v4[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
        let cases: [(&[u8], &str); 8] = [
            (b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n", "203.0.113.9:4711"),
            (b"PROXY TCP6 2001:db8::1 fd00::1 4711 80\r\n", "[2001:db8::1]:4711"),
            (b"PROXY UNKNOWN\r\n", "itself"),
            (&binary(0x21, 0x11, &v4), "203.0.113.9:4711"),
            (&binary(0x21, 0x11, &with_more), "203.0.113.9:4711"),
            (&binary(0x21, 0x21, &v6), "[2001:db8::1]:4711"),
            (&binary(0x20, 0x00, &[]), "itself"),
            (&binary(0x21, 0x31, &[0; 216]), "itself"),
        ];
        for (header, expected) in cases {
            assert_eq!(of(header).await, (expected.to_owned(), 16), "{header:?}");
        }
    }

    #[tokio::test]
    async fn refuses_what_is_no_header_too_long_or_garbled() {
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        let cases: [(&[u8], &str); 8] = [
            (b"GET /mcp HTTP/1.1\r\n", "Missing"),
            (&endless, "TooLong"),
            (&binary(0x21, 0x11, &[0; 2049]), "TooLong"),
            (b"PROXY TCP4 2001:db8::1 fd00::1 4711 80\r\n", "Garbled"),
            (b"PROXY TCP4 203.0.113.9 10.0.0.1 471100 80\r\n", "Garbled"),
            (b"PROXY SCTP 203.0.113.9 10.0.0.1 1 80\r\n", "Garbled"),
            (&binary(0x31, 0x11, &[0; 12]), "Garbled"),
            (&binary(0x21, 0x11, &[0; 11]), "Garbled"),
        ];
        for (header, expected) in cases {
            assert_eq!(of(header).await.0, expected, "{header:?}");
        }
        assert_eq!(
            read(&mut &b"PROXY TCP4"[..]).await.map_err(|fault| fault.to_string()),
            Err("the connection broke off".to_owned())
        );
    }
}
