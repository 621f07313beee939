//! The name servers that the machine names, and which names are tried.
//!
//! Source: resolv.conf(5).

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{
    ask::ask,
    message::{Answer, Service},
};

const FILE: &str = "/etc/resolv.conf";
/// A file of this size is no list of name servers.
const MAX_FILE_BYTES: usize = 64 << 10;
/// As in resolv.conf(5): servers, and names to try, at the most.
const MAX_SERVERS: usize = 3;
const MAX_SEARCHED: usize = 6;
/// Each server is asked so often.
const ROUNDS: usize = 2;
const PORT: u16 = 53;

/// Whom to ask, and under which names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Servers {
    pub(super) addresses: Vec<SocketAddr>,
    /// Domains below which a name may lie.
    search: Vec<String>,
    /// A name with so many dots is tried as it is first.
    dots: usize,
    /// How long one of them may take.
    patience: Duration,
}

impl Servers {
    /// Those of this machine.
    pub(super) fn of_the_system() -> io::Result<Self> {
        let text = fs::read_to_string(FILE)?;
        let servers = Self::read(text.get(..MAX_FILE_BYTES).unwrap_or(&text));
        if servers.addresses.is_empty() { Err(io::ErrorKind::AddrNotAvailable.into()) } else { Ok(servers) }
    }

    /// Reads the form of resolv.conf(5). What it does not know is left aside.
    pub(super) fn read(text: &str) -> Self {
        let mut servers = Self { addresses: Vec::new(), search: Vec::new(), dots: 1, patience: Duration::from_secs(1) };
        for line in text.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    servers.addresses.extend(address.map(|address| SocketAddr::new(address, PORT)));
                }
                Some("search" | "domain") => servers.search = words.take(MAX_SEARCHED).map(str::to_owned).collect(),
                Some("options") => {
                    let dots = words.rev().find_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    servers.dots = dots.unwrap_or(servers.dots);
                }
                _ => {}
            }
        }
        servers.addresses.truncate(MAX_SERVERS);
        servers
    }

    /// The hosts of a service.
    pub(super) async fn services(&self, service: &str) -> io::Result<Vec<Service>> {
        for name in self.names(service) {
            match self.ask(&name).await? {
                Answer::Found(found) => return Ok(found),
                Answer::Unknown | Answer::Truncated | Answer::Failed => {}
            }
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "there is no such service"))
    }

    /// The names to try, in their order.
    pub(super) fn names(&self, service: &str) -> Vec<String> {
        if service.ends_with('.') {
            return vec![service.to_owned()];
        }
        let mut names: Vec<String> = self.search.iter().map(|domain| format!("{service}.{domain}")).collect();
        let is_first = service.matches('.').count() >= self.dots;
        names.insert(if is_first { 0 } else { names.len() }, service.to_owned());
        names
    }

    /// What the first says that says something.
    async fn ask(&self, name: &str) -> io::Result<Answer> {
        let mut fault = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for _ in 0..ROUNDS {
            for server in &self.addresses {
                match ask(*server, name, self.patience).await {
                    Ok(Answer::Failed) => fault = io::Error::other("a name server failed"),
                    Ok(answer) => return Ok(answer),
                    Err(error) => fault = error,
                }
            }
        }
        Err(fault)
    }
}
