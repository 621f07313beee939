//! `auth`: API keys and issuers.

use std::collections::BTreeSet;

use http::Uri;

use super::{
    authority,
    found::{section, values},
};
use crate::{
    auth::settings::{
        Anonymous, AuthSettings, CertificateSettings, IntrospectionSettings, IssuerSettings, KeySecret, KeySettings,
    },
    config::{
        keys::{ApiKeyKeys, AuthKeys, FileKeys, IssuerKeys},
        place::{Found, Place},
        problem::ProblemKind,
        shape::Reader,
    },
    downstream::settings::ListenerSettings,
};

/// Shorter tokens can be guessed; the gateway's own have more than twice as many characters.
pub(super) const LEAST_TOKEN: usize = 16;

/// Whether the file says by what somebody is known. What is wrong with it is reported elsewhere.
pub(super) fn asks_somebody(keys: &FileKeys) -> bool {
    let auth = section(keys.auth.clone());
    let some_keys = auth.api_keys.is_some_and(|keys| !keys.value.is_empty());
    let some_issuers = auth.issuers.is_some_and(|issuers| !issuers.value.is_empty());
    let some_introspection = auth.introspection.is_some_and(|list| !list.value.is_empty());
    some_keys
        || some_issuers
        || some_introspection
        || auth.kubernetes.is_some()
        || auth.certificates.is_some_and(|list| !list.value.is_empty())
}

pub(super) fn settings(keys: &FileKeys, listener: &ListenerSettings, reader: &mut Reader<'_>) -> AuthSettings {
    let auth = section(keys.auth.clone());
    let public_url = auth.public_url.as_ref().and_then(|url| public_url(url, reader));
    let issuers: Vec<IssuerSettings> =
        section(auth.issuers.clone()).iter().filter_map(|found| issuer(found, reader)).collect();
    let introspection: Vec<IntrospectionSettings> = section(auth.introspection.clone())
        .iter()
        .filter_map(|found| authority::introspection(found, reader))
        .collect();
    let is_local = listener.address.ip().to_canonical().is_loopback();
    let issued = [
        auth.issuers.as_ref().filter(|_| !issuers.is_empty()).map(|found| &found.place),
        auth.introspection.as_ref().filter(|_| !introspection.is_empty()).map(|found| &found.place),
    ];
    if let (false, None, Some(place)) = (is_local, &auth.public_url, issued.into_iter().flatten().next()) {
        // Whoever names the host in a request would otherwise name the resource that tokens are for.
        reader.report(place, ProblemKind::Incomplete { needed: "publicUrl" });
    }
    let settings = AuthSettings {
        keys: api_keys(&auth, reader),
        issuers,
        introspection,
        kubernetes: auth.kubernetes.as_ref().and_then(|found| authority::kubernetes(found, reader)),
        certificates: certificates(&auth, listener, reader),
        endpoints: authority::endpoints(keys),
        public_url,
        anonymous: if keys.anonymous.is_some() { Anonymous::Admitted } else { Anonymous::Refused },
        clock_skew: auth.clock_skew(),
        max_remembered: auth.max_remembered(),
        remember_for: auth.remember_for(),
        max_lookups: auth.max_lookups(),
        scopes: values(auth.scopes),
    };
    authority::check_ways(keys, &settings, reader);
    settings
}

fn certificates(auth: &AuthKeys, listener: &ListenerSettings, reader: &mut Reader<'_>) -> Vec<CertificateSettings> {
    let list = section(auth.certificates.clone());
    let asks = listener.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    if let (Some(found), false, false) = (&auth.certificates, asks, reader.reported(&Place::file(), "tls.clientCa")) {
        reader.report(&found.place, ProblemKind::OfTheOtherWire { beside: "tls.clientCa" });
    }
    list.iter().filter_map(|found| authority::certificate(found, reader)).collect()
}

fn api_keys(auth: &AuthKeys, reader: &mut Reader<'_>) -> Vec<KeySettings> {
    let list = section(auth.api_keys.clone());
    let keys: Vec<KeySettings> = list.iter().filter_map(|found| api_key(found, reader)).collect();
    let mut seen = BTreeSet::new();
    for found in &list {
        if let Some(token) = &found.value.token
            && !seen.insert(token.value.expose())
        {
            reader.report(&token.place, ProblemKind::TokenTwice);
        }
    }
    keys
}

fn api_key(found: &Found<ApiKeyKeys>, reader: &mut Reader<'_>) -> Option<KeySettings> {
    let Found { value: keys, place } = found;
    let secret = secret(keys, place, reader);
    let id = authority::needed(keys.id.as_ref(), "id", place, reader)?;
    Some(KeySettings {
        id: id.value.clone(),
        secret: secret?,
        groups: values(keys.groups.clone()),
        expires: keys.expires.as_ref().map(|found| found.value),
    })
}

fn secret(keys: &ApiKeyKeys, place: &Place, reader: &mut Reader<'_>) -> Option<KeySecret> {
    match (&keys.hash, &keys.token) {
        (Some(hash), None) => match hash.value.parse() {
            Ok(parsed) => return Some(KeySecret::Hash(parsed)),
            Err(fault) => reader.report(&hash.place, ProblemKind::KeyHash(fault)),
        },
        (None, Some(token)) if token.value.expose().chars().count() < LEAST_TOKEN => {
            reader.report(&token.place, ProblemKind::WeakToken { least: LEAST_TOKEN });
        }
        (None, Some(token)) => return Some(KeySecret::Token(token.value.clone())),
        (Some(hash), Some(_)) => reader.report(&hash.place, ProblemKind::HashAndToken),
        (None, None) if reader.reported(place, "hash") || reader.reported(place, "token") => {}
        (None, None) => reader.report(place, ProblemKind::Incomplete { needed: "hash" }),
    }
    None
}

fn issuer(found: &Found<IssuerKeys>, reader: &mut Reader<'_>) -> Option<IssuerSettings> {
    let Found { value: keys, place } = found;
    let issuer = authority::needed(keys.issuer.as_ref(), "issuer", place, reader)?;
    authority::check_fetched(issuer, reader);
    if let Some(url) = &keys.keys_url {
        authority::check_fetched(url, reader);
    }
    let login = keys.login.as_ref().map(|found| authority::login(found, reader));
    Some(IssuerSettings {
        issuer: issuer.value.clone(),
        audiences: values(keys.audience.clone()),
        keys_url: keys.keys_url.as_ref().map(|found| found.value.clone()),
        groups_claim: keys.groups_claim(),
        keys_ttl: keys.keys_ttl(),
        login: login.flatten(),
    })
}

/// Only what stands before the endpoints' paths.
fn public_url(found: &Found<String>, reader: &mut Reader<'_>) -> Option<String> {
    let url = found.value.trim_end_matches('/');
    let parsed = url.parse::<Uri>().ok();
    let is_base = parsed.as_ref().is_some_and(|url| {
        matches!(url.scheme_str(), Some("https" | "http"))
            && url.host().is_some()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
    });
    if is_base {
        return Some(url.to_owned());
    }
    reader.report(&found.place, ProblemKind::BadUrl);
    None
}
