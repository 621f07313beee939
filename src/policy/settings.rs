//! What the operator allows and denies: the validated form that `config` builds and [`Policies`](super::Policies) obeys.

use std::collections::BTreeMap;

/// All rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySettings {
    /// The rules, in file order. None at all allow everything.
    pub rules: Vec<RuleSettings>,
    /// Whether they are in force.
    pub mode: Mode,
    /// Scopes by the broader ones that include them.
    pub scopes: BTreeMap<String, Vec<String>>,
    /// The largest arguments that a rule looks at, in bytes; a rule that would have to look at larger ones fails.
    pub max_arguments_bytes: usize,
    /// Decisions that are remembered at the most.
    pub max_remembered: usize,
}

impl Default for PolicySettings {
    /// No rules.
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            mode: Mode::Enforce,
            scopes: BTreeMap::new(),
            max_arguments_bytes: 64 * 1024,
            max_remembered: 10_000,
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSettings {
    /// What it does.
    pub effect: Effect,
    /// When, in CEL.
    pub condition: String,
    /// What it is called in logs.
    pub name: Option<String>,
    /// Whether it is in force.
    pub mode: Mode,
    /// What it is about.
    pub targets: TargetSettings,
    /// The scopes that a caller whom it allows must have, too.
    pub scopes: Vec<String>,
}

/// What a rule is about: globs. Where a list is absent, any will do; of `tools`, `prompts` and `resources` one match is enough, and a rule
/// that has one of them is about nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetSettings {
    /// MCP methods.
    pub methods: Option<Vec<String>>,
    /// Servers.
    pub servers: Option<Vec<String>>,
    /// Paths of endpoints.
    pub endpoints: Option<Vec<String>>,
    /// Tools, by the names that clients use.
    pub tools: Option<Vec<String>>,
    /// Prompts, by the names that clients use.
    pub prompts: Option<Vec<String>>,
    /// Resources, by URI.
    pub resources: Option<Vec<String>>,
}

/// What a rule does with the calls that match it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Allows them, unless another rule denies them.
    Allow,
    /// Denies them, whatever other rules say.
    Deny,
}

/// Whether a rule is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Enforce,
    /// What it would deny is logged, and denied it is not.
    Shadow,
}

impl Effect {
    /// The word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl Mode {
    /// The word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
        }
    }
}
