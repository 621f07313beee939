//! The replicas of one server, as one thing to send requests to.

use std::sync::Arc;

use super::{
    super::{
        client::Outgoing,
        fault::{ClientFault, HttpFault, Phase},
    },
    choice::{Dice, better_of_two},
    flight::Purpose,
    members::Members,
    record::Ward,
    replica::{Answered, Pin, Replica},
    status::ReplicaStatus,
};
use crate::{
    clock,
    telemetry::{label::ReplicaCondition, metrics::ServerMetrics},
    upstream::settings::HttpSettings,
};

/// Replicas that one request is tried on at the most, each of which has certainly not seen it.
const MAX_TRIES: usize = 3;

/// The replicas of one server.
pub struct Replicas {
    members: Members,
    dice: Dice,
}

/// Where a request goes, and what for.
#[derive(Clone, Copy, Debug)]
pub struct To<'a> {
    place: Place<'a>,
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    /// Wherever there is least to do.
    Free,
    /// Wherever there are fewest sessions.
    Session,
    /// Where alone it makes sense.
    Pinned(&'a Pin),
}

impl<'a> To<'a> {
    /// Any replica; what is called there is answered.
    pub const ANY: Self = Self { place: Place::Free, purpose: Purpose::Answer };
    /// A replica for a session that is about to be opened.
    pub const SESSION: Self = Self { place: Place::Session, purpose: Purpose::Answer };

    /// The replica that alone knows what the request is about; any, where none does.
    pub const fn pinned(pin: Option<&'a Pin>) -> Self {
        match pin {
            Some(pin) => Self { place: Place::Pinned(pin), purpose: Purpose::Answer },
            None => Self::ANY,
        }
    }

    /// A replica that is looked at: what it answers counts neither for nor against it.
    pub const fn look(pin: &'a Pin) -> Self {
        Self { place: Place::Pinned(pin), purpose: Purpose::Look }
    }

    /// The same for a stream, on which there may be nothing to say for long.
    #[must_use]
    pub const fn streaming(self) -> Self {
        Self { purpose: Purpose::Stream, ..self }
    }
}

impl Replicas {
    /// The replicas that `settings` name; `max_message_bytes` limits one event of a stream. Nothing is looked up or connected.
    ///
    /// # Errors
    /// See [`ClientFault`]. Whom to trust and what certificate to show is read here.
    pub fn new(
        server: Arc<str>,
        settings: &HttpSettings,
        max_message_bytes: usize,
        metrics: ServerMetrics,
    ) -> Result<Self, ClientFault> {
        let ward = Arc::new(Ward::new(server, Arc::new(settings.clone()), metrics));
        Ok(Self { members: Members::new(ward, max_message_bytes)?, dice: Dice::new() })
    }

    #[cfg(test)]
    pub(in crate::upstream::wire::http) fn looking_up(self, lookup: super::super::dial::Lookup) -> Self {
        Self { members: self.members.looking_up(lookup), ..self }
    }

    /// Sends `request` and waits for the head of its answer. One that certainly did not reach a replica is sent to another one, where
    /// any would do; there is no wait before that, since the next one is another machine.
    ///
    /// # Errors
    /// See [`HttpFault`]; [`HttpFault::never_reached_upstream`] tells whether sending again is safe.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection the request went over (HTTP/2: resets its stream).
    pub async fn send(&self, request: Outgoing, to: To<'_>) -> Result<Answered, HttpFault> {
        if let Place::Pinned(pin) = to.place {
            return pin.0.send(request, to.purpose).await;
        }
        let members = self.members.now();
        if let [only] = members.as_slice() {
            let only = only.clone();
            drop(members);
            return only.send(request, to.purpose).await;
        }
        drop(members);
        Box::pin(self.send_to_some(request, to)).await
    }

