//! What a token says of its bearer, whoever vouches for it.
//!
//! Sources: RFC 7519 section 4.1, RFC 9068 section 2.2, RFC 7662 section 2.2, RFC 8707.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::mcp::{Identity, Principal, PrincipalKind};

/// The claims of a token.
pub(super) type Claims = Map<String, Value>;

/// Groups and scopes of one token at the most; further ones do not count.
const MAX_NAMES: usize = 256;
/// Claims that are kept of one token, in bytes of JSON: as many as a token in a header can carry.
const MAX_BYTES: usize = 16 << 10;

/// A bearer that somebody vouched for.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) principal: Principal,
    /// For how long; as long as one likes when absent.
    pub(super) left: Option<Duration>,
}

/// The text of a claim.
pub(super) fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A time since 1970. Some issuers write fractions of a second; they do not count.
pub(super) fn time(claims: &Claims, name: &str) -> Option<Duration> {
    let value = claims.get(name)?;
    let whole = value.as_u64().map(Duration::from_secs);
    whole.or_else(|| value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}

/// A list, or words with spaces between.
pub(super) fn names(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => {
            text.split(' ').filter(|word| !word.is_empty()).take(MAX_NAMES).map(Into::into).collect()
        }
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).take(MAX_NAMES).map(Into::into).collect(),
        _ => Vec::new(),
    }
}

/// Whether a claim (`aud`, `resource`) names one of these, to the letter.
pub(super) fn names_one_of(value: Option<&Value>, wanted: &[&str]) -> bool {
    match value {
        Some(Value::String(text)) => wanted.contains(&text.as_str()),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).any(|one| wanted.contains(&one)),
        _ => false,
    }
}

/// What a token must be for: what the operator names, or the endpoint's own address.
pub(super) fn audiences<'a>(configured: &'a [String], resource: &'a str) -> Vec<&'a str> {
    if configured.is_empty() { vec![resource] } else { configured.iter().map(String::as_str).collect() }
}

/// What a principal is called. The issuer is part of it: two issuers may know different people by the same name.
pub(super) fn id(issuer: &str, name: &str) -> String {
    format!("{issuer}|{name}")
}

/// Whoever bears a token of `issuer`, as `name` of it.
pub(super) fn bearer(
    claims: Claims,
    issuer: &str,
    name: &str,
    groups_claim: &str,
    expires: Option<Duration>,
) -> Principal {
    let identity = Identity {
        id: id(issuer, name).into(),
        kind: PrincipalKind::Token,
        issuer: Some(issuer.into()),
        client: text(&claims, "client_id").or_else(|| text(&claims, "azp")).map(str::to_owned),
        groups: names(claims.get(groups_claim)),
        scopes: names(claims.get("scope").or_else(|| claims.get("scp"))),
        claims: bounded(claims),
    };
    Principal::known(identity, expires)
}

/// The claims that fit: one that is too large is left out, and a rule that looks for it does not find it.
pub(super) fn bounded(claims: Claims) -> Claims {
    let mut left = MAX_BYTES;
    let fits = |(name, value): &(String, Value)| {
        let size = name.len() + value.to_string().len();
        let rest = left.checked_sub(size);
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    claims.into_iter().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        match value {
            Value::Object(claims) => claims,
            _ => Claims::new(),
        }
    }

    #[test]
    fn a_principal_has_all_claims_of_its_token() {
        let claims =
            claims(json!({ "iss": "i", "sub": "u", "client_id": "c", "scope": "a b", "roles": ["x"], "n": 1 }));
        let principal = bearer(claims.clone(), "i", "u", "roles", None);
        let identity = principal.identity();
        assert_eq!((principal.id(), identity.client.as_deref()), ("i|u", Some("c")));
        assert_eq!(
            (&identity.scopes[..], &identity.groups[..]),
            (&["a".to_owned(), "b".to_owned()][..], &["x".to_owned()][..])
        );
        assert_eq!(identity.claims, claims);
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_the_rest_stays() {
        let fitting = "x".repeat(MAX_BYTES - 3);
        let kept = bounded(claims(json!({ "a": fitting })));
        assert_eq!(kept.len(), 1, "at the limit");
        let kept = bounded(claims(json!({ "a": format!("{fitting}x"), "b": 1 })));
        assert_eq!(kept, claims(json!({ "b": 1 })), "one past it");
    }

    #[test]
    fn an_audience_is_compared_to_the_letter() {
        let wanted = ["https://mcp.example/mcp"];
        assert!(names_one_of(Some(&json!("https://mcp.example/mcp")), &wanted));
        assert!(names_one_of(Some(&json!(["x", "https://mcp.example/mcp"])), &wanted));
        for other in
            [json!("https://mcp.example/mcp/"), json!("https://MCP.example/mcp"), json!([]), json!(1), json!("*")]
        {
            assert!(!names_one_of(Some(&other), &wanted), "{other}");
        }
        assert!(!names_one_of(None, &wanted));
    }

    #[test]
    fn times_may_have_fractions_and_must_be_numbers() {
        let claims = claims(json!({ "a": 12, "b": 12.9, "c": "12", "d": -1, "e": 1e300 }));
        assert_eq!(time(&claims, "a"), Some(Duration::from_secs(12)));
        assert_eq!(time(&claims, "b").map(|time| time.as_secs()), Some(12));
        assert_eq!((time(&claims, "c"), time(&claims, "d"), time(&claims, "e")), (None, None, None));
    }
}
