//! What happened, and what must not have.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use anyhow::ensure;

/// Troubles that are printed; the rest is counted.
const SHOWN: usize = 20;
/// Bytes of each that are printed.
const SHOWN_BYTES: usize = 600;

/// What this test claims. Each is passed or failed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// Every answer is the principal's own, and answers what was asked.
    OwnAnswers,
    /// Every list has exactly what the principal owns.
    OwnLists,
    /// What belongs to another principal answers as what does not exist.
    ForeignIsAbsent,
    /// No call reaches a server across a line, and no connection of one principal is used for another.
    NothingCrosses,
    /// No client's token reaches a server.
    TokensStay,
    /// Nothing fails that should succeed.
    NothingFails,
}

impl Claim {
    const ALL: [Self; 6] = [
        Self::OwnAnswers,
        Self::OwnLists,
        Self::ForeignIsAbsent,
        Self::NothingCrosses,
        Self::TokensStay,
        Self::NothingFails,
    ];

    const fn text(self) -> &'static str {
        match self {
            Self::OwnAnswers => "every answer is the principal's own",
            Self::OwnLists => "every list has what the principal owns, and nothing else",
            Self::ForeignIsAbsent => "what others own answers as what does not exist",
            Self::NothingCrosses => "nothing reaches a server across a line between principals",
            Self::TokensStay => "no client's token reaches a server",
            Self::NothingFails => "nothing fails that should succeed",
        }
    }
}

/// The counts of a run.
#[derive(Default)]
pub(crate) struct Tally {
    made: RefCell<BTreeMap<&'static str, u64>>,
    carried: Cell<u64>,
    troubles: RefCell<BTreeMap<Claim, u64>>,
    shown: Cell<usize>,
}

impl Tally {
    /// A client was answered.
    pub(crate) fn made(&self, what: &'static str) {
        *self.made.borrow_mut().entry(what).or_default() += 1;
    }

    /// A server answered a principal's request.
    pub(crate) fn carried(&self) {
        self.carried.set(self.carried.get() + 1);
    }

    /// A claim does not hold.
    pub(crate) fn trouble(&self, claim: Claim, what: &str) {
        *self.troubles.borrow_mut().entry(claim).or_default() += 1;
        if self.shown.get() < SHOWN {
            self.shown.set(self.shown.get() + 1);
            eprintln!("  {claim:?}: {}", what.get(..SHOWN_BYTES).unwrap_or(what));
        }
    }

    /// Prints everything; the last line counts the claims.
    ///
    /// # Errors
    /// A claim failed, or too little happened for it to mean anything.
    #[expect(clippy::print_stdout, reason = "this is the result")]
    pub(crate) fn report(&self, principals: usize, seconds: u64) -> anyhow::Result<()> {
        let (made, troubles) = (self.made.borrow(), self.troubles.borrow());
        let calls: u64 = made.values().sum();
        println!(
            "{calls} requests by {principals} principals in {seconds} s, {} of them at the servers:",
            self.carried.get()
        );
        made.iter().for_each(|(what, count)| println!("  {count:>9} {what}"));
        for claim in Claim::ALL {
            let count = troubles.get(&claim).copied().unwrap_or_default();
            println!("  {} {}: {count} times not", if count == 0 { "ok  " } else { "FAIL" }, claim.text());
        }
        println!("{} passed, {} failed", Claim::ALL.len() - troubles.len(), troubles.len());
        ensure!(calls > 0 && self.carried.get() > 0, "nothing happened");
        ensure!(troubles.is_empty(), "principals are not apart");
        Ok(())
    }
}
