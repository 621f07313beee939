//! Modern requests: each stands alone, and closing its response is its cancellation.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::{
    era::{
        Era,
        modern::front::{self, Request, Ticket},
    },
    jsonrpc::Raw,
    mcp::{Call, Caller, Event, Fault, Limit, Op, Outcome, Reply},
    sse,
    telemetry::metrics::InUse,
};

use super::{
    account::{self, Account},
    answer,
    body::{Body, Events},
    core::Exchange,
    intake::Accepts,
    visitor::Visitor,
};

/// Answers a request that passed the ladder.
pub(super) async fn answer(
    exchange: &Exchange,
    request: Request,
    visitor: Visitor,
    accepts: Accepts,
    bytes_in: usize,
) -> Response<Body> {
    let ticket = request.ticket.clone();
    let is_listen = matches!(request.op, Op::Listen(_));
    if is_listen && !accepts.stream {
        return answer::refuse(StatusCode::NOT_ACCEPTABLE, "A subscription is answered as text/event-stream only");
    }
    let call = call(request, visitor);
    let mut account = Account::open(&call, Era::Modern, bytes_in);
    let Some(slot) = exchange.stream_slot(is_listen) else {
        return end(&ticket, &Outcome::Failed(Fault::Limited(Limit::Streams, exchange.http.keep_alive)), &mut account);
    };
    let mut reply = exchange.call(call, &mut account);
    let silence = Instant::from_std(account.started() + exchange.http.keep_alive);
    let first = match first_event(silence, &mut reply, &ticket, accepts).await {
        First::End(outcome) if !is_listen || is_refused(&outcome) => return end(&ticket, &outcome, &mut account),
        First::End(outcome) => Some(last_event(&ticket, &outcome, &mut account)),
        First::Event(message) => Some(message),
        First::Silence => None,
    };
    let is_over = account.is_settled();
    let queue = first.into_iter().collect();
    // A subscription that ends has its result; a call that is given up has none.
    let parting = if is_listen { Outcome::Complete(Raw::empty_object()) } else { Outcome::Failed(Fault::TokenEnded) };
    let events = ReplyEvents { reply, ticket, account, queue, parting, is_over, _slot: slot };
    answer::stream(Body::events(events, exchange.http.keep_alive))
}

fn call(request: Request, visitor: Visitor) -> Call {
    let Visitor { principal, endpoint, address, .. } = visitor;
    let Request { op, progress, client_info, capabilities, log, mirrored, trace, .. } = request;
    let caller = Arc::new(Caller { principal, session: None, client_info, capabilities, log, address: Some(address) });
    Call { caller, endpoint, op, progress, mirrored, trace: account::trace(address, trace) }
}

fn end(ticket: &Ticket, outcome: &Outcome, account: &mut Account) -> Response<Body> {
    let encoded = front::outcome(ticket, outcome);
    account.settle(outcome, encoded.status, encoded.body.len());
    answer::explained(answer::json_after(encoded.status, encoded.body, encoded.retry_after), outcome)
}

/// A subscription that was not let in has no stream.
const fn is_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(Fault::Limited(..) | Fault::Scope(_)))
}

fn last_event(ticket: &Ticket, outcome: &Outcome, account: &mut Account) -> Bytes {
    let event = sse::encode(front::outcome(ticket, outcome).body, None);
    account.settle(outcome, 200, event.len());
    event
}

enum First {
    End(Outcome),
    Event(Bytes),
    Silence,
}

/// The status is committed late: only what comes first decides between a message and a stream, so that an error still gets its status.
async fn first_event(silence: Instant, reply: &mut Reply, ticket: &Ticket, accepts: Accepts) -> First {
    loop {
        let event = if accepts.stream {
            match timeout_at(silence, reply.next()).await {
                Ok(event) => event,
                Err(_) => return First::Silence,
            }
        } else {
            reply.next().await
        };
        match event {
            Event::End(outcome) => return First::End(outcome),
            Event::Notice(notice) if accepts.stream => {
                if let Some(message) = front::notice(ticket, &notice) {
                    return First::Event(sse::encode(message, None));
                }
            }
            // A modern client is never asked on an open call; the waist's door turned questions into outcomes.
            Event::Notice(_) | Event::Ask(_) | Event::Retract(_) => (),
        }
    }
}

/// A reply as events. Dropped when the client goes, which cancels the call.
struct ReplyEvents {
    reply: Reply,
    ticket: Ticket,
    account: Account,
    queue: VecDeque<Bytes>,
    /// What its client hears when its token ends.
    parting: Outcome,
    is_over: bool,
    _slot: Option<InUse>,
}

impl Events for ReplyEvents {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Poll::Ready(Some(event));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            match self.reply.poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Event::End(outcome)) => {
                    self.is_over = true;
                    let event = last_event(&self.ticket, &outcome, &mut self.account);
                    self.queue.push_back(event);
                }
                Poll::Ready(Event::Notice(notice)) => {
                    if let Some(message) = front::notice(&self.ticket, &notice) {
                        let event = sse::encode(message, None);
                        self.account.sent(event.len());
                        self.queue.push_back(event);
                    }
                }
                Poll::Ready(Event::Ask(_) | Event::Retract(_)) => (),
            }
        }
    }

    fn last_words(&mut self) -> Option<Bytes> {
        if self.is_over {
            return self.queue.pop_front();
        }
        self.is_over = true;
        let end = last_event(&self.ticket, &self.parting, &mut self.account);
        Some(self.queue.drain(..).chain([end]).flatten().collect())
    }
}
