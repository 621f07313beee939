//! `policies` and `policy`: who may do what.

use crate::{
    config::{
        defaults,
        shape::section,
        shapes::{Bytes, Choice, Count, Glob, List, Mapping, OneOrMany, Text},
    },
    policy::settings::Mode,
};

section! {
    /// One rule: `allow` or `deny` with a condition in CEL. Once there is a rule, what no rule allows is denied, and `deny` wins.
    RuleKeys {
        /// Allows the calls for which this holds, such as `"research" in principal.groups`, or `true` for all.
        allow "allow": Text,
        /// Denies the calls for which this holds, whatever other rules say. A condition that fails denies, too.
        deny "deny": Text,
        /// What logs call the rule; its place in the list when absent.
        name "name": Text,
        /// `shadow` logs what the rule would deny, and denies nothing.
        mode "mode": Choice<Mode> = Mode::Enforce,
        /// Patterns over MCP methods: `tools/call`, `prompts/get`, `resources/read`, or methods of extensions.
        methods "methods": List<Glob>,
        /// Patterns over servers.
        servers "servers": List<Glob>,
        /// Patterns over paths of endpoints.
        endpoints "endpoints": List<Glob>,
        /// Patterns over tools, by the names that clients use. A rule with `tools`, `prompts` or `resources` is about nothing else.
        tools "tools": List<Glob>,
        /// Patterns over prompts, by the names that clients use.
        prompts "prompts": List<Glob>,
        /// Patterns over the URIs of resources.
        resources "resources": List<Glob>,
        /// Scopes that the caller's token must have, too; who lacks some is told which to ask for.
        scopes "scopes": List<Text>,
    }
}

section! {
    /// What holds for all `policies`.
    PolicyKeys {
        /// `shadow` puts all rules in shadow: what they would deny is logged, and nothing is denied.
        mode "mode": Choice<Mode> = Mode::Enforce,
        /// Scopes, each with those that it includes.
        scopes "scopes": Mapping<OneOrMany<Text>>,
        /// The largest arguments that a rule looks at; where it would have to look at larger ones, it fails.
        max_arguments "maxArguments": Bytes<0> = defaults::MAX_POLICY_ARGUMENTS,
        /// Decisions that are remembered at the most.
        max_remembered "maxRemembered": Count<0, 10_000_000> = defaults::MAX_POLICY_REMEMBERED,
    }
}
