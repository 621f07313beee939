//! What an operator may say about the gateways of a deployment.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

/// A name is this long at the most (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 253;

/// How the gateways of a deployment reach each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopSettings {
    /// Where the others connect.
    pub listen: SocketAddr,
    /// What they connect to, where it is not the address on which this gateway listens.
    pub meeting: Option<Meeting>,
    /// How long it may take to connect; whoever cannot be connected to is gone.
    pub connect_timeout: Duration,
}

impl HopSettings {
    /// The home of what is in this gateway, which listens at `bound`.
    pub fn home(&self, bound: SocketAddr) -> String {
        match &self.meeting {
            Some(Meeting { host, port }) => format!("{host}:{}", port.unwrap_or_else(|| bound.port())),
            None => bound.to_string(),
        }
    }
}

/// Where somebody is reached: a host and perhaps a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// A name or an address; one of IPv6 in brackets.
    host: String,
    port: Option<u16>,
}

/// It is no host, and no host and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host with or without a port")]
pub struct NoMeeting;

impl FromStr for Meeting {
    type Err = NoMeeting;

    fn from_str(text: &str) -> Result<Self, NoMeeting> {
        let of = |ip: IpAddr, port| {
            let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
            (!ip.is_unspecified()).then_some(Self { host, port }).ok_or(NoMeeting)
        };
        if let Ok(ip) = text.parse::<IpAddr>() {
            return of(ip, None);
        }
        if let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            return of(inside.parse::<Ipv6Addr>().map_err(|_| NoMeeting)?.into(), None);
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return of(address.ip(), Some(address.port()));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| NoMeeting)?)),
            None => (text, None),
        };
        let is_part = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let is_name = host.len() <= LONGEST_NAME && host.trim_end_matches('.').split('.').all(is_part);
        is_name.then(|| Self { host: host.to_owned(), port }).ok_or(NoMeeting)
    }
}

impl fmt::Display for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_what_was_said_or_where_it_listens() {
        let home = |meeting: Option<&str>| {
            let meeting = meeting.map(|text| text.parse().unwrap());
            let listen = SocketAddr::from(([0, 0, 0, 0], 0));
            let settings = HopSettings { listen, meeting, connect_timeout: Duration::ZERO };
            settings.home(SocketAddr::from(([127, 0, 0, 1], 8810)))
        };
        assert_eq!(home(None), "127.0.0.1:8810");
        assert_eq!(home(Some("10.0.0.7")), "10.0.0.7:8810");
        assert_eq!(home(Some("10.0.0.7:9000")), "10.0.0.7:9000");
        assert_eq!(home(Some("fd00::7")), "[fd00::7]:8810");
        assert_eq!(home(Some("[fd00::7]")), "[fd00::7]:8810");
        assert_eq!(home(Some("[fd00::7]:9000")), "[fd00::7]:9000");
        assert_eq!(home(Some("myelin-0.myelin")), "myelin-0.myelin:8810");
        assert_eq!(home(Some("myelin-0.myelin:9000")), "myelin-0.myelin:9000");
    }

    #[test]
    fn what_nobody_can_connect_to_is_refused() {
        for text in [
            "",
            ":8810",
            "a:b",
            "a:99999",
            "a b",
            "http://a",
            "0.0.0.0",
            "::",
            "[10.0.0.7]",
            "[fd00::7",
            "fd00::7]",
            "a..b",
            "a/b",
            &"a".repeat(254),
        ] {
            assert_eq!(text.parse::<Meeting>(), Err(NoMeeting), "{text}");
        }
    }
}
