//! Batches, which only revision 2025-03-26 has: taken apart, carried at once, answered together.
//!
//! Source: 2025-03-26 basic (Batching).

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::task::JoinSet;

use crate::{
    era::{
        Era, Revision,
        legacy::front::{self, Inbound},
        trace,
    },
    jsonrpc::{self, ErrorObject, Id, Malformed, Message, Raw},
};

use super::{
    account::{self, Account},
    answer,
    body::Body,
    legacy::{self, Post},
    pump::Pump,
    session::Session,
    stream::Stream,
};

/// Answers a batch.
pub(super) async fn answer(post: Post<'_>, elements: Vec<Result<Message, Malformed>>) -> Response<Body> {
    if post.exchange.moves_on() {
        return legacy::unknown();
    }
    let session = match legacy::session(&post) {
        Ok(session) => session,
        Err(response) => return response,
    };
    if session.codec.revision != Revision::V2025_03_26 {
        return refuse("Batches exist only in revision 2025-03-26");
    }
    let inbound: Vec<Inbound> = elements.into_iter().map(read).collect();
    if let Err(reason) = check(&inbound) {
        return refuse(reason);
    }
    let stream = session.stream();
    let (answers, running) = start(&post, &session, inbound, &stream).await;
    if answers.is_empty() && running.is_empty() {
        return answer::empty(StatusCode::ACCEPTED);
    }
    for message in answers {
        stream.push(message);
    }
    let reader = stream.reader();
    session.spawn(finish(running, stream));
    answer::stream(Body::events(reader, post.exchange.http.keep_alive))
}

fn refuse(reason: &'static str) -> Response<Body> {
    let null = Raw::literal("null");
    answer::json(400, jsonrpc::error_response(Some(&null), &ErrorObject::new(-32600, reason)))
}

fn read(element: Result<Message, Malformed>) -> Inbound {
    match element {
        Ok(message) => front::decode(message),
        Err(Malformed::Shape { id, reason }) => Inbound::Refused(id, ErrorObject::new(-32600, reason)),
        Err(error) => Inbound::Refused(None, ErrorObject::new(-32600, error.to_string())),
    }
}

fn check(inbound: &[Inbound]) -> Result<(), &'static str> {
    let mut ids: Vec<&Id> = Vec::with_capacity(inbound.len());
    let (mut asks, mut answers) = (false, false);
    for element in inbound {
        match element {
            Inbound::Initialize(_) => return Err("`initialize` must not be part of a batch"),
            Inbound::Request(request) => {
                ids.push(&request.ticket.id);
                asks = true;
            }
            Inbound::Local(id, _) => {
                ids.push(id);
                asks = true;
            }
            Inbound::Answer(..) => answers = true,
            _ => (),
        }
    }
    if asks && answers {
        return Err("A batch has either requests or responses");
    }
    let doubled = ids.iter().enumerate().any(|(place, id)| ids.iter().take(place).any(|other| other == id));
    if doubled { Err("A batch must not use an id twice") } else { Ok(()) }
}

/// Starts what takes time; answers with what is known at once.
async fn start(
    post: &Post<'_>,
    session: &Arc<Session>,
    inbound: Vec<Inbound>,
    stream: &Arc<Stream>,
) -> (Vec<Bytes>, JoinSet<()>) {
    let (mut answers, mut running) = (Vec::new(), JoinSet::new());
    let address = post.visitor.address;
    for element in inbound {
        match element {
            Inbound::Request(request) => {
                let context = trace::read(request.trace, post.headers);
                let call = session.call_by(&post.visitor.principal, request.op, request.progress);
                let call = account::within(call, address, context);
                let mut account = Account::open(&call, Era::Legacy, post.bytes_in);
                let reply = post.exchange.call(call, &mut account);
                let pump = Pump::new(session.clone(), request.ticket, reply, account);
                running.spawn(pump.run_shared(stream.clone()));
            }
            Inbound::Local(id, local) => {
                answers.push(legacy::local_answer(post.exchange, session, &id, local, address).await.body);
            }
            Inbound::Refused(id, error) => answers.push(front::refusal(id.as_ref(), &error)),
            // A batch has one status, which says nothing of a notification that was not let in.
            other => drop(legacy::notified(post.exchange, session, other, address).await),
        }
    }
    (answers, running)
}

/// Waits for all; the stream ends with the last.
async fn finish(mut running: JoinSet<()>, stream: Arc<Stream>) {
    while running.join_next().await.is_some() {}
    stream.finish();
}
