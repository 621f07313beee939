//! What is remembered while a browser is at the authorization server.

use std::{sync::Arc, time::Instant};

use crate::{auth::Verifier, clock};

use super::{
    invitation::{Invitation, LIFETIME},
    registration::Client,
};

/// Where a browser is sent, and what must come back from there.
pub(super) struct At {
    pub(super) issuer: String,
    pub(super) promises_iss: bool,
    pub(super) client: Client,
    pub(super) scopes: Vec<String>,
    pub(super) redirect: String,
    pub(super) token_endpoint: String,
    pub(super) revocation_endpoint: Option<String>,
    pub(super) named_by: String,
}

/// What is remembered while a browser is at the authorization server.
pub(super) struct Step {
    pub(super) invitation: Arc<Invitation>,
    /// The browser that began.
    pub(super) browser: String,
    pub(super) verifier: Verifier,
    pub(super) at: At,
    until: Instant,
}

impl Step {
    pub(super) fn new(invitation: Arc<Invitation>, browser: &str, verifier: Verifier, at: At) -> Self {
        Self { invitation, browser: browser.to_owned(), verifier, at, until: clock::now() + LIFETIME }
    }

    pub(super) fn stands(&self) -> bool {
        clock::now() < self.until && self.invitation.stands()
    }
}
