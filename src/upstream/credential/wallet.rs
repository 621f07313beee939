//! What all servers' credentials are made with: the way to authorization servers, the gateway's own name, and its signing keys.
//!
//! It outlives reloads, which only tell it what changed.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{auth::Fetch, redact::Redacted};

use super::{
    fault::CredentialFault,
    oauth::{
        Safe,
        client::{DOCUMENT, NAME, Registrations},
        consent::Consents,
        invitation::Invitation,
        vault::Vault,
    },
    signer::Signer,
};

/// What credentials are made with.
pub struct Wallet {
    fetch: ArcSwap<Arc<dyn Fetch>>,
    address: ArcSwap<String>,
    /// Whether only this machine's user reaches the gateway.
    reached: Reached,
    vault: Vault,
    consents: Consents,
    registrations: Registrations,
    signers: ArcSwap<Vec<Signer>>,
}

/// From where a gateway is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// From this machine only.
    Locally,
    /// From others as well.
    Remotely,
}

/// The signing keys are not usable.
#[derive(Debug, thiserror::Error)]
#[error("a signing key cannot be used")]
pub struct WalletFault(#[source] CredentialFault);

impl Wallet {
    /// A wallet of a gateway that clients reach at `address`, without signing keys.
    pub fn new(fetch: Arc<dyn Fetch>, address: &str, reached: Reached, safe: Safe) -> Arc<Self> {
        Arc::new(Self {
            fetch: ArcSwap::from_pointee(fetch),
            address: ArcSwap::from_pointee(address.to_owned()),
            signers: ArcSwap::default(),
            reached,
            vault: safe.vault,
            consents: Consents::new(safe.ring),
            registrations: safe.registrations,
        })
    }

    /// Goes over to another way to authorization servers.
    pub fn set_fetch(&self, fetch: Arc<dyn Fetch>) {
        self.fetch.store(Arc::new(fetch));
    }

    /// The way to authorization servers.
    pub(super) fn fetch(&self) -> Arc<dyn Fetch> {
        Arc::clone(&self.fetch.load())
    }

    /// Goes over to another name: what the gateway calls itself in what it signs.
    pub fn set_address(&self, address: &str) {
        self.address.store(Arc::new(address.to_owned()));
    }

    /// Goes over to other signing keys: the first signs, all are published, so that they rotate without a refused request. Without any,
    /// a key is made, unless one was made before.
    ///
    /// # Errors
    /// [`WalletFault`]; the old keys stay.
    pub fn set_keys(&self, keys: &[Redacted<String>]) -> Result<(), WalletFault> {
        let read =
            keys.iter().map(|key| Signer::read(key, None)).collect::<Result<Vec<_>, _>>().map_err(WalletFault)?;
        if !read.is_empty() {
            self.signers.store(Arc::new(read));
        } else if self.signers.load().is_empty() {
            let made = Signer::make().map_err(WalletFault)?;
            tracing::info!(
                kid = made.name(),
                "a signing key was made: it is another one after a restart and in other replicas; configure `signing.keys` to keep one"
            );
            self.signers.store(Arc::new(vec![made]));
        }
        Ok(())
    }

    /// The connections of users.
    pub const fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(super) const fn consents(&self) -> &Consents {
        &self.consents
    }

    pub(super) const fn registrations(&self) -> &Registrations {
        &self.registrations
    }

    /// Whether only this machine's user reaches the gateway.
    pub(super) fn is_local(&self) -> bool {
        self.reached == Reached::Locally
    }

    /// The invitation of that name, if it stands.
    pub fn invitation(&self, id: &str) -> Option<Arc<Invitation>> {
        self.consents.find(id)
    }

    /// What the gateway says of itself as a client, for authorization servers that look there; `servers` are those that users connect to.
    ///
    /// Source: OAuth Client ID Metadata Document (draft-ietf-oauth-client-id-metadata-document), section 4.
    pub fn client_document<'a>(&self, servers: impl Iterator<Item = &'a str>) -> Bytes {
        let address = self.address();
        let redirects: Vec<String> = servers.map(|server| format!("{address}/connect/callback/{server}")).collect();
        let document = json!({
            "client_id": format!("{address}{DOCUMENT}"),
            "client_name": NAME,
            "redirect_uris": redirects,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        Bytes::from(document.to_string())
    }

    /// What the gateway calls itself.
    pub fn address(&self) -> Arc<String> {
        self.address.load_full()
    }

    pub(super) fn sign(&self, claims: &Value) -> Result<Redacted<String>, CredentialFault> {
        self.signers.load().first().ok_or(CredentialFault::Key)?.sign("JWT", claims)
    }

    /// The public halves of the signing keys (RFC 7517 section 5); nothing where nothing is signed.
    pub fn keys(&self) -> Option<Bytes> {
        let signers = self.signers.load();
        let keys: Vec<Value> = signers.iter().map(Signer::public).collect();
        (!keys.is_empty()).then(|| Bytes::from(json!({ "keys": keys }).to_string()))
    }

    /// Where those who verify find them (OpenID Connect Discovery 1.0 section 3, as far as there is something to say).
    pub fn metadata(&self, keys_path: &str) -> Option<Bytes> {
        let address = self.address();
        let document = json!({
            "issuer": &**address,
            "jwks_uri": format!("{address}{keys_path}"),
            "id_token_signing_alg_values_supported": ["ES256", "EdDSA", "RS256"],
        });
        (!self.signers.load().is_empty()).then(|| Bytes::from(document.to_string()))
    }
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wallet")
    }
}
