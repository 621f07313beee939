//! What an authorization server says of itself: where its endpoints are, and what it can do.
//!
//! Sources: RFC 8414 section 3 and OpenID Connect Discovery 1.0 section 4 (where the metadata lies; `issuer` must be the same to the
//! letter); MCP 2026-07-28 basic/authorization (in which order it is looked for).

use std::path::PathBuf;

use http::StatusCode;
use serde::Deserialize;

use crate::auth::{Fetch, FetchRequest, metadata_urls};

use super::fault::CredentialFault;

/// What is used of an authorization server's metadata.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) token_endpoint: Option<String>,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) registration_endpoint: Option<String>,
    pub(super) revocation_endpoint: Option<String>,
    #[serde(default)]
    pub(super) scopes_supported: Vec<String>,
    #[serde(default)]
    pub(super) code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    pub(super) client_id_metadata_document_supported: bool,
}

/// The metadata of an issuer; `named_by` is the address whose message named it, where the operator did not.
pub(super) async fn metadata(
    fetch: &dyn Fetch,
    issuer: &str,
    ca: Option<&PathBuf>,
    named_by: Option<&str>,
) -> Result<Metadata, CredentialFault> {
    let mut fault = CredentialFault::Metadata;
    for url in metadata_urls(issuer) {
        let request = FetchRequest { ca: ca.cloned(), named_by: named_by.map(str::to_owned), ..FetchRequest::get(url) };
        match fetch.send(request).await {
            Ok(answer) if answer.status == StatusCode::OK => match serde_json::from_slice::<Metadata>(&answer.body) {
                // RFC 8414 section 3.3: metadata of somebody else is discarded.
                Ok(metadata) if metadata.issuer == issuer => return Ok(metadata),
                _ => fault = CredentialFault::Metadata,
            },
            Ok(_) => (),
            Err(other) => fault = other.into(),
        }
    }
    Err(fault)
}
