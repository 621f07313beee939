//! Requests that belong to another gateway of the deployment: to it, and from it.
//!
//! A request is looked for here first; what is not here and names another home makes a hop. Where nobody is at that home any more, the
//! request is answered here as one about what does not exist, which is what its client recovers from: 404 for a session (2025-11-25
//! basic/transports, Session Management), an expired state for a parked call (2026-07-28 basic/patterns/mrtr). A request that was sent is
//! never answered so: it may have been carried out.

use std::sync::Arc;

use http::{HeaderMap, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;

use crate::{
    downstream::listener::Peer,
    era::classify::Arrival,
    hop,
    jsonrpc::{Message, MessageBody},
    mcp::Op,
    seal::Purpose,
};

use super::{
    answer,
    body::Body,
    core::Exchange,
    hops::{Awaited, Elsewhere},
    session::SESSION_ID,
    visitor::Way,
};

impl Exchange {
    /// The home of what a request is about, where it is another gateway than this. What came from there is not sent on: it is gone.
    pub(super) fn elsewhere(&self, headers: &HeaderMap, arrival: &Arrival, way: Way) -> Option<Elsewhere> {
        let hops = self.hops.as_ref().filter(|_| way == Way::Direct)?;
        let (home, awaited) = match arrival {
            Arrival::Modern(request) => {
                let awaited = if matches!(request.op, Op::Listen(_)) { Awaited::Listener } else { Awaited::Modern };
                (hops.modern(&request.op)?, awaited(request.ticket.clone()))
            }
            Arrival::Legacy(message) => (self.session_elsewhere(headers)?, awaited(message)?),
            Arrival::LegacyBatch(_) => (self.session_elsewhere(headers)?, Awaited::Nothing),
            Arrival::ModernNotification => return None,
        };
        Some(hops.elsewhere(home, awaited))
    }

    /// The same for a request without a body.
    pub(super) fn stream_elsewhere(&self, headers: &HeaderMap, way: Way, awaited: Awaited) -> Option<Elsewhere> {
        if way == Way::Hop {
            return None;
        }
        Some(self.hops.as_ref()?.elsewhere(self.session_elsewhere(headers)?, awaited))
    }

    /// The same for a message that belongs to a stream of the HTTP+SSE transport.
    pub(super) fn message_elsewhere(&self, id: &str, way: Way) -> Option<Elsewhere> {
        let hops = self.hops.as_ref().filter(|_| way == Way::Direct && self.connections.find(id).is_none())?;
        Some(hops.elsewhere(hops.ring.elsewhere(Purpose::Stream, id)?, Awaited::Nothing))
    }

    /// The same for a page.
    pub(super) fn page_elsewhere(&self, uri: &Uri, way: Way) -> Option<Elsewhere> {
        let home = self.pages.as_ref().filter(|_| way == Way::Direct)?.elsewhere(uri)?;
        Some(self.hops.as_ref()?.elsewhere(home, Awaited::Nothing))
    }

    fn session_elsewhere(&self, headers: &HeaderMap) -> Option<String> {
        let hops = self.hops.as_ref()?;
        let id = headers.get(SESSION_ID)?.to_str().ok()?;
        if self.table.has(id) { None } else { hops.ring.elsewhere(Purpose::Session, id) }
    }

    /// Answers a request that another gateway sends on. Only those come here that have proved to be one.
    ///
    /// # Cancel safety
    /// As [`Exchange::handle`].
    pub async fn take_hop(self: Arc<Self>, request: Request<Incoming>, _from: Peer) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let (Some(hops), Some(facts)) = (&self.hops, hop::read(&parts.headers)) else {
            let sentence = "This address is for other gateways of the deployment";
            return answer::named(answer::refuse(StatusCode::BAD_REQUEST, sentence));
        };
        hop::hide(&mut parts.headers);
        let client = hops.tls.as_ref().and_then(|files| files.known(&facts.chain));
        let guest = hops.guests.come();
        let peer = Peer { address: (facts.address, 0).into(), client, seat: Arc::default() };
        let mut response = self.clone().serve(parts, body, peer, Way::Hop).await;
        response.body_mut().hold(guest);
        answer::named(response)
    }

    /// Whether sessions are about to end here: their clients are to open others, elsewhere. Where there is no elsewhere, they are
    /// answered until the end.
    pub(super) fn moves_on(&self) -> bool {
        self.hops.as_ref().is_some_and(|hops| hops.is_draining())
    }

    /// Waits until no request from another gateway is being answered here.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn has_no_guests(&self) {
        if let Some(hops) = &self.hops {
            hops.guests.are_gone().await;
        }
    }
}

/// Whose answer it is. `None` for the handshake, which needs no session.
fn awaited(message: &Message) -> Option<Awaited> {
    match &message.body {
        MessageBody::Request { method, .. } if method == "initialize" => None,
        MessageBody::Request { id, .. } => Some(Awaited::Legacy(id.clone())),
        _ => Some(Awaited::Nothing),
    }
}
