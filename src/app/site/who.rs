//! Who sits at a browser, and how they can show it.

use std::sync::Arc;

use crate::{
    auth::Login,
    downstream::exchange::{Asked, Shown},
    mcp::{Principal, PrincipalKind},
    redact::Redacted,
    upstream::credential::oauth::Invitation,
};

use super::core::Site;

/// How whoever was invited shows that it is them.
pub(super) enum Proof {
    /// They did already: nobody is asked who they are here, or the connection came with their certificate.
    Shown,
    /// By the certificate that their client uses, which this connection came without.
    Certificate,
    /// By signing in at their issuer, or by their token.
    Login(Arc<Login>),
    /// By their key or token.
    Key,
}

impl Site {
    /// How whoever was invited shows that it is them.
    pub(super) async fn proof(&self, asked: &Asked, invitation: &Invitation) -> Proof {
        let identity = invitation.principal.identity();
        // Where nobody is asked who they are, there is only one (loopback).
        if identity.kind == PrincipalKind::Anonymous || self.came_as(asked, invitation).await {
            return Proof::Shown;
        }
        let login = identity.issuer.as_ref().and_then(|issuer| self.gate.login(issuer));
        match (identity.kind, login) {
            (PrincipalKind::Certificate, _) => Proof::Certificate,
            (_, Some(login)) => Proof::Login(login),
            (_, None) => Proof::Key,
        }
    }

    /// Whether the connection came with the certificate of whoever was invited.
    async fn came_as(&self, asked: &Asked, invitation: &Invitation) -> bool {
        let Some(client) = &asked.client else { return false };
        self.is_same(Shown::Certificate(client), invitation).await
    }

    /// Whether a key or token is that of whoever was invited.
    pub(super) async fn has_key(&self, key: &Redacted<String>, invitation: &Invitation) -> bool {
        self.is_same(Shown::Token(key.expose().trim()), invitation).await
    }

    async fn is_same(&self, shown: Shown<'_>, invitation: &Invitation) -> bool {
        let found = self.gate.whose(shown, &invitation.endpoint, &self.wallet.address()).await;
        found.is_some_and(|found| is_one(&found) && found == invitation.principal)
    }
}

/// Whoever is nobody in particular is not the same as anybody.
fn is_one(principal: &Principal) -> bool {
    principal.identity().kind != PrincipalKind::Anonymous
}
