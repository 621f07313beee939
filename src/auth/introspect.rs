//! Opaque tokens: their issuer is asked what they stand for.
//!
//! Sources: RFC 7662; RFC 6749 section 2.3.1 (the gateway's own credential); RFC 8707 (audience).

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use serde::Deserialize;

use crate::clock;

use super::{
    claims::{self, Claims, Found},
    fetch::{Fetch, FetchAnswer, FetchContent, FetchCredential, FetchRequest},
    jwt::Invalid,
    refused::{Refused, refuse},
    settings::IntrospectionSettings,
};

/// Somebody who knows opaque tokens.
pub(super) struct Introspector {
    settings: IntrospectionSettings,
    credential: FetchCredential,
    fetch: Arc<dyn Fetch>,
}

impl Introspector {
    pub(super) fn new(settings: IntrospectionSettings, fetch: Arc<dyn Fetch>) -> Self {
        let credential = FetchCredential::basic(&settings.client_id, &settings.client_secret);
        Self { settings, credential, fetch }
    }

    /// Whose token it is; `None` when it is nobody's here.
    ///
    /// # Errors
    /// [`Refused::Unavailable`].
    pub(super) async fn ask(&self, token: &str, resource: &str, skew: Duration) -> Result<Option<Found>, Refused> {
        let request = FetchRequest {
            url: self.settings.url.clone(),
            content: FetchContent::form([("token", token), ("token_type_hint", "access_token")]),
            credential: self.credential.clone(),
            ca: self.settings.ca.clone(),
            patience: self.settings.timeout,
            named_by: None,
        };
        let answer = self.fetch.send(request).await.map_err(|fault| self.unavailable(&fault))?;
        // 401 is about the gateway's own credential, not about the token (RFC 7662 section 2.3).
        if is_no_token_of_its(&answer) {
            refuse(&Invalid::Inactive);
            return Ok(None);
        }
        if answer.status != StatusCode::OK {
            return Err(self.unavailable(&answer.status));
        }
        let claims: Claims = serde_json::from_slice(&answer.body).map_err(|error| self.unavailable(&error))?;
        match self.judge(claims, resource, skew) {
            Ok(found) => Ok(Some(found)),
            Err(invalid) => {
                refuse(&invalid);
                Ok(None)
            }
        }
    }

    fn judge(&self, claims: Claims, resource: &str, skew: Duration) -> Result<Found, Invalid> {
        if claims.get("active").and_then(serde_json::Value::as_bool) != Some(true) {
            return Err(Invalid::Inactive);
        }
        if claims::text(&claims, "token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(Invalid::Type);
        }
        let now = clock::unix_time();
        let expires = claims::time(&claims, "exp");
        let left = expires.map(|expires| (expires + skew).saturating_sub(now));
        if left == Some(Duration::ZERO) {
            return Err(Invalid::Expired);
        }
        if claims::time(&claims, "nbf").is_some_and(|from| from > now + skew) {
            return Err(Invalid::NotYet);
        }
        let said = claims::text(&claims, "iss");
        if let (Some(issuer), Some(said)) = (&self.settings.issuer, said)
            && issuer != said
        {
            return Err(Invalid::Issuer);
        }
        let wanted = claims::audiences(&self.settings.audiences, resource);
        if !["aud", "resource"].iter().any(|name| claims::names_one_of(claims.get(*name), &wanted)) {
            return Err(Invalid::Audience);
        }
        let issuer = self.settings.issuer.as_deref().or(said).unwrap_or(&self.settings.url).to_owned();
        let name = name(&claims).ok_or(Invalid::Claims)?;
        let principal = claims::bearer(claims, &issuer, &name, &self.settings.groups_claim, expires);
        Ok(Found { principal, left })
    }

    fn unavailable(&self, cause: &dyn std::fmt::Display) -> Refused {
        tracing::warn!(url = self.settings.url, %cause, "a token cannot be introspected");
        Refused::Unavailable
    }
}

/// Whether the issuer says that what came cannot be a token of its own, as some do of a JWT. If that looked like an issuer that is away,
/// its client would never get another one.
fn is_no_token_of_its(answer: &FetchAnswer) -> bool {
    #[derive(Deserialize)]
    struct Said {
        error: String,
    }
    let said = || serde_json::from_slice::<Said>(&answer.body).ok();
    // RFC 6749 section 5.2 and RFC 7009 section 2.2.1: the errors of a 400 that are about the token, and not about the gateway.
    let is_about_token = |said: Said| ["invalid_request", "unsupported_token_type"].contains(&&*said.error);
    answer.status == StatusCode::BAD_REQUEST && said().is_some_and(is_about_token)
}

/// `sub` tells people and clients of one issuer apart; where it is missing, a person must not be taken for a client of the same name.
fn name(claims: &Claims) -> Option<String> {
    let subject = claims::text(claims, "sub").map(str::to_owned);
    let user = || claims::text(claims, "username").map(|name| format!("user:{name}"));
    let client = || claims::text(claims, "client_id").map(|name| format!("client:{name}"));
    subject.or_else(user).or_else(client)
}
