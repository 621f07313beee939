//! Who shares a child or session, for operators.

use super::group::Owner;

/// Who shares a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedBy {
    /// All callers.
    Everybody,
    /// One principal's.
    OnePrincipal,
    /// One session's.
    OneSession,
}

impl SharedBy {
    pub(super) const fn of(owner: &Owner) -> Self {
        match owner {
            Owner::Everybody => Self::Everybody,
            Owner::Principal(_) => Self::OnePrincipal,
            Owner::Session(_) => Self::OneSession,
        }
    }
}
