//! What a client must know to get a token: the protected resource's metadata, and the challenge that points to it.
//!
//! Sources: RFC 9728 sections 2, 3 and 5.1; RFC 6750 section 3; MCP 2026-07-28 basic/authorization.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::json;

use super::settings::{AuthSettings, EndpointRules, Way};

/// Where the metadata of all resources lies; a resource's own path follows.
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Who issues tokens for an endpoint.
fn issuers<'a>(settings: &'a AuthSettings, rules: &EndpointRules) -> Vec<&'a str> {
    let signed = settings.issuers.iter().map(|issuer| &issuer.issuer);
    let signed = signed.filter(|issuer| rules.admits(&Way::Issuer((*issuer).clone())));
    let opaque = settings.introspection.iter().filter_map(|settings| settings.issuer.as_ref());
    let opaque = opaque.filter(|_| rules.admits(&Way::Introspection));
    let mut issuers: Vec<&str> = Vec::new();
    for issuer in signed.chain(opaque) {
        if !issuers.contains(&issuer.as_str()) {
            issuers.push(issuer);
        }
    }
    issuers
}

fn scopes<'a>(settings: &'a AuthSettings, rules: &'a EndpointRules, more: &'a [String]) -> Vec<&'a str> {
    let mut scopes: Vec<&str> = Vec::new();
    for scope in settings.scopes.iter().chain(&rules.scopes).chain(more) {
        if !scopes.contains(&scope.as_str()) {
            scopes.push(scope);
        }
    }
    scopes
}

/// The metadata of a resource for which somebody issues tokens.
pub(super) fn document(settings: &AuthSettings, rules: &EndpointRules, resource: &str) -> Option<Bytes> {
    let issuers = issuers(settings, rules);
    if issuers.is_empty() {
        return None;
    }
    let mut document = json!({
        "resource": resource,
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
        "resource_name": "Myelin",
    });
    let scopes = scopes(settings, rules, &[]);
    if !scopes.is_empty()
        && let Some(members) = document.as_object_mut()
    {
        members.insert("scopes_supported".to_owned(), json!(scopes));
    }
    Some(Bytes::from(document.to_string()))
}

/// A challenge. `error` and its description are left out when no token came at all (RFC 6750 section 3.1). `scope` is all that the
/// request needs, `more` included: a client that asks for less is sent back again.
pub(super) fn challenge(
    settings: &AuthSettings,
    rules: &EndpointRules,
    metadata: &str,
    error: Option<(&str, &str)>,
    more: &[String],
) -> Option<HeaderValue> {
    let mut parts = Vec::with_capacity(4);
    if let Some((code, description)) = error {
        parts.push(format!("error=\"{code}\", error_description=\"{description}\""));
    }
    if !issuers(settings, rules).is_empty() {
        parts.push(format!("resource_metadata=\"{metadata}\""));
    }
    let scopes = scopes(settings, rules, more);
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
    use super::*;

    #[test]
    fn a_step_up_names_all_scopes_at_once_and_none_twice() {
        let settings = AuthSettings { scopes: vec!["mcp:basic".to_owned()], ..AuthSettings::default() };
        let rules = EndpointRules { scopes: vec!["files".to_owned()], ways: None };
        let needed = ["files:write".to_owned(), "mcp:basic".to_owned()];
        let error = Some(("insufficient_scope", "The token lacks a scope"));
        let challenge = challenge(&settings, &rules, "https://mcp.example/m", error, &needed).unwrap();
        assert_eq!(
            challenge,
            "Bearer error=\"insufficient_scope\", error_description=\"The token lacks a scope\", scope=\"mcp:basic files files:write\""
        );
    }
}
