//! The names under which a listener may be addressed.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderValue, uri::Authority};

use super::check::Refusal;

/// The names under which a listener may be addressed; none at all means any.
#[derive(Clone, Debug)]
pub(super) struct Hosts(Vec<HostRule>);

impl Hosts {
    pub(super) fn new(configured: &[String], local: SocketAddr) -> Self {
        let mut rules: Vec<_> = configured.iter().map(|host| HostRule::parse(host)).collect();
        if is_loopback(local) {
            rules.extend(loopback_names(local).map(|name| HostRule { name, ports: Ports::OwnOrNone(local.port()) }));
        }
        Self(rules)
    }

    /// Both places that can name the host must be allowed: servers disagree on which of them wins.
    pub(super) fn check(&self, header: Option<&HeaderValue>, authority: Option<&Authority>) -> Result<(), Refusal> {
        if self.0.is_empty() {
            return Ok(());
        }
        if header.is_none() && authority.is_none() {
            return Err(Refusal::NoHost);
        }
        let header = header.map(HeaderValue::as_bytes);
        let authority = authority.map(|authority| authority.as_str().as_bytes());
        if header.into_iter().chain(authority).all(|host| self.contains(host)) { Ok(()) } else { Err(Refusal::Host) }
    }

    fn contains(&self, host: &[u8]) -> bool {
        self.0.iter().any(|rule| rule.fits(host))
    }
}

/// Whether only this machine reaches the address.
pub(super) fn is_loopback(local: SocketAddr) -> bool {
    local.ip().to_canonical().is_loopback()
}

/// The names of a loopback listener, as a URL writes them.
pub(super) fn loopback_names(local: SocketAddr) -> impl Iterator<Item = String> {
    let own = match local.ip().to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    ["localhost", "127.0.0.1", "[::1]"].into_iter().map(str::to_owned).chain([own])
}

#[derive(Clone, Debug)]
struct HostRule {
    name: String,
    ports: Ports,
}

#[derive(Clone, Copy, Debug)]
enum Ports {
    /// The operator named the host without a port: a proxy in front may listen anywhere.
    Any,
    /// The operator named the port.
    Only(u16),
    /// This port, or none said.
    OwnOrNone(u16),
}

impl HostRule {
    fn parse(host: &str) -> Self {
        match host.rsplit_once(':') {
            Some((name, port))
                if !name.is_empty()
                    && let Ok(port) = port.parse() =>
            {
                Self { name: name.to_owned(), ports: Ports::Only(port) }
            }
            _ => Self { name: host.to_owned(), ports: Ports::Any },
        }
    }

    fn fits(&self, host: &[u8]) -> bool {
        let Some((name, rest)) = host.split_at_checked(self.name.len()) else { return false };
        name.eq_ignore_ascii_case(self.name.as_bytes()) && self.ports.fit(rest)
    }
}

impl Ports {
    /// `rest` is what follows the name: nothing, or a colon and a port.
    fn fit(self, rest: &[u8]) -> bool {
        if rest.is_empty() {
            return !matches!(self, Self::Only(_));
        }
        let Some(said) = port(rest) else { return false };
        match self {
            Self::Any => true,
            Self::Only(port) | Self::OwnOrNone(port) => said == port,
        }
    }
}

fn port(rest: &[u8]) -> Option<u16> {
    let digits = rest.strip_prefix(b":")?;
    // `parse` would take a sign, too.
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
