//! Names of services, and where they lead.

use std::{collections::BTreeSet, io, net::SocketAddr};

use tokio::net::lookup_host;

use super::{message::Service, servers::Servers};

/// Hosts of one service that are looked up, at the most.
const MAX_HOSTS: usize = 256;

/// Whether a host is the name of a service: its first two labels begin with an underscore (RFC 2782, "The format of the SRV RR").
pub(in crate::upstream::wire) fn is_service(host: &str) -> bool {
    domain(host) != host
}

/// What a service is a service of; a host itself where it is no service.
pub(in crate::upstream::wire) fn domain(host: &str) -> &str {
    let rest = host.strip_prefix('_').and_then(|rest| rest.split_once("._")).filter(|(service, _)| !service.is_empty());
    let rest = rest.and_then(|(_, rest)| rest.split_once('.')).filter(|(protocol, _)| !protocol.is_empty());
    let domain = rest.map(|(_, domain)| domain);
    domain.filter(|domain| !domain.trim_end_matches('.').is_empty()).unwrap_or(host)
}

/// Where a service is.
///
/// # Errors
/// No name server answers, or the name does not exist.
///
/// # Cancel safety
/// Nothing is kept between look-ups.
pub(in crate::upstream::wire) async fn look_up(service: &str) -> io::Result<Vec<SocketAddr>> {
    look_up_at(&Servers::of_the_system()?, service).await
}

pub(super) async fn look_up_at(servers: &Servers, service: &str) -> io::Result<Vec<SocketAddr>> {
    let mut found = servers.services(service).await?;
    let first = found.iter().map(|service| service.priority).min();
    found.retain(|service| Some(service.priority) == first);
    let (mut addresses, mut fault) = (BTreeSet::new(), None);
    for Service { host, port, .. } in found.iter().take(MAX_HOSTS) {
        match lookup_host((host.as_str(), *port)).await {
            Ok(own) => addresses.extend(own),
            // The others may be there.
            Err(error) => fault = Some(error),
        }
    }
    match fault {
        Some(error) if addresses.is_empty() => Err(error),
        _ => Ok(addresses.into_iter().collect()),
    }
}
