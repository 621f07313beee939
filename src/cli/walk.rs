//! The way of an MCP client to a token, as far as it goes without a user: what it would trip over, and what to do.
//!
//! Sources: MCP 2026-07-28 basic/authorization; RFC 9728 (protected resource metadata), RFC 8414 (authorization server metadata), RFC 7591
//! (registration), RFC 7636 (PKCE).

use http::{StatusCode, Uri, header};
use myelin::{
    auth::{Fetch, FetchAnswer, FetchContent, FetchFault, FetchRequest, metadata_urls},
    redact::Redacted,
};
use serde_json::Value as Json;

use super::finding::Finding;

/// Authorization servers that are looked at; clients take the first.
const MOST_SERVERS: usize = 4;
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"myelin-doctor","version":"1"}}}"#;
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Walks as a client of `url` does.
pub(super) async fn walk(fetch: &dyn Fetch, name: &str, url: &str) -> Vec<Finding> {
    let about = format!("{name}, OAuth");
    let content = FetchContent::Json(Redacted::from(INITIALIZE));
    let asked = fetch.send(FetchRequest { content, ..FetchRequest::get(url.to_owned()) }).await;
    let answer = match asked {
        Ok(answer) => answer,
        Err(fault) => return vec![unreached(&about, url, fault)],
    };
    match answer.status {
        StatusCode::UNAUTHORIZED => {}
        status if status.is_success() => return vec![Finding::good(about, "it asks nobody for a token")],
        status => {
            let what = format!("a client without a token is answered {status}, and looks for none");
            return vec![Finding::warning(about, what, "a server that wants tokens answers 401 with WWW-Authenticate")];
        }
    }
    let mut findings = Vec::new();
    let named = resource_metadata(&answer);
    if named.is_none() {
        findings.push(Finding::warning(
            about.clone(),
            "the 401 names no `resource_metadata`: clients guess where it is, and some do not",
            "send `WWW-Authenticate: Bearer resource_metadata=\"…\"` (RFC 9728, section 5.1)",
        ));
    }
    match resource(fetch, url, named).await {
        Ok((place, metadata)) => {
            findings.push(Finding::good(about.clone(), format!("resource metadata at {place}")));
            findings.extend(judge_resource(&about, url, &metadata));
            for issuer in issuers(&metadata).take(MOST_SERVERS) {
                findings.extend(server(fetch, &about, &issuer, url).await);
            }
        }
        Err(tried) => findings.push(Finding::problem(
            about,
            format!("no resource metadata: tried {}", tried.join(", ")),
            "serve it there (RFC 9728, section 3); without it clients know no authorization server",
        )),
    }
    findings
}

fn unreached(about: &str, url: &str, fault: FetchFault) -> Finding {
    match fault {
        FetchFault::Address => Finding::problem(
            about,
            format!("{url} is neither HTTPS nor on loopback, or leads to an address that is not public"),
            "clients send tokens over TLS only; what lies in a private network needs `egress.allow`",
        ),
        other => Finding::problem(about, format!("{url}: {other}"), "is it up, and is its name known here?"),
    }
}

/// What the challenge of a 401 says.
fn resource_metadata(answer: &FetchAnswer) -> Option<String> {
    let challenges = answer.headers.get_all(header::WWW_AUTHENTICATE).iter();
    challenges.filter_map(|value| value.to_str().ok()).find_map(|challenge| {
        let (_, after) = challenge.split_once("resource_metadata=")?;
        let quoted = after.strip_prefix('"').and_then(|after| after.split_once('"')).map(|(url, _)| url);
        Some(quoted.unwrap_or_else(|| after.split([',', ' ']).next().unwrap_or_default()).to_owned())
    })
}

async fn resource(fetch: &dyn Fetch, url: &str, named: Option<String>) -> Result<(String, Json), Vec<String>> {
    let mut places: Vec<String> = named.into_iter().collect();
    if let Some((origin, path)) = split(url) {
        let path = path.trim_end_matches('/');
        places.extend([format!("{origin}{WELL_KNOWN}{path}"), format!("{origin}{WELL_KNOWN}")]);
    }
    places.dedup();
    let mut tried = Vec::new();
    for place in places {
        let answer = fetch.send(FetchRequest::get(place.clone()).named_by(url)).await;
        match answer.map(|answer| (answer.status, serde_json::from_slice::<Json>(&answer.body))) {
            Ok((StatusCode::OK, Ok(metadata))) => return Ok((place, metadata)),
            Ok((StatusCode::OK, Err(_))) => tried.push(format!("{place} (not JSON)")),
            Ok((status, _)) => tried.push(format!("{place} ({})", status.as_u16())),
            Err(fault) => tried.push(format!("{place} ({fault})")),
        }
    }
    Err(tried)
}

