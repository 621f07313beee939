//! The calls that are parked: bounded in all and for each principal, each until its expiry.
//!
//! A parked call is a [`Reply`] that nobody polls: what its server says meanwhile waits in a bounded mailbox, and dropping it cancels the
//! call upstream.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{
    clock,
    mcp::Principal,
    telemetry::metrics::{InUse, METRICS},
};

use super::{settings::ParkSettings, talk::Talk};

/// The parked calls by their ids.
#[derive(Default)]
pub(super) struct Table(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    calls: HashMap<Arc<str>, Parked>,
    by_expiry: BTreeSet<(Instant, Arc<str>)>,
    of_principal: HashMap<Arc<str>, usize>,
}

struct Parked {
    talk: Talk,
    principal: Arc<str>,
    expires: Instant,
    _counted: InUse,
}

/// There is no place for another call, in all or for its principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Table {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parks a call.
    ///
    /// # Errors
    /// [`Full`]; the call is dropped, and thereby cancelled.
    pub(super) fn put(&self, id: String, talk: Talk, of: &Principal, settings: &ParkSettings) -> Result<(), Full> {
        self.expire();
        let principal = of.shared_id();
        let mut inner = self.lock();
        let own = inner.of_principal.get(&principal).copied().unwrap_or_default();
        if inner.calls.len() >= settings.max || own >= settings.max_per_principal {
            return Err(Full);
        }
        inner.of_principal.insert(principal.clone(), own + 1);
        let expires = clock::now() + settings.lifetime;
        let id: Arc<str> = id.into();
        inner.by_expiry.insert((expires, id.clone()));
        inner.calls.insert(id, Parked { talk, principal, expires, _counted: InUse::of(&METRICS.parked) });
        Ok(())
    }

    /// Takes a call up again: once.
    pub(super) fn take(&self, id: &str) -> Option<Talk> {
        self.expire();
        self.lock().remove(id).map(|parked| parked.talk)
    }

    /// Cancels what expired: the servers' open questions are answered as if the user had given up, then their calls are cancelled.
    pub(super) fn expire(&self) {
        let now = clock::now();
        let expired: Vec<Parked> = {
            let mut inner = self.lock();
            let due = inner.by_expiry.iter().take_while(|(expires, _)| *expires <= now);
            let ids: Vec<Arc<str>> = due.map(|(_, id)| id.clone()).collect();
            ids.iter().filter_map(|id| inner.remove(id)).collect()
        };
        if expired.is_empty() {
            return;
        }
        tracing::info!(calls = expired.len(), "parked calls expired");
        for parked in expired {
            METRICS.parked_expired.inc();
            parked.talk.give_up();
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().calls.is_empty()
    }

    /// When the next call expires.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.lock().by_expiry.first().map(|(expires, _)| *expires)
    }
}

impl Inner {
    fn remove(&mut self, id: &str) -> Option<Parked> {
        let (id, parked) = self.calls.remove_entry(id)?;
        self.by_expiry.remove(&(parked.expires, id));
        if let Some(own) = self.of_principal.get_mut(&parked.principal) {
            *own -= 1;
            if *own == 0 {
                self.of_principal.remove(&parked.principal);
            }
        }
        Some(parked)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mcp::{Fault, Outcome, Reply};

    fn put(table: &Table, id: &str, of: &str, lifetime: Duration) -> Result<(), Full> {
        let (gather, max_rounds) = (Duration::ZERO, 1);
        let settings = ParkSettings { lifetime, max: 3, max_per_principal: 2, gather, max_rounds };
        let talk = Talk::new(Reply::ready(Outcome::Failed(Fault::Internal)));
        table.put(id.to_owned(), talk, &Principal::new(of), &settings)
    }

    #[test]
    fn limits_hold_for_each_principal_and_in_all_and_what_is_taken_makes_room() {
        const LONG: Duration = Duration::from_secs(60);
        let table = Table::default();
        assert_eq!((put(&table, "a1", "a", LONG), put(&table, "a2", "a", LONG)), (Ok(()), Ok(())));
        assert_eq!(put(&table, "a3", "a", LONG), Err(Full));
        assert_eq!((put(&table, "b1", "b", LONG), put(&table, "c1", "c", LONG)), (Ok(()), Err(Full)));
        assert!(table.take("a1").is_some() && table.take("a1").is_none() && table.take("a3").is_none());
        assert_eq!(put(&table, "a4", "a", LONG), Ok(()));
        assert!(table.next_expiry().is_some_and(|at| at > clock::now()));
    }

    #[test]
    fn what_expired_is_not_taken_and_holds_no_place() {
        let table = Table::default();
        assert_eq!((put(&table, "a1", "a", Duration::ZERO), put(&table, "a2", "a", Duration::ZERO)), (Ok(()), Ok(())));
        assert!(table.take("a2").is_none());
        assert_eq!(put(&table, "a3", "a", Duration::from_secs(60)), Ok(()));
        assert!(table.lock().calls.len() == 1 && table.lock().of_principal.len() == 1);
        assert!(table.lock().by_expiry.len() == 1);
    }
}
