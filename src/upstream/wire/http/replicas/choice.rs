//! Which of several: the one of two, drawn at random, that has less to do.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that nobody needs to be unable to guess: they only spread load. Seeded by the system, so that gateways differ.
///
/// Source: S. Vigna, "splitmix64", public domain, 2015.
#[derive(Debug)]
pub(super) struct Dice(AtomicU64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Dice {
    pub(super) fn new() -> Self {
        let mut seed = [0; 8];
        // A machine without randomness gets the same numbers each time, which spread load as well.
        let _ = getrandom::fill(&mut seed);
        Self(AtomicU64::new(u64::from_ne_bytes(seed)))
    }

    pub(super) fn roll(&self) -> u64 {
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The better of two different places among `count`, the first one drawn where they are alike; nothing where there is no place.
pub(super) fn better_of_two<L: Ord>(count: usize, rolled: u64, load: impl Fn(usize) -> L) -> Option<usize> {
    let places = u64::try_from(count).ok().filter(|places| *places > 0)?;
    let first = rolled % places;
    // From the other half of the bits, so that the two are independent.
    let second = if places > 1 { (first + 1 + (rolled >> 32) % (places - 1)) % places } else { first };
    let (first, second) = (usize::try_from(first).ok()?, usize::try_from(second).ok()?);
    Some(if load(second) < load(first) { second } else { first })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_the_busiest_and_of_two_always_the_other(loads in prop::collection::vec(0usize..50, 1..20), rolled: u64) {
            let chosen = better_of_two(loads.len(), rolled, |place| loads[place]).unwrap();
            let (most, least) = (*loads.iter().max().unwrap(), *loads.iter().min().unwrap());
            let is_alone_at_the_top = loads.iter().filter(|load| **load == most).count() == 1;
            prop_assert!(chosen < loads.len());
            prop_assert!(loads.len() == 1 || !is_alone_at_the_top || loads[chosen] < most);
            prop_assert!(loads.len() != 2 || loads[chosen] == least);
        }
    }

    #[test]
    fn everyone_has_its_turn_where_all_are_alike() {
        let dice = Dice::new();
        let mut drawn = [0; 5];
        for _ in 0..5000 {
            drawn[better_of_two(5, dice.roll(), |_| 0).unwrap()] += 1;
        }
        // Of 5000 throws of a fair die with five sides, each side comes up 1000 times, give or take nine deviations (28).
        assert!(drawn.iter().all(|times| (750..1250).contains(times)), "{drawn:?}");
        assert_eq!(better_of_two(0, 7, |_| 0), None);
    }
}
