//! How issuers and other authorities are reached: with the HTTP client that upstreams are reached with, and limits of its own.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header, uri::Authority};
use tokio::time::timeout;

use crate::{
    auth::{
        Auth, AuthFault, Fetch, FetchAnswer, FetchCredential, FetchFault, FetchRequest, Fetched, bearer_of,
        may_be_fetched,
    },
    clock,
    config::settings::Settings,
    upstream::{
        credential::{Reached, Wallet, oauth::Safe},
        settings::{EgressSettings, HttpSettings},
        wire::http::{Client, Outgoing},
    },
};

/// The largest content that is read: metadata and sets of keys have some kilobytes.
const MAX_BYTES: usize = 256 << 10;
/// Places that are remembered at the most; there are as many as the configuration names, and what their metadata adds.
const MAX_PLACES: usize = 64;
/// After this time the authorities that are trusted are read anew.
const TRUST_TTL: Duration = Duration::from_secs(600);
/// Connections to one place at the most; what asks more at once has a limit of its own.
const MAX_CONNECTIONS: usize = 256;

/// The authentication by these settings.
pub(super) fn auth(settings: &Settings) -> Result<Auth, AuthFault> {
    Auth::new(settings.auth.clone(), &web(settings.egress.clone()))
}

/// What a process that is no gateway gets servers' credentials with: it signs nothing.
pub fn wallet() -> Arc<Wallet> {
    Wallet::new(web(EgressSettings::default()), "http://localhost", Reached::Locally, Safe::default())
}

/// The way to authorities of all kinds.
pub fn web(egress: EgressSettings) -> Arc<dyn Fetch> {
    Arc::new(Web::new(egress))
}

/// The web. Follows no redirect, and keeps no HTTP/1.1 connection: one that its peer closed would fail a request that must not fail.
struct Web {
    egress: Arc<EgressSettings>,
    clients: Mutex<HashMap<Place, (Arc<Client>, Instant)>>,
}

/// Where requests go, whom to trust there, and who named it: what a message named never goes over what the operator's word opened.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    scheme: Option<String>,
    authority: Option<Authority>,
    ca: Option<PathBuf>,
    named_by: Option<String>,
}

impl Fetch for Web {
    fn send(&self, request: FetchRequest) -> Fetched<'_> {
        Box::pin(async move {
            let patience = request.patience;
            timeout(patience, self.fetch(request)).await.map_err(|_| FetchFault::NoAnswer)?
        })
    }
}

impl Web {
    fn new(egress: EgressSettings) -> Self {
        Self { egress: Arc::new(egress), clients: Mutex::default() }
    }

    async fn fetch(&self, request: FetchRequest) -> Result<FetchAnswer, FetchFault> {
        let url: Uri = request.url.parse().map_err(|_| FetchFault::Address)?;
        // Also what an issuer's metadata names must not lead away from TLS.
        if !may_be_fetched(&url) {
            return Err(FetchFault::Address);
        }
        let client = self.client(&url, &request)?;
        let answer =
            client.send(outgoing(url, &request, credential(&request.credential).await?)).await.map_err(|fault| {
                tracing::debug!(%fault, "an authority cannot be reached");
                FetchFault::NoAnswer
            })?;
        let (status, headers) = (answer.status, answer.headers);
        let body = answer.body.collect(MAX_BYTES).await.map_err(|_| FetchFault::Content)?;
        Ok(FetchAnswer { status, headers, body })
    }

    /// The client for a place: it has read whom to trust, which takes longer than a request.
    fn client(&self, url: &Uri, request: &FetchRequest) -> Result<Arc<Client>, FetchFault> {
        let place = Place {
            scheme: url.scheme_str().map(str::to_owned),
            authority: url.authority().cloned(),
            ca: request.ca.clone(),
            named_by: request.named_by.clone(),
        };
        let now = clock::now();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((client, made)) = clients.get(&place)
            && now.saturating_duration_since(*made) < TRUST_TTL
        {
            return Ok(client.clone());
        }
        let client = self.new_client(url, request)?;
        if clients.len() >= MAX_PLACES {
            clients.clear();
        }
        let client = Arc::new(client);
        clients.insert(place, (client.clone(), now));
        Ok(client)
    }

    /// What a message names leads neither away from TLS nor into the network behind this gateway.
    fn new_client(&self, url: &Uri, request: &FetchRequest) -> Result<Client, FetchFault> {
        let settings = client_settings(url.clone(), request);
        let client = match &request.named_by {
            None => Client::new(&settings, MAX_BYTES),
            Some(by) => {
                let by: Uri = by.parse().map_err(|_| FetchFault::Address)?;
                Client::learned(&settings, &by, &self.egress, MAX_BYTES)
            }
        };
        client.map_err(|fault| {
            tracing::warn!(%fault, "an authority cannot be asked");
            FetchFault::Address
        })
    }
}

fn outgoing(url: Uri, request: &FetchRequest, credential: Option<HeaderValue>) -> Outgoing {
    let mut headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]);
    headers.extend(credential.map(|credential| (header::AUTHORIZATION, credential)));
    let (method, body) = match request.content.encoded() {
        None => (Method::GET, Bytes::new()),
        Some((kind, content)) => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            (Method::POST, Bytes::copy_from_slice(content.expose().as_bytes()))
        }
    };
    Outgoing { method, target: Some(url), headers, body }
}

async fn credential(credential: &FetchCredential) -> Result<Option<HeaderValue>, FetchFault> {
    let text = match credential {
        FetchCredential::None => return Ok(None),
        FetchCredential::Header(text) => text.clone(),
        FetchCredential::BearerFile(path) => {
            return bearer_of(path).await.map(Some).map_err(|_| FetchFault::Credential);
        }
    };
    let mut value = HeaderValue::from_str(text.expose()).map_err(|_| FetchFault::Credential)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn client_settings(url: Uri, request: &FetchRequest) -> HttpSettings {
    HttpSettings {
        ca: request.ca.clone(),
        max_idle_connections: 0,
        ..HttpSettings::plain(url, request.patience, MAX_CONNECTIONS)
    }
}
