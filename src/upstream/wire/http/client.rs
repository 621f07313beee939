//! Sends a request over the connection that suits: one at rest, the shared one, or a fresh one.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header, response::Parts};
use http_body_util::Full;
use hyper::client::conn::TrySendError;

use super::{
    body::Body,
    dial::{Dialer, Protocol},
    fault::{ClientFault, HttpFault, Violation},
    link::Link,
    multiplexed::{Multiplexed, Requests},
    origin::{Form, Origin},
    pool::{Lease, Pool, Slot},
    reach::Reach,
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
    max_message_bytes: usize,
}

/// The connection a request goes over.
enum Path {
    Own(Lease),
    Shared(Requests),
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
    /// See [`ClientFault`]. For `https` the trusted authorities are read here, once.
    pub fn new(settings: &HttpSettings, max_message_bytes: usize) -> Result<Self, ClientFault> {
        Self::reaching(Origin::parse(&settings.url)?, Reach::Anywhere, settings, max_message_bytes)
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
        Self::reaching(origin, reach, settings, max_message_bytes)
    }

    fn reaching(
        origin: Origin,
        reach: Reach,
        settings: &HttpSettings,
        max_message_bytes: usize,
    ) -> Result<Self, ClientFault> {
        let dialer = Dialer::new(&origin, reach, settings)?;
        Ok(Self {
            headers: settings.header_values(),
            multiplexed: dialer.speaks_tls().then(Multiplexed::new),
            pool: Pool::new(settings),
            origin,
            dialer,
            max_message_bytes,
        })
    }

    /// The request target that a reference sent by the upstream means (the `endpoint` event of HTTP+SSE), if it lies on the
    /// upstream's own origin.
    pub fn resolve(&self, reference: &str) -> Option<Uri> {
        self.origin.resolve(reference)
    }

    /// Sends `request` and waits for the head of the answer. Only connecting is bounded here (by `connect_timeout`); how long an
    /// answer may take is the caller's to say, by dropping the future.
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
            Err(Failed::Unsent(request, _)) => match self.attempt(Choice::Fresh, *request).await {
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
                let (head, frames) = lease.link.exchange(request).await?.into_parts();
                accept(head, || Body::own(frames, lease, self.max_message_bytes))
            }
            Path::Shared(mut requests) => {
                self.origin.put_into(Form::Absolute, &mut request);
                let (head, frames) = requests.try_send_request(request).await?.into_parts();
                accept(head, || Body::shared(frames, self.max_message_bytes))
            }
        }
    }

    /// The usual case, a connection at rest, needs no timer and no boxed future.
    async fn path(&self, choice: Choice) -> Result<Path, HttpFault> {
        if let Some(requests) = self.shared() {
            return Ok(Path::Shared(requests));
        }
        let slot = self.pool.free_slot();
        let link = slot.as_ref().filter(|_| choice == Choice::IdleFirst).and_then(Slot::idle_link);
        match (slot, link) {
            (Some(slot), Some(link)) => Ok(Path::Own(Lease { link, slot })),
            (slot, _) => Box::pin(self.open(choice, slot)).await,
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
            return Ok(Path::Shared(requests));
        }
        let (transport, protocol) = self.dialer.dial(deadline).await?;
        self.establish(transport, protocol, slot).await.map_err(HttpFault::NotSent)
    }

    async fn establish(&self, transport: Transport, protocol: Protocol, slot: Slot) -> hyper::Result<Path> {
        match (protocol, &self.multiplexed) {
            (Protocol::Http2, Some(multiplexed)) => multiplexed.adopt(transport).await.map(Path::Shared),
            (_, multiplexed) => {
                if let Some(multiplexed) = multiplexed {
                    multiplexed.refuse();
                }
                let link = Box::new(Link::over(transport).await?);
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

/// An encoded body could be neither read nor limited by its real size (RFC 9110, section 8.4).
fn accept(head: Parts, body: impl FnOnce() -> Body) -> Result<Incoming, Failed> {
    let mut codings = head.headers.get_all(header::CONTENT_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Failed::For(HttpFault::Protocol(Violation::Encoded)));
    }
    Ok(Incoming { status: head.status, headers: head.headers, body: body() })
}
