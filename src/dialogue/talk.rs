//! A call on its way, and the questions of its server that its client has not answered.

use std::task::{Context, Poll, Waker};

use crate::{
    era::legacy::back::given_up,
    jsonrpc::{Kind, Object, Raw},
    mcp::{Ask, AskId, AskKind, Event, Reply},
};

/// A server's hint which key its question should have for modern clients; taken out before the question is shown.
const KEY_HINT: &str = "myelin/inputKey";

/// Turns of a conversation that is given up: more than a mailbox holds, so that what waits does not hide the answers.
const LAST_TURNS: usize = 1024;

/// A call on its way, and what its client was not asked yet or has not answered.
pub(super) struct Talk {
    pub(super) reply: Reply,
    pending: Vec<(String, Ask)>,
    asked: u64,
}

impl Talk {
    pub(super) const fn new(reply: Reply) -> Self {
        Self { reply, pending: Vec::new(), asked: 0 }
    }

    /// Whether its client owes it answers.
    pub(super) const fn waits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The server asks.
    pub(super) fn ask(&mut self, ask: Ask) {
        let key = self.key(&ask);
        self.pending.push((key, ask));
    }

    /// It takes a question back.
    pub(super) fn retract(&mut self, id: AskId) {
        self.pending.retain(|(_, ask)| ask.id != id);
    }

    /// Hands over the answers that fit questions which wait; the rest waits on.
    pub(super) fn give(&mut self, answers: &Object) {
        let Self { reply, pending, .. } = self;
        pending.retain(|(key, ask)| match answers.get(key).filter(|answer| fits(ask.kind, answer)) {
            Some(answer) => {
                reply.answer(ask.id, Ok(answer));
                false
            }
            None => true,
        });
    }

    /// Nobody will answer: the server is told so, and the call is cancelled.
    pub(super) fn give_up(mut self) {
        for (_, ask) in self.pending.drain(..) {
            self.reply.answer(ask.id, given_up(ask.kind));
        }
        // Answers go out when the conversation is polled; whatever else it says now is of no use to anybody.
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..LAST_TURNS {
            match self.reply.poll_next(&mut context) {
                Poll::Pending | Poll::Ready(Event::End(_)) => return,
                Poll::Ready(_) => (),
            }
        }
    }

    /// `inputRequests`: each question without what belongs to the legacy wire.
    pub(super) fn requests(&self) -> Raw {
        let object = Object::default();
        self.pending.iter().fold(object.edit(), |edit, (key, ask)| edit.set(key, request(ask))).finish()
    }

    /// The key of a question: what the server hints at if that is usable, a number otherwise.
    fn key(&mut self, ask: &Ask) -> String {
        self.asked += 1;
        let hint = ask
            .params
            .as_ref()
            .and_then(|params| params.member("_meta")?.member(KEY_HINT)?.text().map(std::borrow::Cow::into_owned));
        let is_usable = |hint: &String| {
            (1..=64).contains(&hint.len())
                && hint.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
                && self.pending.iter().all(|(key, _)| key != hint)
        };
        hint.filter(is_usable).unwrap_or_else(|| format!("k{}", self.asked))
    }
}

fn request(ask: &Ask) -> Raw {
    let object = Object::default();
    let edit = object.edit().set("method", Raw::string(ask.kind.method()));
    match ask.params.as_ref().and_then(|params| params.object().ok()) {
        Some(params) => edit.set("params", without_wire_members(&params)).finish(),
        None => edit.finish(),
    }
}

fn without_wire_members(params: &Object) -> Raw {
    let own_meta = params.get("_meta").and_then(|own| own.object().ok()).unwrap_or_default();
    let own_meta =
        own_meta.edit().remove_all(&[KEY_HINT, "progressToken", "io.modelcontextprotocol/related-task"]).finish();
    let edit = params.edit().remove_all(&["task", "elicitationId"]);
    if own_meta.as_str() == "{}" { edit.remove("_meta").finish() } else { edit.set("_meta", own_meta).finish() }
}

/// Whether an answer has the shape of its kind; one of another shape is asked for again.
fn fits(kind: AskKind, answer: &Raw) -> bool {
    let member = |name: &str| answer.member(name).map(|value| value.kind());
    match kind {
        AskKind::Elicit => member("action") == Some(Kind::String),
        AskKind::Sample => member("role") == Some(Kind::String) && member("content").is_some(),
        AskKind::Roots => member("roots") == Some(Kind::Array),
    }
}
