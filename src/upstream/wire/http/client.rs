//! Sends a request over the connection that suits: one at rest, the shared one, or a fresh one.

use std::{
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header, response::Parts};
use http_body_util::Full;
use hyper::client::conn::TrySendError;
use rustls::pki_types::ServerName;
use tokio::time::timeout;

use super::{
    body::Body,
    dial::{Dialer, Protocol},
    fault::{ClientFault, HttpFault, Violation},
    link::Link,
    multiplexed::{Multiplexed, Requests},
    origin::{Form, Origin},
    pool::{Lease, Pool, Slot},
    reach::Reach,
    tls::Tls,
    transport::Transport,
};
use crate::upstream::settings::{EgressSettings, HttpSettings};

/// Headers that belong to the connection or promise what this client does not do; a request's own are taken out.
const NOT_FORWARDED: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::ACCEPT_ENCODING,
];

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("myelin/", env!("CARGO_PKG_VERSION")));

/// What is asked of an upstream.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Where to, when not to the endpoint itself; on the same origin.
    pub target: Option<Uri>,
    /// Its headers. `Host`, `Content-Length`, `User-Agent` and the configured ones are added.
    pub headers: HeaderMap,
    /// Its content.
    pub body: Bytes,
}

/// What an upstream answers.
#[derive(Debug)]
pub struct Incoming {
    /// The status, whatever it is.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The content, still arriving.
    pub body: Body,
}

/// The HTTP client of one upstream.
pub struct Client {
    origin: Origin,
    headers: Vec<(HeaderName, HeaderValue)>,
    dialer: Dialer,
    pool: Arc<Pool>,
    /// Only TLS can choose HTTP/2.
    multiplexed: Option<Multiplexed>,
    first_byte_timeout: Option<Duration>,
    max_message_bytes: usize,
}

/// The connection a request goes over.
enum Path {
    Own(Lease),
    Shared(Requests, Slot),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    IdleFirst,
    Fresh,
}

enum Failed {
    /// Not a byte of it was written.
    Unsent(Box<Request<Full<Bytes>>>, hyper::Error),
    For(HttpFault),
}

impl Client {
    /// A client for what `settings` name; `max_message_bytes` limits one event of a stream. No connection is opened.
    ///
    /// # Errors
    /// See [`ClientFault`]. For `https` the trusted authorities and the certificate to show are read here.
    pub fn new(settings: &HttpSettings, max_message_bytes: usize) -> Result<Self, ClientFault> {
        let origin = Origin::parse(&settings.url)?;
        let tls = tls(&origin, settings)?;
        Self::reaching(origin, Reach::Anywhere, (tls, None), settings, max_message_bytes)
    }

    /// The same for an address that a peer's message named. `by` is the configured address that led here, over however many messages.
    /// Unless both are of one origin, the scheme must be `https` and what the name leads to public, or allowed by `egress`.
    ///
    /// # Errors
    /// See [`ClientFault`]; where the name leads is judged at each connection: [`HttpFault::Forbidden`].
    pub fn learned(
        settings: &HttpSettings,
        by: &Uri,
        egress: &Arc<EgressSettings>,
        max_message_bytes: usize,
    ) -> Result<Self, ClientFault> {
        let origin = Origin::parse(&settings.url)?;
        let reach = Reach::learned(&origin, &Origin::parse(by)?, egress)?;
        let tls = tls(&origin, settings)?;
        Self::reaching(origin, reach, (tls, None), settings, max_message_bytes)
    }

    /// A client for one replica: at `origin`, and at one address of it where that is given.
    pub(super) fn replica(
        origin: Origin,
        way: (Option<Arc<Tls>>, Option<SocketAddr>),
        settings: &HttpSettings,
        max_message_bytes: usize,
    ) -> Result<Self, ClientFault> {
        Self::reaching(origin, Reach::Anywhere, way, settings, max_message_bytes)
    }

