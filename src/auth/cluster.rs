//! How a Kubernetes API server is asked.

use super::{
    fetch::{Fetch, FetchContent, FetchCredential, FetchFault, FetchRequest},
    settings::KubernetesSettings,
};

/// A request to the API server, with the gateway's own token.
pub(super) fn request(settings: &KubernetesSettings, path: &str, content: FetchContent) -> FetchRequest {
    FetchRequest {
        url: format!("{}{path}", settings.api_server),
        content,
        credential: FetchCredential::BearerFile(settings.token_file.clone()),
        ca: settings.ca.clone(),
        patience: settings.timeout,
        named_by: None,
    }
}

/// What the cluster's tokens have as `iss`. Its metadata lies at the API server, whatever address it names itself.
///
/// Source: Kubernetes, Configure Service Accounts for Pods, Service account issuer discovery.
pub(super) async fn issuer(settings: &KubernetesSettings, fetch: &dyn Fetch) -> Result<String, FetchFault> {
    let request = request(settings, "/.well-known/openid-configuration", FetchContent::None);
    let content = request.content_from(fetch).await?;
    let metadata: serde_json::Value = serde_json::from_slice(&content).map_err(|_| FetchFault::Content)?;
    metadata.get("issuer").and_then(|issuer| issuer.as_str()).map(str::to_owned).ok_or(FetchFault::Content)
}
