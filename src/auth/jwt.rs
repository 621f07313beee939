//! JWTs: whose they are, and whether they hold.
//!
//! Sources: RFC 7519 section 7.2, RFC 8725 (algorithms pinned to keys, `typ`), RFC 9068 section 4, RFC 8707.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, Header, Validation, dangerous::insecure_decode_claims, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    clock,
    mcp::{Identity, Principal, PrincipalKind},
};

use super::issuer::{Issuer, Key};

/// Algorithms with a public and a private key: nothing that an issuer publishes can sign.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Groups and scopes of one token at the most; further ones do not count.
const MAX_NAMES: usize = 256;

/// Why a JWT is refused. For the log; its sender hears that it is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Invalid {
    #[error("not a JWT")]
    Form,
    #[error("its algorithm is not accepted")]
    Algorithm,
    #[error("its type is not that of an access token")]
    Type,
    #[error("its issuer is not trusted")]
    Issuer,
    #[error("its key is not known")]
    Key,
    #[error("its signature is wrong")]
    Signature,
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    NotYet,
    #[error("it is for another audience")]
    Audience,
    #[error("a claim is missing or has another form")]
    Claims,
}

#[derive(Deserialize)]
struct Claimed {
    iss: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    iat: Option<f64>,
    client_id: Option<String>,
    azp: Option<String>,
    scope: Option<Value>,
    scp: Option<Value>,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

/// A JWT that was read and not yet verified.
pub(super) struct Unverified {
    header: Header,
    pub(super) issuer: Arc<Issuer>,
}

/// Whether a token has the form of a JWT.
pub(super) fn looks_like_one(token: &str) -> bool {
    token.split('.').count() == 3 && token.starts_with("ey")
}

/// Reads what decides how a token is verified.
pub(super) fn read(token: &str, issuers: &[Arc<Issuer>]) -> Result<Unverified, Invalid> {
    let header = decode_header(token).map_err(|_| Invalid::Algorithm)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Invalid::Algorithm);
    }
    let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
    if !["jwt", "at+jwt", "application/at+jwt"].contains(&kind.as_str()) {
        return Err(Invalid::Type);
    }
    let claimed: Claimed = insecure_decode_claims(token).map_err(|_| Invalid::Form)?;
    let issuer = issuers.iter().find(|issuer| claimed.iss.as_deref() == Some(&issuer.settings.issuer));
    Ok(Unverified { header, issuer: issuer.ok_or(Invalid::Issuer)?.clone() })
}

impl Unverified {
    /// Its key, if it is at hand.
    pub(super) fn key_now(&self) -> Option<Arc<Key>> {
        self.issuer.key_now(self.header.kid.as_deref(), self.header.alg)
    }

    /// Its key.
    pub(super) async fn key(&self) -> Result<Arc<Key>, Invalid> {
        self.issuer.key(self.header.kid.as_deref(), self.header.alg).await.ok_or(Invalid::Key)
    }

    /// Whose token it is, and for how long it holds.
    pub(super) fn verify(
        &self,
        token: &str,
        key: &Key,
        resource: &str,
        skew: Duration,
    ) -> Result<(Principal, Duration), Invalid> {
        let settings = &self.issuer.settings;
        let mut validation = Validation::new(self.header.alg);
        validation.leeway = skew.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&settings.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        if settings.audiences.is_empty() {
            validation.set_audience(&[resource]);
        } else {
            validation.set_audience(&settings.audiences);
        }
        let claims = decode::<Claims>(token, &key.verifies, &validation).map_err(|error| invalid(error.kind()))?.claims;
        let now = clock::unix_time();
        if claims.iat.is_some_and(|issued| issued > (now + skew).as_secs_f64()) {
            return Err(Invalid::NotYet);
        }
        let left = (Duration::from_secs(claims.exp) + skew).saturating_sub(now);
        Ok((principal(claims, settings), left))
    }
}

fn principal(claims: Claims, settings: &super::settings::IssuerSettings) -> Principal {
    let scopes = names(claims.scope.or(claims.scp).as_ref());
    let groups = names(claims.others.get(&settings.groups_claim));
    let client = claims.client_id.or(claims.azp);
    // The issuer is part of it: two issuers may know different people by the same name.
    let id = format!("{}|{}", settings.issuer, claims.sub);
    let issuer = Some(settings.issuer.as_str().into());
    let (kind, expires) = (PrincipalKind::Token, Duration::from_secs(claims.exp));
    let claims = claims.others;
    let identity = Identity { id: id.into(), kind, issuer, client, groups, scopes, claims };
    Principal::known(identity, Some(expires))
}

/// A list, or words with spaces between.
fn names(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => {
            text.split(' ').filter(|word| !word.is_empty()).take(MAX_NAMES).map(Into::into).collect()
        }
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).take(MAX_NAMES).map(Into::into).collect(),
        _ => Vec::new(),
    }
}

const fn invalid(error: &jsonwebtoken::errors::ErrorKind) -> Invalid {
    use jsonwebtoken::errors::ErrorKind;
    match error {
        ErrorKind::ExpiredSignature => Invalid::Expired,
        ErrorKind::ImmatureSignature => Invalid::NotYet,
        ErrorKind::InvalidAudience => Invalid::Audience,
        ErrorKind::InvalidIssuer => Invalid::Issuer,
        ErrorKind::InvalidSignature => Invalid::Signature,
        ErrorKind::InvalidAlgorithm => Invalid::Algorithm,
        ErrorKind::InvalidToken => Invalid::Form,
        _ => Invalid::Claims,
    }
}
