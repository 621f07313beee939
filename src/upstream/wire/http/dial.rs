//! Opens connections: name lookup, TCP to each address in order, TLS with ALPN.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};

use super::{
    fault::{ClientFault, HttpFault, Phase},
    origin::Origin,
    reach::Reach,
    tls::{ALPN_HTTP2, Tls},
    transport::Transport,
};
use crate::{telemetry::metrics::METRICS, upstream::wire::dns};

/// Which HTTP version ALPN settled on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

pub(super) struct Dialer {
    host: Box<str>,
    port: u16,
    /// The one address that is meant; otherwise those that the name leads to.
    fixed: Option<SocketAddr>,
    tls: Option<(Arc<Tls>, ServerName<'static>)>,
    reach: Reach,
    lookup: Lookup,
    timeout: Duration,
}

/// How a name is looked up.
pub(super) type Lookup = fn(&str, u16) -> Addresses<'_>;

/// Addresses on their way.
pub(super) type Addresses<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

impl Dialer {
    /// `tls` is there where the origin wants it.
    pub(super) fn new(
        origin: &Origin,
        reach: Reach,
        tls: Option<Arc<Tls>>,
        timeout: Duration,
    ) -> Result<Self, ClientFault> {
        let tls = match tls.filter(|_| origin.is_https()) {
            None => None,
            Some(tls) => Some((tls, ServerName::try_from(origin.name().to_owned()).map_err(|_| ClientFault::Host)?)),
        };
        let (host, port) = (origin.host().into(), origin.port());
        Ok(Self { host, port, fixed: None, tls, reach, lookup: by_the_system, timeout })
    }

    /// The same to one address only.
    pub(super) fn to(self, address: SocketAddr) -> Self {
        Self { fixed: Some(address), ..self }
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
        let Some((tls, name)) = &self.tls else {
            return Ok((Transport::Plain(stream), Protocol::Http1));
        };
        let handshake = tls.connector().connect(name.clone(), stream);
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
        let mut addresses = match (self.fixed, self.host.parse::<IpAddr>()) {
            (Some(address), _) => vec![address],
            (None, Ok(address)) => vec![SocketAddr::new(address, self.port)],
            (None, Err(_)) => (self.lookup)(&self.host, self.port).await.map_err(HttpFault::Connect)?,
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

pub(super) fn by_the_system(host: &str, port: u16) -> Addresses<'_> {
    if dns::is_service(host) {
        return Box::pin(dns::look_up(host));
    }
    Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
}

pub(super) fn timed_out(phase: Phase) -> HttpFault {
    HttpFault::Timeout { phase }
}
