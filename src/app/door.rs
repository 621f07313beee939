//! Each era's clients get questions in the form they understand.

use std::sync::Arc;

use crate::{
    dialogue::{Drive, DriveSettings, Park, ParkSettings},
    mcp::{Call, Reply, Waist},
    seal::KeyRing,
};

/// The waist as fronts see it.
pub struct Door {
    park: Park,
    drive: Drive,
}

impl Door {
    /// A door before `inner`.
    pub fn new(inner: &Arc<dyn Waist>, ring: &Arc<KeyRing>, park: ParkSettings, drive: DriveSettings) -> Self {
        Self { park: Park::new(inner.clone(), ring.clone(), park), drive: Drive::new(inner.clone(), drive) }
    }

    /// The parked calls.
    pub const fn parked(&self) -> &Park {
        &self.park
    }
}

impl Waist for Door {
    fn call(&self, call: Call) -> Reply {
        match call.caller.session {
            Some(_) => self.drive.call(call),
            None => self.park.call(call),
        }
    }

    fn ended(&self, session: &Arc<str>) {
        self.drive.ended(session);
    }
}