    fn reaching(
        origin: Origin,
        reach: Reach,
        (tls, address): (Option<Arc<Tls>>, Option<SocketAddr>),
        settings: &HttpSettings,
        max_message_bytes: usize,
    ) -> Result<Self, ClientFault> {
        let dialer = Dialer::new(&origin, reach, tls, settings.connect_timeout)?;
        let dialer = match address {
            Some(address) => dialer.to(address),
            None => dialer,
        };
        Ok(Self {
            headers: settings.header_values(),
            multiplexed: dialer.speaks_tls().then(Multiplexed::new),
            pool: Pool::new(settings),
            origin,
            dialer,
            first_byte_timeout: settings.first_byte_timeout,
            max_message_bytes,
        })
    }

    /// Connections that are open are not used for another request: who is trusted, or who this side is, has changed.
    pub(super) fn renew_connections(&self) {
        self.pool.renew();
        if let Some(multiplexed) = &self.multiplexed {
            multiplexed.forget();
        }
    }

    /// Open connections; over HTTP/2, requests in flight.
    pub(super) fn in_use(&self) -> usize {
        self.pool.in_use()
    }

    /// The request target that a reference sent by the upstream means (the `endpoint` event of HTTP+SSE), if it lies on the
    /// upstream's own origin.
    pub fn resolve(&self, reference: &str) -> Option<Uri> {
        self.origin.resolve(reference)
    }

    /// Sends `request` and waits for the head of the answer. Only connecting is bounded here (by `connect_timeout`), and the wait for
    /// that head where there is a `first_byte_timeout`; how long an answer may take is the caller's to say, by dropping the future.
    ///
    /// A connection that closed while at rest is replaced, once, when no byte of the request was written.
    ///
    /// # Errors
    /// See [`HttpFault`]; [`HttpFault::never_reached_upstream`] tells whether sending again is safe.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection the request went over (HTTP/2: resets its stream).
    pub async fn send(&self, request: Outgoing) -> Result<Incoming, HttpFault> {
        let request = self.dress(request)?;
        match self.attempt(Choice::IdleFirst, request).await {
            Ok(incoming) => Ok(incoming),
            Err(Failed::For(fault)) => Err(fault),
            Err(Failed::Unsent(request, _)) => match Box::pin(self.attempt(Choice::Fresh, *request)).await {
                Ok(incoming) => Ok(incoming),
                Err(Failed::For(fault)) => Err(fault),
                Err(Failed::Unsent(_, error)) => Err(HttpFault::NotSent(error)),
            },
        }
    }