fn judge_resource(about: &str, url: &str, metadata: &Json) -> Vec<Finding> {
    let resource = text(metadata, "resource").unwrap_or_default();
    let mut findings = Vec::new();
    let covers =
        url.strip_prefix(resource.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if resource.is_empty() || !covers {
        findings.push(Finding::problem(
            about,
            format!("the metadata is about `{resource}`, and not about {url}: clients discard it"),
            "`resource` must be the address that clients have (RFC 9728, section 3.3); behind a proxy set `auth.publicUrl`",
        ));
    }
    if issuers(metadata).next().is_none() {
        findings.push(Finding::problem(
            about,
            "the metadata names no authorization server",
            "add `authorization_servers`",
        ));
    }
    findings
}

fn issuers(metadata: &Json) -> impl Iterator<Item = String> {
    let named = metadata.get("authorization_servers").and_then(Json::as_array);
    named.into_iter().flatten().filter_map(|issuer| issuer.as_str().map(str::to_owned))
}

async fn server(fetch: &dyn Fetch, about: &str, issuer: &str, named_by: &str) -> Vec<Finding> {
    let mut tried = Vec::new();
    for place in metadata_urls(issuer) {
        match fetch.send(FetchRequest::get(place.clone()).named_by(named_by)).await {
            Ok(answer) if answer.status == StatusCode::OK => {
                return match serde_json::from_slice(&answer.body) {
                    Ok(metadata) => judge_server(about, issuer, &metadata),
                    Err(_) => vec![Finding::problem(about, format!("{place} is not JSON"), "serve RFC 8414 metadata")],
                };
            }
            Ok(answer) => tried.push(format!("{place} ({})", answer.status.as_u16())),
            Err(fault) => tried.push(format!("{place} ({fault})")),
        }
    }
    let advice = "serve RFC 8414 or OpenID metadata there; from here, a host that is not public needs `egress.allow`";
    vec![Finding::problem(about, format!("{issuer} tells nothing of itself: tried {}", tried.join(", ")), advice)]
}

fn judge_server(about: &str, issuer: &str, metadata: &Json) -> Vec<Finding> {
    let said = text(metadata, "issuer").unwrap_or_default();
    if said != issuer {
        let what = format!("{issuer} calls itself `{said}`: clients discard its metadata");
        return vec![Finding::problem(
            about,
            what,
            "both must be the same to the letter (RFC 8414, section 3.3), a slash at the end too",
        )];
    }
    let mut findings = Vec::new();
    for endpoint in ["authorization_endpoint", "token_endpoint"] {
        if text(metadata, endpoint).is_none() {
            findings.push(Finding::problem(
                about,
                format!("{issuer} has no `{endpoint}`"),
                "clients cannot get a token there",
            ));
        }
    }
    findings.push(match list(metadata, "code_challenge_methods_supported").any(|method| method == "S256") {
        true => Finding::good(about, format!("{issuer} does PKCE with S256")),
        false => Finding::problem(
            about,
            format!("{issuer} does not say that it does PKCE with S256: clients must refuse it"),
            "`code_challenge_methods_supported` must have `S256`",
        ),
    });
    findings.push(registration(about, issuer, metadata));
    findings
}

/// How a client that nobody knows becomes known.
fn registration(about: &str, issuer: &str, metadata: &Json) -> Finding {
    let documents = metadata.get("client_id_metadata_document_supported").and_then(Json::as_bool) == Some(true);
    match (documents, text(metadata, "registration_endpoint")) {
        (true, Some(_)) => Finding::good(about, format!("{issuer} takes client documents and registrations")),
        (true, None) => Finding::good(about, format!("{issuer} takes client documents")),
        (false, Some(_)) => Finding::good(about, format!("{issuer} registers clients")),
        (false, None) => Finding::warning(
            about,
            format!("{issuer} knows only clients that were registered beforehand"),
            "register each client there by hand, and give it the client id; many clients cannot be given one",
        ),
    }
}

fn text<'a>(metadata: &'a Json, key: &str) -> Option<&'a str> {
    metadata.get(key).and_then(Json::as_str)
}

