//! `mcpServers.NAME.auth` to the settings of a credential.

use std::collections::BTreeMap;

use http::{HeaderName, Uri, header};

use super::{
    auth::asks_somebody,
    authority::{check_fetched, needed},
    found::{section, values},
};
use crate::{
    config::{
        keys::{AssertionKeys, FileKeys, OauthClientKeys, ServerAuthKeys, ServerKeys, SigningKeys, UserOauthKeys},
        place::{Found, Place},
        problem::ProblemKind,
        shape::Reader,
        shapes::ProofWord,
    },
    redact::Redacted,
    upstream::{
        credential::{
            canonical, is_signing_key,
            settings::{
                AssertionSettings, ClientProof, ClientSettings, CredentialSettings, ExchangeSettings, OauthSettings,
                TokenSource,
            },
        },
        settings::{HttpSettings, Isolation, UpstreamSettings, WireSettings},
    },
};

/// The shortest and longest life of an assertion in seconds: what is longer should not be a bearer token that cannot be revoked.
const LONGEST_ASSERTION_S: u64 = 3600;

/// The credential of a server that is reached like this.
pub(super) fn settings(keys: &ServerKeys, wire: &WireSettings, reader: &mut Reader<'_>) -> CredentialSettings {
    let Some(Found { value, place }) = &keys.auth else { return CredentialSettings::None };
    let WireSettings::Http(http) = wire else { return of_program(value.as_ref(), place, reader) };
    let credential = match value {
        None => Some(CredentialSettings::Passthrough),
        Some(keys) => one(keys, place, http, reader),
    };
    let credential = credential.unwrap_or_default();
    check_headers(&credential, http, place, reader);
    credential
}

/// A program can be told who calls and shown nothing else: its own credentials are in its environment.
fn of_program(keys: Option<&ServerAuthKeys>, place: &Place, reader: &mut Reader<'_>) -> CredentialSettings {
    let Some(ServerAuthKeys {
        assertion: Some(assertion),
        client_credentials: None,
        token_exchange: None,
        oauth: None,
    }) = keys
    else {
        reader.report(place, ProblemKind::OfTheOtherWire { beside: "url" });
        return CredentialSettings::None;
    };
    if let Some(header) = &assertion.value.header {
        reader.report(&header.place, ProblemKind::OfTheOtherWire { beside: "url" });
    }
    let audience = needed(assertion.value.audience.as_ref(), "audience", &assertion.place, reader);
    let audience = audience.map(|found| found.value.clone()).unwrap_or_default();
    self::assertion(assertion, audience, reader).map(CredentialSettings::Assertion).unwrap_or_default()
}

fn one(
    keys: &ServerAuthKeys,
    place: &Place,
    http: &HttpSettings,
    reader: &mut Reader<'_>,
) -> Option<CredentialSettings> {
    let ServerAuthKeys { client_credentials, token_exchange, assertion, oauth } = keys;
    match (client_credentials, token_exchange, assertion, oauth) {
        (Some(found), None, None, None) => {
            client(&found.value, &found.place, http, reader).map(CredentialSettings::Client)
        }
        (None, Some(Found { value, place }), None, None) => {
            let client = client(&value.client, place, http, reader)?;
            let (subject_token_type, requested_token_type) = (value.subject_token_type(), value.requested_token_type());
            Some(CredentialSettings::Exchange(ExchangeSettings { client, subject_token_type, requested_token_type }))
        }
        (None, None, None, Some(found)) => user_oauth(found, http, reader).map(CredentialSettings::Oauth),
        (None, None, Some(found), None) => {
            let own = || canonical(&http.url);
            let audience = found.value.audience.as_ref().map_or_else(own, |found| found.value.clone());
            self::assertion(found, audience, reader).map(CredentialSettings::Assertion)
        }
        (None, None, None, None) if reader.reported_below(place) => None,
        _ => {
            reader.report(place, ProblemKind::OneCredential);
            None
        }
    }
}

fn client(
    keys: &OauthClientKeys,
    place: &Place,
    http: &HttpSettings,
    reader: &mut Reader<'_>,
) -> Option<ClientSettings> {
    let from = match (&keys.token_url, &keys.issuer) {
        (Some(url), None) => {
            check_fetched(url, reader);
            Some(TokenSource::Endpoint(url.value.clone()))
        }
        (None, Some(issuer)) => {
            check_fetched(issuer, reader);
            Some(TokenSource::Issuer(issuer.value.clone()))
        }
        (Some(url), Some(_)) => {
            reader.report(&url.place, ProblemKind::TokenUrlAndIssuer);
            None
        }
        (None, None) => needed::<String>(None, "tokenUrl", place, reader).map(|_| TokenSource::Endpoint(String::new())),
    };
    let id = needed(keys.client_id.as_ref(), "clientId", place, reader).map(|found| found.value.clone());
    let proof = proof(keys, place, reader);
    let resource = resource(keys.resource.as_ref(), &http.url, reader);
    Some(ClientSettings {
        from: from?,
        id: id?,
        proof: proof?,
        scopes: values(keys.scopes.clone()),
        audience: keys.audience.as_ref().map(|found| found.value.clone()),
        resource,
    })
}

