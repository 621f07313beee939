//! To which call a question or log message belongs that names none.
//!
//! On stdio, and on a session's own HTTP stream, a legacy server does not say which call made it ask. It is the call in flight when
//! there can be no doubt ([`Attribution`]); a guess would show one user's prompt to another. A question that comes while nothing is
//! in flight (a server that asks for roots right after the handshake) is kept for the next call.
//!
//! What names a task belongs to the call that waits for that task's end, whoever else calls; a question of it is kept until there is
//! one (2025-11-25 basic/utilities/tasks, Input Required Status).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    era::legacy::task::related,
    jsonrpc::{Id, Raw},
    mcp::AskKind,
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

/// The clients' calls in flight on one upstream session.
#[derive(Debug)]
pub(super) struct Owners {
    rule: Attribution,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<u64, InFlight>,
    asked: Vec<(Id, u64)>,
    early: VecDeque<Early>,
}

/// A call in flight, and the task whose end it waits for.
#[derive(Debug)]
struct InFlight {
    mailbox: Arc<Mailbox>,
    task: Option<Box<str>>,
}

/// A question that came before its call, and the task it belongs to.
#[derive(Debug)]
struct Early {
    task: Option<String>,
    item: Item,
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
    pub(super) fn new(rule: Attribution) -> Self {
        Self { rule, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client's call starts, which may wait for the end of a task; it gets the questions that waited for it.
    pub(super) fn enter(&self, token: u64, mailbox: &Arc<Mailbox>, task: Option<&str>) {
        let mut state = self.lock();
        let (own, others) = std::mem::take(&mut state.early)
            .into_iter()
            .partition::<VecDeque<_>, _>(|early| early.task.is_none() || early.task.as_deref() == task);
        state.early = others;
        for Early { item, .. } in own {
            if let Item::Ask(id, _, _) = &item {
                state.asked.push((id.clone(), token));
            }
            let _ = mailbox.put(item);
        }
        state.calls.insert(token, InFlight { mailbox: mailbox.clone(), task: task.map(Into::into) });
    }

    /// It ends.
    pub(super) fn leave(&self, token: u64) {
        let mut state = self.lock();
        state.calls.remove(&token);
        state.asked.retain(|(_, owner)| *owner != token);
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
    /// The question belongs to no single call.
    pub(super) fn ask(&self, id: Id, kind: AskKind, params: Option<Raw>) -> Result<(), Unattributable> {
        let task = params.as_ref().and_then(related);
        let mut state = self.lock();
        if let Some(token) = self.token(&state, task.as_deref()) {
            state.asked.push((id.clone(), token));
            if let Some(call) = state.calls.get(&token) {
                let _ = call.mailbox.put(Item::Ask(id, kind, params));
            }
            return Ok(());
        }
        let may_wait = task.is_some() || (self.rule != Attribution::Nobody && state.calls.is_empty());
        if !may_wait || state.early.len() >= MAX_EARLY {
            return Err(Unattributable(id, kind));
        }
        state.early.push_back(Early { task, item: Item::Ask(id, kind, params) });
        Ok(())
    }

    /// The upstream withdraws a question. Whether it was one of those placed here.
    pub(super) fn retract(&self, id: &Id) -> bool {
        let mut state = self.lock();
        let before = state.early.len();
        state.early.retain(|early| !matches!(&early.item, Item::Ask(asked, _, _) if asked == id));
        let owner = state.asked.iter().find(|(asked, _)| asked == id).map(|(_, token)| *token);
        if let Some(call) = owner.and_then(|token| state.calls.get(&token)) {
            let _ = call.mailbox.put(Item::Retract(id.clone()));
        }
        owner.is_some() || state.early.len() < before
    }
}

/// A question that belongs to no single call.
#[derive(Debug)]
pub(super) struct Unattributable(pub(super) Id, pub(super) AskKind);

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(owners: &Owners, id: u64) -> Result<(), Unattributable> {
        owners.ask(Id::from(id), AskKind::Roots, None)
    }

    #[tokio::test]
    async fn a_question_goes_to_the_only_call_and_to_none_of_two() {
        let owners = Owners::new(Attribution::OnlyCall);
        let (one, two) = (Arc::new(Mailbox::default()), Arc::new(Mailbox::default()));
        owners.enter(1, &one, None);
        assert!(ask(&owners, 9).is_ok());
        assert!(matches!(one.take().await, Item::Ask(id, ..) if id == Id::from(9)));
        owners.enter(2, &two, None);
        assert!(ask(&owners, 10).is_err());
    }

    #[tokio::test]
    async fn a_question_before_any_call_waits_for_the_next_unless_it_is_withdrawn() {
        let owners = Owners::new(Attribution::NewestCall);
        assert!(ask(&owners, 1).is_ok() && ask(&owners, 2).is_ok());
        assert!(owners.retract(&Id::from(1)));
        let call = Arc::new(Mailbox::default());
        owners.enter(7, &call, None);
        assert!(matches!(call.take().await, Item::Ask(id, ..) if id == Id::from(2)));
    }

    #[test]
    fn nothing_is_placed_where_principals_share() {
        let owners = Owners::new(Attribution::Nobody);
        assert!(ask(&owners, 1).is_err());
        owners.enter(1, &Arc::default(), None);
        assert!(ask(&owners, 2).is_err());
        assert!(matches!(owners.place(&Raw::empty_object()), Place::Nobody));
    }

    #[tokio::test]
    async fn what_names_a_task_goes_to_the_call_that_waits_for_it_whoever_shares() {
        for rule in [Attribution::Nobody, Attribution::OnlyCall, Attribution::NewestCall] {
            let owners = Owners::new(rule);
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
            let owners = Owners::new(rule);
            let [plain, waiting] = [(); 2].map(|()| Arc::new(Mailbox::default()));
            owners.enter(1, &plain, None);
            owners.enter(2, &waiting, Some("t"));
            assert!(ask(&owners, 9).is_ok());
            assert!(matches!(plain.take().await, Item::Ask(id, ..) if id == Id::from(9)), "{rule:?}");
        }
    }
}
