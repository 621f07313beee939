use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, uri::Authority};

use super::*;
use crate::downstream::{proxies::ProxySettings, settings::HttpSettings};

fn guard(local: &str, origins: &[&str], hosts: &[&str]) -> Guard {
    let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
    let settings = HttpSettings {
        max_body_bytes: 1,
        max_header_bytes: 1,
        header_timeout: Duration::ZERO,
        idle_timeout: Duration::ZERO,
        body_timeout: Duration::ZERO,
        max_connections: 1,
        max_requests: 1,
        keep_alive: Duration::ZERO,
        max_depth: 1,
        max_batch: 1,
        write_timeout: Duration::from_secs(60),
        allowed_origins: owned(origins),
        allowed_hosts: owned(hosts),
        max_streams: 1,
        proxies: ProxySettings::default(),
    };
    Guard::new(&settings, local.parse().unwrap())
}

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

fn host(guard: &Guard, host: &str) -> Result<(), Refusal> {
    guard.check(&headers(&[("host", host)]), None)
}

fn origin(guard: &Guard, origin: &str) -> Result<(), Refusal> {
    guard.check(&headers(&[("host", "localhost"), ("origin", origin)]), None)
}

#[test]
fn a_loopback_listener_answers_only_to_loopback_names() {
    let guard = guard("127.0.0.1:8080", &[], &[]);
    for name in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080", "[::1]"] {
        assert_eq!(host(&guard, name), Ok(()), "{name}");
    }
    let strangers =
        ["evil.example", "evil.example:8080", "localhost:8081", "localhost.evil.example", "127.0.0.1.nip.io:8080"];
    let forgeries = [
        "localhost:",
        "localhost:+8080",
        "localhost:8080:8080",
        "x@localhost:8080",
        "localhost@evil",
        "",
        "[::1",
        "::1",
    ];
    for name in strangers.into_iter().chain(forgeries) {
        assert_eq!(host(&guard, name), Err(Refusal::Host), "{name}");
    }
}

#[test]
fn a_loopback_listener_answers_to_its_own_address() {
    let second = guard("127.0.0.2:8080", &[], &[]);
    assert_eq!(host(&second, "127.0.0.2:8080"), Ok(()));
    let mapped = guard("[::ffff:127.0.0.1]:8080", &[], &[]);
    assert_eq!(host(&mapped, "evil.example"), Err(Refusal::Host));
}

#[test]
fn configured_hosts_are_added_on_loopback() {
    let guard = guard("[::1]:8080", &[], &["mcp.example", "other.example:443"]);
    for name in ["mcp.example", "MCP.example:9999", "other.example:443", "[::1]:8080"] {
        assert_eq!(host(&guard, name), Ok(()), "{name}");
    }
    for name in ["other.example", "other.example:444", "a.mcp.example", "mcp.example.evil"] {
        assert_eq!(host(&guard, name), Err(Refusal::Host), "{name}");
    }
}

#[test]
fn elsewhere_any_host_will_do_unless_some_are_configured() {
    assert_eq!(host(&guard("0.0.0.0:80", &[], &[]), "anything"), Ok(()));
    let strict = guard("0.0.0.0:80", &[], &["mcp.example"]);
    assert_eq!(host(&strict, "mcp.example"), Ok(()));
    assert_eq!(host(&strict, "localhost"), Err(Refusal::Host));
}

#[test]
fn the_target_and_the_host_header_must_both_be_allowed() {
    let guard = guard("127.0.0.1:8080", &[], &[]);
    let (good, evil) = (Authority::from_static("localhost:8080"), Authority::from_static("evil.example"));
    assert_eq!(guard.check(&headers(&[]), Some(&good)), Ok(()));
    assert_eq!(guard.check(&headers(&[]), Some(&evil)), Err(Refusal::Host));
    assert_eq!(guard.check(&headers(&[("host", "localhost")]), Some(&evil)), Err(Refusal::Host));
    assert_eq!(guard.check(&headers(&[("host", "evil.example")]), Some(&good)), Err(Refusal::Host));
    assert_eq!(guard.check(&headers(&[]), None), Err(Refusal::NoHost));
}

