//! The place of a process among those that there may be: its own until it and all it started have ended, whoever still knows of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedSemaphorePermit;

/// What a process holds.
#[derive(Debug, Default)]
pub(super) struct Seat(Mutex<Held>);

#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    Place(OwnedSemaphorePermit),
    /// It has ended, and holds nothing any more.
    Over,
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It holds this from now on, in the place of what it held. Of a process that has ended it is free at once.
    pub(super) fn hold(&self, place: Option<OwnedSemaphorePermit>) {
        let mut held = self.lock();
        if !matches!(*held, Held::Over) {
            *held = place.map_or(Held::Nothing, Held::Place);
        }
    }

    /// What it holds, which it holds no more; nothing once it has ended.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        let mut held = self.lock();
        match std::mem::take(&mut *held) {
            Held::Place(place) => Some(place),
            Held::Nothing => None,
            Held::Over => {
                *held = Held::Over;
                None
            }
        }
    }

    /// The process has ended.
    pub(super) fn free(&self) {
        *self.lock() = Held::Over;
    }
}
