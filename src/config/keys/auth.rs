//! `auth`: who may come in.

use crate::{
    auth::settings::{CertificateName, Via},
    config::{
        defaults,
        shape::section,
        shapes::{Choice, Count, Date, FilePath, Glob, List, OneOrMany, ProofWord, Secret, Text, Time},
    },
};

section! {
    /// Who may come in.
    AuthKeys {
        /// API keys; `myelin key new` makes one.
        api_keys "apiKeys": List<ApiKeyKeys>,
        /// Issuers whose JWTs are taken.
        issuers "issuers": List<IssuerKeys>,
        /// Those who know opaque tokens (RFC 7662), in the order in which they are asked.
        introspection "introspection": List<IntrospectionKeys>,
        /// The Kubernetes cluster whose service accounts come in.
        kubernetes "kubernetes": KubernetesKeys,
        /// Whom clients' certificates stand for (`tls.clientCa`); the first rule that fits decides.
        certificates "certificates": List<CertificateKeys>,
        /// Scopes that every token of an issuer must carry.
        scopes "scopes": List<Text>,
        /// Where clients reach the gateway from outside, without a path: `https://mcp.example`.
        public_url "publicUrl": Text,
        /// How far the clocks of issuers may be off.
        clock_skew "clockSkew": Time<0> = defaults::CLOCK_SKEW,
        /// Verified tokens that are remembered at the most.
        max_remembered "maxRemembered": Count<2> = defaults::MAX_REMEMBERED,
        /// How long a verified token is not looked at again, at the most.
        remember_for "rememberFor": Time = defaults::REMEMBER_FOR,
        /// Tokens that are looked up at the same time at introspection endpoints and the cluster; one more is answered 503.
        max_lookups "maxLookups": Count = defaults::MAX_LOOKUPS,
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
        /// The gateway as its client: its users then sign in there when a page of the gateway must know who they are.
        login "login": LoginKeys,
    }
}

section! {
    /// The gateway as a client of an issuer, for users who sign in (OpenID Connect). It is registered there with the address
    /// `PUBLIC_URL/connect/signed-in/` and the issuer without its scheme.
    LoginKeys {
        /// The gateway's name there.
        client_id "clientId": Text,
        /// Its secret, best a reference; without one it is a public client.
        client_secret "clientSecret": Secret,
        /// How the secret is shown: `basic` or `post`.
        method "method": Choice<ProofWord> = ProofWord::Basic,
        /// What is asked for besides `openid`.
        scopes "scopes": List<Text>,
    }
}

section! {
    /// Somebody who knows opaque tokens (RFC 7662).
    IntrospectionKeys {
        /// Where they are asked.
        url "url": Text,
        /// The gateway's own name there.
        client_id "clientId": Text,
        /// The gateway's own secret there, best a reference.
        client_secret "clientSecret": Secret,
        /// The issuer of the tokens: clients are sent there for one, and an answer that names another is refused.
        issuer "issuer": Text,
        /// What `aud` of the answer must contain one of; the endpoint's own address when absent.
        audience "audience": OneOrMany<Text>,
        /// The member of the answer that lists the groups.
        groups_claim "groupsClaim": Text = defaults::GROUPS_CLAIM.to_owned(),
        /// PEM file of the authority to trust instead of the machine's.
        ca "ca": FilePath,
        /// How long an answer may take; then the client hears 503.
        timeout "timeout": Time = defaults::LOOKUP_TIMEOUT,
    }
}

section! {
    /// The Kubernetes cluster whose service accounts come in.
    KubernetesKeys {
        /// What their tokens must be for one of: pods ask for such a token with a projected volume.
        audience "audience": OneOrMany<Text>,
        /// `review` asks the API server about each token; `keys` verifies it with the cluster's keys.
        via "via": Choice<Via> = Via::Review,
        /// Patterns over `NAMESPACE/NAME`; every service account when absent.
        allowed "allowed": List<Glob>,
        /// The address of the API server, without a path; the one that a pod is told when absent.
        api_server "apiServer": Text,
        /// PEM file of the API server's authority; the one that a pod is given where `apiServer` is absent.
        ca "ca": FilePath,
        /// The gateway's own token for the API server; read for each request, since it changes.
        token_file "tokenFile": FilePath = defaults::SERVICE_ACCOUNT_TOKEN.into(),
        /// How long an answer may take; then the client hears 503.
        timeout "timeout": Time = defaults::LOOKUP_TIMEOUT,
        /// How long the cluster's keys count as fresh.
        keys_ttl "keysTtl": Time<1000> = defaults::KEYS_TTL,
    }
}

section! {
    /// Whom a client's certificate stands for.
    CertificateKeys {
        /// Which of its names is meant: `san-uri` (as SPIFFE has it), `san-dns`, `subject` (the whole, as RFC 4514 writes it) or
        /// `common-name`.
        from "from": Choice<CertificateName>,
        /// A pattern over that name, in which `*` ends at a slash; any name when absent.
        pattern "match": Glob,
        /// The principal; each name is one of its own (`x509|NAME`) when absent.
        id "id": Text,
        /// The groups of the principal.
        groups "groups": List<Text>,
    }
}
