//! What a client must know to get a token: the protected resource's metadata, and the challenge that points to it.
//!
//! Sources: RFC 9728 sections 2, 3 and 5.1; RFC 6750 section 3; MCP 2026-07-28 basic/authorization.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::json;

use super::settings::AuthSettings;

/// Where the metadata of all resources lies; a resource's own path follows.
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata of a resource.
pub(super) fn document(settings: &AuthSettings, resource: &str) -> Bytes {
    let issuers: Vec<&str> = settings.issuers.iter().map(|issuer| issuer.issuer.as_str()).collect();
    let mut document = json!({
        "resource": resource,
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
        "resource_name": "Myelin",
    });
    if !settings.scopes.is_empty()
        && let Some(members) = document.as_object_mut()
    {
        members.insert("scopes_supported".to_owned(), json!(settings.scopes));
    }
    Bytes::from(document.to_string())
}

/// A challenge. `error` and its description are left out when no token came at all (RFC 6750 section 3.1).
pub(super) fn challenge(settings: &AuthSettings, metadata: &str, error: Option<(&str, &str)>) -> Option<HeaderValue> {
    let mut parts = Vec::with_capacity(4);
    if let Some((code, description)) = error {
        parts.push(format!("error=\"{code}\", error_description=\"{description}\""));
    }
    if !settings.issuers.is_empty() {
        parts.push(format!("resource_metadata=\"{metadata}\""));
    }
    if !settings.scopes.is_empty() {
        parts.push(format!("scope=\"{}\"", settings.scopes.join(" ")));
    }
    if parts.is_empty() {
        parts.push("realm=\"myelin\"".to_owned());
    }
    HeaderValue::from_str(&format!("Bearer {}", parts.join(", "))).ok()
}
