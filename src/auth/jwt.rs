//! JWTs: whose they are, and whether they hold.
//!
//! Sources: RFC 7519 section 7.2, RFC 8725 (algorithms pinned to keys, `typ`), RFC 9068 section 4, RFC 8707; OpenID Connect Core 1.0
//! section 2 (what an ID token has).

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, Header, Validation, dangerous::insecure_decode_claims, decode, decode_header};

use crate::clock;

use super::{
    claims::{self, Claims},
    issuer::{Issuer, Key, NoKey},
};

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

/// Why a token is refused. For the log; its sender hears that it is not valid.
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
    #[error("its issuer says that it is not active")]
    Inactive,
    #[error("it is not the answer to what was asked")]
    Nonce,
    #[error("a claim is missing or has another form")]
    Claims,
}

/// A JWT that was read and not yet verified.
pub(super) struct Unverified {
    header: Header,
    issuer: Arc<Issuer>,
}

/// What a JWT says, which nobody vouches for. `None` when it has not the form of one.
pub(super) fn peek(token: &str) -> Option<Claims> {
    let looks_like_one = token.split('.').count() == 3 && token.starts_with("ey");
    looks_like_one.then(|| insecure_decode_claims(token).ok()).flatten()
}

impl Unverified {
    /// Reads what decides how a token of that issuer is verified.
    pub(super) fn read(token: &str, issuer: Arc<Issuer>) -> Result<Self, Invalid> {
        let header = decode_header(token).map_err(|_| Invalid::Algorithm)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Invalid::Algorithm);
        }
        let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
        if !["jwt", "at+jwt", "application/at+jwt"].contains(&kind.as_str()) {
            return Err(Invalid::Type);
        }
        Ok(Self { header, issuer })
    }

    /// Its key, if it is at hand.
    pub(super) fn key_now(&self) -> Option<Arc<Key>> {
        self.issuer.key_now(self.header.kid.as_deref(), self.header.alg)
    }

    /// Its key.
    pub(super) async fn key(&self) -> Result<Arc<Key>, NoKey> {
        self.issuer.key(self.header.kid.as_deref(), self.header.alg).await
    }

    /// What the token says, and for how long it holds.
    pub(super) fn verify(
        &self,
        token: &str,
        key: &Key,
        audiences: &[&str],
        skew: Duration,
    ) -> Result<(Claims, Duration), Invalid> {
        let claims = self.decode(token, key, audiences, skew)?;
        if self.header.typ.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("jwt")) && is_for_the_client(&claims)
        {
            return Err(Invalid::Type);
        }
        let expires = claims::time(&claims, "exp").ok_or(Invalid::Claims)?;
        Ok((claims, (expires + skew).saturating_sub(clock::unix_time())))
    }

    /// What an ID token for the client of that name says (OpenID Connect Core 1.0 section 3.1.3.7).
    pub(super) fn verify_id(&self, token: &str, key: &Key, client: &str, skew: Duration) -> Result<Claims, Invalid> {
        let claims = self.decode(token, key, &[client], skew)?;
        let is_for_several = claims.get("aud").and_then(serde_json::Value::as_array).is_some_and(|list| list.len() > 1);
        match claims::text(&claims, "azp") {
            Some(party) if party != client => Err(Invalid::Audience),
            None if is_for_several => Err(Invalid::Audience),
            _ => Ok(claims),
        }
    }

    fn decode(&self, token: &str, key: &Key, audiences: &[&str], skew: Duration) -> Result<Claims, Invalid> {
        let mut validation = Validation::new(self.header.alg);
        validation.leeway = skew.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&*key.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_audience(audiences);
        let claims = decode::<Claims>(token, &key.verifies, &validation).map_err(|error| invalid(error.kind()))?.claims;
        if claims::time(&claims, "iat").is_some_and(|issued| issued > clock::unix_time() + skew) {
            return Err(Invalid::NotYet);
        }
        Ok(claims)
    }
}

/// Whether it is an ID token: it tells a client who its user is, and gives nobody access to anything.
fn is_for_the_client(claims: &Claims) -> bool {
    let has = |name: &str| claims.contains_key(name);
    let says_so = ["typ", "token_use"]
        .iter()
        .any(|name| claims::text(claims, name).is_some_and(|kind| kind.eq_ignore_ascii_case("id")));
    // A nonce alone decides nothing: some issuers put it into access tokens, which have a scope or a client.
    let is_bound_to_a_login = has("nonce") && !["scope", "scp", "client_id"].iter().any(|name| has(name));
    says_so || has("at_hash") || has("c_hash") || is_bound_to_a_login
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
