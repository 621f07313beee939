//! What the policy said of a call, for the logs.

use std::sync::Arc;

/// What the policy said of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What became of the call.
    pub ruling: Ruling,
    /// The rule that said so, by its name or as `#3` by its place in the configuration; none where no rule spoke for the call.
    pub rule: Option<Arc<str>>,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It went on.
    Allowed,
    /// It went on, and would not have if the rules in shadow were in force.
    ShadowDenied,
    /// Its caller's token lacks a scope.
    ScopeNeeded,
    /// It was refused.
    Denied,
}

impl Ruling {
    /// The word in the logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::ShadowDenied => "shadow_denied",
            Self::ScopeNeeded => "scope_needed",
            Self::Denied => "denied",
        }
    }
}
