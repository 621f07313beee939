//! What an issuer says of itself: where it is asked for what.
//!
//! Sources: RFC 8414 section 3 and OpenID Connect Discovery 1.0 section 4 (where the metadata lies; `issuer` must be the same to the
//! letter).

use serde::Deserialize;

use super::fetch::{Fetch, FetchFault, FetchRequest};

/// What is used of an issuer's metadata.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) jwks_uri: Option<String>,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// The metadata of an issuer that the operator named.
pub(super) async fn metadata(fetch: &dyn Fetch, issuer: &str) -> Result<Metadata, FetchFault> {
    let mut fault = FetchFault::Address;
    for url in metadata_urls(issuer) {
        let found = FetchRequest::get(url).content_from(fetch).await;
        match found.map(|content| serde_json::from_slice::<Metadata>(&content)) {
            // RFC 8414 section 3.3: metadata of somebody else is discarded.
            Ok(Ok(metadata)) if metadata.issuer == issuer => return Ok(metadata),
            Ok(_) => fault = FetchFault::Content,
            Err(other) => fault = other,
        }
    }
    Err(fault)
}

/// Where an issuer's metadata may lie, in the order of MCP 2026-07-28 basic/authorization.
pub fn metadata_urls(issuer: &str) -> Vec<String> {
    const OAUTH: &str = "/.well-known/oauth-authorization-server";
    const OPENID: &str = "/.well-known/openid-configuration";
    let issuer = issuer.trim_end_matches('/');
    let host_starts = issuer.find("://").map_or(0, |at| at + 3);
    match issuer.get(host_starts..).and_then(|rest| rest.find('/')) {
        None => vec![format!("{issuer}{OAUTH}"), format!("{issuer}{OPENID}")],
        Some(at) => {
            let (origin, path) = issuer.split_at(host_starts + at);
            vec![format!("{origin}{OAUTH}{path}"), format!("{origin}{OPENID}{path}"), format!("{issuer}{OPENID}")]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_for_metadata_where_the_specification_says() {
        assert_eq!(
            metadata_urls("https://idp.example/t/1"),
            [
                "https://idp.example/.well-known/oauth-authorization-server/t/1",
                "https://idp.example/.well-known/openid-configuration/t/1",
                "https://idp.example/t/1/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            metadata_urls("https://idp.example"),
            [
                "https://idp.example/.well-known/oauth-authorization-server",
                "https://idp.example/.well-known/openid-configuration",
            ]
        );
    }
}
