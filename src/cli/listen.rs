//! Where to listen, as it is written on a command line: `127.0.0.1:9000`, `[::1]:9000`, or a port on loopback.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    num::ParseIntError,
    str::FromStr,
};

use myelin::config::settings::Settings;

use super::{failure::Failure, terminal::WARNING};

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listen(SocketAddr);

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write an address and a port such as 127.0.0.1:9000, or a port")]
pub(super) struct NoAddress(#[source] ParseIntError);

impl FromStr for Listen {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let port = |text: &str| text.parse().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let text = text.strip_prefix("localhost").filter(|port| port.starts_with(':')).unwrap_or(text);
        text.parse().or_else(|_| port(text.strip_prefix(':').unwrap_or(text))).map(Self).map_err(NoAddress)
    }
}

impl Listen {
    /// Listens here instead of where the file says.
    pub(super) fn apply(self, settings: &mut Settings) -> Result<(), Failure> {
        if !settings.auth.may_guard(self.0.ip()) {
            return Err(Failure::OpenToAll(self.0));
        }
        settings.listener.address = self.0;
        if settings.admin == Some(self.0) && self.0.port() != 0 {
            settings.admin = Some(free(self.0));
        }
        Ok(())
    }
}

/// Takes free ports where the default ones are taken: for whoever tries Myelin while another one runs.
pub(super) fn evade(settings: &mut Settings) {
    settings.listener.address = evaded(settings.listener.address, "MCP");
    settings.admin = settings.admin.map(|admin| evaded(admin, "health and metrics"));
}

fn evaded(address: SocketAddr, purpose: &str) -> SocketAddr {
    let is_taken = TcpListener::bind(address).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
    if !is_taken {
        return address;
    }
    anstream::eprintln!(
        "{WARNING}note:{WARNING:#} another program listens at {address}: taking a free port for {purpose}"
    );
    free(address)
}

const fn free(mut address: SocketAddr) -> SocketAddr {
    address.set_port(0);
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_ports() {
        let read = |text: &str| text.parse().map(|Listen(address)| address.to_string());
        for (text, expected) in [
            ("9000", "127.0.0.1:9000"),
            (":9000", "127.0.0.1:9000"),
            ("localhost:9000", "127.0.0.1:9000"),
            ("[::1]:0", "[::1]:0"),
            ("0.0.0.0:80", "0.0.0.0:80"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        assert!(read("here").is_err() && read("localhost").is_err());
    }

    #[test]
    fn a_command_line_opens_nothing_that_a_file_keeps_closed() {
        let mut settings = Settings::default_with(Vec::new());
        assert!(matches!(Listen(([0, 0, 0, 0], 8808).into()).apply(&mut settings), Err(Failure::OpenToAll(_))));
        assert!(Listen(([127, 0, 0, 1], 9000).into()).apply(&mut settings).is_ok());
        assert_eq!(settings.listener.address.port(), 9000);
    }

    #[test]
    fn a_taken_port_is_evaded() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut settings = Settings::default_with(Vec::new());
        settings.listener.address = taken.local_addr().unwrap();
        evade(&mut settings);
        assert_eq!(settings.listener.address.port(), 0);
    }
}
