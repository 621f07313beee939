//! Legacy requests over Streamable HTTP: a handshake opens a session, and everything else happens in one.
//!
//! Source: 2025-11-25 basic/transports and basic/lifecycle; the rows cited as S1…S4 are in docs/eras.md.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tokio::time::timeout;

use crate::{
    era::{
        Era, Revision,
        legacy::{
            self,
            front::{self, Inbound, Initialize, Local, Request},
        },
        trace,
    },
    jsonrpc::{ErrorObject, Id, Message, MessageBody},
    mcp::{Event, Fault, Limit, Op, Outcome, ProgressInterest},
};

use super::{
    account::{self, Account, count_refusal},
    answer,
    body::Body,
    core::Exchange,
    handshake::handshake,
    hear::listen,
    intake::Accepts,
    pump::Pump,
    said::{self, Said},
    session::{SESSION_ID, Session},
    stream::parse_name,
    subscribe,
    visitor::Visitor,
};

/// How long the session's own stream waits to be filled before it is answered. A change in between would be lost to its client.
const LISTENING_PATIENCE: Duration = Duration::from_secs(1);

/// A legacy POST's circumstances.
pub(super) struct Post<'a> {
    pub(super) exchange: &'a Arc<Exchange>,
    pub(super) headers: &'a HeaderMap,
    pub(super) visitor: Visitor,
    pub(super) accepts: Accepts,
    pub(super) bytes_in: usize,
}

/// Answers a message.
pub(super) async fn answer(post: Post<'_>, message: Message) -> Response<Body> {
    // S1: the handshake needs no session, and one that is sent along is ignored.
    if let MessageBody::Request { method, .. } = &message.body
        && method == "initialize"
    {
        return match front::decode(message) {
            Inbound::Initialize(initialize) => Box::pin(open(post, initialize)).await,
            Inbound::Refused(id, error) => refused(id.as_ref(), &error),
            _ => answer::empty(StatusCode::ACCEPTED),
        };
    }
    if matches!(message.body, MessageBody::Request { .. }) && post.exchange.moves_on() {
        return unknown();
    }
    match session(&post) {
        Ok(session) => in_session(post, session, front::decode(message)).await,
        Err(response) => response,
    }
}

/// The session that a request names: S2 without one 400, S3 and S4 unknown and somebody else's alike 404.
#[expect(clippy::result_large_err, reason = "the refusal is the response itself, made once and moved once")]
pub(super) fn session(post: &Post<'_>) -> Result<Arc<Session>, Response<Body>> {
    let Some(id) = post.headers.get(SESSION_ID) else {
        return Err(answer::refuse(
            StatusCode::BAD_REQUEST,
            "Mcp-Session-Id is missing: send `initialize` first, or the 2026-07-28 headers and `_meta` with each request",
        ));
    };
    let id = id.to_str().map_err(|_| unknown())?;
    let (principal, endpoint) = (&post.visitor.principal, &post.visitor.endpoint);
    post.exchange.table.find(id, principal, endpoint).ok_or_else(unknown)
}

/// There is no such session.
pub(super) fn unknown() -> Response<Body> {
    answer::json(404, front::refusal(None, &legacy::session_unknown()))
}

fn refused(id: Option<&Id>, error: &ErrorObject) -> Response<Body> {
    let status = if id.is_some() { 200 } else { 400 };
    answer::json(status, front::refusal(id, error))
}

/// Opens a session.
async fn open(post: Post<'_>, initialize: Initialize) -> Response<Body> {
    match handshake(post.exchange, post.visitor.clone(), initialize, None).await {
        Ok((session, body)) => {
            let mut response = answer::json(200, body);
            if let Ok(id) = HeaderValue::from_str(&session.id) {
                response.headers_mut().insert(SESSION_ID, id);
            }
            response
        }
        Err(said) => said.response(),
    }
}

async fn in_session(post: Post<'_>, session: Arc<Session>, inbound: Inbound) -> Response<Body> {
    match inbound {
        Inbound::Request(request) => carry(post, session, *request).await,
        Inbound::Local(id, local) => {
            let address = post.visitor.address;
            local_answer(post.exchange, &session, &id, local, address).await.response()
        }
        Inbound::Refused(id, error) => refused(id.as_ref(), &error),
        other => match notified(post.exchange, &session, other, post.visitor.address).await {
            Ok(()) => answer::empty(StatusCode::ACCEPTED),
            Err(fault) => not_taken(fault),
        },
    }
}

/// A notification was not let in: it has no answer, so that the status has to say it.
fn not_taken(fault: Fault) -> Response<Body> {
    let after = if let Fault::Limited(_, after) = &fault { Some(*after) } else { None };
    let error = ErrorObject::new(-32600, "Too many notifications");
    let response = answer::json_after(429, front::refusal(None, &error), after);
    answer::explained(response, &Outcome::Failed(fault))
}

