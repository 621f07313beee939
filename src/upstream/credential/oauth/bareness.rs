//! Whether a server answers requests without a credential: many show their lists to anybody.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::clock;

/// How long a server that refused is not asked again: callers who are not connected ask for their lists often.
const PAUSE: Duration = Duration::from_secs(60);

/// What is known of a server.
#[derive(Clone, Copy, Debug, Default)]
enum Known {
    #[default]
    Nothing,
    /// It answered once; what it refuses since then is some of its methods.
    Answers,
    /// It refused, and is not asked until then.
    Refuses(Instant),
}

/// Whether a server answers requests without a credential.
#[derive(Debug, Default)]
pub(in crate::upstream::credential) struct Bareness(Mutex<Known>);

impl Bareness {
    /// Whether it is worth a try.
    pub(in crate::upstream::credential) fn may_try(&self) -> bool {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Known::Nothing | Known::Answers => true,
            Known::Refuses(until) => until <= clock::now(),
        }
    }

    /// It answered.
    pub(in crate::upstream::credential) fn answered(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Known::Answers;
    }

    /// It wants a credential.
    pub(in crate::upstream::credential) fn refused(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*known, Known::Answers) {
            *known = Known::Refuses(clock::now() + PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_refused_is_left_alone_and_one_that_answered_is_not() {
        let bareness = Bareness::default();
        assert!(bareness.may_try());
        bareness.refused();
        assert!(!bareness.may_try());
        *bareness.0.lock().unwrap() = Known::Refuses(clock::now());
        assert!(bareness.may_try(), "after a while it is asked again");
        bareness.answered();
        bareness.refused();
        assert!(bareness.may_try(), "one method that is refused is not all of them");
    }
}
