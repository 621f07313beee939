//! HTTP+SSE of revision 2024-11-05: one stream for everything the server says, and POSTs for everything it is told.
//!
//! The session lives exactly as long as the stream: when it ends, every call in flight ends with it.
//!
//! Source: 2024-11-05 basic/transports (HTTP with SSE).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use tokio::task::JoinSet;

use crate::{era::legacy, mcp::UpstreamFault};

use super::{
    aside::{Aside, Full},
    credential::{Courier, unreachable},
    mux::Mux,
    opening::{Site, Terms, shake_hands},
    peer::{Link, Peer},
    post::Post,
    posting::post_headers,
    wire::{
        http::{self as wire, Body, Pin, To},
        stdio::Pace,
    },
};

/// Messages on their way at the most.
const MAX_POSTS: usize = 256;

struct ToEndpoint {
    courier: Arc<Courier>,
    endpoint: Uri,
    /// The replica whose stream it is.
    pin: Pin,
    aside: Aside,
    server: Arc<str>,
}

impl Post for ToEndpoint {
    fn post(&self, message: Bytes, _token: Option<u64>, _pace: Pace) -> Result<(), UpstreamFault> {
        let (courier, target, server) = (self.courier.clone(), self.endpoint.clone(), self.server.clone());
        let pin = self.pin.clone();
        let sent = self.aside.send(MAX_POSTS, async move {
            let headers = post_headers(&[]);
            let request = wire::Outgoing { method: Method::POST, target: Some(target), headers, body: message };
            match courier.send(request, None, To::pinned(Some(&pin))).await {
                Ok(incoming) if incoming.status.is_success() => (),
                Ok(incoming) => tracing::warn!(server = &*server, status = incoming.status.as_u16(), "POST refused"),
                Err(fault) => tracing::warn!(server = &*server, %fault, "POST failed"),
            }
        });
        sent.map_err(|Full| UpstreamFault::Overloaded)
    }

    /// Each message is a request of its own that is on its way at once.
    fn give_up(&self) -> Vec<u64> {
        Vec::new()
    }
}

/// Opens the stream and shakes hands.
pub(super) async fn greet(site: &Site<'_>, courier: &Arc<Courier>, terms: Terms) -> Result<Peer, UpstreamFault> {
    let Begun { body, pin, endpoint } = begin(courier, To::SESSION).await?;
    let server = site.server.clone();
    let courier = courier.clone();
    let aside = Aside::new(courier.metrics().clone());
    let post = ToEndpoint { courier: courier.clone(), endpoint, pin, aside, server: server.clone() };
    let mux = Arc::new(Mux::new(server, Box::new(post), terms.owners(), terms.bus.clone(), 1));
    let mut tasks = JoinSet::new();
    tasks.spawn(read_events(mux.clone(), body));
    let greeting = shake_hands(&mux, &terms.profile).await?;
    mux.settle(greeting.dialect.clone());
    mux.post(legacy::back::initialized())?;
    Ok(Peer::new(greeting, Link::Sse(mux), tasks).through(&courier))
}

/// A stream whose session has begun.
pub(super) struct Begun {
    body: Body,
    pin: Pin,
    endpoint: Uri,
}

/// Opens the stream and learns where to POST. The session ends with the stream.
pub(super) async fn begin(courier: &Courier, to: To<'_>) -> Result<Begun, UpstreamFault> {
    let (mut body, pin) = open_stream(courier, to).await?;
    let endpoint = endpoint(&pin, &mut body).await?;
    Ok(Begun { body, pin, endpoint })
}

async fn open_stream(courier: &Courier, to: To<'_>) -> Result<(Body, Pin), UpstreamFault> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    let request = wire::Outgoing { method: Method::GET, target: None, headers, body: Bytes::new() };
    let incoming = courier.send(request, None, to.streaming()).await?;
    let kind = incoming.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if matches!(incoming.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(UpstreamFault::Unauthorized);
    }
    if incoming.status.is_success() && kind.starts_with("text/event-stream") {
        Ok((incoming.body, incoming.from))
    } else {
        Err(UpstreamFault::Incompatible)
    }
}

/// The first event says where to POST. Elsewhere than the upstream's own origin it would carry credentials away.
async fn endpoint(pin: &Pin, body: &mut Body) -> Result<Uri, UpstreamFault> {
    while let Some(event) = body.next_event().await.map_err(|fault| unreachable(&fault))? {
        if &*event.name == b"endpoint" {
            let reference = std::str::from_utf8(&event.data).map_err(|_| UpstreamFault::Garbled)?;
            return pin.resolve(reference).ok_or(UpstreamFault::Garbled);
        }
    }
    Err(UpstreamFault::Gone)
}

async fn read_events(mux: Arc<Mux>, mut body: Body) {
    loop {
        match body.next_event().await {
            Ok(Some(event)) if !event.data.is_empty() => mux.receive(event.data),
            Ok(Some(_)) => (),
            Ok(None) => return mux.end(UpstreamFault::Gone),
            Err(fault) => return mux.end(unreachable(&fault)),
        }
    }
}
