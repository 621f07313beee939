//! A Service as far as it matters here: parsed once, everything bounded.
//!
//! Source: Kubernetes API, Service v1; Kubernetes, Annotations (an object carries 256 KiB of them at the most).

use std::collections::BTreeMap;

use serde::Deserialize;

/// What the annotations begin with that are read.
pub(super) const PREFIX: &str = "myelin.dev/";
/// Annotations of ours that are kept: there are eight, and one more shows that something is misspelt.
const MAX_ANNOTATIONS: usize = 16;
/// The longest value that is kept. Each longer one is longer than any that is right.
pub(super) const MAX_VALUE: usize = 1024;
/// Ports that are kept.
const MAX_PORTS: usize = 64;

/// Which Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId {
    /// Its namespace.
    pub namespace: String,
    /// Its name there.
    pub name: String,
}

impl std::fmt::Display for ServiceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Which it is.
    pub id: ServiceId,
    /// When it was made, as RFC 3339 writes it: such texts are in the order of time.
    pub(super) created: String,
    /// Its annotations of ours, without their prefix.
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) ports: Vec<Port>,
    pub(super) kind: Kind,
    /// Its address in the cluster; none where it has none, and where it is headless.
    pub(super) address: Option<std::net::IpAddr>,
}

/// What its name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One address for all its pods.
    Virtual,
    /// The addresses of its pods.
    Headless,
    /// Anything anywhere.
    External,
}

/// One of its ports.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Port {
    #[serde(rename = "port")]
    pub(super) number: u16,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) app_protocol: String,
    #[serde(default)]
    pub(super) protocol: String,
}

/// What the API server says of an object, as far as it is read.
#[derive(Deserialize)]
pub(super) struct Raw {
    pub(super) metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    name: String,
    namespace: String,
    creation_timestamp: String,
    pub(super) resource_version: String,
    #[serde(rename = "continue")]
    pub(super) next: String,
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    #[serde(rename = "clusterIP")]
    cluster_ip: String,
    #[serde(rename = "type")]
    kind: String,
    ports: Vec<Port>,
}

impl Raw {
    /// The Service, if it has a name that could be one's: it becomes part of a host.
    pub(super) fn service(self) -> Option<Service> {
        let Self { metadata, spec } = self;
        let id = ServiceId { namespace: metadata.namespace, name: metadata.name };
        if !is_label(&id.namespace) || !is_label(&id.name) {
            return None;
        }
        let own = metadata.annotations.into_iter().filter_map(|(key, mut value)| {
            // What is cut is still longer than anything that is right, so that it is refused.
            if value.len() > MAX_VALUE {
                value = "x".repeat(MAX_VALUE + 1);
            }
            Some((key.strip_prefix(PREFIX)?.to_owned(), value))
        });
        let kind = match (spec.kind.as_str(), spec.cluster_ip.as_str()) {
            ("ExternalName", _) => Kind::External,
            (_, "None") => Kind::Headless,
            _ => Kind::Virtual,
        };
        Some(Service {
            id,
            created: metadata.creation_timestamp,
            annotations: own.take(MAX_ANNOTATIONS).collect(),
            ports: spec.ports.into_iter().take(MAX_PORTS).collect(),
            kind,
            address: spec.cluster_ip.parse().ok(),
        })
    }
}

/// RFC 1123 section 2.1, as Kubernetes has it for names that become part of a host.
pub fn is_label(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('-') && !name.ends_with('-')
}
