//! What an operator may say about a server that is reached over HTTP: where it is, how often it is there, and when one of its replicas,
//! or the whole of it, is left alone.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue, Uri};

use crate::redact::Redacted;

/// An HTTP server.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpSettings {
    /// The endpoint. Of several, the first: what the server is called where it must have one name, as in tokens for it.
    pub url: Uri,
    /// Further endpoints of the same server: its other replicas.
    pub others: Vec<Uri>,
    /// How often the names in its addresses are looked up, each address being a replica of its own; without it a name is one replica.
    pub resolve: Option<Duration>,
    /// The address that the name in `url` leads to, where somebody said so who knows: it is then looked up nowhere.
    pub address: Option<IpAddr>,
    /// Headers added to each request; the values may be secrets.
    pub headers: Vec<(HeaderName, Redacted<String>)>,
    /// Which of the two HTTP transports.
    pub transport: HttpTransport,
    /// PEM file of the authority to trust instead of the machine's.
    pub ca: Option<PathBuf>,
    /// The certificate that the gateway shows.
    pub identity: Option<IdentitySettings>,
    /// How long connecting (TCP and TLS) may take.
    pub connect_timeout: Duration,
    /// How long a request that was sent may wait for the head of its answer; without it, as long as a call may be silent.
    pub first_byte_timeout: Option<Duration>,
    /// How long a call may be silent and take in all: who waited so long was left without an answer, and what left goes on for so long.
    pub patience: (Duration, Duration),
    /// Idle connections kept for reuse, to each replica.
    pub max_idle_connections: usize,
    /// Open connections to each replica at the most; over HTTP/2, requests in flight.
    pub max_connections: usize,
    /// How replicas are looked at.
    pub health: HealthSettings,
    /// When a replica that fails is left out.
    pub ejection: EjectionSettings,
}

impl HttpSettings {
    /// One address, and nothing that looks after it: for what is reached a few times.
    pub fn plain(url: Uri, connect_timeout: Duration, max_connections: usize) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            url,
            others: Vec::new(),
            resolve: None,
            address: None,
            headers: Vec::new(),
            transport: HttpTransport::Detect,
            ca: None,
            identity: None,
            connect_timeout,
            first_byte_timeout: None,
            patience: (DAY, DAY),
            max_idle_connections: max_connections,
            max_connections,
            health: HealthSettings {
                watched: Watched::Never,
                interval: DAY,
                timeout: connect_timeout,
                unhealthy_after: 1,
                healthy_after: 1,
            },
            ejection: EjectionSettings { failures: 0, time: DAY, max_time: DAY, max_share: 0 },
        }
    }

    /// All its endpoints.
    pub fn urls(&self) -> impl Iterator<Item = &Uri> {
        std::iter::once(&self.url).chain(&self.others)
    }

    /// The configured headers in wire form, marked sensitive so that no dump shows them. A value that is not header text was
    /// refused when the configuration was read, and is left out here.
    pub fn header_values(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.headers
            .iter()
            .filter_map(|(name, value)| {
                let mut value = HeaderValue::from_str(value.expose()).ok()?;
                value.set_sensitive(true);
                Some((name.clone(), value))
            })
            .collect()
    }
}

/// Which HTTP transport an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpTransport {
    /// Streamable HTTP first; HTTP+SSE when the server shows that it knows only that.
    Detect,
    /// HTTP+SSE of revision 2024-11-05.
    Sse,
}

/// The files of a certificate with which the gateway shows a server who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentitySettings {
    /// PEM file of the certificate and those that vouch for it.
    pub cert: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
}

/// How replicas are looked at: by a small exchange in their own era, apart from calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSettings {
    /// Whether they are.
    pub watched: Watched,
    /// How often.
    pub interval: Duration,
    /// How long such an exchange may take.
    pub timeout: Duration,
    /// How often in a row it must fail before a replica is left out.
    pub unhealthy_after: usize,
    /// How often in a row it must succeed before the replica is used again.
    pub healthy_after: usize,
}

/// Whether replicas are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Where there are several: one is called whatever a look at it says.
    WhereSeveral,
    /// Also a single one.
    Always,
    /// Not at all.
    Never,
}

/// When a replica is left out because calls to it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EjectionSettings {
    /// Failures in a row; none leaves nothing out.
    pub failures: usize,
    /// For how long at first. It doubles each time that the replica is left out again soon.
    pub time: Duration,
    /// For how long at the most.
    pub max_time: Duration,
    /// How many of the replicas may be left out, in hundredths.
    pub max_share: usize,
}

/// When a server is left alone because calls to it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row; none never leaves it alone.
    pub failures: usize,
    /// For how long at first. It doubles each time that the call that is let through then fails, too.
    pub time: Duration,
    /// For how long at the most.
    pub max_time: Duration,
    /// How long it is left alone at the most because it asked for that (`Retry-After`); nothing means that it is only told.
    pub max_retry_after: Duration,
}
