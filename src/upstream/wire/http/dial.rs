//! Opens connections: name lookup, TCP to each address in order, TLS with ALPN.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    fault::{ClientFault, HttpFault, Phase},
    origin::Origin,
    tls::{self, ALPN_HTTP2},
    transport::Transport,
};
use crate::upstream::settings::HttpSettings;

/// Which HTTP version ALPN settled on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

pub(super) struct Dialer {
    host: Box<str>,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
}

impl Dialer {
    pub(super) fn new(origin: &Origin, settings: &HttpSettings) -> Result<Self, ClientFault> {
        let tls = match origin.is_https() {
            false => None,
            true => {
                let name = ServerName::try_from(origin.host().to_owned()).map_err(|_| ClientFault::Host)?;
                Some((tls::connector(settings.ca.as_deref())?, name))
            }
        };
        Ok(Self { host: origin.host().into(), port: origin.port(), tls, timeout: settings.connect_timeout })
    }

    pub(super) fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// When an attempt that starts now has to be done.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Dropping the future closes what was opened.
    pub(super) async fn dial(&self, deadline: Instant) -> Result<(Transport, Protocol), HttpFault> {
        let stream = timeout_at(deadline, self.tcp(deadline)).await.map_err(|_| timed_out(Phase::Connect))??;
        let Some((connector, name)) = &self.tls else {
            return Ok((Transport::Plain(stream), Protocol::Http1));
        };
        let handshake = connector.connect(name.clone(), stream);
        let stream = timeout_at(deadline, handshake).await.map_err(|_| timed_out(Phase::Tls))?.map_err(HttpFault::Tls)?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(ALPN_HTTP2) => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Ok((Transport::Tls(Box::new(stream)), protocol))
    }

    /// One address after the other, each with its share of the remaining time, so that a dead first one leaves time for the next.
    async fn tcp(&self, deadline: Instant) -> Result<TcpStream, HttpFault> {
        let addresses = self.lookup().await.map_err(HttpFault::Connect)?;
        let mut fault = HttpFault::Connect(io::Error::from(io::ErrorKind::NotFound));
        for (tried, address) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let now = Instant::now();
            let share = now + deadline.saturating_duration_since(now) / left;
            fault = match timeout_at(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(HttpFault::Connect)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => HttpFault::Connect(error),
                Err(_) => timed_out(Phase::Connect),
            };
        }
        Err(fault)
    }

    async fn lookup(&self) -> io::Result<Vec<SocketAddr>> {
        match self.host.parse::<IpAddr>() {
            Ok(address) => Ok(vec![SocketAddr::new(address, self.port)]),
            Err(_) => Ok(lookup_host((&*self.host, self.port)).await?.collect()),
        }
    }
}

pub(super) fn timed_out(phase: Phase) -> HttpFault {
    HttpFault::Timeout { phase }
}