fn user_oauth(
    Found { value: keys, place }: &Found<UserOauthKeys>,
    http: &HttpSettings,
    reader: &mut Reader<'_>,
) -> Option<OauthSettings> {
    if let Some(issuer) = &keys.issuer {
        check_fetched(issuer, reader);
    }
    if let (Some(secret), None) = (&keys.client_secret, &keys.client_id) {
        reader.report(&secret.place, ProblemKind::Incomplete { needed: "clientId" });
    }
    // A name that was given at one authorization server must not be used at another (MCP 2026-07-28 basic/authorization).
    if let (Some(id), None) = (&keys.client_id, &keys.issuer) {
        reader.report(&id.place, ProblemKind::Incomplete { needed: "issuer" });
    }
    let proof = match (&keys.client_secret, keys.method()) {
        (_, ProofWord::PrivateKeyJwt) => {
            reader.report(place, ProblemKind::NoPrivateKey);
            return None;
        }
        (None, _) => ClientProof::None,
        (Some(secret), ProofWord::Basic) => ClientProof::Basic(secret.value.clone()),
        (Some(secret), ProofWord::Post) => ClientProof::Post(secret.value.clone()),
    };
    Some(OauthSettings {
        issuer: keys.issuer.as_ref().map(|found| found.value.clone()),
        client: keys.client_id.as_ref().map(|found| (found.value.clone(), proof)),
        scopes: values(keys.scopes.clone()),
        resource: resource(keys.resource.as_ref(), &http.url, reader),
        url: http.url.to_string(),
    })
}

fn proof(keys: &OauthClientKeys, place: &Place, reader: &mut Reader<'_>) -> Option<ClientProof> {
    let secret = |reader: &mut Reader<'_>| {
        needed(keys.client_secret.as_ref(), "clientSecret", place, reader).map(|found| found.value.clone())
    };
    match keys.method() {
        ProofWord::Basic => secret(reader).map(ClientProof::Basic),
        ProofWord::Post => secret(reader).map(ClientProof::Post),
        ProofWord::PrivateKeyJwt => {
            let key = needed(keys.private_key.as_ref(), "privateKey", place, reader)?;
            check_key(key, reader);
            let name = keys.key_id.as_ref().map(|found| found.value.clone());
            Some(ClientProof::PrivateKey(key.value.clone(), name))
        }
    }
}

fn check_key(key: &Found<Redacted<String>>, reader: &mut Reader<'_>) {
    if !is_signing_key(&key.value) {
        reader.report(&key.place, ProblemKind::SigningKey);
    }
}

/// RFC 8707 section 2: an absolute URI without fragment.
fn resource(written: Option<&Found<String>>, url: &Uri, reader: &mut Reader<'_>) -> String {
    let Some(found) = written else { return canonical(url) };
    let is_absolute = found.value.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some()) && !found.value.contains('#');
    if !is_absolute {
        reader.report(&found.place, ProblemKind::BadUrl);
    }
    found.value.clone()
}

fn assertion(
    Found { value: keys, .. }: &Found<AssertionKeys>,
    audience: String,
    reader: &mut Reader<'_>,
) -> Option<AssertionSettings> {
    let header = match &keys.header {
        None => None,
        Some(found) => match HeaderName::from_bytes(found.value.as_bytes()) {
            Ok(name) => Some(name),
            Err(_) => {
                reader.report(&found.place, ProblemKind::HeaderName);
                return None;
            }
        },
    };
    if let (Some(ttl), true) = (&keys.ttl, keys.ttl().as_secs() > LONGEST_ASSERTION_S) {
        reader.report(&ttl.place, ProblemKind::TooGreat { most: "1h".to_owned() });
    }
    let claims = section(keys.claims.clone()).into_iter().map(|(name, found)| (name, found.value));
    Some(AssertionSettings { audience, ttl: keys.ttl(), header, claims: claims.collect::<BTreeMap<_, _>>() })
}

/// A configured header would stand where the credential goes.
fn check_headers(credential: &CredentialSettings, http: &HttpSettings, place: &Place, reader: &mut Reader<'_>) {
    let taken = match credential {
        CredentialSettings::None => return,
        CredentialSettings::Assertion(AssertionSettings { header: Some(name), .. }) => name,
        _ => &header::AUTHORIZATION,
    };
    if http.headers.iter().any(|(name, _)| name == taken) {
        reader.report(place, ProblemKind::TwoAuthorizations);
    }
}

/// What a credential needs of the rest of the file.
pub(super) fn check(upstreams: &[UpstreamSettings], keys: &FileKeys, reader: &mut Reader<'_>) {
    let servers = section(keys.servers.clone());
    for upstream in upstreams {
        let written = servers.iter().find(|(name, _)| *name == upstream.name);
        if let Some(auth) = written.and_then(|(_, found)| found.value.auth.as_ref()) {
            check_one(upstream, &auth.place, keys, reader);
        }
    }
}

/// The same of one server, or of a template for some.
pub(super) fn check_one(upstream: &UpstreamSettings, place: &Place, keys: &FileKeys, reader: &mut Reader<'_>) {
    if !upstream.credential.is_personal() {
        return;
    }
    // A program of one session is one principal's as well; over HTTP a session's token is the newest that its principal came with.
    let is_told = matches!(upstream.wire, WireSettings::Stdio(_)) && upstream.pool.isolation == Isolation::Session;
    if upstream.pool.isolation != Isolation::Principal && !is_told {
        reader.report(place, ProblemKind::SharedCredential);
    }
    // On loopback the one user of the machine may be nobody in particular.
    let is_open =
        matches!(upstream.credential, CredentialSettings::Oauth(_)) && !keys.listen().ip().to_canonical().is_loopback();
    if (upstream.credential.wants_token() || is_open) && !asks_somebody(keys) {
        reader.report(place, ProblemKind::NobodyAsked);
    }
}

/// The keys that the gateway signs with.
pub(super) fn signing(keys: SigningKeys, reader: &mut Reader<'_>) -> Vec<Redacted<String>> {
    let list = section(keys.keys);
    for key in &list {
        check_key(key, reader);
    }
    list.into_iter().map(|found| found.value).collect()
}
