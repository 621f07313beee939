//! Limits of calls that wait for input.

use std::time::Duration;

/// Limits of calls that wait for input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkSettings {
    /// How long a client may take for a round.
    pub lifetime: Duration,
    /// Parked calls at the most.
    pub max: usize,
    /// Parked calls of one principal at the most.
    pub max_per_principal: usize,
    /// How long to wait for further questions before the client is asked, so that it is asked once.
    pub gather: Duration,
    /// Rounds of one call at the most.
    pub max_rounds: u32,
}
