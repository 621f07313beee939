//! The metrics of one server that is reached over HTTP: its replicas, and when it is left alone.

use std::{fmt, sync::Arc};

use prometheus_client::{
    encoding::{EncodeLabelSet, LabelSetEncoder},
    metrics::{counter::Counter as Count, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::handle::{ServerLabel, encode_label};
use crate::telemetry::label::{BreakerState, Label, ReplicaCondition, Success};

/// The handles of one server.
#[derive(Debug)]
pub(super) struct Remote {
    replicas: Vec<Gauge>,
    breaker: Vec<Gauge>,
    looks: Vec<Count>,
    pub(super) connections: Gauge,
    pub(super) ejections: Count,
    pub(super) troubled: Gauge,
    pub(super) left_alone: Count,
    pub(super) renewals: Count,
}

impl Remote {
    pub(super) fn replicas(&self, conditions: impl Iterator<Item = ReplicaCondition>) {
        let mut counts = [0; ReplicaCondition::ALL.len()];
        for condition in conditions {
            if let Some(count) = counts.get_mut(condition.index()) {
                *count += 1;
            }
        }
        for (gauge, count) in self.replicas.iter().zip(counts) {
            gauge.set(count);
        }
    }

    pub(super) fn breaker(&self, now: BreakerState) {
        for (state, gauge) in BreakerState::ALL.iter().zip(&self.breaker) {
            gauge.set(i64::from(*state == now));
        }
    }

    pub(super) fn looked(&self, result: Success) {
        if let Some(counter) = self.looks.get(result.index()) {
            counter.inc();
        }
    }
}

/// A label set of a server and a word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Word(&'static str, &'static str);

impl EncodeLabelSet for Word {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        encode_label(encoder, self.0, self.1)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct RemoteFamilies {
    replicas: Family<(ServerLabel, Word), Gauge>,
    breaker: Family<(ServerLabel, Word), Gauge>,
    looks: Family<(ServerLabel, Word), Count>,
    connections: Family<ServerLabel, Gauge>,
    ejections: Family<ServerLabel, Count>,
    troubled: Family<ServerLabel, Gauge>,
    left_alone: Family<ServerLabel, Count>,
    renewals: Family<ServerLabel, Count>,
}

fn words<L: Label>(name: &'static str) -> impl Iterator<Item = Word> {
    L::VALUES.iter().map(move |value| Word(name, value.text()))
}

impl RemoteFamilies {
    pub(super) fn register(r: &mut Registry) -> Self {
        let all = Self::default();
        r.register("upstream_replicas", "Replicas of a server, by whether they are used", all.replicas.clone());
        r.register("upstream_breaker", "Whether a server is called: 1 for the state it is in", all.breaker.clone());
        r.register("upstream_health_checks", "Looks at replicas apart from calls", all.looks.clone());
        r.register("upstream_connections", "Connections to a server in use", all.connections.clone());
        r.register("upstream_ejections", "Replicas left out because calls to them failed", all.ejections.clone());
        r.register(
            "upstream_troubled_principals",
            "Principals with whose own credential calls to a server fail",
            all.troubled.clone(),
        );
        r.register("upstream_left_alone", "Calls refused because a server is left alone", all.left_alone.clone());
        r.register("upstream_session_renewals", "Sessions opened anew on a server", all.renewals.clone());
        all
    }

    pub(super) fn resolve(&self, one: &ServerLabel) -> Remote {
        let gauges = |family: &Family<(ServerLabel, Word), Gauge>, words: &mut dyn Iterator<Item = Word>| {
            words.map(|word| family.get_or_create_owned(&(one.clone(), word))).collect()
        };
        let remote = Remote {
            replicas: gauges(&self.replicas, &mut words::<ReplicaCondition>("condition")),
            breaker: gauges(&self.breaker, &mut words::<BreakerState>("state")),
            looks: words::<Success>("result")
                .map(|word| self.looks.get_or_create_owned(&(one.clone(), word)))
                .collect(),
            connections: self.connections.get_or_create_owned(one),
            ejections: self.ejections.get_or_create_owned(one),
            troubled: self.troubled.get_or_create_owned(one),
            left_alone: self.left_alone.get_or_create_owned(one),
            renewals: self.renewals.get_or_create_owned(one),
        };
        remote.breaker(BreakerState::Closed);
        remote
    }

    pub(super) fn remove(&self, name: &Arc<str>) {
        let one = ServerLabel(name.clone());
        for word in words::<ReplicaCondition>("condition") {
            self.replicas.remove(&(one.clone(), word));
        }
        for word in words::<BreakerState>("state") {
            self.breaker.remove(&(one.clone(), word));
        }
        for word in words::<Success>("result") {
            self.looks.remove(&(one.clone(), word));
        }
        self.connections.remove(&one);
        self.ejections.remove(&one);
        self.troubled.remove(&one);
        self.left_alone.remove(&one);
        self.renewals.remove(&one);
    }
}
