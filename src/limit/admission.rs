//! What a call that was let in holds.

use std::{fmt, pin::Pin};

use smallvec::SmallVec;

use super::{bucket::Place, store::Lease};
use crate::mcp::Fault;

/// The places that a call holds. They are free again when it is dropped.
#[derive(Default)]
pub struct Admission {
    places: SmallVec<[Place; 2]>,
    lease: Option<Lease>,
}

/// Whether a call is let in: known at once, or after a store was asked or others have gone before.
pub enum Admitted {
    /// It is known.
    Now(Result<Admission, Fault>),
    /// It is waited for. Dropped, the call leaves the queue, and what it took of places and quotas is free again.
    Later(Pin<Box<dyn Future<Output = Result<Admission, Fault>> + Send>>),
}

impl Admission {
    pub(super) fn hold(&mut self, place: Place) {
        self.places.push(place);
    }

    pub(super) fn lease(&mut self, lease: Option<Lease>) {
        self.lease = lease;
    }
}

impl Admitted {
    /// The answer, waited for where need be.
    ///
    /// # Errors
    /// [`Fault::Limited`].
    ///
    /// # Cancel safety
    /// As [`Admitted::Later`] says.
    pub async fn decided(self) -> Result<Admission, Fault> {
        match self {
            Self::Now(decided) => decided,
            Self::Later(decided) => decided.await,
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("places", &self.places.len()).finish_non_exhaustive()
    }
}
