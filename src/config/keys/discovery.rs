//! `discovery`: servers that are found.

use super::server::ServerOptions;
use crate::config::{
    defaults,
    shape::section,
    shapes::{Count, FilePath, List, Mapping, Secret, ServerAuth, Text, Time},
};

section! {
    /// Servers that are found instead of named.
    DiscoveryKeys {
        /// In a Kubernetes cluster: Services that have a label.
        kubernetes "kubernetes": KubernetesServicesKeys,
    }
}

section! {
    /// Services of a Kubernetes cluster. Their annotations `myelin.dev/…` say what they are: `name`, `port`, `path`, `scheme`, `era`,
    /// `transport`, `template` and `endpoints`.
    KubernetesServicesKeys {
        /// The namespaces that are watched; all that the gateway's service account may see when absent.
        namespaces "namespaces": List<Text>,
        /// The labels that a Service must have, as `kubectl get --selector` takes them.
        selector "selector": Text = defaults::DISCOVERY_SELECTOR.to_owned(),
        /// The endpoint of servers whose Service names none. Its servers' tools have names with prefix unless `names` says otherwise.
        endpoint "endpoint": Text = "/mcp".to_owned(),
        /// Further endpoints that Services may name.
        endpoints "endpoints": List<Text>,
        /// Servers at the most; of more, the oldest Services are served.
        max_servers "maxServers": Count<1, 1000> = defaults::MAX_DISCOVERED,
        /// What Services get that name it with `myelin.dev/template`; one that names none gets `defaults`.
        templates "templates": Mapping<TemplateKeys>,
        /// The address of the API server, without a path; the one that a pod is told when absent.
        api_server "apiServer": Text,
        /// PEM file of the API server's authority; the one that a pod is given where `apiServer` is absent.
        ca "ca": FilePath,
        /// The gateway's own token for the API server; read for each request, since it changes.
        token_file "tokenFile": FilePath = defaults::SERVICE_ACCOUNT_TOKEN.into(),
        /// How long an answer of the API server may take; the gateway's start waits so long for the first.
        timeout "timeout": Time = defaults::LOOKUP_TIMEOUT,
        /// How long one watch lasts; one that is silent for longer is begun anew.
        watch_timeout "watchTimeout": Time<1000> = defaults::WATCH_TIMEOUT,
    }
}

section! {
    /// What Services get that name it: all that a server may have but its name and address.
    TemplateKeys {
        /// The namespaces whose Services may name it; all that are watched when absent.
        namespaces "namespaces": List<Text>,
        /// Headers added to each request.
        headers "headers": Mapping<Secret>,
        /// What requests are authorised with.
        auth "auth": ServerAuth,
        ..options: ServerOptions
    }
}
