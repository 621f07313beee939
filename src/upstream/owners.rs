//! To which call a question or log message belongs that names none.
//!
//! On stdio, and on a session's own HTTP stream, a legacy server does not say which call made it ask. It is the call in flight when
//! there can be no doubt ([`Attribution`]); a guess would show one user's prompt to another. A question that comes while nothing is
//! in flight (a server that asks for roots right after the handshake) is kept for the next call, and so is one for roots whose call
//! ended before its client had answered: it belongs to the child rather than to a call.
//!
//! What names a task belongs to the call that waits for that task's end, whoever else calls; a question of it is kept until there is
//! one (2025-11-25 basic/utilities/tasks, Input Required Status).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    era::legacy::{
        back::{given_up, unattributable, undeclared},
        task::related,
    },
    jsonrpc::{Id, Raw},
    mcp::{Answer, AskKind, Profile, is_url},
    telemetry::{label, metrics::METRICS},
};

use super::mailbox::{Item, Mailbox};

/// To whom a message without a name belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribution {
    /// To nobody, whoever calls: several principals share this.
    Nobody,
    /// To the only call in flight, if there is just one.
    OnlyCall,
    /// To the newest call in flight: all are of one client session, so any of its streams will do.
    NewestCall,
}

/// Questions kept until a call comes that they can be attached to.
const MAX_EARLY: usize = 16;
/// Questions of one peer that are put to clients and not answered, at the most; further ones are refused.
const MAX_ASKED: usize = 256;

/// The clients' calls in flight on one upstream session.
#[derive(Debug)]
pub(super) struct Owners {
    rule: Attribution,
    /// What the clients can be asked who share this.
    profile: Profile,
    state: Mutex<State>,
    /// Whether questions wait for a call, to be seen without the lock.
    has_early: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<u64, InFlight>,
    asked: Vec<(Question, u64)>,
    /// URLs that users were sent to by calls in flight.
    visits: Vec<(String, u64)>,
    early: VecDeque<Question>,
}

/// A call in flight, and the task whose end it waits for.
#[derive(Debug)]
struct InFlight {
    mailbox: Arc<Mailbox>,
    task: Option<Box<str>>,
}

/// A server's question, and the task it belongs to.
#[derive(Clone, Debug)]
struct Question {
    id: Id,
    kind: AskKind,
    params: Option<Raw>,
    task: Option<String>,
}

impl Question {
    fn item(&self) -> Item {
        Item::Ask(self.id.clone(), self.kind, self.params.clone())
    }
}

/// Where a message that names no call belongs.
#[derive(Debug)]
pub(super) enum Place {
    /// To this call.
    Call(Arc<Mailbox>),
    /// To no call, but it may be told on the session's own stream.
    Everybody,
    /// Nowhere.
    Nobody,
}

