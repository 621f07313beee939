//! What an operator may say about servers that are found: the validated form that `config` builds.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::upstream::settings::UpstreamSettings;

/// The address that templates are built with: a name that no server can have (RFC 6761 section 6.4).
pub const TEMPLATE_URL: &str = "https://template.invalid/";

/// Servers that are found in a Kubernetes cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct DiscoverySettings {
    /// What is watched.
    pub cluster: ClusterSettings,
    /// What Services may make of themselves.
    pub rules: OfferSettings,
}

/// Which Services are watched, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The address of the API server, without a path.
    pub api_server: String,
    /// PEM file of the API server's authority; the machine's authorities when absent.
    pub ca: Option<PathBuf>,
    /// The file with the gateway's own token, read for each request.
    pub token_file: PathBuf,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The namespaces; all that the service account may see when empty.
    pub namespaces: Vec<String>,
    /// The label selector, as the API server reads it.
    pub selector: String,
    /// How long a watch lasts; one that is silent for longer is dead.
    pub watch_timeout: Duration,
    /// Servers at the most. So many Services of each namespace are remembered.
    pub max_servers: usize,
}

/// What Services may make of themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferSettings {
    /// The endpoints that a Service may stand behind; the first is that of a Service which names none.
    pub endpoints: Vec<String>,
    /// What a Service gets that names no template.
    pub plain: UpstreamSettings,
    /// What a Service gets that names one.
    pub templates: BTreeMap<String, Template>,
    /// How often the name of a headless Service is looked up where its template does not say.
    pub resolve: Duration,
    /// Servers at the most.
    pub max_servers: usize,
}

/// What Services get that name it.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// All but the name and where it is; built with [`TEMPLATE_URL`].
    pub settings: UpstreamSettings,
    /// The namespaces whose Services may name it; all when empty.
    pub namespaces: Vec<String>,
}
