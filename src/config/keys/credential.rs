//! `mcpServers.NAME.auth` and `signing`: what the gateway shows its servers.

use crate::config::{
    defaults,
    shape::section,
    shapes::{Choice, List, Mapping, ProofWord, Secret, Text, Time},
};

section! {
    /// What requests to the server are authorised with: one of these kinds, or the word `passthrough` for the caller's own token.
    ServerAuthKeys {
        /// A token that the gateway gets for itself.
        client_credentials "clientCredentials": OauthClientKeys,
        /// A token that the caller's own is exchanged for (RFC 8693).
        token_exchange "tokenExchange": TokenExchangeKeys,
        /// A statement about who calls, signed by the gateway.
        assertion "assertion": AssertionKeys,
        /// A token that the user agrees to in a browser, once.
        oauth "oauth": UserOauthKeys,
    }
}

section! {
    /// A token that the caller's own is exchanged for.
    TokenExchangeKeys {
        /// What the caller's token is.
        subject_token_type "subjectTokenType": Text = defaults::TOKEN_TYPE.to_owned(),
        /// What is asked for.
        requested_token_type "requestedTokenType": Text = defaults::TOKEN_TYPE.to_owned(),
        ..client: OauthClientKeys
    }
}

section! {
    /// Where tokens come from, and who the gateway is there.
    OauthClientKeys {
        /// Where tokens are asked for; `issuer` finds it otherwise.
        token_url "tokenUrl": Text,
        /// The authorization server, when its metadata says where tokens are asked for.
        issuer "issuer": Text,
        /// The gateway's name there.
        client_id "clientId": Text,
        /// Its secret, best a reference.
        client_secret "clientSecret": Secret,
        /// Its private key for `privateKeyJwt`: PEM of a P-256, Ed25519 or RSA key, best a reference.
        private_key "privateKey": Secret,
        /// What that key is called there.
        key_id "keyId": Text,
        /// How the gateway proves who it is: `basic` or `post` with the secret, or `privateKeyJwt`.
        method "method": Choice<ProofWord> = ProofWord::Basic,
        /// What tokens are asked for.
        scopes "scopes": List<Text>,
        /// `audience`, for authorization servers that go by it.
        audience "audience": Text,
        /// `resource` (RFC 8707); the server's own address when absent.
        resource "resource": Text,
    }
}

section! {
    /// A token that the user agrees to in a browser. With nothing below it the server itself says by which authorization server it goes.
    UserOauthKeys {
        /// The authorization server; the server's own metadata names it when absent.
        issuer "issuer": Text,
        /// The gateway's name there; found or registered when absent.
        client_id "clientId": Text,
        /// Its secret, best a reference; without one it is a public client.
        client_secret "clientSecret": Secret,
        /// How the secret is shown: `basic` or `post`.
        method "method": Choice<ProofWord> = ProofWord::Basic,
        /// What is asked for; what the server says when absent.
        scopes "scopes": List<Text>,
        /// `resource` (RFC 8707); the server's own address when absent.
        resource "resource": Text,
    }
}

section! {
    /// A statement about who calls, signed by the gateway; its keys are published at `/.well-known/jwks.json`.
    AssertionKeys {
        /// For whom it is: `aud`. The server's own address when absent; a program needs one.
        audience "audience": Text,
        /// How long it holds.
        ttl "ttl": Time<10000> = defaults::ASSERTION_TTL,
        /// The header that it travels in; `Authorization: Bearer` when absent. A program has it in `_meta["myelin/assertion"]` of requests.
        header "header": Text,
        /// Fixed claims beside those that it always has.
        claims "claims": Mapping<Text>,
    }
}

section! {
    /// The keys that the gateway signs with.
    SigningKeys {
        /// PEM of P-256, Ed25519 or RSA keys, each best a reference; the first signs, all are published. Without one, a key is made at
        /// each start.
        keys "keys": List<Secret>,
    }
}
