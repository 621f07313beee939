//! What comes back for a call.

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use crate::jsonrpc::{ErrorObject, Raw};

use super::{CacheHint, Fault, Filter, Level, ListKind, NewTask, Offer, Page, TaskNotice};

/// The answer to a call while it is made: zero or more notices and questions, then exactly one outcome.
///
/// # Cancel safety
/// Dropping a reply cancels the call, upstream included. [`Reply::next`] may be dropped and called again: nothing is lost.
pub struct Reply(Pin<Box<dyn Conversation>>);

/// The making of a reply, polled by whoever wants it.
pub trait Conversation: Send {
    /// The next event. Not polled again after [`Event::End`].
    fn poll_event(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Event>;

    /// The client's answer to a question of this conversation; unknown and late ones are ignored.
    fn answer(self: Pin<&mut Self>, ask: AskId, answer: Answer);
}

/// One thing that happens in a conversation.
#[derive(Debug)]
pub enum Event {
    /// Something to know.
    Notice(Notice),
    /// A question to the client while the call is held open.
    Ask(Ask),
    /// The question is withdrawn.
    Retract(AskId),
    /// The end.
    End(Outcome),
}

/// Something to know before the outcome, or on a subscription.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Progress: the parameters with whatever token stands in them; the front puts the client's own there.
    Progress(Raw),
    /// A log message.
    Log(Level, Raw),
    /// A list changed.
    Changed(ListKind),
    /// A resource changed: its URI, and the parameters as they came.
    Updated(String, Raw),
    /// How a task stands.
    Task(TaskNotice),
    /// A subscription stands, for this part of what was asked.
    Acknowledged(Filter),
    /// The upstream closed its stream in mid-call and will take it up again (2025-11-25 polling); a legacy front passes the hint on.
    Interrupted,
    /// A notification that this gateway has no opinion of.
    Extension(String, Option<Raw>),
}

/// A question of a server to the client, while the call that caused it is held open.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Names it within its conversation.
    pub id: AskId,
    /// Which of the three.
    pub kind: AskKind,
    /// Its parameters.
    pub params: Option<Raw>,
}

/// Names a question within its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AskId(pub u64);

/// What a server may ask a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AskKind {
    /// `elicitation/create`
    Elicit,
    /// `sampling/createMessage`
    Sample,
    /// `roots/list`
    Roots,
}

impl AskKind {
    /// The method.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Elicit => "elicitation/create",
            Self::Sample => "sampling/createMessage",
            Self::Roots => "roots/list",
        }
    }

    /// Reads a method.
    pub fn parse(method: &str) -> Option<Self> {
        [Self::Elicit, Self::Sample, Self::Roots].into_iter().find(|kind| kind.method() == method)
    }
}

/// A client's answer to a question: a bare result object, or an error.
pub type Answer = Result<Raw, ErrorObject>;

/// How a call ends.
#[derive(Debug)]
pub enum Outcome {
    /// With a result: an object as it came, of whatever era; the front makes it fit.
    Complete(Raw),
    /// With a result that may be cached.
    Cacheable(Raw, CacheHint),
    /// With what there is at all.
    Discovered(Arc<Offer>),
    /// With a page of a joined list.
    Listed(Arc<Page>),
    /// With questions that a repeated call answers (2026-07-28 MRTR).
    InputRequired {
        /// Key to `{method, params}`, an object; may be absent when there is a state.
        requests: Option<Raw>,
        /// To be repeated as it is.
        state: Option<String>,
        /// The whole result as it came.
        result: Raw,
    },
    /// Not yet: it goes on as a task.
    Task(NewTask),
    /// Not at all.
    Failed(Fault),
}

impl Reply {
    /// A reply that somebody else makes.
    pub fn new(conversation: impl Conversation + 'static) -> Self {
        Self(Box::pin(conversation))
    }

    /// A reply that is known already.
    pub fn ready(outcome: Outcome) -> Self {
        Self::script(|_| std::future::ready(outcome))
    }

    /// A reply told as a straight line of code: `script` gets a [`Stage`] to speak from, and its output is the outcome.
    pub fn script<F: Future<Output = Outcome> + Send + 'static>(script: impl FnOnce(Stage) -> F) -> Self {
        let stage = Stage::default();
        Self::new(Script { stage: stage.clone(), future: script(stage) })
    }

    /// The next event.
    pub async fn next(&mut self) -> Event {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The next event, for those who poll.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        self.0.as_mut().poll_event(context)
    }

    /// Answers a question.
    pub fn answer(&mut self, ask: AskId, answer: Answer) {
        self.0.as_mut().answer(ask, answer);
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// Where a scripted reply speaks from.
#[derive(Clone, Debug, Default)]
pub struct Stage(Arc<Mutex<Backstage>>);

#[derive(Debug, Default)]
struct Backstage {
    events: VecDeque<Event>,
    answers: VecDeque<(AskId, Answer)>,
}

impl Stage {
    /// Says something, and waits until the listener has taken what was said before: a slow listener slows the speaker down.
    ///
    /// # Cancel safety
    /// When dropped before it is ready, the event may not have been said.
    pub async fn say(&self, event: Event) {
        let mut event = Some(event);
        poll_fn(|_| {
            self.with(|backstage| {
                if !backstage.events.is_empty() {
                    return Poll::Pending;
                }
                backstage.events.extend(event.take());
                Poll::Ready(())
            })
        })
        .await;
    }

    /// The next answer to a question that was said.
    ///
    /// # Cancel safety
    /// An answer is taken only when this is ready.
    pub async fn answered(&self) -> (AskId, Answer) {
        poll_fn(|_| self.with(|backstage| backstage.answers.pop_front().map_or(Poll::Pending, Poll::Ready))).await
    }

    fn with<T>(&self, act: impl FnOnce(&mut Backstage) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pin_project_lite::pin_project! {
    /// A future that speaks from a stage. Needs no wakers of its own: whoever takes an event or gives an answer polls again.
    struct Script<F> {
        stage: Stage,
        #[pin]
        future: F,
    }
}

impl<F: Future<Output = Outcome> + Send> Conversation for Script<F> {
    fn poll_event(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Event> {
        let this = self.project();
        let stage = this.stage;
        if let Some(event) = stage.with(|backstage| backstage.events.pop_front()) {
            return Poll::Ready(event);
        }
        let polled = this.future.poll(context);
        if let Some(event) = stage.with(|backstage| backstage.events.pop_front()) {
            // An outcome that came with it stands: the future is not polled again after it, so it is kept for the next turn.
            if let Poll::Ready(outcome) = polled {
                stage.with(|backstage| backstage.events.push_back(Event::End(outcome)));
            }
            return Poll::Ready(event);
        }
        polled.map(Event::End)
    }

    fn answer(self: Pin<&mut Self>, ask: AskId, answer: Answer) {
        self.stage.with(|backstage| backstage.answers.push_back((ask, answer)));
    }
}
