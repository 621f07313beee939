//! How the API server is asked: one page of a list, or a watch.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde::Deserialize;
use tokio::time::timeout;

use crate::{
    auth::{bearer_of, form_encoded},
    upstream::{
        settings::HttpSettings,
        wire::http::{Body, Client, ClientFault, HttpFault, Outgoing},
    },
};

use super::{
    fault::AskFault,
    lines::{Lines, MAX_LINE_BYTES},
    service::{Metadata, Raw},
    settings::ClusterSettings,
};

/// Services of one page: with what they usually are a quarter of a megabyte.
const PAGE: usize = 50;
/// The largest page: some of its Services may be as large as one can be.
const MAX_PAGE_BYTES: usize = 16 << 20;
/// One request at a time, each over a connection of its own: none that is dead is used again.
const CONNECTIONS: usize = 1;

/// The Services of one namespace, or of all.
pub(super) struct Ask {
    settings: ClusterSettings,
    pub(super) namespace: Option<String>,
}

/// One page of a list.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) items: Vec<Raw>,
}

impl Ask {
    pub(super) const fn new(settings: ClusterSettings, namespace: Option<String>) -> Self {
        Self { settings, namespace }
    }

    pub(super) const fn settings(&self) -> &ClusterSettings {
        &self.settings
    }

    /// The page after `next`, or the first one.
    pub(super) async fn page(&self, next: &str) -> Result<Page, AskFault> {
        let mut query = format!("limit={PAGE}");
        if !next.is_empty() {
            query.push_str(&format!("&continue={}", form_encoded(next)));
        }
        let reading = async { self.get(&query).await?.collect(MAX_PAGE_BYTES).await.map_err(content) };
        let content = timeout(self.settings.timeout, reading).await.map_err(|_| AskFault::Silent)??;
        serde_json::from_slice(&content).map_err(AskFault::Content)
    }

    /// What changes from `version` on.
    pub(super) async fn watch(&self, version: &str) -> Result<Lines, AskFault> {
        let query = format!(
            "watch=true&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={}",
            self.settings.watch_timeout.as_secs(),
            form_encoded(version)
        );
        let body = timeout(self.settings.timeout, self.get(&query)).await.map_err(|_| AskFault::Silent)??;
        Ok(Lines::new(body))
    }

    /// The token and the authority are read for each request: both change.
    async fn get(&self, query: &str) -> Result<Body, AskFault> {
        let namespace = self.namespace.as_ref().map_or_else(String::new, |name| format!("namespaces/{name}/"));
        let url = format!(
            "{}/api/v1/{namespace}services?labelSelector={}&{query}",
            self.settings.api_server,
            form_encoded(&self.settings.selector)
        );
        let url: Uri = url.parse().map_err(|_| AskFault::Client(ClientFault::Host))?;
        let settings = HttpSettings {
            ca: self.settings.ca.clone(),
            max_idle_connections: 0,
            ..HttpSettings::plain(url.clone(), self.settings.timeout, CONNECTIONS)
        };
        let client = Client::new(&settings, MAX_LINE_BYTES).map_err(AskFault::Client)?;
        let token = bearer_of(&self.settings.token_file).await.map_err(AskFault::Token)?;
        let headers = [(header::ACCEPT, HeaderValue::from_static("application/json")), (header::AUTHORIZATION, token)];
        let request = Outgoing {
            method: Method::GET,
            target: Some(url),
            headers: HeaderMap::from_iter(headers),
            body: Bytes::new(),
        };
        let answer = client.send(request).await.map_err(AskFault::Broken)?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            StatusCode::GONE => Err(AskFault::Gone),
            status => Err(AskFault::Status(status)),
        }
    }
}

fn content(fault: HttpFault) -> AskFault {
    if matches!(fault, HttpFault::TooLarge { .. }) { AskFault::TooLarge } else { AskFault::Broken(fault) }
}
