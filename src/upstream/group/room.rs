//! How many groups a server has: callers say themselves what they can be asked, and each way to say it makes a group.

use std::{cmp::Reverse, collections::HashMap, hash::Hash, time::Duration};

/// Groups of one server that nobody uses, at the most. Those that somebody uses are bounded by `http.maxRequests` and `http.maxStreams`.
const MAX_IDLE_GROUPS: usize = 4096;

/// Makes room for one more: when there are too many, the half that nobody used for longest ends; `idle_for` says how long that is, and
/// nothing of a group that somebody uses. Their lists are kept.
pub(in crate::upstream) fn make_room<K: Clone + Eq + Hash, G>(
    groups: &mut HashMap<K, G>,
    idle_for: impl Fn(&G) -> Option<Duration>,
) {
    if groups.len() < MAX_IDLE_GROUPS {
        return;
    }
    let mut idle: Vec<_> = groups.iter().filter_map(|(key, group)| Some((idle_for(group)?, key.clone()))).collect();
    idle.sort_by_key(|(idle, _)| Reverse(*idle));
    let half = idle.len().div_ceil(2);
    for (_, key) in idle.into_iter().take(half) {
        // Its sessions and processes end in the background when the last handle goes.
        groups.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many groups, each unused for as many seconds as its number says, but for those that are used.
    fn groups(count: usize, is_used: impl Fn(usize) -> bool) -> HashMap<usize, Option<Duration>> {
        let idle = |number: usize| Duration::from_secs(number.try_into().unwrap());
        (0..count).map(|number| (number, (!is_used(number)).then(|| idle(number)))).collect()
    }

    #[test]
    fn one_fewer_than_may_be_stay_and_at_the_bound_the_half_that_was_not_used_for_longest_goes() {
        let mut fewer = groups(MAX_IDLE_GROUPS - 1, |_| false);
        make_room(&mut fewer, |idle| *idle);
        assert_eq!(fewer.len(), MAX_IDLE_GROUPS - 1);
        let mut as_many = groups(MAX_IDLE_GROUPS, |_| false);
        make_room(&mut as_many, |idle| *idle);
        assert_eq!(as_many.len(), MAX_IDLE_GROUPS / 2);
        assert!(as_many.keys().all(|number| *number < MAX_IDLE_GROUPS / 2));
    }

    #[test]
    fn what_somebody_uses_stays() {
        let mut groups = groups(MAX_IDLE_GROUPS + 10, |number| number >= 100);
        make_room(&mut groups, |idle| *idle);
        assert_eq!(groups.len(), MAX_IDLE_GROUPS + 10 - 50);
        assert!(groups.keys().all(|number| !(50..100).contains(number)));
    }
}
