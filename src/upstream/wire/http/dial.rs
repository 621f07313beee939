//! Opens connections: name lookup, TCP to each address in order, TLS with ALPN.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
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
    reach::Reach,
    tls::{self, ALPN_HTTP2},
    transport::Transport,
};
use crate::{telemetry::metrics::METRICS, upstream::settings::HttpSettings};

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
    reach: Reach,
    lookup: Lookup,
    timeout: Duration,
}

/// How a name is looked up.
pub(super) type Lookup = fn(&str, u16) -> Addresses<'_>;

/// Addresses on their way.
pub(super) type Addresses<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

impl Dialer {
    pub(super) fn new(origin: &Origin, reach: Reach, settings: &HttpSettings) -> Result<Self, ClientFault> {
        let tls = match origin.is_https() {
            false => None,
            true => {
                let name = ServerName::try_from(origin.host().to_owned()).map_err(|_| ClientFault::Host)?;
                Some((tls::connector(settings.ca.as_deref())?, name))
            }
        };
        let (host, port) = (origin.host().into(), origin.port());
        Ok(Self { host, port, tls, reach, lookup: by_the_system, timeout: settings.connect_timeout })
    }

    #[cfg(test)]
    pub(super) fn looking_up(self, lookup: Lookup) -> Self {
        Self { lookup, ..self }
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
        let stream =
            timeout_at(deadline, handshake).await.map_err(|_| timed_out(Phase::Tls))?.map_err(HttpFault::Tls)?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(ALPN_HTTP2) => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Ok((Transport::Tls(Box::new(stream)), protocol))
    }

    /// One address after the other, each with its share of the remaining time, so that a dead first one leaves time for the next.
    async fn tcp(&self, deadline: Instant) -> Result<TcpStream, HttpFault> {
        let addresses = self.addresses().await?;
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

    /// Where the name leads, as far as this client may go: looked up once, and these very addresses are connected to.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, HttpFault> {
        let mut addresses = match self.host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, self.port)],
            Err(_) => (self.lookup)(&self.host, self.port).await.map_err(HttpFault::Connect)?,
        };
        let found = addresses.len();
        addresses.retain(|address| self.reach.permits(&self.host, *address));
        if addresses.is_empty() && found > 0 {
            METRICS.egress_refused.inc();
            tracing::warn!(
                host = &*self.host,
                "a message named an address that is not public; `egress.allow` may allow it"
            );
            return Err(HttpFault::Forbidden);
        }
        Ok(addresses)
    }
}

fn by_the_system(host: &str, port: u16) -> Addresses<'_> {
    Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
}

pub(super) fn timed_out(phase: Phase) -> HttpFault {
    HttpFault::Timeout { phase }
}