/// A message that wants no answer. What goes on to servers must be let in by the limits.
pub(super) async fn notified(
    exchange: &Exchange,
    session: &Arc<Session>,
    inbound: Inbound,
    address: IpAddr,
) -> Result<(), Fault> {
    let op = match inbound {
        Inbound::RootsChanged => Op::RootsChanged,
        Inbound::Told(method, params) => Op::Tell { method, params },
        Inbound::Cancelled(id) => {
            session.cancel(&id);
            return Ok(());
        }
        Inbound::Answer(id, answer) => {
            session.answer(&id, answer);
            return Ok(());
        }
        _ => return Ok(()),
    };
    let call = account::within(session.call(op, ProgressInterest::Unwanted), address, None);
    let admitted = exchange.admit(&call.caller.principal, address, &call.endpoint).await;
    let _admission = admitted.inspect_err(|_| exchange.audit_notification(&call, StatusCode::TOO_MANY_REQUESTS))?;
    // The waist acts when it is called; there is nothing to wait for.
    drop(exchange.waist.call(call));
    Ok(())
}

/// What a session answers itself.
pub(super) async fn local_answer(
    exchange: &Exchange,
    session: &Arc<Session>,
    id: &Id,
    local: Local,
    address: IpAddr,
) -> Said {
    match local {
        Local::Ping => (),
        Local::SetLevel(level) => session.set_level(level),
        Local::Subscribe(uri) => return subscribe::subscribe(exchange, session, id, uri, address).await,
        Local::Unsubscribe(uri) => session.unsubscribe(&uri),
    }
    Said::done(id)
}

/// A request that goes to the waist.
async fn carry(post: Post<'_>, session: Arc<Session>, request: Request) -> Response<Body> {
    let Request { ticket, op, progress, trace } = request;
    let call = account::within(
        session.call_by(&post.visitor.principal, op, progress),
        post.visitor.address,
        trace::read(trace, post.headers),
    );
    let mut account = Account::open(&call, Era::Legacy, post.bytes_in);
    let reply = post.exchange.call(call, &mut account);
    let mut pump = Pump::new(session.clone(), ticket, reply, account);
    // JSON unless something happens before the answer: the Python clients refuse events beyond 1 MiB.
    let first = loop {
        let event = match timeout(post.exchange.http.keep_alive, pump.next()).await {
            Err(_) if post.accepts.stream => break None,
            Err(_) => continue,
            Ok(None) => return answer::stream(Body::empty()),
            Ok(Some(event)) => event,
        };
        match event {
            Event::End(outcome) if !post.accepts.prefers_stream => return end(pump, &outcome),
            event if post.accepts.stream => break Some(event),
            Event::Ask(ask) => pump.reply.answer(ask.id, legacy::back::undeclared(ask.kind)),
            Event::End(outcome) => return end(pump, &outcome),
            _ => (),
        }
    };
    let stream = session.stream();
    let reader = stream.reader();
    session.spawn(pump.run(first, stream));
    answer::stream(Body::events(reader, post.exchange.http.keep_alive))
}

fn end(mut pump: Pump, outcome: &Outcome) -> Response<Body> {
    let body = front::outcome(&pump.ticket, &pump.session.codec, outcome);
    let bytes = body.len();
    let response = said::response(body, outcome);
    pump.account.settle(outcome, response.status().as_u16(), bytes);
    response
}

/// GET: the session's own stream, or one that broke.
pub(super) async fn open_stream(post: &Post<'_>) -> Response<Body> {
    if !post.accepts.stream {
        return answer::refuse(StatusCode::NOT_ACCEPTABLE, "GET is answered as text/event-stream only");
    }
    if !post.headers.contains_key(SESSION_ID) {
        return answer::method_not_allowed("POST, DELETE");
    }
    let session = match session(post) {
        Ok(session) => session,
        Err(response) => return response,
    };
    let last = post.headers.get("last-event-id").map(|name| name.to_str().ok().and_then(parse_name));
    // What a call that goes on still says is read to its end.
    if last.is_none() && post.exchange.moves_on() {
        return unknown();
    }
    let Some(slot) = post.exchange.stream_slot(true) else {
        count_refusal(&Limit::Streams);
        return answer::refuse(StatusCode::SERVICE_UNAVAILABLE, "Too many open streams");
    };
    let reader = match last {
        None => {
            if let Some(stands) = listen(post.exchange, &session) {
                let _ = timeout(LISTENING_PATIENCE, stands).await;
            }
            session.own.reader()
        }
        Some(name) => match name.and_then(|(stream, number)| Some((session.find_stream(stream)?, number))) {
            Some((stream, number)) => stream.reader_after(number),
            None => return answer::refuse(StatusCode::BAD_REQUEST, "Last-Event-ID names no event of this session"),
        },
    };
    answer::stream(Body::events(super::body::Counted::new(reader, slot), post.exchange.http.keep_alive))
}

/// DELETE: the session ends.
pub(super) fn delete(post: &Post<'_>) -> Response<Body> {
    match session(post) {
        Ok(session) => {
            post.exchange.table.remove(&session.id, &*post.exchange.waist);
            answer::empty(StatusCode::OK)
        }
        Err(response) => response,
    }
}

/// Whether a version header contradicts what the session agreed on: it is then of no revision that is served.
pub(super) fn is_served(version: &str) -> bool {
    Revision::parse(version).is_some()
}
