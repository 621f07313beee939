//! Counts that several gateways share: what a store of them must do.

use std::{
    num::{NonZeroU32, NonZeroU64},
    pin::Pin,
    time::Duration,
};

use super::settings::Rate;

/// A store of counts. It is asked with each call: what waits for it waits for a short time only.
pub trait Store: Send + Sync {
    /// Whether it is there. When it is not, each gateway goes by its own share.
    fn is_there(&self) -> bool;

    /// Among how many gateways limits are divided while it is away.
    fn replicas(&self) -> NonZeroU32;

    /// Takes all that is demanded, or nothing.
    fn take<'a>(&'a self, demands: &'a [Demand]) -> Pin<Box<dyn Future<Output = Result<Verdict, Away>> + Send + 'a>>;
}

/// Something to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Whose it is: the same for the same name of the same limit on all gateways, and different for all others.
    pub key: String,
    /// What, and how many there are at the most.
    pub measure: Measure,
}

/// What is taken one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A bucket.
    Rate(Rate),
    /// Places; the one that is taken is held until its [`Lease`] is dropped.
    Places(NonZeroU32),
    /// A quota, until this time since 1970.
    Quota(NonZeroU64, Duration),
}

/// What came of it.
#[derive(Debug)]
pub enum Verdict {
    /// All was taken.
    Taken(Option<Lease>),
    /// Nothing was taken: this one of the demands could not be met, and may be after that time.
    Refused(usize, Duration),
}

/// Places in a store. They are given back when it is dropped.
pub struct Lease(Box<dyn Send + Sync>);

/// The store is away, or too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store of limits does not answer")]
pub struct Away;

impl Lease {
    /// What is dropped with it.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self(Box::new(held))
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(_held) = self;
        f.write_str("Lease")
    }
}
