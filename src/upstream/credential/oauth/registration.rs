//! The gateway as a client of an authorization server; and a registration that made it one, with its written form.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{clock, redact::Redacted};

/// A client that the gateway is somewhere.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: Option<Redacted<String>>,
}

/// A registration.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    /// Where.
    pub(super) issuer: String,
    /// The address to come back to that it is for.
    pub(super) redirect: String,
    pub(super) client: Client,
    /// When its secret ends, in seconds since 1970.
    pub(super) expires: Option<u64>,
}

/// The only form in which its secret is written, and only under a seal.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    issuer: Cow<'a, str>,
    redirect: Cow<'a, str>,
    client_id: Cow<'a, str>,
    client_secret: Option<Cow<'a, str>>,
    expires: Option<u64>,
}

impl Registration {
    /// Whether it still holds.
    pub(super) fn stands(&self) -> bool {
        self.expires.is_none_or(|expires| clock::unix_time().as_secs() < expires)
    }

    /// What its file is called by.
    pub(super) fn name(&self) -> String {
        format!("{}\n{}", self.issuer, self.redirect)
    }

    /// Its written form, to be sealed.
    pub(super) fn written(&self) -> Option<Redacted<Vec<u8>>> {
        let written = Written {
            issuer: (&self.issuer).into(),
            redirect: (&self.redirect).into(),
            client_id: (&self.client.id).into(),
            client_secret: self.client.secret.as_ref().map(|secret| secret.expose().into()),
            expires: self.expires,
        };
        serde_json::to_vec(&written).ok().map(Redacted::new)
    }

    /// Reads a written form.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let Written { issuer, redirect, client_id, client_secret, expires } = serde_json::from_slice(bytes).ok()?;
        let secret = client_secret.map(|secret| Redacted::new(secret.into_owned()));
        let client = Client { id: client_id.into_owned(), secret };
        Some(Self { issuer: issuer.into_owned(), redirect: redirect.into_owned(), client, expires })
    }
}
