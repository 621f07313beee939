//! Which clients share a group.

use std::sync::Arc;

use crate::{
    mcp::{Caller, Profile},
    upstream::{
        opening::Verdict,
        settings::{Isolation, UpstreamSettings, WireSettings},
    },
};

/// Who shares the peers of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::upstream) struct GroupKey {
    /// The owner.
    pub owner: Owner,
    /// What their clients can be asked.
    pub profile: Profile,
}

/// Whose a group is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::upstream) enum Owner {
    /// Everybody's.
    Everybody,
    /// One principal's.
    Principal(Arc<str>),
    /// One legacy session's.
    Session(Arc<str>),
}

/// The key of a caller's group on a server of that era.
pub(in crate::upstream) fn key(settings: &UpstreamSettings, verdict: Verdict, caller: &Caller) -> GroupKey {
    let isolation = settings.pool.isolation;
    // On these wires a question names no call: where all share, nobody can be asked, and a server is not told otherwise.
    let names_no_call = verdict == Verdict::LegacySse || matches!(settings.wire, WireSettings::Stdio(_));
    let profile = match verdict {
        _ if isolation == Isolation::Shared && names_no_call => Profile::default(),
        // A modern server is told with each call what can be asked; all callers share.
        Verdict::Modern => Profile::default(),
        Verdict::Legacy | Verdict::LegacySse => caller.capabilities.profile.clone(),
    };
    let owner = match verdict {
        Verdict::Modern if isolation == Isolation::Session => owner(Isolation::Principal, caller),
        _ => owner(isolation, caller),
    };
    GroupKey { owner, profile }
}

/// The owner that an isolation gives to a caller's group.
fn owner(isolation: Isolation, caller: &Caller) -> Owner {
    match (isolation, &caller.session) {
        (Isolation::Shared, _) => Owner::Everybody,
        (Isolation::Session, Some(session)) => Owner::Session(session.clone()),
        (Isolation::Session | Isolation::Principal, _) => Owner::Principal(caller.principal.shared_id()),
    }
}
