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

/// A challenge. `error` and its description are left out when no token came at all (RFC 6750 section 3.1). `scope` is all that the
/// request needs, `more` included: a client that asks for less is sent back again.
pub(super) fn challenge(
    settings: &AuthSettings,
    metadata: &str,
    error: Option<(&str, &str)>,
    more: &[String],
) -> Option<HeaderValue> {
    let mut parts = Vec::with_capacity(4);
    if let Some((code, description)) = error {
        parts.push(format!("error=\"{code}\", error_description=\"{description}\""));
    }
    if !settings.issuers.is_empty() {
        parts.push(format!("resource_metadata=\"{metadata}\""));
    }
    let more = more.iter().filter(|scope| !settings.scopes.contains(scope));
    let scopes: Vec<&str> = settings.scopes.iter().chain(more).map(String::as_str).collect();
    if !scopes.is_empty() {
        parts.push(format!("scope=\"{}\"", scopes.join(" ")));
    }
    if parts.is_empty() {
        parts.push("realm=\"myelin\"".to_owned());
    }
    HeaderValue::from_str(&format!("Bearer {}", parts.join(", "))).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::settings::Anonymous, *};

    #[test]
    fn a_step_up_names_all_scopes_at_once_and_none_twice() {
        let settings = AuthSettings {
            keys: Vec::new(),
            issuers: Vec::new(),
            scopes: vec!["mcp:basic".to_owned()],
            public_url: None,
            anonymous: Anonymous::Refused,
            clock_skew: Duration::ZERO,
            max_remembered: 2,
            remember_for: Duration::ZERO,
        };
        let needed = ["files:write".to_owned(), "mcp:basic".to_owned()];
        let error = Some(("insufficient_scope", "The token lacks a scope"));
        let challenge = challenge(&settings, "https://mcp.example/m", error, &needed).unwrap();
        assert_eq!(
            challenge,
            "Bearer error=\"insufficient_scope\", error_description=\"The token lacks a scope\", scope=\"mcp:basic files:write\""
        );
    }
}
