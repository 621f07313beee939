//! What an operator may say about the side that clients connect to: the validated form that `config` builds.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::proxies::ProxySettings;

/// One listening address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Where to listen; loopback unless something authenticates the clients.
    pub address: SocketAddr,
    /// Certificate chain and key, both PEM; plain HTTP when absent. The files are read anew when they change.
    pub tls: Option<TlsSettings>,
}

/// The files of a listener's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM certificate chain, the leaf first.
    pub cert: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
    /// What clients' certificates are held against; clients are asked for none when absent.
    pub clients: Option<ClientTlsSettings>,
}

/// What clients' certificates are held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTlsSettings {
    /// PEM certificates of the authorities that issue them.
    pub ca: PathBuf,
    /// PEM revocation lists of those authorities; nothing counts as revoked when absent.
    pub crl: Option<PathBuf>,
    /// Whether a client must have one.
    pub auth: ClientAuth,
}

/// Whether a client must have a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// It may; a bad one fails the handshake all the same.
    Optional,
    /// Without one there is no connection.
    Required,
}

/// Limits and rules of the HTTP side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// The largest request body, in bytes; one more byte is answered 413.
    pub max_body_bytes: usize,
    /// All headers of a request together, in bytes; more is answered 431.
    pub max_header_bytes: usize,
    /// How long a client may take to send its headers.
    pub header_timeout: Duration,
    /// How long an HTTP/1.1 connection may be silent between two requests.
    pub idle_timeout: Duration,
    /// How long a client may take to send its body.
    pub body_timeout: Duration,
    /// Connections at the most; further ones wait in the kernel's backlog.
    pub max_connections: usize,
    /// Requests in flight at the most; one more is answered 503.
    pub max_requests: usize,
    /// Silence on a stream after which a comment is sent.
    pub keep_alive: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub write_timeout: Duration,
    /// Nesting of JSON at the most.
    pub max_depth: usize,
    /// Elements of a 2025-03-26 batch at the most.
    pub max_batch: usize,
    /// Accepted `Origin`s besides those of the listener's own loopback address.
    pub allowed_origins: Vec<String>,
    /// Accepted `Host`s besides the listener's own loopback names; empty and not on loopback: any.
    pub allowed_hosts: Vec<String>,
    /// Subscription streams (`subscriptions/listen`, legacy GET) at the most.
    pub max_streams: usize,
    /// The proxies in front of the listener.
    pub proxies: ProxySettings,
}

/// Limits of legacy sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Sessions at the most.
    pub max: usize,
    /// Sessions of one principal at the most.
    pub max_per_principal: usize,
    /// A session without a request or open stream for this long is ended.
    pub idle_timeout: Duration,
    /// Events kept for `Last-Event-ID`, per session.
    pub resume_events: usize,
    /// Bytes kept for `Last-Event-ID`, per session.
    pub resume_bytes: usize,
    /// How long a call whose stream broke goes on, waiting for the client to resume.
    pub resume_grace: Duration,
    /// Subscribed resources per session.
    pub max_subscriptions: usize,
    /// Unanswered questions per session.
    pub max_questions: usize,
    /// How long a client may take to answer a question.
    pub question_timeout: Duration,
}
