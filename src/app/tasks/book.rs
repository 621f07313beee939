//! Whose tasks they are, and under which ids their owners know them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    jsonrpc::Raw,
    mcp::{Caller, Principal},
    route::task::TaskAddress,
    telemetry::metrics::METRICS,
};

/// Tasks remembered in all.
const MAX: usize = 10_000;
/// Tasks remembered of one principal; the oldest goes when there are more.
const MAX_PER_PRINCIPAL: usize = 1000;

/// A task that is remembered.
#[derive(Clone, Debug)]
pub(in crate::app) struct Remembered {
    /// Where it is.
    pub(in crate::app) address: TaskAddress,
    /// Its id among its owner's.
    pub(in crate::app) id: Arc<str>,
    /// The session that made it, or asked for it last.
    pub(in crate::app) session: Option<Arc<str>>,
    /// Where its owner wants to hear of its progress.
    pub(in crate::app) progress_token: Option<Raw>,
}

/// The tasks that are remembered.
#[derive(Debug, Default)]
pub(in crate::app) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    /// By principal and age.
    of: HashMap<Arc<str>, BTreeMap<u64, Remembered>>,
    /// In order of age.
    ages: BTreeMap<u64, Arc<str>>,
    next: u64,
}

impl Book {
    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a task, or that another session of its owner asked for it.
    pub(in crate::app) fn remember(&self, caller: &Caller, task: Remembered) {
        let mut pages = self.lock();
        if let Some(known) = pages.find_mut(caller.principal.id(), &task.address) {
            known.session = task.session;
            return;
        }
        let owner = caller.principal.shared_id();
        pages.make_room(&owner);
        let age = pages.next;
        pages.next += 1;
        pages.ages.insert(age, owner.clone());
        pages.of.entry(owner).or_default().insert(age, task);
        pages.count();
    }

    /// A server knows the task no more.
    pub(in crate::app) fn forget(&self, caller: &Caller, address: &TaskAddress) {
        let mut pages = self.lock();
        let owner = caller.principal.id();
        let age = pages.of.get(owner).and_then(|own| own.iter().find(|(_, task)| task.address == *address));
        if let Some(age) = age.map(|(age, _)| *age) {
            pages.remove(age);
        }
    }

    /// The caller's task that a server calls so.
    pub(in crate::app) fn find(&self, caller: &Caller, server: &str, id: &str) -> Option<Remembered> {
        let pages = self.lock();
        let mut own = pages.of.get(caller.principal.id())?.values().rev();
        own.find(|task| *task.address.server == *server && task.address.id == id).cloned()
    }

    /// The caller's tasks after a place, oldest first, and the places they have. Who cannot be told from others has those of their own
    /// session (2025-11-25 basic/utilities/tasks, Task Isolation and Access Control).
    pub(in crate::app) fn page(
        &self,
        caller: &Caller,
        after: Option<u64>,
        of: impl Fn(&TaskAddress) -> bool,
        size: usize,
    ) -> Vec<(u64, Remembered)> {
        let pages = self.lock();
        let Some(own) = pages.of.get(caller.principal.id()) else { return Vec::new() };
        let is_anonymous = caller.principal == Principal::anonymous();
        let is_own = |task: &Remembered| !is_anonymous || task.session == caller.session;
        let from = after.map_or(0, |after| after.saturating_add(1));
        let shown = own.range(from..).filter(|(_, task)| is_own(task) && of(&task.address)).take(size);
        shown.map(|(age, task)| (*age, task.clone())).collect()
    }
}

impl Pages {
    fn find_mut(&mut self, owner: &str, address: &TaskAddress) -> Option<&mut Remembered> {
        self.of.get_mut(owner)?.values_mut().rev().find(|task| task.address == *address)
    }

    fn make_room(&mut self, owner: &str) {
        let own = self.of.get(owner).filter(|own| own.len() >= MAX_PER_PRINCIPAL);
        let oldest = own.and_then(|own| own.keys().next().copied());
        let oldest = oldest.or_else(|| self.ages.keys().next().copied().filter(|_| self.ages.len() >= MAX));
        if let Some(oldest) = oldest {
            self.remove(oldest);
        }
    }

    fn count(&self) {
        METRICS.tasks.set(self.ages.len().try_into().unwrap_or(i64::MAX));
    }

    fn remove(&mut self, age: u64) {
        let Some(owner) = self.ages.remove(&age) else { return };
        self.count();
        if let Some(own) = self.of.get_mut(&owner) {
            own.remove(&age);
            if own.is_empty() {
                self.of.remove(&owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(id: &str) -> Caller {
        Caller::of(Principal::new(id))
    }

    fn task(server: &str, id: &str) -> Remembered {
        let address = TaskAddress { server: server.into(), id: id.to_owned(), peer: None, tool: None };
        Remembered { address, id: format!("sealed {id}").into(), session: None, progress_token: None }
    }

    fn ids(book: &Book, caller: &Caller, after: Option<u64>) -> Vec<String> {
        let page = book.page(caller, after, |address| &*address.server == "up", 2);
        page.into_iter().map(|(_, task)| task.address.id).collect()
    }

    #[test]
    fn nobody_finds_another_s_tasks() {
        let book = Book::default();
        book.remember(&caller("alice"), task("up", "1"));
        assert_eq!(book.find(&caller("alice"), "up", "1").unwrap().id, Arc::from("sealed 1"));
        assert!(book.find(&caller("bob"), "up", "1").is_none());
        assert!(book.find(&caller("alice"), "other", "1").is_none());
        assert!(ids(&book, &caller("bob"), None).is_empty());
    }

    #[test]
    fn lists_in_pages_each_task_once_and_none_that_is_forgotten() {
        let (book, alice) = (Book::default(), caller("alice"));
        for id in ["1", "2", "2", "3"] {
            book.remember(&alice, task("up", id));
        }
        book.remember(&alice, task("elsewhere", "4"));
        assert_eq!(ids(&book, &alice, None), ["1", "2"]);
        assert_eq!(ids(&book, &alice, Some(1)), ["3"]);
        book.forget(&alice, &task("up", "1").address);
        assert_eq!(ids(&book, &alice, None), ["2", "3"]);
    }

    #[test]
    fn who_cannot_be_told_from_others_lists_the_tasks_of_the_session() {
        let book = Book::default();
        let of = |session: &str| Caller { session: Some(session.into()), ..caller(Principal::anonymous().id()) };
        book.remember(&of("1"), Remembered { session: Some("1".into()), ..task("up", "t") });
        assert_eq!((ids(&book, &of("1"), None).len(), ids(&book, &of("2"), None).len()), (1, 0));
        // Who has the id has the task.
        book.remember(&of("2"), Remembered { session: Some("2".into()), ..task("up", "t") });
        assert_eq!((ids(&book, &of("1"), None).len(), ids(&book, &of("2"), None).len()), (0, 1));
        let named = |session: &str| Caller { session: Some(session.into()), ..caller("alice") };
        book.remember(&named("1"), Remembered { session: Some("1".into()), ..task("up", "t") });
        assert_eq!(ids(&book, &named("2"), None).len(), 1);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let (book, alice) = (Book::default(), caller("alice"));
        for id in 0..=MAX_PER_PRINCIPAL {
            book.remember(&alice, task("up", &id.to_string()));
        }
        assert!(book.find(&alice, "up", "0").is_none() && book.find(&alice, "up", "1").is_some());
        let pages = book.lock();
        assert_eq!((pages.ages.len(), pages.of.len()), (MAX_PER_PRINCIPAL, 1));
    }
}