fn list<'a>(metadata: &'a Json, key: &str) -> impl Iterator<Item = &'a str> {
    metadata.get(key).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

fn split(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    Some((format!("{}://{}", uri.scheme_str()?, uri.authority()?), uri.path().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use http::HeaderMap;
    use myelin::auth::Fetched;
    use serde_json::json;

    use super::{super::finding::Grade, *};

    /// What is answered at each address; 404 elsewhere.
    struct Web(HashMap<String, (StatusCode, Option<&'static str>, Json)>);

    impl Fetch for Web {
        fn send(&self, request: FetchRequest) -> Fetched<'_> {
            let found = self.0.get(&request.url).cloned().unwrap_or((StatusCode::NOT_FOUND, None, Json::Null));
            let headers = found.1.map(|value| (header::WWW_AUTHENTICATE, value.parse().unwrap()));
            let (headers, body) = (HeaderMap::from_iter(headers), found.2.to_string().into());
            Box::pin(async move { Ok(FetchAnswer { status: found.0, headers, body }) })
        }
    }

    const URL: &str = "https://mcp.example/mcp";
    const CHALLENGE: &str = r#"Bearer resource_metadata="https://mcp.example/meta", error="x""#;

    fn web(resource: Json, server: Json) -> Web {
        Web(HashMap::from([
            (URL.to_owned(), (StatusCode::UNAUTHORIZED, Some(CHALLENGE), Json::Null)),
            ("https://mcp.example/meta".to_owned(), (StatusCode::OK, None, resource)),
            ("https://idp.example/.well-known/oauth-authorization-server".to_owned(), (StatusCode::OK, None, server)),
        ]))
    }

    fn resource() -> Json {
        json!({ "resource": URL, "authorization_servers": ["https://idp.example"] })
    }

    fn server() -> Json {
        json!({
            "issuer": "https://idp.example",
            "authorization_endpoint": "https://idp.example/a",
            "token_endpoint": "https://idp.example/t",
            "registration_endpoint": "https://idp.example/r",
            "code_challenge_methods_supported": ["plain", "S256"],
        })
    }

    async fn worst(web: &Web) -> (Grade, String) {
        let findings = walk(web, "up", URL).await;
        let worst = findings.iter().max_by_key(|finding| finding.grade).unwrap();
        (worst.grade, worst.what.clone())
    }

    #[tokio::test]
    async fn a_way_without_stones_is_good_all_along() {
        let findings = walk(&web(resource(), server()), "up", URL).await;
        assert!(findings.len() == 3 && findings.iter().all(|finding| finding.grade == Grade::Good), "{findings:?}");
    }

    #[tokio::test]
    async fn each_stone_is_found() {
        let without = |key: &str| {
            let mut server = server();
            server.as_object_mut().unwrap().remove(key);
            server
        };
        let foreign =
            json!({ "resource": "https://other.example/mcp", "authorization_servers": ["https://idp.example"] });
        let alone = json!({ "resource": URL });
        let renamed = json!({ "issuer": "https://idp.example/" });
        for (resource, server, grade, says) in [
            (foreign, server(), Grade::Problem, "clients discard it"),
            (alone, server(), Grade::Problem, "names no authorization server"),
            (resource(), renamed, Grade::Problem, "calls itself"),
            (resource(), without("code_challenge_methods_supported"), Grade::Problem, "clients must refuse it"),
            (resource(), without("token_endpoint"), Grade::Problem, "no `token_endpoint`"),
            (resource(), without("registration_endpoint"), Grade::Warning, "registered beforehand"),
        ] {
            let (found, what) = worst(&web(resource, server)).await;
            assert!(found == grade && what.contains(says), "{says}: {what}");
        }
        let nothing = Web(HashMap::from([(URL.to_owned(), (StatusCode::UNAUTHORIZED, None, Json::Null))]));
        let (grade, what) = worst(&nothing).await;
        assert!(grade == Grade::Problem && what.contains("/.well-known/oauth-protected-resource/mcp (404)"), "{what}");
        let open = Web(HashMap::from([(URL.to_owned(), (StatusCode::OK, None, Json::Null))]));
        assert_eq!(worst(&open).await, (Grade::Good, "it asks nobody for a token".to_owned()));
    }
}
