//! What looks at a replica say of it: a state machine. Several in a row change an opinion, so that one lost packet changes nothing.

use crate::upstream::settings::HealthSettings;

/// What is thought of one replica.
#[derive(Debug, Default)]
pub(super) struct Standing {
    opinion: Opinion,
    /// Looks in a row that contradict it.
    against: usize,
}

/// Whether a replica is thought to work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opinion {
    /// It is, until looks say otherwise.
    #[default]
    Healthy,
    /// It is not.
    Unhealthy,
}

impl Standing {
    /// A look at it found this. What is thought of it now, if that is something else than before.
    pub(super) fn saw(&mut self, found: Opinion, settings: &HealthSettings) -> Option<Opinion> {
        if found == self.opinion {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let needed = match found {
            Opinion::Healthy => settings.healthy_after,
            Opinion::Unhealthy => settings.unhealthy_after,
        };
        if self.against < needed {
            return None;
        }
        *self = Self { opinion: found, against: 0 };
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::upstream::settings::Watched;

    fn settings(unhealthy_after: usize, healthy_after: usize) -> HealthSettings {
        let second = Duration::from_secs(1);
        HealthSettings { watched: Watched::Always, interval: second, timeout: second, unhealthy_after, healthy_after }
    }

    proptest! {
        #[test]
        fn an_opinion_changes_with_so_many_looks_in_a_row_and_not_one_fewer(
            looks: Vec<bool>, bad in 1usize..5, good in 1usize..5,
        ) {
            let (mut standing, mut opinion, mut run) = (Standing::default(), Opinion::Healthy, 0);
            for good_look in looks {
                let found = if good_look { Opinion::Healthy } else { Opinion::Unhealthy };
                run = if found == opinion { 0 } else { run + 1 };
                let changes = run >= if good_look { good } else { bad } && found != opinion;
                prop_assert_eq!(standing.saw(found, &settings(bad, good)), changes.then_some(found));
                if changes {
                    (opinion, run) = (found, 0);
                }
            }
        }
    }
}
