//! Service accounts of a Kubernetes cluster: their tokens are reviewed by the API server, or verified with the cluster's keys.
//!
//! Sources: Kubernetes API, `TokenReview` of authentication.k8s.io/v1; Kubernetes, Managing Service Accounts (names and groups).

use std::{sync::Arc, time::Duration};

use globset::{GlobSet, GlobSetBuilder};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::{
    clock,
    mcp::{Identity, Principal, PrincipalKind},
    redact::Redacted,
};

use super::{
    claims::{self, Claims, Found},
    cluster,
    fetch::{Fetch, FetchContent},
    issuer::{Issuer, Source},
    refused::{Refused, refuse},
    settings::{KubernetesSettings, Via},
};

/// What the names of all service accounts begin with.
const PREFIX: &str = "system:serviceaccount:";

/// A cluster whose service accounts come in.
pub(super) struct Cluster {
    pub(super) settings: KubernetesSettings,
    /// Who signs its tokens, where they are verified here.
    pub(super) issuer: Option<Arc<Issuer>>,
    allowed: GlobSet,
    fetch: Arc<dyn Fetch>,
}

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    authenticated: bool,
    user: User,
    audiences: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
    groups: Vec<String>,
}

/// Whether a name is that of a service account.
pub(super) fn is_service_account(subject: &str) -> bool {
    subject.starts_with(PREFIX)
}

impl Cluster {
    /// # Errors
    /// A pattern is no glob; the configuration refuses it before.
    pub(super) fn new(settings: KubernetesSettings, fetch: Arc<dyn Fetch>) -> Result<Self, globset::Error> {
        let mut allowed = GlobSetBuilder::new();
        for pattern in &settings.allowed {
            allowed.add(globset::GlobBuilder::new(pattern).literal_separator(true).build()?);
        }
        let issuer = match settings.via {
            Via::Review => None,
            Via::Keys => Some(Issuer::new(Source::Cluster(settings.clone()), settings.keys_ttl, fetch.clone())),
        };
        Ok(Self { allowed: allowed.build()?, issuer, settings, fetch })
    }

    /// Asks the API server whose token it is.
    pub(super) async fn review(&self, token: &str, claims: Claims) -> Result<Found, Refused> {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": token, "audiences": self.settings.audiences },
        });
        let content = FetchContent::Json(Redacted::new(review.to_string()));
        let request = cluster::request(&self.settings, "/apis/authentication.k8s.io/v1/tokenreviews", content);
        let answer = self.fetch.send(request).await.map_err(|fault| unavailable(&fault))?;
        // Anything else concerns the gateway's own token or the server, and says nothing of the one in question.
        if !matches!(answer.status, StatusCode::CREATED | StatusCode::OK) {
            return Err(unavailable(&answer.status));
        }
        let review: Review = serde_json::from_slice(&answer.body).map_err(|error| unavailable(&error))?;
        self.reviewed(review.status, claims)
    }

    fn reviewed(&self, status: Status, claims: Claims) -> Result<Found, Refused> {
        if !status.authenticated {
            return Err(refuse(&"the cluster does not know it"));
        }
        // A server that knows no audiences answers with none: then nobody looked whom the token is for.
        if !status.audiences.iter().any(|audience| self.settings.audiences.contains(audience)) {
            return Err(refuse(&"it is for another audience"));
        }
        self.account(&status.user.username, status.user.groups, claims)
    }

    /// The service account of claims that were verified here.
    pub(super) fn verified(&self, claims: Claims) -> Result<Found, Refused> {
        let name = claims::text(&claims, "sub").unwrap_or_default().to_owned();
        let namespace = name.strip_prefix(PREFIX).and_then(|name| name.split(':').next()).unwrap_or_default();
        let groups = vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ];
        self.account(&name, groups, claims)
    }

    fn account(&self, name: &str, groups: Vec<String>, claims: Claims) -> Result<Found, Refused> {
        let account = name.strip_prefix(PREFIX).and_then(|account| account.split_once(':'));
        let Some((namespace, account)) = account else { return Err(refuse(&"it is no service account's")) };
        if !self.allowed.is_empty() && !self.allowed.is_match(format!("{namespace}/{account}")) {
            return Err(refuse(&"its service account is not among those allowed"));
        }
        let issuer = claims::text(&claims, "iss").unwrap_or(&self.settings.api_server).to_owned();
        let expires = claims::time(&claims, "exp");
        let identity = Identity {
            id: format!("{issuer}|{name}").into(),
            kind: PrincipalKind::ServiceAccount,
            issuer: Some(issuer.as_str().into()),
            groups,
            claims: claims::bounded(claims),
            ..Identity::default()
        };
        let left = expires.map(|expires| expires.saturating_sub(clock::unix_time()));
        if left == Some(Duration::ZERO) {
            return Err(refuse(&"it has expired"));
        }
        Ok(Found { principal: Principal::known(identity, expires), left })
    }
}

fn unavailable(cause: &dyn std::fmt::Display) -> Refused {
    tracing::warn!(%cause, "a service account's token cannot be reviewed");
    Refused::Unavailable
}
