//! Children that were started ahead. Nothing of a principal is in them yet, so whoever comes next takes one.
//!
//! A legacy child is told with `initialize` what its client can be asked. As long as all who came could be asked the same, spares are
//! initialised for them; once somebody else came they wait just before it, and suit everybody.

use std::time::{Duration, Instant};

use crate::{clock, mcp::Profile, telemetry::metrics::InUse};

use super::opening::Opening;

/// A server that was reached and is nobody's.
pub(super) struct Spare {
    pub(super) opening: Opening,
    since: Instant,
    _counted: InUse,
}

impl Spare {
    pub(super) fn new(opening: Opening, counted: InUse) -> Self {
        Self { opening, since: clock::now(), _counted: counted }
    }

    /// Ends it; ready when it has.
    pub(super) async fn end(self) {
        self.opening.end().await;
    }

    fn suits(&self, profile: &Profile) -> bool {
        self.opening.profile().is_none_or(|own| own == profile)
    }
}

/// The spares of one server.
#[derive(Default)]
pub(super) struct Spares {
    ready: Vec<Spare>,
    /// Those that are being started.
    pub(super) under_way: usize,
    came: Came,
}

/// Whose children were asked for so far.
#[derive(Default)]
enum Came {
    #[default]
    Nobody,
    Alike(Profile),
    Several,
}

impl Spares {
    pub(super) fn put(&mut self, spare: Spare) {
        self.ready.push(spare);
    }

    /// One for clients that can be asked this.
    pub(super) fn take(&mut self, profile: &Profile) -> Option<Spare> {
        match &self.came {
            Came::Nobody => self.came = Came::Alike(profile.clone()),
            Came::Alike(own) if own != profile => self.came = Came::Several,
            Came::Alike(_) | Came::Several => (),
        }
        self.ready.retain(|spare| spare.opening.is_alive());
        let place = self.ready.iter().position(|spare| spare.suits(profile))?;
        Some(self.ready.remove(place))
    }

    /// One that somebody else needs the place of.
    pub(super) fn give_up(&mut self) -> Option<Spare> {
        self.ready.pop()
    }

    /// What the next ones are initialised for.
    pub(super) fn expected(&self) -> Option<Profile> {
        match &self.came {
            Came::Alike(profile) => Some(profile.clone()),
            Came::Nobody | Came::Several => None,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.ready.len()
    }

    /// How many are missing of `warm`.
    pub(super) fn missing(&self, warm: usize) -> usize {
        warm.saturating_sub(self.ready.len() + self.under_way)
    }

    /// Takes out what is dead or too old, or more than `warm` and not needed for so long.
    pub(super) fn sort_out(&mut self, warm: usize, idle: Duration, lifetime: Option<Duration>) -> Vec<Spare> {
        let now = clock::now();
        let mut count = 0;
        let is_out = |spare: &mut Spare| {
            let age = now.saturating_duration_since(spare.since);
            let is_old = lifetime.is_some_and(|lifetime| age >= lifetime) || (count >= warm && age >= idle);
            let is_out = is_old || !spare.opening.is_alive();
            count += usize::from(!is_out);
            is_out
        };
        self.ready.extract_if(.., is_out).collect()
    }

    /// Takes all out.
    pub(super) fn clear(&mut self) -> Vec<Spare> {
        std::mem::take(&mut self.ready)
    }
}
