//! `auth`: who may come in.

use crate::config::{
    defaults,
    shape::section,
    shapes::{Count, Date, List, OneOrMany, Secret, Text, Time},
};

section! {
    /// Who may come in.
    AuthKeys {
        /// API keys; `myelin key new` makes one.
        api_keys "apiKeys": List<ApiKeyKeys>,
        /// Issuers whose JWTs are taken.
        issuers "issuers": List<IssuerKeys>,
        /// Scopes that every JWT must carry.
        scopes "scopes": List<Text>,
        /// Where clients reach the gateway from outside, without a path: `https://mcp.example`.
        public_url "publicUrl": Text,
        /// How far the clocks of issuers may be off.
        clock_skew "clockSkew": Time<0> = defaults::CLOCK_SKEW,
        /// Verified tokens that are remembered at the most.
        max_remembered "maxRemembered": Count<2> = defaults::MAX_REMEMBERED,
        /// How long a verified token is not looked at again, at the most.
        remember_for "rememberFor": Time = defaults::REMEMBER_FOR,
    }
}

section! {
    /// One API key: `hash`, or `token` where the key itself comes from a secret.
    ApiKeyKeys {
        /// The principal that it stands for; several keys may stand for one.
        id "id": Text,
        /// The key's hash, as `myelin key new` prints it.
        hash "hash": Text,
        /// The key itself, best a reference. Any text that can be a bearer token.
        token "token": Secret,
        /// The groups of the principal.
        groups "groups": List<Text>,
        /// The first day (UTC) on which it is refused.
        expires "expires": Date,
    }
}

section! {
    /// An issuer whose JWTs are taken.
    IssuerKeys {
        /// Its identifier, as `iss` has it. Its metadata is found from here.
        issuer "issuer": Text,
        /// What `aud` must contain one of; the endpoint's own address when absent.
        audience "audience": OneOrMany<Text>,
        /// Where its keys are, when it has no metadata.
        keys_url "keysUrl": Text,
        /// The claim that lists the groups.
        groups_claim "groupsClaim": Text = defaults::GROUPS_CLAIM.to_owned(),
        /// How long its keys count as fresh.
        keys_ttl "keysTtl": Time<1000> = defaults::KEYS_TTL,
    }
}