impl Owners {
    pub(super) fn new(rule: Attribution, profile: Profile) -> Self {
        Self { rule, profile, state: Mutex::default(), has_early: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_early(&self, state: &State) {
        // What waits for a task is not for whoever comes next.
        self.has_early.store(state.early.iter().any(|question| question.task.is_none()), Ordering::Release);
    }

    /// Whether questions wait for a call.
    pub(super) fn has_early(&self) -> bool {
        self.has_early.load(Ordering::Acquire)
    }

    /// A client's call starts, which may wait for the end of a task; it gets the questions that waited for it.
    pub(super) fn enter(&self, token: u64, mailbox: &Arc<Mailbox>, task: Option<&str>) {
        let mut state = self.lock();
        let (own, others) = std::mem::take(&mut state.early)
            .into_iter()
            .partition::<VecDeque<_>, _>(|question| question.task.is_none() || question.task.as_deref() == task);
        state.early = others;
        for question in own {
            let _ = mailbox.put(question.item());
            state.asked.push((question, token));
        }
        self.note_early(&state);
        state.calls.insert(token, InFlight { mailbox: mailbox.clone(), task: task.map(Into::into) });
    }

    /// It ends. Roots that nobody told are asked for again with the next call; other questions are its own and end with it: what is
    /// handed back is their answers.
    pub(super) fn leave(&self, token: u64) -> Vec<(Id, Answer)> {
        let mut state = self.lock();
        state.calls.remove(&token);
        state.visits.retain(|(_, owner)| *owner != token);
        let open: Vec<Question> =
            state.asked.extract_if(.., |(_, owner)| *owner == token).map(|(question, _)| question).collect();
        let mut ended = Vec::new();
        for question in open {
            if question.kind == AskKind::Roots && has_place(&state.early) {
                state.early.push_back(question);
            } else {
                ended.push((question.id, given_up(question.kind)));
            }
        }
        self.note_early(&state);
        ended
    }

    /// A question was answered.
    pub(super) fn answered(&self, id: &Id) {
        self.lock().asked.retain(|(question, _)| question.id != *id);
    }

    /// Where a log message with these parameters belongs. One that names a task goes to whoever knows that task.
    pub(super) fn place(&self, params: &Raw) -> Place {
        let task = related(params);
        let state = self.lock();
        let owner = self.token(&state, task.as_deref()).and_then(|token| state.calls.get(&token));
        match owner {
            Some(call) => Place::Call(call.mailbox.clone()),
            None if task.is_some() || self.is_private() => Place::Everybody,
            None => Place::Nobody,
        }
    }

    /// The call in flight that sent its user to the URL which these parameters say was visited.
    pub(super) fn visitor(&self, params: &Raw) -> Option<Arc<Mailbox>> {
        let id = params.member("elicitationId")?;
        let state = self.lock();
        let (_, token) = state.visits.iter().find(|(known, _)| id.text().is_some_and(|id| *id == **known))?;
        state.calls.get(token).map(|call| call.mailbox.clone())
    }

    /// Whether messages without a name may be told on the session's own stream: it is then not shared.
    pub(super) fn is_private(&self) -> bool {
        self.rule != Attribution::Nobody
    }

    fn token(&self, state: &State, task: Option<&str>) -> Option<u64> {
        if task.is_some() {
            return state.calls.iter().rev().find(|(_, call)| call.task.as_deref() == task).map(|(token, _)| *token);
        }
        // Who waits for a task gets what names the task; what names none is rather another's.
        let mut others = state.calls.iter().filter(|(_, call)| call.task.is_none()).map(|(token, _)| *token);
        match self.rule {
            Attribution::Nobody => None,
            Attribution::NewestCall => {
                others.next_back().or_else(|| state.calls.last_key_value().map(|(token, _)| *token))
            }
            Attribution::OnlyCall if state.calls.len() == 1 => state.calls.first_key_value().map(|(token, _)| *token),
            Attribution::OnlyCall => others.next().filter(|_| others.next().is_none()),
        }
    }

    /// Places a question, at the call it belongs to or for the next one.
    ///
    /// # Errors
    /// The answer to it: it belongs to no single call, or the clients here cannot be asked that.
    pub(super) fn ask(&self, id: Id, kind: AskKind, params: Option<Raw>) -> Result<(), Box<(Id, Answer)>> {
        let lacks = self.profile.lacks(kind, params.as_ref()).is_some();
        // A legacy session's server hears of it at once. A modern client hears itself what its call would need.
        if lacks && self.rule == Attribution::NewestCall {
            return Err(Box::new((id, undeclared(kind))));
        }
        let task = params.as_ref().and_then(related);
        let mut state = self.lock();
        let question = Question { id, kind, params, task };
        // No client answers so many at once.
        if state.asked.len() >= MAX_ASKED {
            METRICS.refused.of(label::Limit::ChildQuestions).inc();
            return Err(Box::new((question.id, unattributable(kind))));
        }
        if let Some(token) = self.token(&state, question.task.as_deref()) {
            state.visits.extend(visit(kind, question.params.as_ref()).map(|visit| (visit, token)));
            if let Some(call) = state.calls.get(&token) {
                let _ = call.mailbox.put(question.item());
            }
            state.asked.push((question, token));
            return Ok(());
        }
        // Whoever calls next can be asked no more than this.
        if lacks && self.is_private() {
            return Err(Box::new((question.id, undeclared(kind))));
        }
        let may_wait = question.task.is_some() || (self.rule != Attribution::Nobody && state.calls.is_empty());
        if !may_wait || !has_place(&state.early) {
            return Err(Box::new((question.id, unattributable(kind))));
        }
        state.early.push_back(question);
        self.note_early(&state);
        Ok(())
    }

    /// The upstream withdraws a question. Whether it was one of those placed here.
    pub(super) fn retract(&self, id: &Id) -> bool {
        let mut state = self.lock();
        let before = state.early.len();
        state.early.retain(|question| question.id != *id);
        self.note_early(&state);
        let owner = state.asked.iter().position(|(question, _)| question.id == *id);
        let owner = owner.map(|place| state.asked.swap_remove(place).1);
        if let Some(call) = owner.and_then(|token| state.calls.get(&token)) {
            let _ = call.mailbox.put(Item::Retract(id.clone()));
        }
        owner.is_some() || state.early.len() < before
    }
}

/// Whether one more may wait for a call; counted where it may not.
fn has_place(early: &VecDeque<Question>) -> bool {
    let has_place = early.len() < MAX_EARLY;
    if !has_place {
        METRICS.refused.of(label::Limit::EarlyQuestions).inc();
    }
    has_place
}

/// The id under which the server will say that the URL of a question was visited.
pub(super) fn visit(kind: AskKind, params: Option<&Raw>) -> Option<String> {
    let id = params.filter(|_| is_url(kind, params))?.member("elicitationId")?;
    id.text().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(rule: Attribution) -> Owners {
        Owners::new(rule, Profile::everything())
    }

    fn ask(owners: &Owners, id: u64) -> Result<(), Box<(Id, Answer)>> {
        owners.ask(Id::from(id), AskKind::Roots, None)
    }

    async fn takes(mailbox: &Mailbox, wanted: u64) -> bool {
        matches!(mailbox.take().await, Item::Ask(id, ..) if id == Id::from(wanted))
    }

    #[tokio::test]
    async fn a_question_goes_to_the_only_call_and_to_none_of_two() {
        let owners = owners(Attribution::OnlyCall);
        let (one, two) = (Arc::new(Mailbox::default()), Arc::new(Mailbox::default()));
        owners.enter(1, &one, None);
        assert!(ask(&owners, 9).is_ok() && takes(&one, 9).await);
        owners.enter(2, &two, None);
        assert!(ask(&owners, 10).is_err());
    }

    #[tokio::test]
    async fn a_question_before_any_call_waits_for_the_next_unless_it_is_withdrawn() {
        let owners = owners(Attribution::NewestCall);
        assert!(ask(&owners, 1).is_ok() && ask(&owners, 2).is_ok());
        assert!(owners.retract(&Id::from(1)) && owners.has_early());
        let call = Arc::new(Mailbox::default());
        owners.enter(7, &call, None);
        assert!(takes(&call, 2).await && !owners.has_early());
    }

    #[tokio::test]
    async fn roots_that_a_call_left_untold_are_asked_for_with_the_next_and_a_form_is_not() {
        let owners = owners(Attribution::OnlyCall);
        let (one, two) = (Arc::new(Mailbox::default()), Arc::new(Mailbox::default()));
        owners.enter(1, &one, None);
        assert!(ask(&owners, 1).is_ok() && ask(&owners, 2).is_ok());
        assert!(owners.ask(Id::from(3), AskKind::Elicit, None).is_ok());
        owners.answered(&Id::from(1));
        let ended = owners.leave(1);
        assert!(matches!(ended.as_slice(), [(id, Ok(_))] if *id == Id::from(3)));
        owners.enter(2, &two, None);
        assert!(takes(&two, 2).await);
        assert!(owners.leave(2).is_empty());
        assert!(owners.retract(&Id::from(2)) && !owners.has_early() && !owners.retract(&Id::from(3)));
    }

    #[test]
    fn nothing_is_placed_where_principals_share() {
        let owners = owners(Attribution::Nobody);
        assert!(ask(&owners, 1).is_err());
        owners.enter(1, &Arc::default(), None);
        assert!(ask(&owners, 2).is_err());
        assert!(matches!(owners.place(&Raw::empty_object()), Place::Nobody));
    }

    #[tokio::test]
    async fn what_names_a_task_goes_to_the_call_that_waits_for_it_whoever_shares() {
        for rule in [Attribution::Nobody, Attribution::OnlyCall, Attribution::NewestCall] {
            let owners = owners(rule);
            let [plain, other, waiting] = [(); 3].map(|()| Arc::new(Mailbox::default()));
            owners.enter(1, &plain, None);
            owners.enter(2, &other, Some("u"));
            let params = Raw::literal(r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}"#);
            assert!(owners.ask(Id::from(9), AskKind::Elicit, Some(params.clone())).is_ok());
            owners.enter(3, &waiting, Some("t"));
            assert!(matches!(waiting.take().await, Item::Ask(id, ..) if id == Id::from(9)), "{rule:?}");
            assert!(matches!(owners.place(&params), Place::Call(call) if Arc::ptr_eq(&call, &waiting)));
        }
    }

    #[tokio::test]
    async fn what_names_no_task_goes_past_those_who_wait_for_one() {
        for rule in [Attribution::OnlyCall, Attribution::NewestCall] {
            let owners = owners(rule);
            let [plain, waiting] = [(); 2].map(|()| Arc::new(Mailbox::default()));
            owners.enter(1, &plain, None);
            owners.enter(2, &waiting, Some("t"));
            assert!(ask(&owners, 9).is_ok());
            assert!(matches!(plain.take().await, Item::Ask(id, ..) if id == Id::from(9)), "{rule:?}");
        }
    }

    #[test]
    fn as_many_questions_are_put_as_may_be_and_not_one_more() {
        let owners = owners(Attribution::OnlyCall);
        owners.enter(1, &Arc::default(), None);
        for id in 0..MAX_ASKED {
            assert!(ask(&owners, id.try_into().unwrap()).is_ok(), "{id}");
        }
        let refused = ask(&owners, 9999).unwrap_err();
        assert!(refused.0 == Id::from(9999) && refused.1.is_err());
        owners.answered(&Id::from(0));
        assert!(ask(&owners, 9999).is_ok(), "an answer makes room");
        assert!(ask(&owners, 10_000).is_err());
    }

    #[test]
    fn as_many_questions_wait_for_a_call_as_may_and_not_one_more() {
        let owners = owners(Attribution::NewestCall);
        for id in 0..MAX_EARLY {
            assert!(ask(&owners, id.try_into().unwrap()).is_ok(), "{id}");
        }
        assert!(ask(&owners, 9999).is_err());
        assert!(owners.retract(&Id::from(0)) && ask(&owners, 9999).is_ok());
    }

    #[test]
    fn what_the_clients_did_not_declare_waits_for_none_of_them() {
        let owners = Owners::new(Attribution::NewestCall, Profile { roots: true, ..Profile::default() });
        assert!(ask(&owners, 1).is_ok());
        assert!(owners.ask(Id::from(2), AskKind::Elicit, None).is_err());
    }
}
