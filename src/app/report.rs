//! How a server is, in the words of the operator's listener.

use crate::{
    admin::{ConnectionReport, ErrorReport, ReplicaReport, ServerReport},
    clock,
    era::Era,
    upstream::{
        ChildStatus, SharedBy, TakesCalls, Upstream,
        settings::WireSettings,
        wire::http::{Condition, ReplicaStatus},
    },
};

pub(super) fn server(upstream: &Upstream) -> ServerReport {
    let status = upstream.status();
    let connections: Vec<ConnectionReport> = status.children.iter().map(connection).collect();
    let (wire, target, sandboxed) = match &upstream.settings().wire {
        WireSettings::Stdio(stdio) => ("stdio", stdio.command.clone(), stdio.sandbox.is_some()),
        WireSettings::Http(http) => {
            let authority = http.url.authority().map(ToString::to_string).unwrap_or_default();
            ("http", format!("{}://{authority}", http.url.scheme_str().unwrap_or_default()), false)
        }
    };
    let (metrics, remote) = (upstream.metrics(), &status.remote);
    ServerReport {
        name: upstream.name().to_string(),
        state: status.state.name(),
        era: status.era.map(Era::name),
        wire,
        target,
        sandboxed,
        in_flight: connections.iter().map(|connection| connection.in_flight).sum(),
        connections,
        breaker: remote.as_ref().map(|remote| remote.breaker.name()),
        replicas: remote.iter().flat_map(|remote| &remote.replicas).map(replica).collect(),
        spares: status.spares,
        losses: status.losses,
        parked: status.parked.map(|since| since.as_secs()),
        queued: status.waiting,
        restarts: metrics.restarts().get(),
        withheld: upstream.withheld(),
        lists_age: metrics.lists_read_at().map(|read| clock::unix_time().saturating_sub(read).as_secs()),
        last_error: status.last_error.map(|(fault, ago)| ErrorReport { error: fault.to_string(), age: ago.as_secs() }),
    }
}

const fn connection(child: &ChildStatus) -> ConnectionReport {
    ConnectionReport {
        pid: child.pid,
        age: child.age.as_secs(),
        in_flight: child.in_flight,
        shared_by: match child.shared_by {
            SharedBy::Everybody => "everybody",
            SharedBy::OnePrincipal => "a principal",
            SharedBy::OneSession => "a session",
        },
        finishing: matches!(child.takes_calls, TakesCalls::NoMore),
    }
}

fn replica(replica: &ReplicaStatus) -> ReplicaReport {
    ReplicaReport {
        address: replica.address.clone(),
        condition: match replica.condition {
            Condition::Healthy => "healthy",
            Condition::Unhealthy => "unhealthy",
            Condition::Ejected(_) => "ejected",
            Condition::Leaving => "leaving",
        },
        in_flight: replica.in_flight,
        failures: replica.failures,
    }
}
