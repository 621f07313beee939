//! `discovery` to settings.

use super::{
    authority, credential,
    found::{section, values},
    server,
};
use crate::{
    config::{
        defaults,
        keys::{FileKeys, KubernetesServicesKeys, ServerKeys, ServerOptions, TemplateKeys},
        place::{Found, Place},
        problem::ProblemKind,
        shape::Reader,
    },
    discovery::{
        is_label,
        settings::{ClusterSettings, DiscoverySettings, OfferSettings, TEMPLATE_URL, Template},
    },
    route::settings::EndpointSettings,
    upstream::settings::UpstreamSettings,
};

/// What templates are called in messages about one that is built; a server's name is none of the operator's here.
const NAME: &str = "template";
/// Namespaces at the most: each is followed by itself.
const MAX_NAMESPACES: usize = 64;

/// Servers that are found, where any are looked for.
pub(super) fn settings(
    keys: &FileKeys,
    endpoints: &[EndpointSettings],
    reader: &mut Reader<'_>,
) -> Option<DiscoverySettings> {
    let found = section(keys.discovery.clone()).kubernetes?;
    let Found { value: cluster, place } = &found;
    let options = defaults_of_http(section(keys.defaults.clone()));
    let plain = template(&TemplateKeys::default(), place, &options, reader)?;
    let mut templates = Vec::new();
    for (name, found) in section(cluster.templates.clone()) {
        check_namespaces(found.value.namespaces.as_ref(), reader);
        let Some(settings) = template(&found.value, &found.place, &options, reader) else { continue };
        if let Some(auth) = &found.value.auth {
            credential::check_one(&settings, &auth.place, keys, reader);
        }
        templates.push((name, Template { settings, namespaces: values(found.value.namespaces) }));
    }
    Some(DiscoverySettings {
        rules: OfferSettings {
            endpoints: offered(cluster, place, endpoints, reader),
            plain,
            templates: templates.into_iter().collect(),
            resolve: defaults::RESOLVE,
            max_servers: cluster.max_servers(),
        },
        cluster: watched(cluster, reader),
    })
}

/// What `defaults` say of programs means nothing here, and what they say is no mistake.
fn defaults_of_http(defaults: ServerOptions) -> ServerOptions {
    ServerOptions { sandbox: None, ..defaults }
}

fn watched(keys: &KubernetesServicesKeys, reader: &mut Reader<'_>) -> ClusterSettings {
    check_namespaces(keys.namespaces.as_ref(), reader);
    if let Some(selector) = keys.selector.as_ref().filter(|found| found.value.trim().is_empty()) {
        reader.report(&selector.place, ProblemKind::EmptyList);
    }
    let (api_server, ca) = authority::api_server((keys.api_server.as_ref(), keys.ca.as_ref()), reader);
    ClusterSettings {
        api_server,
        ca,
        token_file: keys.token_file(),
        timeout: keys.timeout(),
        namespaces: values(keys.namespaces.clone()),
        selector: keys.selector(),
        watch_timeout: keys.watch_timeout(),
        max_servers: keys.max_servers(),
    }
}

fn check_namespaces(namespaces: Option<&Found<Vec<Found<String>>>>, reader: &mut Reader<'_>) {
    let Some(list) = namespaces else { return };
    if list.value.is_empty() && !reader.reported_below(&list.place) {
        reader.report(&list.place, ProblemKind::EmptyList);
    }
    if list.value.len() > MAX_NAMESPACES {
        reader.report(&list.place, ProblemKind::TooGreat { most: format!("{MAX_NAMESPACES} namespaces") });
    }
    let mut seen = Vec::with_capacity(list.value.len());
    for namespace in &list.value {
        if !is_label(&namespace.value) {
            let got = reader.quoted(&namespace.value, &namespace.place);
            reader.report(&namespace.place, ProblemKind::Expected { wanted: "the name of a namespace", got });
        } else if seen.contains(&namespace.value.as_str()) {
            reader.report(&namespace.place, ProblemKind::Twice);
        }
        seen.push(&namespace.value);
    }
}

/// The endpoints, the usual one first.
fn offered(
    keys: &KubernetesServicesKeys,
    place: &Place,
    endpoints: &[EndpointSettings],
    reader: &mut Reader<'_>,
) -> Vec<String> {
    let usual = keys.endpoint.clone().unwrap_or_else(|| Found { value: keys.endpoint(), place: place.clone() });
    let mut offered: Vec<String> = Vec::new();
    for path in [usual].into_iter().chain(section(keys.endpoints.clone())) {
        if !endpoints.iter().any(|endpoint| endpoint.path == path.value) {
            let pattern = reader.quoted(&path.value, &path.place);
            reader.report(&path.place, ProblemKind::MatchesNoEndpoint { pattern });
        }
        if !offered.contains(&path.value) {
            offered.push(path.value);
        }
    }
    offered
}

/// A server in all but its name and address.
fn template(
    keys: &TemplateKeys,
    place: &Place,
    defaults: &ServerOptions,
    reader: &mut Reader<'_>,
) -> Option<UpstreamSettings> {
    let server = ServerKeys {
        url: Some(Found { value: TEMPLATE_URL.to_owned(), place: place.clone() }),
        headers: keys.headers.clone(),
        auth: keys.auth.clone(),
        options: keys.options.clone(),
        ..ServerKeys::default()
    };
    server::server(NAME, &Found { value: server, place: place.clone() }, defaults, reader)
}
