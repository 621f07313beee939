//! A legacy request while it is carried: what the reply says goes onto its stream, what the client answers goes back.
//!
//! It runs on its own, since a client that loses its connection does not lose the call: it comes back for the rest. A call whose client
//! stays away is cancelled.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use crate::{
    era::{
        Revision,
        legacy::{
            back::undeclared,
            front::{self, Ticket},
        },
    },
    jsonrpc::Id,
    mcp::{Ask, Event, Notice, Outcome, Reply},
};

use super::{
    account::Account,
    session::{Answered, Session},
    stream::Stream,
};

/// A request in flight.
pub(super) struct Pump {
    pub(super) session: Arc<Session>,
    pub(super) ticket: Ticket,
    pub(super) reply: Reply,
    pub(super) account: Account,
    pub(super) cancelled: Arc<Notify>,
    answers: (mpsc::Sender<Answered>, mpsc::Receiver<Answered>),
}

/// How a request ended.
pub(super) enum Ended {
    With(Outcome),
    Cancelled,
}

impl Pump {
    pub(super) fn new(session: Arc<Session>, ticket: Ticket, reply: Reply, account: Account) -> Self {
        let cancelled = session.begin(&ticket.id);
        let answers = mpsc::channel(session.settings.max_questions.max(1));
        Self { session, ticket, reply, account, cancelled, answers }
    }

    /// The next event of the reply, or that the client gave up. Answers are handed over on the way.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                biased;
                () = self.cancelled.notified() => return None,
                Some((ask, answer)) = self.answers.1.recv() => self.reply.answer(ask, answer),
                event = self.reply.next() => return Some(event),
            }
        }
    }

    /// Carries the request to its end on a stream.
    pub(super) async fn run(mut self, first: Option<Event>, stream: Arc<Stream>) {
        let grace = self.session.settings.resume_grace;
        let ended = tokio::select! {
            ended = self.follow(first, &stream) => ended,
            () = stream.abandoned(grace) => Ended::Cancelled,
        };
        match ended {
            Ended::With(outcome) => {
                let message = front::outcome(&self.ticket, &self.session.codec, &outcome);
                self.account.settle(&outcome, 200, message.len());
                stream.push(message);
            }
            Ended::Cancelled => self.retract_all(&stream),
        }
        stream.finish();
    }

    /// Carries it to its end on a stream that others use, too.
    pub(super) async fn run_shared(mut self, stream: Arc<Stream>) {
        match self.follow(None, &stream).await {
            Ended::With(outcome) => {
                let message = front::outcome(&self.ticket, &self.session.codec, &outcome);
                self.account.settle(&outcome, 200, message.len());
                stream.push(message);
            }
            Ended::Cancelled => self.retract_all(&stream),
        }
    }

    async fn follow(&mut self, first: Option<Event>, stream: &Stream) -> Ended {
        let mut first = first;
        loop {
            let event = match first.take() {
                Some(event) => Some(event),
                None => self.next().await,
            };
            match event {
                None => return Ended::Cancelled,
                Some(Event::End(outcome)) => return Ended::With(outcome),
                Some(Event::Notice(Notice::Interrupted)) => stream.interrupt(),
                Some(Event::Notice(notice)) => self.notice(&notice, stream).await,
                Some(Event::Ask(ask)) => self.ask(&ask, stream),
                Some(Event::Retract(id)) => {
                    for number in self.session.forget(|ask| ask == id, &self.answers.0) {
                        stream.push(front::retract(&Id::from(number)));
                    }
                }
            }
        }
    }

    async fn notice(&mut self, notice: &Notice, stream: &Stream) {
        if matches!(notice, Notice::Elicited(..)) && self.session.codec.revision < Revision::V2025_11_25 {
            return;
        }
        if let Some(message) = front::notice(Some(&self.ticket), notice) {
            self.account.sent(message.len());
            stream.room().await;
            stream.push(message);
        }
    }

    fn ask(&mut self, ask: &Ask, stream: &Stream) {
        let Some(number) = self.session.ask(ask.id, &self.answers.0) else {
            self.reply.answer(ask.id, undeclared(ask.kind));
            return;
        };
        match front::ask(&Id::from(number), ask, &self.session.codec) {
            Ok(message) => stream.push(message),
            Err(reason) => {
                tracing::debug!(%reason, question = ask.kind.method(), "a question cannot be put to this client");
                self.session.forget(|open| open == ask.id, &self.answers.0);
                self.reply.answer(ask.id, undeclared(ask.kind));
            }
        }
    }

    fn retract_all(&self, stream: &Stream) {
        for number in self.session.forget(|_| true, &self.answers.0) {
            stream.push(front::retract(&Id::from(number)));
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.session.forget(|_| true, &self.answers.0);
        self.session.end(&self.ticket.id);
    }
}
