//! To which call a question or log message belongs that names none.
//!
//! On stdio, and on a session's own HTTP stream, a legacy server does not say which call made it ask. It is the call in flight when
//! there can be no doubt ([`Attribution`]); a guess would show one user's prompt to another. A question that comes while nothing is
//! in flight (a server that asks for roots right after the handshake) is kept for the next call.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    jsonrpc::{Id, Raw},
    mcp::{AskKind, is_url},
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
    calls: BTreeMap<u64, Arc<Mailbox>>,
    asked: Vec<(Id, u64)>,
    /// URLs that users were sent to by calls in flight.
    visits: Vec<(String, u64)>,
    early: VecDeque<Item>,
}

impl Owners {
    pub(super) fn new(rule: Attribution) -> Self {
        Self { rule, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client's call starts; it gets the questions that waited for one.
    pub(super) fn enter(&self, token: u64, mailbox: &Arc<Mailbox>) {
        let mut state = self.lock();
        for item in std::mem::take(&mut state.early) {
            if let Item::Ask(id, _, _) = &item {
                state.asked.push((id.clone(), token));
            }
            let _ = mailbox.put(item);
        }
        state.calls.insert(token, mailbox.clone());
    }

    /// It ends.
    pub(super) fn leave(&self, token: u64) {
        let mut state = self.lock();
        state.calls.remove(&token);
        state.asked.retain(|(_, owner)| *owner != token);
        state.visits.retain(|(_, owner)| *owner != token);
    }

    /// The call to which a message belongs now.
    pub(super) fn owner(&self) -> Option<Arc<Mailbox>> {
        let state = self.lock();
        self.token(&state).and_then(|token| state.calls.get(&token).cloned())
    }

    /// The call in flight that sent its user to the URL which these parameters say was visited.
    pub(super) fn visitor(&self, params: &Raw) -> Option<Arc<Mailbox>> {
        let id = params.member("elicitationId")?;
        let state = self.lock();
        let (_, token) = state.visits.iter().find(|(known, _)| id.text().is_some_and(|id| *id == **known))?;
        state.calls.get(token).cloned()
    }

    /// Whether messages without a name may be told on the session's own stream: it is then not shared.
    pub(super) fn is_private(&self) -> bool {
        self.rule != Attribution::Nobody
    }

    fn token(&self, state: &State) -> Option<u64> {
        match self.rule {
            Attribution::Nobody => None,
            Attribution::NewestCall => state.calls.last_key_value().map(|(token, _)| *token),
            Attribution::OnlyCall if state.calls.len() == 1 => state.calls.first_key_value().map(|(token, _)| *token),
            Attribution::OnlyCall => None,
        }
    }

    /// Places a question, at the call it belongs to or for the next one.
    ///
    /// # Errors
    /// The question belongs to no single call.
    pub(super) fn ask(&self, id: Id, kind: AskKind, params: Option<Raw>) -> Result<(), Unattributable> {
        let mut state = self.lock();
        if let Some(token) = self.token(&state) {
            state.asked.push((id.clone(), token));
            state.visits.extend(visit(kind, params.as_ref()).map(|visit| (visit, token)));
            if let Some(mailbox) = state.calls.get(&token) {
                let _ = mailbox.put(Item::Ask(id, kind, params));
            }
            return Ok(());
        }
        if self.rule == Attribution::Nobody || !state.calls.is_empty() || state.early.len() >= MAX_EARLY {
            return Err(Unattributable(id, kind));
        }
        state.early.push_back(Item::Ask(id, kind, params));
        Ok(())
    }

    /// The upstream withdraws a question. Whether it was one of those placed here.
    pub(super) fn retract(&self, id: &Id) -> bool {
        let mut state = self.lock();
        let before = state.early.len();
        state.early.retain(|item| !matches!(item, Item::Ask(asked, _, _) if asked == id));
        let owner = state.asked.iter().find(|(asked, _)| asked == id).map(|(_, token)| *token);
        if let Some(mailbox) = owner.and_then(|token| state.calls.get(&token)) {
            let _ = mailbox.put(Item::Retract(id.clone()));
        }
        owner.is_some() || state.early.len() < before
    }
}

/// The id under which the server will say that the URL of a question was visited.
pub(super) fn visit(kind: AskKind, params: Option<&Raw>) -> Option<String> {
    let id = params.filter(|_| is_url(kind, params))?.member("elicitationId")?;
    id.text().map(std::borrow::Cow::into_owned)
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
        owners.enter(1, &one);
        assert!(ask(&owners, 9).is_ok());
        assert!(matches!(one.take().await, Item::Ask(id, ..) if id == Id::from(9)));
        owners.enter(2, &two);
        assert!(ask(&owners, 10).is_err());
    }

    #[tokio::test]
    async fn a_question_before_any_call_waits_for_the_next_unless_it_is_withdrawn() {
        let owners = Owners::new(Attribution::NewestCall);
        assert!(ask(&owners, 1).is_ok() && ask(&owners, 2).is_ok());
        assert!(owners.retract(&Id::from(1)));
        let call = Arc::new(Mailbox::default());
        owners.enter(7, &call);
        assert!(matches!(call.take().await, Item::Ask(id, ..) if id == Id::from(2)));
    }

    #[test]
    fn nothing_is_placed_where_principals_share() {
        let owners = Owners::new(Attribution::Nobody);
        assert!(ask(&owners, 1).is_err());
        owners.enter(1, &Arc::default());
        assert!(ask(&owners, 2).is_err() && owners.owner().is_none());
    }
}
