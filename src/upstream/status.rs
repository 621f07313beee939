//! What an operator sees of a server, and may do with it.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use crate::{clock, era::Era, mcp::UpstreamFault, telemetry::label::UpstreamState};

use super::{
    group::Group,
    peer::{Link, Peer},
    pool::Upstream,
    remote::{Remote, RemoteStatus},
    shared_by::SharedBy,
    wire::stdio::Stderr,
};

/// Between two looks at whether the calls in flight are done: what a person does not notice.
const LOOK: Duration = Duration::from_millis(20);

/// How a server is.
#[derive(Clone, Debug)]
pub struct ServerStatus {
    /// What it is doing.
    pub state: UpstreamState,
    /// The era it was found to speak.
    pub era: Option<Era>,
    /// Its child processes or sessions.
    pub children: Vec<ChildStatus>,
    /// Calls that wait for one of them.
    pub waiting: usize,
    /// What went wrong last, and how long ago.
    pub last_error: Option<(UpstreamFault, Duration)>,
    /// Its replicas and its breaker, where it is reached over HTTP.
    pub remote: Option<RemoteStatus>,
}

/// How a child process or session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildStatus {
    /// The id of the process, if it is one: that of its guard.
    pub pid: Option<i32>,
    /// For how long it has been there.
    pub age: Duration,
    /// Calls that it has.
    pub in_flight: usize,
    /// Whether it gets more.
    pub takes_calls: TakesCalls,
    /// Who shares it.
    pub shared_by: SharedBy,
}

/// Whether a child gets more calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesCalls {
    /// It does.
    Yes,
    /// It finishes those that it has, and ends.
    NoMore,
}

/// How children are ended that are to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// They finish their calls; others are started for those that are in use, before they go.
    WhenCallsAreDone,
    /// At once; their calls fail.
    AtOnce,
}

impl Upstream {
    /// How it is now.
    pub fn status(&self) -> ServerStatus {
        let groups = self.groups_now();
        let live = groups.iter().flat_map(|group| {
            let shared_by = SharedBy::of(group.owner());
            group.peers_now().into_iter().map(move |peer| child(&peer, TakesCalls::Yes, shared_by))
        });
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|(peer, _)| peer.strong_count() > 0);
        let retiring = retired
            .iter()
            .filter_map(|(peer, shared_by)| Some(child(&*peer.upgrade()?, TakesCalls::NoMore, *shared_by)));
        let failures = groups.iter().filter_map(|group| group.last_failure());
        ServerStatus {
            state: self.doing.now(),
            era: self.era(),
            children: live.chain(retiring).collect(),
            waiting: groups.iter().map(|group| group.waiting_now()).sum(),
            remote: self.remote.as_ref().map(Remote::status),
            last_error: failures.chain(self.reach.last_failure()).min_by_key(|(_, ago)| *ago),
        }
    }

    /// Its groups.
    pub(super) fn groups_now(&self) -> Vec<Arc<Group>> {
        self.lock_groups().values().cloned().collect()
    }

    /// What its children write to stderr.
    pub const fn stderr(&self) -> &Arc<Stderr> {
        &self.stderr
    }

    /// Starts it anew: whatever failed is forgotten, and children are replaced. Answers with the number of children that are replaced; what
    /// becomes of them, [`Upstream::status`] tells.
    pub async fn restart(self: &Arc<Self>, how: Restart) -> usize {
        tracing::info!(server = &**self.name(), ?how, "server is restarted");
        if let Some(remote) = &self.remote {
            remote.release();
        }
        drop(self.spare.lock().await.take());
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.reach.forget_failure();
        self.doing.enter(UpstreamState::Idle);
        let mut replaced = 0;
        for group in self.groups_now() {
            group.release();
            for peer in group.set_aside().into_iter().filter(|peer| peer.is_alive()) {
                replaced += 1;
                match how {
                    Restart::AtOnce => peer.close().await,
                    Restart::WhenCallsAreDone => {
                        let retired = (Arc::downgrade(&peer), SharedBy::of(group.owner()));
                        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(retired);
                        tokio::spawn(end(peer, self.settings().total_timeout));
                    }
                }
            }
        }
        replaced
    }
}

/// Ends a peer when nobody calls it any more. No call lasts longer than `longest`.
async fn end(peer: Arc<Peer>, longest: Duration) {
    let deadline = clock::now() + longest;
    while peer.leased() > 0 && peer.is_alive() && clock::now() < deadline {
        sleep(LOOK).await;
    }
    peer.close().await;
}

fn child(peer: &Peer, takes_calls: TakesCalls, shared_by: SharedBy) -> ChildStatus {
    let pid = match &peer.link {
        Link::Stdio(_, child) => Some(child.pid()),
        Link::Sse(_) | Link::Http(_) => None,
    };
    let age = clock::now().saturating_duration_since(peer.started);
    ChildStatus { pid, age, in_flight: peer.leased(), takes_calls, shared_by }
}
