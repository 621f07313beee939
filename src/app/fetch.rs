//! How issuers are reached: with the HTTP client that upstreams are reached with, and limits of its own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use tokio::time::timeout;

use crate::{
    auth::{Auth, Fetch, FetchFault, Fetched, KeyFault, may_be_fetched},
    config::settings::Settings,
    upstream::{
        settings::{HttpSettings, HttpTransport},
        wire::http::{Client, Outgoing},
    },
};

/// How long a fetch may take in all: a client waits for it with its first request.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest metadata or set of keys that is read.
const MAX_BYTES: usize = 256 << 10;

/// The authentication by these settings.
pub(super) fn auth(settings: &Settings) -> Result<Auth, KeyFault> {
    let fetch: Arc<dyn Fetch> = Arc::new(Web);
    Auth::new(settings.auth.clone(), &fetch)
}

/// The web. Follows no redirect and keeps no connection: keys are fetched every few minutes.
struct Web;

impl Fetch for Web {
    fn get(&self, url: String) -> Fetched<'_> {
        Box::pin(async move { timeout(PATIENCE, get(&url)).await.map_err(|_| FetchFault::NoAnswer)? })
    }
}

async fn get(url: &str) -> Result<Bytes, FetchFault> {
    let url: Uri = url.parse().map_err(|_| FetchFault::Address)?;
    // Also what an issuer's metadata names must not lead away from TLS.
    if !may_be_fetched(&url) {
        return Err(FetchFault::Address);
    }
    let client = Client::new(&client_settings(url), MAX_BYTES).map_err(|_| FetchFault::Address)?;
    let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]);
    let request = Outgoing { method: Method::GET, target: None, headers, body: Bytes::new() };
    let answer = client.send(request).await.map_err(|fault| {
        tracing::debug!(%fault, "an issuer cannot be reached");
        FetchFault::NoAnswer
    })?;
    if answer.status != StatusCode::OK {
        return Err(FetchFault::NoAnswer);
    }
    answer.body.collect(MAX_BYTES).await.map_err(|_| FetchFault::Content)
}

fn client_settings(url: Uri) -> HttpSettings {
    HttpSettings {
        url,
        headers: Vec::new(),
        transport: HttpTransport::Detect,
        ca: None,
        connect_timeout: PATIENCE,
        max_idle_connections: 0,
        max_connections: 1,
    }
}
