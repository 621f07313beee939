//! HTTP/1.1 as far as both sides of a test need it: a head, and a body of either framing.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

/// The first line and the headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head; nothing at the end of the connection.
    pub(crate) async fn read(input: &mut BufReader<impl AsyncReadExt + Unpin>) -> io::Result<Option<Self>> {
        let mut head = Self::default();
        loop {
            let mut line = String::new();
            if input.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            let line = line.trim_end();
            if line.is_empty() && !head.line.is_empty() {
                return Ok(Some(head));
            }
            match line.split_once(':') {
                _ if head.line.is_empty() => head.line = line.to_owned(),
                Some((name, value)) => head.headers.push((name.to_lowercase(), value.trim().to_owned())),
                None => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }

    /// How the body that follows is framed; `is_last` says what a missing length means.
    pub(crate) fn framing(&self, unframed: Framing) -> Framing {
        match (self.header("transfer-encoding"), self.header("content-length")) {
            (Some(_), _) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length.parse().unwrap_or(0)),
            (None, None) => unframed,
        }
    }
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// The next piece of a body, or its end.
pub(crate) async fn piece(
    input: &mut BufReader<impl AsyncReadExt + Unpin>,
    framing: &mut Framing,
) -> io::Result<Option<Vec<u8>>> {
    match framing {
        Framing::Length(0) => Ok(None),
        Framing::Length(left) => {
            let mut bytes = vec![0; (*left).min(1 << 16)];
            input.read_exact(&mut bytes).await?;
            *left -= bytes.len();
            Ok(Some(bytes))
        }
        Framing::Chunked => chunk(input, framing).await,
        Framing::UntilClose => {
            let mut bytes = vec![0; 1 << 16];
            let length = input.read(&mut bytes).await?;
            bytes.truncate(length);
            Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
        }
    }
}

async fn chunk(input: &mut BufReader<impl AsyncReadExt + Unpin>, framing: &mut Framing) -> io::Result<Option<Vec<u8>>> {
    let mut line = String::new();
    if input.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let length = usize::from_str_radix(line.trim(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = vec![0; length + 2];
    input.read_exact(&mut bytes).await?;
    bytes.truncate(length);
    if length == 0 {
        *framing = Framing::Length(0);
        return Ok(None);
    }
    Ok(Some(bytes))
}

/// A whole body.
pub(crate) async fn body(
    input: &mut BufReader<impl AsyncReadExt + Unpin>,
    mut framing: Framing,
) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(piece) = piece(input, &mut framing).await? {
        whole.extend(piece);
    }
    Ok(whole)
}
