//! Who the gateway is at an authorization server: as the operator registered it, as its own document says, or registered anew.
//!
//! Sources: MCP 2026-07-28 basic/authorization (Client Registration, in this order); RFC 7591 section 3.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::{
    auth::{Fetch, FetchContent, FetchRequest},
    redact::Redacted,
    upstream::credential::{discovery::Metadata, fault::CredentialFault},
};

use super::{
    folder::Folder,
    registration::{Client, Registration},
};

/// Registrations that are remembered at the most: there are as many as authorization servers.
const MAX_REGISTRATIONS: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the gateway's own document as a client lies.
pub const DOCUMENT: &str = "/oauth/client-metadata.json";
/// What users are told that they give access to.
pub(in crate::upstream::credential) const NAME: &str = "Myelin";

/// What is answered to a registration (RFC 7591 section 3.2.1).
#[derive(Deserialize)]
struct Registered {
    #[serde(rename = "client_id")]
    id: String,
    #[serde(rename = "client_secret")]
    secret: Option<String>,
    /// Since 1970, in seconds; 0 for never.
    #[serde(rename = "client_secret_expires_at", default)]
    secret_expires: u64,
}

/// Clients by the issuer and the address to come back to: a name at one issuer is nothing at another.
#[derive(Default)]
pub(in crate::upstream::credential) struct Registrations {
    known: Mutex<HashMap<(String, String), Registration>>,
    /// Where they are written; without it they are forgotten with the process.
    folder: Option<Folder>,
}

impl Registrations {
    /// Those in a folder.
    pub(super) fn open(folder: Folder) -> io::Result<Self> {
        let mut found = folder.contents(Registration::read)?;
        found.truncate(MAX_REGISTRATIONS);
        let known = found.into_iter().map(|found| ((found.issuer.clone(), found.redirect.clone()), found)).collect();
        Ok(Self { known: Mutex::new(known), folder: Some(folder) })
    }

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
        if let Some(known) = self.lock().get(&key).filter(|known| known.stands()) {
            return Ok(known.client.clone());
        }
        let endpoint = metadata.registration_endpoint.as_ref();
        let endpoint = endpoint.ok_or(CredentialFault::Unfit("it registers no clients; configure `clientId`"))?;
        let registered = register(fetch, endpoint, redirect, named_by).await?;
        let registration = Registration {
            issuer: key.0.clone(),
            redirect: key.1.clone(),
            client: Client { id: registered.id, secret: registered.secret.map(Redacted::new) },
            expires: Some(registered.secret_expires).filter(|expires| *expires > 0),
        };
        let client = registration.client.clone();
        self.keep(key, registration);
        Ok(client)
    }

    fn keep(&self, key: (String, String), registration: Registration) {
        if let Some((folder, written)) = self.folder.as_ref().zip(registration.written())
            && let Err(fault) = folder.write(&registration.name(), &written)
        {
            tracing::error!(%fault, "a registration is lost with the next restart");
        }
        let mut known = self.lock();
        if known.len() >= MAX_REGISTRATIONS {
            known.clear();
        }
        known.insert(key, registration);
    }

    /// The issuer does not know that client any more.
    pub(super) fn forget(&self, issuer: &str) {
        let forgotten: Vec<_> = self.lock().extract_if(|(known, _), _| known == issuer).collect();
        if let Some(folder) = &self.folder {
            for (_, registration) in &forgotten {
                folder.remove(&registration.name());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Registration>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn register(
    fetch: &dyn Fetch,
    endpoint: &str,
    redirect: &str,
    named_by: &str,
) -> Result<Registered, CredentialFault> {
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
    serde_json::from_slice(&answer.body).map_err(|_| CredentialFault::Answer("client_id"))
}