#[test]
fn repeated_host_and_origin_headers_are_refused() {
    let guard = guard("127.0.0.1:8080", &[], &[]);
    assert_eq!(guard.check(&headers(&[("host", "localhost"), ("host", "localhost")]), None), Err(Refusal::ManyHosts));
    let twice = [("host", "localhost"), ("origin", "http://localhost:8080"), ("origin", "http://localhost:8080")];
    assert_eq!(guard.check(&headers(&twice), None), Err(Refusal::ManyOrigins));
    assert_eq!(Refusal::ManyHosts.status(), 400);
    assert_eq!(Refusal::Host.status(), 403);
}

#[test]
fn pages_of_the_loopback_listener_itself_are_allowed() {
    let guard = guard("127.0.0.1:8080", &[], &[]);
    for page in ["http://localhost:8080", "https://127.0.0.1:8080", "http://[::1]:8080"] {
        assert_eq!(origin(&guard, page), Ok(()), "{page}");
    }
    for page in
        ["http://localhost", "http://localhost:3000", "https://evil.example", "null", "", "http://localhost:8080.evil"]
    {
        assert_eq!(origin(&guard, page), Err(Refusal::Origin), "{page}");
    }
}

#[test]
fn a_default_port_is_left_out_of_the_origin() {
    let plain = guard("127.0.0.1:80", &[], &[]);
    assert_eq!(origin(&plain, "http://localhost"), Ok(()));
    assert_eq!(origin(&plain, "https://localhost"), Err(Refusal::Origin));
}

#[test]
fn configured_origins_are_allowed_and_null_never() {
    let guard = guard("0.0.0.0:80", &["https://app.example/", "null"], &[]);
    assert_eq!(origin(&guard, "https://app.example"), Ok(()));
    assert_eq!(origin(&guard, "http://app.example"), Err(Refusal::Origin));
    assert_eq!(origin(&guard, "null"), Err(Refusal::Origin));
    assert_eq!(origin(&guard, "http://localhost:80"), Err(Refusal::Origin), "not a loopback listener");
}

#[test]
fn a_request_without_an_origin_is_no_browsers() {
    assert_eq!(host(&guard("127.0.0.1:8080", &[], &[]), "localhost"), Ok(()));
}

#[test]
fn cors_names_the_origin_and_never_a_star() {
    let guard = guard("0.0.0.0:80", &["https://app.example"], &[]);
    let cors = guard.cors(&headers(&[("origin", "https://app.example")])).unwrap();
    assert_eq!(cors["access-control-allow-origin"], "https://app.example");
    assert_eq!(
        cors["access-control-expose-headers"],
        "mcp-session-id, www-authenticate, retry-after, ratelimit, ratelimit-policy"
    );
    assert_eq!(cors["vary"], "origin");
    assert_eq!(guard.cors(&headers(&[("origin", "https://evil.example")])), None);
    assert_eq!(guard.cors(&headers(&[])), None);
}

#[test]
fn a_preflight_allows_mcp_headers_and_mirrored_arguments() {
    let guard = guard("0.0.0.0:80", &["https://app.example"], &[]);
    let asked = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type, Mcp-Param-Region,x-other, mcp-param-b c"),
    ];
    let answer = guard.preflight(&headers(&asked)).unwrap();
    let allowed = answer["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.starts_with("authorization, content-type, accept, "), "{allowed}");
    assert!(allowed.ends_with("last-event-id, mcp-param-region"), "{allowed}");
    assert_eq!(answer["access-control-allow-methods"], "POST, GET, DELETE");
    assert_eq!(guard.preflight(&headers(&asked[..1])), None, "no preflight");
    assert_eq!(guard.preflight(&headers(&asked[1..])), None, "no origin");
}
