use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
};

use super::{
    domain, is_service,
    message::{Answer, answer, question},
    servers::Servers,
    service::look_up_at,
};

/// An answer with these records, to a question; names are compressed as name servers do.
fn reply(question: &[u8], flags: u16, records: &[(u16, u16, &str)]) -> Vec<u8> {
    let end = question.len() - 11;
    let mut message = question[..2].to_vec();
    let counts = [0x8180 | flags, 1, u16::try_from(records.len()).unwrap(), 0, 0];
    message.extend(counts.iter().flat_map(|number| number.to_be_bytes()));
    message.extend(&question[12..end]);
    for (priority, port, host) in records {
        let mut name = Vec::new();
        for label in host.split('.').filter(|label| !label.is_empty()) {
            name.push(u8::try_from(label.len()).unwrap());
            name.extend(label.as_bytes());
        }
        name.push(0);
        message.extend([0xc0, 12]);
        let length = u16::try_from(6 + name.len()).unwrap();
        for number in [33, 1, 0, 30, length, *priority, 0, *port] {
            message.extend(number.to_be_bytes());
        }
        message.extend(name);
    }
    message
}

/// A name server that answers questions over UDP with `short`, and over TCP with `long`.
async fn server(short: (u16, Vec<(u16, u16, &'static str)>), long: Vec<(u16, u16, &'static str)>) -> Servers {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut asked = [0; 512];
        while let Ok((length, from)) = udp.recv_from(&mut asked).await {
            let mut foreign = reply(&asked[..length], 0, &[(0, 1, "foreign")]);
            foreign[0] ^= 0xff;
            udp.send_to(&foreign, from).await.unwrap();
            udp.send_to(&reply(&asked[..length], short.0, &short.1), from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let mut asked = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut asked).await.unwrap();
            let answer = reply(&asked, 0, &long);
            stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    let mut servers = Servers::read("");
    servers.addresses.push(address);
    servers
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[test]
fn a_service_is_told_from_a_host() {
    assert_eq!(domain("_mcp._tcp.tools.svc.cluster.local"), "tools.svc.cluster.local");
    for host in ["tools.svc", "_mcp.tools.svc", "_mcp._tcp", "_mcp._tcp.", "__._.a", "127.0.0.1", "", "_._tcp.a"] {
        assert!(!is_service(host), "{host}");
    }
}

#[tokio::test]
async fn the_hosts_of_the_first_priority_are_where_the_service_is() {
    let hosts = vec![(10, 8001, "127.0.0.1"), (20, 8009, "127.0.0.1"), (10, 8002, "127.0.0.1")];
    let servers = server((0, hosts), Vec::new()).await;
    assert_eq!(look_up_at(&servers, "_mcp._tcp.tools.example").await.unwrap(), [at(8001), at(8002)]);
}

#[tokio::test]
async fn what_does_not_fit_is_asked_for_over_tcp() {
    const TRUNCATED: u16 = 0x0200;
    let servers = server((TRUNCATED, Vec::new()), vec![(1, 9000, "127.0.0.1")]).await;
    assert_eq!(look_up_at(&servers, "_mcp._tcp.tools.example").await.unwrap(), [at(9000)]);
}

#[tokio::test]
async fn a_service_that_is_nowhere_and_a_name_that_does_not_exist_are_told_apart() {
    let servers = server((0, vec![(0, 0, "")]), Vec::new()).await;
    assert_eq!(look_up_at(&servers, "_mcp._tcp.tools.example").await.unwrap(), []);
    let servers = server((3, Vec::new()), Vec::new()).await;
    assert_eq!(look_up_at(&servers, "_mcp._tcp.tools.example").await.unwrap_err().kind(), io::ErrorKind::NotFound);
    let servers = server((2, Vec::new()), Vec::new()).await;
    assert!(look_up_at(&servers, "_mcp._tcp.tools.example").await.is_err(), "it failed twice");
}

#[tokio::test]
async fn the_next_name_server_is_asked_when_one_is_silent() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut servers = server((0, vec![(1, 8001, "127.0.0.1")]), Vec::new()).await;
    servers.addresses.insert(0, silent.local_addr().unwrap());
    assert_eq!(look_up_at(&servers, "_mcp._tcp.tools.example").await.unwrap(), [at(8001)]);
}

#[test]
fn the_machine_says_whom_to_ask_and_under_which_names() {
    let text = "# by hand\nnameserver 10.0.0.10 ; first\nnameserver fd00::10\nnameserver no\nsearch a.svc svc\noptions edns0 ndots:5\n";
    let servers = Servers::read(text);
    assert_eq!(servers.addresses, ["10.0.0.10:53".parse().unwrap(), "[fd00::10]:53".parse().unwrap()]);
    assert_eq!(servers.names("_m._tcp.t"), ["_m._tcp.t.a.svc", "_m._tcp.t.svc", "_m._tcp.t"]);
    assert_eq!(servers.names("_m._tcp.t.a.b.c")[0], "_m._tcp.t.a.b.c", "five dots");
    assert_eq!(servers.names("_m._tcp.t."), ["_m._tcp.t."]);
}

#[test]
fn names_that_lead_back_without_end_are_no_answer() {
    let asked = question(7, "_m._tcp.t").unwrap();
    let mut message = reply(&asked, 0, &[(1, 1, "a")]);
    // The name of the record leads to itself.
    let record = asked.len() - 11;
    message[record..record + 2].copy_from_slice(&[0xc0, u8::try_from(record).unwrap()]);
    assert_eq!(answer(&message, 7), None);
    assert_eq!(question(7, "a..b"), None);
    assert_eq!(question(7, &"a.".repeat(200)), None);
    assert_eq!(question(7, &"a".repeat(64)), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(message in proptest::collection::vec(any::<u8>(), 0..200)) {
        let id = message.get(..2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
        let _ = answer(&message, id);
    }

    #[test]
    fn an_answer_cut_off_anywhere_is_none_or_shorter(cut in 0usize..100) {
        let asked = question(7, "_m._tcp.t").unwrap();
        let message = reply(&asked, 0, &[(1, 80, "one.example"), (2, 81, "two.example")]);
        let cut = cut.min(message.len() - 1);
        prop_assert!(!matches!(answer(&message[..cut], 7), Some(Answer::Found(_))));
    }
}
