//! How many groups a server has: callers say themselves what they can be asked, and each way to say it makes a group.

use std::{collections::HashMap, sync::Arc};

use super::{core::Group, key::GroupKey};

/// Groups of one server that nobody uses, at the most. Those that somebody uses are bounded by `http.maxRequests` and `http.maxStreams`.
const MAX_IDLE_GROUPS: usize = 4096;

/// Makes room for one more: when there are too many, the half that nobody used for longest ends. Their lists are kept.
pub(in crate::upstream) fn make_room(groups: &mut HashMap<GroupKey, Arc<Group>>) {
    if groups.len() < MAX_IDLE_GROUPS {
        return;
    }
    let mut idle: Vec<_> = groups.iter().filter_map(|(key, group)| Some((group.idle_for()?, key.clone()))).collect();
    idle.sort_by_key(|(idle, _)| std::cmp::Reverse(*idle));
    let half = idle.len().div_ceil(2);
    for (_, key) in idle.into_iter().take(half) {
        // Its sessions and processes end in the background when the last handle goes.
        groups.remove(&key);
    }
}
