//! The hop of a request to its home, and what comes back.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderName, Request, Response, StatusCode, Uri, header,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::watch;

use crate::{
    downstream::tls::TlsFiles,
    era::{
        legacy,
        modern::front::{self, Encoded, Ticket},
    },
    hop::{self, Facts, Roads, Unsent},
    jsonrpc::{Id, Raw},
    mcp::{Fault, Filter, Op, Outcome},
    seal::{KeyRing, Purpose},
    sse,
    telemetry::{label, metrics::METRICS},
};

use super::{
    answer,
    body::Body,
    guest::Guests,
    relay::{Leave, Parting, Relay},
};

/// Headers of one connection, which end with it (RFC 9110 section 7.6.1, RFC 9113 section 8.2.2); and the host, which HTTP/2 names
/// otherwise. Where the client is has been found out already.
const LEFT_BEHIND: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    header::HOST,
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
];

/// The other gateways, as this one sees them.
pub(super) struct Hops {
    roads: Roads,
    pub(super) ring: Arc<KeyRing>,
    /// Clients' certificates are judged by these files.
    pub(super) tls: Option<Arc<TlsFiles>>,
    pub(super) guests: Guests,
    draining: watch::Sender<bool>,
}

/// Where a request belongs, and who hears of it when it is lost on the way.
pub(super) struct Elsewhere {
    hops: Arc<Hops>,
    home: String,
    awaited: Awaited,
}

/// What waits for the answer.
pub(super) enum Awaited {
    /// A modern request.
    Modern(Ticket),
    /// A subscription: it is begun anew elsewhere, once this gateway stops.
    Listener(Ticket),
    /// A legacy request.
    Legacy(Id),
    /// Somebody who reads what comes, for as long as it comes.
    Reader,
    /// Nobody but HTTP.
    Nothing,
}

/// Nobody is at its home: nothing was sent, and what it is about does not exist any more.
pub(super) struct Gone;

impl Hops {
    pub(super) fn new(roads: Roads, ring: Arc<KeyRing>, tls: Option<Arc<TlsFiles>>) -> Self {
        Self { roads, ring, tls, guests: Guests::default(), draining: watch::Sender::new(false) }
    }

    /// The home of what a modern request is about.
    pub(super) fn modern(&self, op: &Op) -> Option<String> {
        match op {
            Op::Invoke(invoke) => self.ring.elsewhere(Purpose::Resume, invoke.state.as_ref()?),
            Op::Task(task) => self.ring.elsewhere(Purpose::Task, &task.id),
            Op::Listen(filter) => self.of_tasks(filter),
            _ => None,
        }
    }

    /// The home of all tasks that are listened for, where there is one.
    fn of_tasks(&self, filter: &Filter) -> Option<String> {
        let mut homes = filter.task_ids.iter().map(|id| self.ring.elsewhere(Purpose::Task, id));
        let first = homes.next()??;
        homes.all(|home| home.as_ref() == Some(&first)).then_some(first)
    }

    /// What belongs to that home.
    pub(super) fn elsewhere(self: &Arc<Self>, home: String, awaited: Awaited) -> Elsewhere {
        Elsewhere { hops: self.clone(), home, awaited }
    }

    pub(super) fn drain(&self) {
        self.draining.send_replace(true);
    }

    fn at_the_drain(&self, words: Option<Bytes>) -> Leave {
        let mut draining = self.draining.subscribe();
        (Box::pin(async move { drop(draining.wait_for(|draining| *draining).await) }), words)
    }

    pub(super) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}

impl Elsewhere {
    /// Sends a request to its home and passes back what comes.
    ///
    /// # Cancel safety
    /// Dropped, it cancels the request there.
    pub(super) async fn forward(self, parts: &Parts, content: Bytes, facts: &Facts) -> Result<Response<Body>, Gone> {
        let Some(request) = request(parts, content, facts) else { return Err(Gone) };
        let Self { hops, home, awaited } = self;
        // Rare, and long: it does not make every request's future larger.
        match Box::pin(hops.roads.send(&home, request)).await {
            Ok(response) => {
                METRICS.hops.of(label::Hop::Answered).inc();
                Ok(relayed(response, &awaited, &hops))
            }
            Err(Unsent::Gone(error)) => {
                METRICS.hops.of(label::Hop::Gone).inc();
                tracing::info!(home, %error, "what a request is about was in a gateway that is gone");
                Err(Gone)
            }
            Err(Unsent::Lost(error)) => {
                METRICS.hops.of(label::Hop::Lost).inc();
                tracing::warn!(home, %error, "another gateway was lost while it worked on a request");
                Ok(lost(&awaited))
            }
        }
    }
}

/// The request as it goes on: what its client sent, and what is known of them.
fn request(parts: &Parts, content: Bytes, facts: &Facts) -> Option<Request<Full<Bytes>>> {
    let host = parts.headers.get(header::HOST).and_then(|host| host.as_bytes().try_into().ok());
    let authority: Authority = host.or_else(|| parts.uri.authority().cloned())?;
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(Scheme::HTTPS).authority(authority).path_and_query(path).build().ok()?;
    let mut request = Request::new(Full::new(content));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = parts.headers.clone();
    for name in LEFT_BEHIND {
        request.headers_mut().remove(name);
    }
    hop::write(facts, request.headers_mut());
    Some(request)
}

fn relayed(response: Response<Incoming>, awaited: &Awaited, hops: &Hops) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::DATE);
    let is_stream = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    let parting = if is_stream { parting(awaited, hops) } else { Parting::default() };
    Response::from_parts(parts, Body::relay(Relay::new(body, parting)))
}

fn parting(awaited: &Awaited, hops: &Hops) -> Parting {
    let event = |message| sse::encode(message, None);
    let leave = match awaited {
        // It is taken up again from another gateway, once this one stops.
        Awaited::Reader => Some(hops.at_the_drain(None)),
        Awaited::Listener(ticket) => {
            let end = front::outcome(ticket, &Outcome::Complete(Raw::empty_object()));
            Some(hops.at_the_drain(Some(event(end.body))))
        }
        Awaited::Modern(_) | Awaited::Legacy(_) | Awaited::Nothing => None,
    };
    Parting { lost: message(awaited).map(event), leave }
}

/// What is said of a request that its home was lost with.
fn message(awaited: &Awaited) -> Option<Bytes> {
    match awaited {
        Awaited::Modern(ticket) | Awaited::Listener(ticket) => Some(failed(ticket).body),
        Awaited::Legacy(id) => Some(legacy::front::refusal(Some(id), &legacy::lost())),
        Awaited::Reader | Awaited::Nothing => None,
    }
}

fn failed(ticket: &Ticket) -> Encoded {
    front::outcome(ticket, &Outcome::Failed(Fault::Lost))
}

fn lost(awaited: &Awaited) -> Response<Body> {
    match (awaited, message(awaited)) {
        (Awaited::Modern(ticket) | Awaited::Listener(ticket), _) => {
            let encoded = failed(ticket);
            answer::explained(answer::json(encoded.status, encoded.body), &Outcome::Failed(Fault::Lost))
        }
        // Its HTTP was in order; what failed is the call.
        (_, Some(message)) => answer::json(200, message),
        (_, None) => answer::refuse(StatusCode::BAD_GATEWAY, &legacy::lost().message),
    }
}
