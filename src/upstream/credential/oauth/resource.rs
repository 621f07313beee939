//! Which authorization server a server goes by, as it says itself.
//!
//! Source: RFC 9728 sections 3 and 5; MCP 2026-07-28 basic/authorization (Authorization Server Discovery).

use http::{StatusCode, Uri};
use serde::Deserialize;

use crate::{
    auth::{Fetch, FetchRequest},
    upstream::credential::{canonical, fault::CredentialFault},
};

use super::challenge::Challenge;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What is used of a resource's metadata.
#[derive(Debug, Deserialize)]
pub(super) struct ResourceMetadata {
    resource: String,
    #[serde(default)]
    pub(super) authorization_servers: Vec<String>,
    #[serde(default)]
    pub(super) scopes_supported: Vec<String>,
}

/// The metadata of the server at `url`: where its challenge says, else where it lies by convention.
pub(super) async fn metadata(
    fetch: &dyn Fetch,
    url: &str,
    challenge: &Challenge,
) -> Result<ResourceMetadata, CredentialFault> {
    let own: Uri = url.parse().map_err(|_| CredentialFault::Metadata)?;
    let origin = origin(&own);
    let path = own.path().trim_end_matches('/');
    let mut places: Vec<String> = challenge.resource_metadata.iter().cloned().collect();
    if !path.is_empty() {
        places.push(format!("{origin}{WELL_KNOWN}{path}"));
    }
    places.push(format!("{origin}{WELL_KNOWN}"));
    for place in places {
        let answer = fetch.send(FetchRequest::get(place).named_by(url)).await;
        let Some(answer) = answer.ok().filter(|answer| answer.status == StatusCode::OK) else { continue };
        match serde_json::from_slice::<ResourceMetadata>(&answer.body) {
            // A document about something else would send its users to somebody else's authorization server.
            Ok(found) if covers(&found.resource, &own) => return Ok(found),
            _ => return Err(CredentialFault::Unfit("the server's metadata is about another resource")),
        }
    }
    Err(CredentialFault::Unfit("the server does not say which authorization server it goes by"))
}

fn origin(url: &Uri) -> String {
    let canonical = canonical(url);
    let host_starts = canonical.find("://").map_or(0, |at| at + 3);
    let end = canonical.get(host_starts..).and_then(|rest| rest.find(['/', '?']));
    end.and_then(|end| canonical.get(..host_starts + end)).unwrap_or(&canonical).to_owned()
}

/// Whether `resource` is the address or one above it on the same origin.
fn covers(resource: &str, url: &Uri) -> bool {
    let Ok(resource) = resource.parse::<Uri>() else { return false };
    let path = resource.path().trim_end_matches('/');
    let below = url.path().strip_prefix(path);
    origin(&resource) == origin(url) && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_covers_what_lies_below_it_on_its_own_origin() {
        let url: Uri = "https://up.example/a/mcp".parse().unwrap();
        for (resource, covered) in [
            ("https://up.example/a/mcp", true),
            ("https://UP.example:443/a/", true),
            ("https://up.example", true),
            ("https://up.example/a/mc", false),
            ("https://up.example/b", false),
            ("https://other.example/a/mcp", false),
            ("http://up.example/a/mcp", false),
            ("nonsense", false),
        ] {
            assert_eq!(covers(resource, &url), covered, "{resource}");
        }
    }
}
