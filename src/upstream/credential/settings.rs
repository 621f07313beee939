//! What an operator may say about the credential of one server: the validated form that `config` builds.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderName, Uri};

use crate::redact::Redacted;

use super::canonical;

/// How requests to a server are authorised, beside its configured headers.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum CredentialSettings {
    /// Not at all.
    #[default]
    None,
    /// With the token that the caller came with.
    Passthrough,
    /// With a token that the gateway gets for itself.
    Client(ClientSettings),
    /// With a token that the caller's own is exchanged for.
    Exchange(ExchangeSettings),
    /// With a statement of the gateway's about who calls.
    Assertion(AssertionSettings),
    /// With a token that the caller's own consent gave the gateway.
    Oauth(OauthSettings),
}

impl CredentialSettings {
    /// Whether each caller has one of its own: callers then share nothing of the server.
    pub const fn is_personal(&self) -> bool {
        match self {
            Self::None | Self::Client(_) => false,
            Self::Passthrough | Self::Exchange(_) | Self::Assertion(_) | Self::Oauth(_) => true,
        }
    }

    /// What says which server it is for because it was told nothing else, says so of `to` instead of `from`.
    #[must_use]
    pub fn moved(mut self, from: &Uri, to: &Uri) -> Self {
        let (old, new) = (canonical(from), canonical(to));
        let name = match &mut self {
            Self::None | Self::Passthrough => return self,
            Self::Client(client) | Self::Exchange(ExchangeSettings { client, .. }) => &mut client.resource,
            Self::Assertion(assertion) => &mut assertion.audience,
            Self::Oauth(oauth) => {
                oauth.url = to.to_string();
                &mut oauth.resource
            }
        };
        if *name == old {
            *name = new;
        }
        self
    }

    /// Whether it is made of the token that the caller came with.
    pub const fn wants_token(&self) -> bool {
        matches!(self, Self::Passthrough | Self::Exchange(_))
    }
}

/// An OAuth client that the gateway is at some authorization server.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientSettings {
    /// Where tokens come from.
    pub from: TokenSource,
    /// Its name there.
    pub id: String,
    /// How it proves that.
    pub proof: ClientProof,
    /// What tokens are asked for.
    pub scopes: Vec<String>,
    /// `audience`, which some authorization servers want instead of `resource`.
    pub audience: Option<String>,
    /// `resource` (RFC 8707): the canonical address of the server unless something else was given.
    pub resource: String,
}

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// From this address.
    Endpoint(String),
    /// From where this issuer's metadata says.
    Issuer(String),
    /// From this address, which a message from the second one named.
    Learned(String, String),
}

/// How a client proves who it is (RFC 6749 section 2.3.1, RFC 7523 section 2.2).
#[derive(Clone, Debug, PartialEq)]
pub enum ClientProof {
    /// Not at all: a public client.
    None,
    /// Its secret, as `Authorization: Basic`.
    Basic(Redacted<String>),
    /// Its secret, in the form.
    Post(Redacted<String>),
    /// A JWT signed with its private key, and the name of the key there if it has one.
    PrivateKey(Redacted<String>, Option<String>),
}

/// What the caller's token is exchanged for (RFC 8693 section 2.1).
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeSettings {
    /// Where, and as whom.
    pub client: ClientSettings,
    /// What the caller's token is.
    pub subject_token_type: String,
    /// What is asked for.
    pub requested_token_type: String,
}

/// Each caller's own consent.
#[derive(Clone, Debug, PartialEq)]
pub struct OauthSettings {
    /// The authorization server; the server's own metadata names it when absent.
    pub issuer: Option<String>,
    /// The gateway's name and proof there; found or registered when absent.
    pub client: Option<(String, ClientProof)>,
    /// What tokens are asked for; what the server says when empty.
    pub scopes: Vec<String>,
    /// `resource` (RFC 8707): the canonical address of the server unless something else was given.
    pub resource: String,
    /// The server's address.
    pub url: String,
}

/// What the gateway says of a caller.
#[derive(Clone, Debug, PartialEq)]
pub struct AssertionSettings {
    /// For whom it is: `aud`.
    pub audience: String,
    /// How long it holds.
    pub ttl: Duration,
    /// The header that it travels in; `Authorization: Bearer` when absent.
    pub header: Option<HeaderName>,
    /// Fixed members beside those that it always has.
    pub claims: BTreeMap<String, String>,
}
