//! A request for a server with nothing to it: what the other kinds start from.

use crate::{
    era::Method,
    mcp::{Call, Mirror, Params},
    upstream::{Changes, Errand, Tasking},
};

/// The client's own parameters, some of them changed.
pub(super) fn plain_errand(call: &Call, method: Method, params: Params, changes: Changes) -> Errand {
    Errand {
        caller: call.caller.clone(),
        method,
        params,
        changes,
        mirror: Mirror::default(),
        progress: call.progress,
        verb: None,
        tool: None,
        tasking: Tasking::Nothing,
        trace: call.trace.clone(),
        asker: None,
    }
}
