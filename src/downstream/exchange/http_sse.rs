//! The HTTP+SSE transport of 2024-11-05: one stream per session, and POSTs whose answers come on it.
//!
//! For an endpoint `/x/mcp` the stream is at `/x/sse` and the POSTs go to `/x/messages`. The session lives as long as its stream.
//!
//! Source: 2024-11-05 basic/transports (HTTP with SSE).

use std::{
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, request::Parts};

use crate::{
    era::{
        Era,
        legacy::front::{self, Inbound},
        trace,
    },
    jsonrpc::Message,
};

use super::{
    account::{self, Account, count_refusal},
    answer,
    body::{Body, Events},
    connections::Connection,
    core::Exchange,
    handshake, hear, legacy,
    pump::Pump,
    session::keep,
    stream::{Naming, Reader, Stream},
    visitor::Visitor,
};

/// GET: opens a stream whose first event says where to POST.
pub(super) fn open(exchange: &Arc<Exchange>, visitor: Visitor) -> Response<Body> {
    let Visitor { principal, endpoint, .. } = visitor;
    let Some(id) = exchange.table.mint_stream() else { return answer::empty(StatusCode::INTERNAL_SERVER_ERROR) };
    let stream = Stream::new(0, Naming::Unnamed, keep(&exchange.table.settings));
    let folder = endpoint.rsplit_once('/').map_or("", |(folder, _)| folder);
    let address = format!("{folder}/messages?session_id={id}");
    stream.push_raw(Bytes::from(format!("event: endpoint\ndata: {address}\n\n")));
    let reader = stream.reader();
    let connection = Connection { principal, endpoint, stream, session: OnceLock::new() };
    if let Err(limit) = exchange.connections.insert(&id, connection, exchange.http.max_streams) {
        count_refusal(&limit);
        return answer::refuse(StatusCode::SERVICE_UNAVAILABLE, "Too many open streams");
    }
    let events = Held { reader, exchange: exchange.clone(), id };
    answer::stream(Body::events(events, exchange.http.keep_alive))
}

/// The stream; when it is dropped its session ends.
struct Held {
    reader: Reader,
    exchange: Arc<Exchange>,
    id: String,
}

impl Events for Held {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.reader.poll_event(context)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let closed = self.exchange.connections.remove(&self.id);
        if let Some(session) = closed.as_ref().and_then(|connection| connection.session.get()) {
            self.exchange.table.remove(&session.id, &*self.exchange.waist);
        }
    }
}

/// The stream that a message belongs to.
pub(super) fn stream_of(parts: &Parts) -> Option<&str> {
    parts.uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("session_id="))
}

/// POST: a message; its answer comes on the stream.
pub(super) async fn message(exchange: &Arc<Exchange>, visitor: &Visitor, parts: &Parts, body: Bytes) -> Response<Body> {
    let id = stream_of(parts);
    let connection = id.and_then(|id| exchange.connections.find(id));
    let is_theirs = |connection: &Arc<Connection>| {
        connection.principal == visitor.principal && connection.endpoint == visitor.endpoint
    };
    let Some(connection) = connection.filter(is_theirs) else {
        return answer::refuse(StatusCode::NOT_FOUND, "There is no such session");
    };
    if let Some(session) = connection.session.get() {
        session.renew(&visitor.principal);
    }
    match Message::parse(body.clone(), exchange.http.max_depth) {
        Ok(message) => {
            receive(
                exchange,
                &connection,
                front::decode(message),
                Sent { headers: &parts.headers, bytes: body.len(), visitor },
            )
            .await;
            let mut accepted = Response::new(Body::full(Bytes::from_static(b"Accepted")));
            *accepted.status_mut() = StatusCode::ACCEPTED;
            accepted
        }
        Err(error) => answer::refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// What came with a message.
struct Sent<'a> {
    headers: &'a HeaderMap,
    bytes: usize,
    visitor: &'a Visitor,
}

async fn receive(exchange: &Arc<Exchange>, connection: &Arc<Connection>, inbound: Inbound, sent: Sent<'_>) {
    let Sent { headers, bytes, visitor } = sent;
    let address = visitor.address;
    let stream = connection.stream.clone();
    match (connection.session.get(), inbound) {
        (None, Inbound::Initialize(initialize)) => {
            match handshake::handshake(exchange, visitor.clone(), initialize, Some(stream.clone())).await {
                Ok((session, body)) => {
                    stream.push(body);
                    // The stream is read already: what is heard from now on reaches it.
                    drop(hear::listen(exchange, &session));
                    let _ = connection.session.set(session);
                }
                Err(said) => stream.push(said.body),
            }
        }
        (Some(session), Inbound::Request(request)) => {
            session.touch();
            let context = trace::read(request.trace, headers);
            let call = session.call_by(&visitor.principal, request.op, request.progress);
            let call = account::within(call, address, context);
            let mut account = Account::open(&call, Era::Legacy, bytes);
            let reply = exchange.call(call, &mut account);
            session.spawn(Pump::new(session.clone(), request.ticket, reply, account).run_shared(stream));
        }
        (Some(session), Inbound::Local(id, local)) => {
            stream.push(legacy::local_answer(exchange, session, &id, local, address).await.body);
        }
        (_, Inbound::Refused(id, error)) => stream.push(front::refusal(id.as_ref(), &error)),
        (None, Inbound::Request(request)) => {
            stream.push(front::refusal(Some(&request.ticket.id), &crate::era::legacy::session_unknown()));
        }
        // It was accepted already: one that is not let in is gone.
        (Some(session), other) => drop(legacy::notified(exchange, session, other, address).await),
        (None, _) => (),
    }
}
