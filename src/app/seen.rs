//! What callers see of a joined list: remembered, and shared by those who see the same.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use smallvec::SmallVec;

use crate::{
    mcp::{Page, Principal},
    telemetry::metrics::{InUse, METRICS},
};

/// Callers whose view of one list is remembered, and different views.
const MAX_VIEWS: usize = 256;

/// What somebody sees of a joined list.
#[derive(Debug)]
pub(super) struct View {
    /// The places of what is seen.
    pub(super) places: Box<[usize]>,
    /// Pages that were made already, by the place of their first entry among those seen.
    pub(super) pages: Mutex<Pages>,
    _counted: InUse,
}

impl View {
    fn new(places: Box<[usize]>) -> Self {
        Self { places, pages: Mutex::default(), _counted: InUse::of(&METRICS.list_views) }
    }
}

/// Pages by the place of their first entry.
type Pages = SmallVec<[(usize, Arc<Page>); 1]>;

/// What callers see of a joined list.
#[derive(Debug, Default)]
pub(super) struct Views {
    everything: OnceLock<Arc<View>>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// By the caller's face, which is nobody else's as long as the principal is kept.
    by_face: HashMap<usize, (Principal, Arc<View>)>,
    by_places: HashMap<Box<[usize]>, Arc<View>>,
}

impl Views {
    /// That of the first `count` entries, which is all of them.
    pub(super) fn everything(&self, count: usize) -> Arc<View> {
        self.everything.get_or_init(|| Arc::new(View::new((0..count).collect()))).clone()
    }

    /// That of somebody, if it is remembered.
    pub(super) fn of(&self, principal: &Principal) -> Option<Arc<View>> {
        self.lock().by_face.get(&principal.face()).map(|(_, view)| view.clone())
    }

    /// That of these places.
    pub(super) fn of_places(&self, places: Box<[usize]>) -> Arc<View> {
        let mut table = self.lock();
        if table.by_places.len() >= MAX_VIEWS {
            table.by_places.clear();
        }
        let made = Arc::new(View::new(places.clone()));
        table.by_places.entry(places).or_insert(made).clone()
    }

    /// Remembers whose it is.
    pub(super) fn remember(&self, principal: &Principal, view: Arc<View>) {
        let mut table = self.lock();
        if table.by_face.len() >= MAX_VIEWS {
            table.by_face.clear();
        }
        table.by_face.insert(principal.face(), (principal.clone(), view));
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sees_the_same_shares_it_and_the_table_is_bounded() {
        let views = Views::default();
        let (one, other) = (views.of_places([1, 2].into()), views.of_places([1, 2].into()));
        assert!(Arc::ptr_eq(&one, &other));
        let kept: Vec<Principal> = (0..2 * MAX_VIEWS).map(|id| Principal::new(&id.to_string())).collect();
        for (place, principal) in kept.iter().enumerate() {
            views.remember(principal, views.of_places([place].into()));
            assert_eq!(*views.of(principal).unwrap().places, [place]);
        }
        let table = views.lock();
        assert!(table.by_face.len() <= MAX_VIEWS && table.by_places.len() <= MAX_VIEWS);
    }
}
