//! The metrics of what is held of one server, and of what of it found no place: each of these has a bound.

use prometheus_client::{
    metrics::{counter::Counter as Count, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    handle::ServerLabel,
    server_label::{OverlongLabel, ThingLabel},
};
use crate::telemetry::label::{Label, Overlong, Thing};

/// The handles of one server.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) queued: Gauge,
    pub(super) groups: Gauge,
    pub(super) messages_aside: Gauge,
    pub(super) stderr_lines: Count,
    pub(super) dropped_notices: Count,
    withheld: Vec<Gauge>,
    overlong: Vec<Count>,
}

impl Held {
    pub(super) fn withheld(&self, thing: Thing, count: usize) {
        if let Some(gauge) = self.withheld.get(thing.index()) {
            gauge.set(count.try_into().unwrap_or(i64::MAX));
        }
    }

    pub(super) fn overlong(&self, outcome: Overlong) {
        if let Some(counter) = self.overlong.get(outcome.index()) {
            counter.inc();
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct HeldFamilies {
    queued: Family<ServerLabel, Gauge>,
    groups: Family<ServerLabel, Gauge>,
    messages_aside: Family<ServerLabel, Gauge>,
    stderr_lines: Family<ServerLabel, Count>,
    dropped_notices: Family<ServerLabel, Count>,
    withheld: Family<(ServerLabel, ThingLabel), Gauge>,
    overlong: Family<(ServerLabel, OverlongLabel), Count>,
}

impl HeldFamilies {
    pub(super) fn register(r: &mut Registry) -> Self {
        let all = Self::default();
        r.register("upstream_queued_calls", "Calls that wait for a server", all.queued.clone());
        r.register("upstream_groups", "Groups of callers that share peers of a server", all.groups.clone());
        r.register(
            "upstream_messages_aside",
            "Messages on their way to a server that nobody waits for",
            all.messages_aside.clone(),
        );
        r.register(
            "upstream_stderr_lines",
            "Lines that children of a server wrote to stderr",
            all.stderr_lines.clone(),
        );
        let dropped = all.dropped_notices.clone();
        r.register("upstream_dropped_notices", "Notices dropped because a client read too slowly", dropped);
        let withheld = all.withheld.clone();
        r.register("upstream_withheld", "What of a server is withheld: not approved, or too large", withheld);
        r.register("upstream_overlong", "Results that were too large, by what became of them", all.overlong.clone());
        all
    }

    pub(super) fn resolve(&self, one: &ServerLabel) -> Held {
        let withheld = |thing: &Thing| self.withheld.get_or_create_owned(&(one.clone(), ThingLabel(*thing)));
        let overlong = |outcome: &Overlong| self.overlong.get_or_create_owned(&(one.clone(), OverlongLabel(*outcome)));
        Held {
            queued: self.queued.get_or_create_owned(one),
            groups: self.groups.get_or_create_owned(one),
            messages_aside: self.messages_aside.get_or_create_owned(one),
            stderr_lines: self.stderr_lines.get_or_create_owned(one),
            dropped_notices: self.dropped_notices.get_or_create_owned(one),
            withheld: Thing::ALL.iter().map(withheld).collect(),
            overlong: Overlong::ALL.iter().map(overlong).collect(),
        }
    }

    pub(super) fn remove(&self, one: &ServerLabel) {
        self.queued.remove(one);
        self.groups.remove(one);
        self.messages_aside.remove(one);
        self.stderr_lines.remove(one);
        self.dropped_notices.remove(one);
        for thing in Thing::ALL {
            self.withheld.remove(&(one.clone(), ThingLabel(*thing)));
        }
        for outcome in Overlong::ALL {
            self.overlong.remove(&(one.clone(), OverlongLabel(*outcome)));
        }
    }
}
