//! Replicas as operators see them.

use std::time::{Duration, Instant};

use super::replica::Replica;

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Host and port, and where a name leads that is looked up.
    pub address: String,
    /// Whether it is used.
    pub condition: Condition,
    /// Requests and streams in flight.
    pub in_flight: usize,
    /// Sessions that only it knows.
    pub sessions: usize,
    /// Connections in use; over HTTP/2, requests.
    pub connections: usize,
    /// Failures in a row.
    pub failures: usize,
}

/// Whether a replica is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is.
    Healthy,
    /// Looks at it fail.
    Unhealthy,
    /// Calls to it failed: it is left out for so much longer.
    Ejected(Duration),
    /// It is named no longer: only what it alone knows still goes to it.
    Leaving,
}

impl ReplicaStatus {
    pub(super) fn of(replica: &Replica, now: Instant) -> Self {
        let record = &replica.record;
        let condition = match (replica.leaves(), record.out_for(now), record.is_unhealthy()) {
            (Some(_), ..) => Condition::Leaving,
            (None, Some(left), _) => Condition::Ejected(left),
            (None, None, true) => Condition::Unhealthy,
            (None, None, false) => Condition::Healthy,
        };
        Self {
            address: record.name.to_string(),
            condition,
            in_flight: record.in_flight(),
            sessions: record.sessions(),
            connections: replica.client.in_use(),
            failures: record.failures(),
        }
    }
}
