//! Somebody who comes in.

use std::time::Instant;

use super::cache::Remembered;
use crate::mcp::Principal;

/// Somebody who comes in.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Who it is.
    pub principal: Principal,
    /// Until when that holds without another check; as long as the rules do when absent.
    pub until: Option<Instant>,
}

impl From<Remembered<Principal>> for Admitted {
    fn from(known: Remembered<Principal>) -> Self {
        Self { principal: known.what, until: Some(known.until) }
    }
}
