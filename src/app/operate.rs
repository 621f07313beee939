//! What operators may do while the gateway runs.

use std::sync::Arc;

use crate::{
    admin::{Operator, Revoked},
    upstream::credential::{Wallet, oauth::Listed},
};

use super::gateway::Gateway;

/// The gateway as its operator sees it.
pub(super) struct Operations {
    gateway: Arc<Gateway>,
    wallet: Arc<Wallet>,
}

impl Operations {
    pub(super) const fn new(gateway: Arc<Gateway>, wallet: Arc<Wallet>) -> Self {
        Self { gateway, wallet }
    }
}

impl Operator for Operations {
    fn connections(&self) -> Vec<Listed> {
        self.wallet.vault().list()
    }

    fn revoke(&self, principal: String, server: String) -> Revoked {
        let upstreams = self.gateway.upstreams();
        let upstream = upstreams.into_iter().find(|upstream| **upstream.name() == *server);
        let wallet = self.wallet.clone();
        Box::pin(async move {
            let Some((upstream, oauth)) =
                upstream.and_then(|upstream| Some((upstream.clone(), upstream.oauth()?.clone())))
            else {
                // The server is configured no more, or otherwise: its authorization server is not known well enough to be told.
                return wallet.vault().discard(&principal, &server);
            };
            let was_there = oauth.revoke(&principal).await;
            if was_there {
                upstream.forget(&principal).await;
            }
            was_there
        })
    }
}