    async fn send_to_some(&self, request: Outgoing, to: To<'_>) -> Result<Answered, HttpFault> {
        self.members.first_look().await;
        let members = self.members.now().to_vec();
        let mut tried: Vec<Arc<Replica>> = Vec::new();
        let mut fault = HttpFault::Connect(std::io::ErrorKind::NotFound.into());
        while tried.len() < MAX_TRIES {
            let Some(replica) = self.choose(&members, &tried, to.place) else { break };
            fault = match replica.send(request.clone(), to.purpose).await {
                Err(fault) if fault.never_reached_upstream() && is_of_the_replica(&fault) => fault,
                done => return done,
            };
            tracing::debug!(replica = &*replica.record.name, %fault, "a replica was not reached; another one is tried");
            tried.push(replica);
        }
        Err(fault)
    }

    /// Of those that should be used the one of two that has less to do; where none should be, of all.
    fn choose(&self, members: &[Arc<Replica>], tried: &[Arc<Replica>], place: Place<'_>) -> Option<Arc<Replica>> {
        let is_new = |replica: &&Arc<Replica>| !tried.iter().any(|tried| Arc::ptr_eq(tried, replica));
        let untried: Vec<&Arc<Replica>> = members.iter().filter(is_new).collect();
        let fit: Vec<&Arc<Replica>> = untried.iter().copied().filter(|replica| replica.record.is_fit()).collect();
        let from = if fit.is_empty() && tried.is_empty() { &untried } else { &fit };
        let load = |at: usize| {
            let record = from.get(at).map(|replica| &replica.record);
            let (calls, sessions) = record.map_or((0, 0), |record| (record.in_flight(), record.sessions()));
            if matches!(place, Place::Session) { (sessions, calls) } else { (calls, sessions) }
        };
        from.get(better_of_two(from.len(), self.dice.roll(), load)?).map(|replica| Arc::clone(replica))
    }

    /// Looks names up again.
    ///
    /// # Cancel safety
    /// Dropped, everything stays as it was.
    pub async fn refresh(&self) {
        self.members.refresh().await;
        self.report();
    }

    /// Lets replicas go that nobody needs any more, looks at the files of TLS, and counts. Reads a few small files.
    pub fn tidy(&self) {
        self.members.tidy(clock::now());
        self.members.look_at_files();
        self.report();
    }

    /// The replicas that are named now.
    pub fn pins(&self) -> Vec<Pin> {
        self.members.now().iter().cloned().map(Pin).collect()
    }

    /// Whether there is another replica than this one.
    pub fn has_others(&self, pin: &Pin) -> bool {
        self.members.now().iter().any(|replica| !Arc::ptr_eq(replica, &pin.0))
    }

    /// How each of them is.
    pub fn status(&self) -> Vec<ReplicaStatus> {
        let now = clock::now();
        let named = self.members.now();
        named.iter().chain(&self.members.leaving()).map(|replica| ReplicaStatus::of(replica, now)).collect()
    }

    fn report(&self) {
        let status = self.status();
        let conditions = status.iter().map(|status| ReplicaCondition::from(status.condition));
        let metrics = &self.members.ward.metrics;
        metrics.replicas(conditions);
        metrics.connections(status.iter().map(|status| status.connections).sum());
    }
}

impl From<super::status::Condition> for ReplicaCondition {
    fn from(condition: super::status::Condition) -> Self {
        use super::status::Condition;
        match condition {
            Condition::Healthy => Self::Healthy,
            Condition::Unhealthy => Self::Unhealthy,
            Condition::Ejected(_) => Self::Ejected,
            Condition::Leaving => Self::Leaving,
        }
    }
}

/// Whether another replica may do better.
const fn is_of_the_replica(fault: &HttpFault) -> bool {
    !matches!(fault, HttpFault::Timeout { phase: Phase::Slot } | HttpFault::Protocol(_) | HttpFault::Forbidden)
}

impl std::fmt::Debug for Replicas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.members.now().iter()).finish()
    }
}
