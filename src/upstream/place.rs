//! Places for a server's processes: so many in all, whoever they are for. An idle group makes room for one that is waited for.

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::OwnedSemaphorePermit;

use super::{group::Group, pool::Upstream};

/// Whether there may be one process more than places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    Never,
    /// One, until the one whose successor it is has ended.
    Once,
}

impl Upstream {
    /// A place for another process; none for what is no process. Waits for one if there is none, and lets the idlest other group go.
    ///
    /// # Cancel safety
    /// Dropped, it waits no more.
    pub(super) async fn place(self: &Arc<Self>, asking: &Arc<Group>, beyond: Beyond) -> Option<OwnedSemaphorePermit> {
        if !self.is_stdio() {
            return None;
        }
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Some(place);
        }
        if beyond == Beyond::Once {
            return self.handover.clone().acquire_owned().await.ok();
        }
        self.wanting.fetch_add(1, Ordering::AcqRel);
        let wanting = Wanting(self);
        self.let_idlest_go(Some(asking));
        let place = self.places.clone().acquire_owned().await.ok();
        drop(wanting);
        place
    }

    /// A place for the process that finds out what the server speaks, which nobody uses yet. Where there is none, its older processes are
    /// about to be replaced, and it is one more than there may be.
    ///
    /// # Cancel safety
    /// Dropped, it waits no more.
    pub(super) async fn place_to_probe(&self) -> Option<OwnedSemaphorePermit> {
        if !self.is_stdio() {
            return None;
        }
        match self.places.clone().try_acquire_owned() {
            Ok(place) => Some(place),
            Err(_) => self.handover.clone().acquire_owned().await.ok(),
        }
    }

    /// Whether it is not one of those that there may be.
    pub(super) fn is_beyond(&self, place: &OwnedSemaphorePermit) -> bool {
        Arc::ptr_eq(place.semaphore(), &self.handover)
    }

    /// A call has ended, or a start: if its group is idle now and another still waits for a place, it goes.
    pub(super) fn make_room(self: &Arc<Self>) {
        if self.wanting.load(Ordering::Acquire) > 0 && self.groups_now().iter().any(|group| group.wants_a_place()) {
            self.let_idlest_go(None);
        }
    }

    fn let_idlest_go(self: &Arc<Self>, asking: Option<&Arc<Group>>) {
        if let Some(spare) = self.spares().give_up() {
            drop(spare);
            return;
        }
        let mut groups = self.lock_groups();
        let idlest = groups
            .iter()
            .filter(|(_, group)| asking.is_none_or(|asking| !Arc::ptr_eq(group, asking)) && group.has_peers())
            .filter_map(|(key, group)| Some((group.idle_for()?, key.clone())))
            .max_by_key(|(idle, _)| *idle);
        let group = idlest.and_then(|(_, key)| groups.remove(&key));
        drop(groups);
        if let Some(group) = group {
            self.spawn(async move { group.close().await });
        }
    }
}

/// A start that waits for a place.
struct Wanting<'a>(&'a Upstream);

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        self.0.wanting.fetch_sub(1, Ordering::AcqRel);
    }
}
