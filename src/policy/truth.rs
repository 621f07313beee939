//! What one rule says.

/// What a rule says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    /// It is about the call, and its condition holds.
    Yes,
    /// It is not, or does not.
    No,
    /// That depends on what is not known yet.
    Open,
    /// Its condition failed.
    Failed,
}
