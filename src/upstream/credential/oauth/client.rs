//! Who the gateway is at an authorization server: as the operator registered it, as its own document says, or registered anew.
//!
//! Sources: MCP 2026-07-28 basic/authorization (Client Registration, in this order); RFC 7591 section 3.

use std::{collections::HashMap, sync::Mutex, sync::PoisonError, time::Duration};

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::{
    auth::{Fetch, FetchContent, FetchRequest},
    redact::Redacted,
    upstream::credential::{discovery::Metadata, fault::CredentialFault},
};

/// Registrations that are remembered at the most: there are as many as authorization servers.
const MAX_REGISTRATIONS: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the gateway's own document as a client lies.
pub const DOCUMENT: &str = "/oauth/client-metadata.json";
/// What users are told that they give access to.
pub(in crate::upstream::credential) const NAME: &str = "Myelin";

/// A client that the gateway is somewhere.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: Option<Redacted<String>>,
}

#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Option<String>,
}

/// Clients by the issuer and the address to come back to: a name at one issuer is nothing at another.
#[derive(Debug, Default)]
pub(in crate::upstream::credential) struct Registrations(Mutex<HashMap<(String, String), Client>>);

impl Registrations {
    /// The client at an issuer where the operator registered none.
    pub(super) async fn client(
        &self,
        fetch: &dyn Fetch,
        metadata: &Metadata,
        address: &str,
        redirect: &str,
        named_by: &str,
    ) -> Result<Client, CredentialFault> {
        // A document can only be fetched from where it is public, over TLS.
        if metadata.client_id_metadata_document_supported && address.starts_with("https://") {
            return Ok(Client { id: format!("{address}{DOCUMENT}"), secret: None });
        }
        let key = (metadata.issuer.clone(), redirect.to_owned());
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let endpoint = metadata.registration_endpoint.as_ref();
        let endpoint = endpoint.ok_or(CredentialFault::Unfit("it registers no clients; configure `clientId`"))?;
        let client = register(fetch, endpoint, redirect, named_by).await?;
        let mut registered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if registered.len() >= MAX_REGISTRATIONS {
            registered.clear();
        }
        registered.insert(key, client.clone());
        Ok(client)
    }

    /// The issuer does not know that client any more.
    pub(super) fn forget(&self, issuer: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _), _| known != issuer);
    }
}

async fn register(
    fetch: &dyn Fetch,
    endpoint: &str,
    redirect: &str,
    named_by: &str,
) -> Result<Client, CredentialFault> {
    let kind = if redirect.starts_with("https://") { "web" } else { "native" };
    let wish = json!({
        "client_name": NAME,
        "redirect_uris": [redirect],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": kind,
    });
    let request = FetchRequest {
        content: FetchContent::Json(Redacted::new(wish.to_string())),
        patience: PATIENCE,
        ..FetchRequest::get(endpoint.to_owned()).named_by(named_by)
    };
    let answer = fetch.send(request).await?;
    if !matches!(answer.status, StatusCode::CREATED | StatusCode::OK) {
        return Err(CredentialFault::Refused(answer.status, "".into()));
    }
    let registered: Registered =
        serde_json::from_slice(&answer.body).map_err(|_| CredentialFault::Answer("client_id"))?;
    Ok(Client { id: registered.client_id, secret: registered.client_secret.map(Redacted::new) })
}
