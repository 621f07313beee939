//! `auth`: those who are asked about tokens, and by what somebody may be known at an endpoint.

use std::{collections::BTreeMap, path::PathBuf};

use http::Uri;

use super::found::{section, values};
use crate::{
    auth::{
        may_be_fetched,
        settings::{
            AuthSettings, CertificateSettings, EndpointRules, IntrospectionSettings, KubernetesSettings, LoginProof,
            LoginSettings, Way,
        },
    },
    config::{
        defaults,
        keys::{CertificateKeys, FileKeys, IntrospectionKeys, KubernetesKeys, LoginKeys},
        place::{Found, Place},
        problem::ProblemKind,
        shape::Reader,
        shapes::ProofWord,
    },
};

pub(super) fn introspection(
    found: &Found<IntrospectionKeys>,
    reader: &mut Reader<'_>,
) -> Option<IntrospectionSettings> {
    let Found { value: keys, place } = found;
    let url = needed(keys.url.as_ref(), "url", place, reader);
    let client_id = needed(keys.client_id.as_ref(), "clientId", place, reader);
    let client_secret = needed(keys.client_secret.as_ref(), "clientSecret", place, reader);
    for address in [url, keys.issuer.as_ref()].into_iter().flatten() {
        check_fetched(address, reader);
    }
    Some(IntrospectionSettings {
        url: url?.value.clone(),
        client_id: client_id?.value.clone(),
        client_secret: client_secret?.value.clone(),
        issuer: keys.issuer.as_ref().map(|found| found.value.clone()),
        audiences: values(keys.audience.clone()),
        groups_claim: keys.groups_claim(),
        ca: keys.ca.as_ref().map(|found| found.value.clone()),
        timeout: keys.timeout(),
    })
}

/// The gateway as a client of an issuer whose users sign in at its pages.
pub(super) fn login(found: &Found<LoginKeys>, reader: &mut Reader<'_>) -> Option<LoginSettings> {
    let Found { value: keys, place } = found;
    let client_id = needed(keys.client_id.as_ref(), "clientId", place, reader)?.value.clone();
    let proof = match (&keys.client_secret, keys.method()) {
        (_, ProofWord::PrivateKeyJwt) => {
            reader.report(place, ProblemKind::NoPrivateKey);
            return None;
        }
        (None, _) => LoginProof::None,
        (Some(secret), ProofWord::Basic) => LoginProof::Basic(secret.value.clone()),
        (Some(secret), ProofWord::Post) => LoginProof::Post(secret.value.clone()),
    };
    // Without it nobody is signed in (OpenID Connect Core 1.0 section 3.1.2.1).
    let mut scopes = vec!["openid".to_owned()];
    scopes.extend(values(keys.scopes.clone()).into_iter().filter(|scope| scope != "openid"));
    Some(LoginSettings { client_id, proof, scopes })
}

pub(super) fn kubernetes(found: &Found<KubernetesKeys>, reader: &mut Reader<'_>) -> Option<KubernetesSettings> {
    let Found { value: keys, place } = found;
    // Without an audience a token that was given to any other service would come in.
    let audience = needed(keys.audience.as_ref(), "audience", place, reader)?;
    if audience.value.is_empty() {
        reader.report(&audience.place, ProblemKind::Incomplete { needed: "audience" });
    }
    let (api_server, ca) = api_server((keys.api_server.as_ref(), keys.ca.as_ref()), reader);
    Some(KubernetesSettings {
        audiences: values(keys.audience.clone()),
        api_server,
        ca,
        token_file: keys.token_file(),
        via: keys.via(),
        allowed: values(keys.allowed.clone()),
        timeout: keys.timeout(),
        keys_ttl: keys.keys_ttl(),
    })
}

/// The API server that is meant, and the file with its authority: those that a pod is told, where nothing else is given.
pub(super) fn api_server(
    (url, ca): (Option<&Found<String>>, Option<&Found<PathBuf>>),
    reader: &mut Reader<'_>,
) -> (String, Option<PathBuf>) {
    let named_ca = ca.map(|found| found.value.clone());
    match url {
        Some(url) => {
            check_fetched(url, reader);
            (url.value.trim_end_matches('/').to_owned(), named_ca)
        }
        None => (own_api_server(reader), named_ca.or_else(|| Some(defaults::SERVICE_ACCOUNT_CA.into()))),
    }
}

/// What the environment of a pod says.
///
/// Source: Kubernetes, Accessing the Kubernetes API from a Pod.
fn own_api_server(reader: &Reader<'_>) -> String {
    let variable = |name: &str| reader.environment.variable(name).filter(|value| !value.is_empty());
    let Some(host) = variable("KUBERNETES_SERVICE_HOST") else { return defaults::API_SERVER.to_owned() };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let port = variable("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
    format!("https://{host}:{port}")
}

pub(super) fn certificate(found: &Found<CertificateKeys>, reader: &mut Reader<'_>) -> Option<CertificateSettings> {
    let Found { value: keys, place } = found;
    Some(CertificateSettings {
        from: needed(keys.from.as_ref(), "from", place, reader)?.value,
        pattern: keys.pattern.as_ref().map(|found| found.value.clone()),
        id: keys.id.as_ref().map(|found| found.value.clone()),
        groups: values(keys.groups.clone()),
    })
}

/// What the endpoints say of who may come in, where they say something.
pub(super) fn endpoints(keys: &FileKeys) -> BTreeMap<String, EndpointRules> {
    let written = section(keys.endpoints.clone());
    let rules = written.into_iter().map(|(path, found)| {
        let ways = found.value.auth.map(|list| list.value.into_iter().map(|found| found.value).collect());
        (path, EndpointRules { ways, scopes: values(found.value.scopes) })
    });
    rules.filter(|(_, rules)| *rules != EndpointRules::default()).collect()
}

/// A way by which nobody is known would only shut an endpoint that somebody believes to be open.
pub(super) fn check_ways(keys: &FileKeys, settings: &AuthSettings, reader: &mut Reader<'_>) {
    for (_, endpoint) in section(keys.endpoints.clone()) {
        for way in section(endpoint.value.auth) {
            let is_known = match &way.value {
                Way::ApiKeys => !settings.keys.is_empty(),
                Way::Issuers => !settings.issuers.is_empty(),
                Way::Issuer(name) => settings.issuers.iter().any(|issuer| issuer.issuer == *name),
                Way::Introspection => !settings.introspection.is_empty(),
                Way::Kubernetes => settings.kubernetes.is_some(),
                Way::Certificates => !settings.certificates.is_empty(),
                // The word itself says so.
                Way::Anonymous => true,
            };
            if !is_known && !reader.reported(&Place::file(), "auth") {
                reader.report(&way.place, ProblemKind::NoSuchWay);
            }
        }
    }
}

pub(super) fn needed<'a, T>(
    found: Option<&'a Found<T>>,
    key: &'static str,
    place: &Place,
    reader: &mut Reader<'_>,
) -> Option<&'a Found<T>> {
    if found.is_none() && !reader.reported(place, key) {
        reader.report(place, ProblemKind::Incomplete { needed: key });
    }
    found
}

/// Keys that came over plain HTTP could be anybody's, but for those from this machine.
pub(super) fn check_fetched(found: &Found<String>, reader: &mut Reader<'_>) {
    match found.value.parse::<Uri>() {
        Ok(url) if url.host().is_some() && may_be_fetched(&url) => {}
        Ok(url) if url.host().is_some() && url.scheme_str() == Some("http") => {
            reader.report(&found.place, ProblemKind::PlainHttp);
        }
        _ => reader.report(&found.place, ProblemKind::BadUrl),
    }
}
