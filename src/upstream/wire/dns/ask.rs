//! One question to one name server.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::message::{Answer, MAX_UDP_BYTES, answer, question};

/// Asks, over UDP and then, where the answer does not fit, over TCP; each may take `patience`.
///
/// # Errors
/// The network, silence, or something that is no answer.
pub(super) async fn ask(server: SocketAddr, name: &str, patience: Duration) -> io::Result<Answer> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|_| io::ErrorKind::Other)?;
    let id = u16::from_be_bytes(id);
    let question = question(id, name).ok_or(io::ErrorKind::InvalidInput)?;
    match timeout(patience, by_udp(server, &question, id)).await?? {
        Answer::Truncated => timeout(patience, by_tcp(server, &question, id)).await?,
        answer => Ok(answer),
    }
}

/// The port is one of the kernel's choice, which whoever wants to answer in another's name must guess besides the id (RFC 5452 section 9).
async fn by_udp(server: SocketAddr, question: &[u8], id: u16) -> io::Result<Answer> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut message = vec![0; usize::from(MAX_UDP_BYTES)];
    loop {
        let length = socket.recv(&mut message).await?;
        // What is no answer to this is somebody else's.
        if let Some(answer) = message.get(..length).and_then(|message| answer(message, id)) {
            return Ok(answer);
        }
    }
}

/// Each message comes after its length (RFC 1035 section 4.2.2).
async fn by_tcp(server: SocketAddr, question: &[u8], id: u16) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes()[..], question].concat()).await?;
    let mut message = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut message).await?;
    answer(&message, id).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