    fn dress(&self, outgoing: Outgoing) -> Result<Request<Full<Bytes>>, HttpFault> {
        let target = match outgoing.target {
            None => self.origin.endpoint(),
            Some(uri) => self.origin.target(uri).ok_or(HttpFault::Protocol(Violation::OtherOrigin))?,
        };
        let mut request = Request::new(Full::new(outgoing.body));
        *request.method_mut() = outgoing.method;
        *request.uri_mut() = target;
        let mut headers = outgoing.headers;
        // A look at each name is cheaper than six searches that find nothing.
        if headers.keys().any(|name| NOT_FORWARDED.contains(name)) {
            for name in &NOT_FORWARDED {
                headers.remove(name);
            }
        }
        headers.insert(header::USER_AGENT, USER_AGENT);
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn attempt(&self, choice: Choice, mut request: Request<Full<Bytes>>) -> Result<Incoming, Failed> {
        match self.path(choice).await? {
            Path::Own(mut lease) => {
                self.origin.put_into(Form::Origin, &mut request);
                let (head, frames) = self.begun(pin!(lease.link.exchange(request))).await?.into_parts();
                accept(head, || Body::own(frames, lease, self.max_message_bytes))
            }
            Path::Shared(mut requests, slot) => {
                self.origin.put_into(Form::Absolute, &mut request);
                let (head, frames) = self.begun(pin!(requests.try_send_request(request))).await?.into_parts();
                accept(head, || Body::shared(frames, slot, self.max_message_bytes))
            }
        }
    }

    /// The head of an answer, if it comes in time. Pinned by whoever asks, so that the call holds it once.
    async fn begun<T>(
        &self,
        answer: Pin<&mut impl Future<Output = Result<T, TrySendError<Request<Full<Bytes>>>>>>,
    ) -> Result<T, Failed> {
        match self.first_byte_timeout {
            None => Ok(answer.await?),
            Some(limit) => Ok(timeout(limit, answer).await.map_err(|_| HttpFault::Silent)??),
        }
    }

    /// The usual case, a connection at rest, needs no timer and no boxed future.
    async fn path(&self, choice: Choice) -> Result<Path, HttpFault> {
        let Some(slot) = self.pool.free_slot() else { return Box::pin(self.open(choice, None)).await };
        if let Some(requests) = self.shared() {
            return Ok(Path::Shared(requests, slot));
        }
        let link = if choice == Choice::IdleFirst { slot.idle_link() } else { None };
        match link {
            Some(link) => Ok(Path::Own(Lease { link, slot })),
            None => Box::pin(self.open(choice, Some(slot))).await,
        }
    }

    async fn open(&self, choice: Choice, slot: Option<Slot>) -> Result<Path, HttpFault> {
        let deadline = self.dialer.deadline();
        let slot = match slot {
            Some(slot) => slot,
            None => self.pool.slot(deadline).await?,
        };
        // Whoever made a slot free put its connection to rest first. A fresh one instead of it must not come on top of it.
        match (slot.idle_link(), choice) {
            (Some(link), Choice::IdleFirst) => return Ok(Path::Own(Lease { link, slot })),
            (makes_room, _) => drop(makes_room),
        }
        let _alone = match &self.multiplexed {
            Some(multiplexed) => multiplexed.dialing(deadline).await?,
            None => None,
        };
        if let Some(requests) = self.shared() {
            return Ok(Path::Shared(requests, slot));
        }
        let generation = self.pool.generation();
        let (transport, protocol) = self.dialer.dial(deadline).await?;
        self.establish(transport, (protocol, generation), slot).await.map_err(HttpFault::NotSent)
    }

    async fn establish(
        &self,
        transport: Transport,
        (protocol, generation): (Protocol, u64),
        slot: Slot,
    ) -> hyper::Result<Path> {
        match (protocol, &self.multiplexed) {
            (Protocol::Http2, Some(multiplexed)) => {
                multiplexed.adopt(transport).await.map(|requests| Path::Shared(requests, slot))
            }
            (_, multiplexed) => {
                if let Some(multiplexed) = multiplexed {
                    multiplexed.refuse();
                }
                let link = Box::new(Link::over(transport, generation).await?);
                Ok(Path::Own(Lease { link, slot }))
            }
        }
    }

    fn shared(&self) -> Option<Requests> {
        self.multiplexed.as_ref().and_then(Multiplexed::requests)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl From<HttpFault> for Failed {
    fn from(fault: HttpFault) -> Self {
        Self::For(fault)
    }
}

/// hyper gives the request back exactly when it never took it up.
impl From<TrySendError<Request<Full<Bytes>>>> for Failed {
    fn from(mut error: TrySendError<Request<Full<Bytes>>>) -> Self {
        match error.take_message() {
            Some(request) => Self::Unsent(Box::new(request), error.into_error()),
            None => Self::For(error.into_error().into()),
        }
    }
}

/// What a client needs for TLS, if its origin wants it.
fn tls(origin: &Origin, settings: &HttpSettings) -> Result<Option<Arc<Tls>>, ClientFault> {
    if !origin.is_https() {
        return Ok(None);
    }
    // A host that cannot be certified is told before any file is read.
    ServerName::try_from(origin.name()).map_err(|_| ClientFault::Host)?;
    Tls::load(settings).map(Some)
}

/// An encoded body could be neither read nor limited by its real size (RFC 9110, section 8.4).
fn accept(head: Parts, body: impl FnOnce() -> Body) -> Result<Incoming, Failed> {
    let mut codings = head.headers.get_all(header::CONTENT_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Failed::For(HttpFault::Protocol(Violation::Encoded)));
    }
    Ok(Incoming { status: head.status, headers: head.headers, body: body() })
}
