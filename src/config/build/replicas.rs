//! What is said of a server's replicas, and of when it is left alone, to settings.

use crate::{
    config::{
        keys::{BreakerKeys, EjectionKeys, HealthKeys, ServerKeys, ServerOptions},
        place::Found,
        problem::ProblemKind,
        shape::Reader,
    },
    upstream::settings::{BreakerSettings, EjectionSettings, HealthSettings, IdentitySettings},
};

/// The addresses as they are written, if they are written in one way: none where there is a command.
pub(super) fn urls<'a>(keys: &'a ServerKeys, reader: &mut Reader<'_>) -> Option<Vec<&'a Found<String>>> {
    let Some(urls) = &keys.urls else { return Some(keys.url.iter().collect()) };
    if keys.url.is_some() {
        reader.report(&urls.place, ProblemKind::UrlAndUrls);
        return None;
    }
    let mut seen = Vec::with_capacity(urls.value.len());
    for url in &urls.value {
        if seen.contains(&url.value.as_str()) {
            reader.report(&url.place, ProblemKind::UrlTwice);
        }
        seen.push(&url.value);
    }
    Some(urls.value.iter().collect())
}

/// The certificate to show. That of `defaults` is left aside where there is no TLS.
pub(super) fn identity(
    keys: &ServerKeys,
    options: &ServerOptions,
    is_secure: bool,
    reader: &mut Reader<'_>,
) -> Option<IdentitySettings> {
    let found = options.tls.as_ref()?;
    if !is_secure {
        if keys.options.tls.is_some() {
            reader.report(&found.place, ProblemKind::WithoutTls);
        }
        return None;
    }
    match (&found.value.cert, &found.value.key) {
        (Some(cert), Some(key)) => Some(IdentitySettings { cert: cert.value.clone(), key: key.value.clone() }),
        _ => {
            reader.report(&found.place, ProblemKind::HalfIdentity);
            None
        }
    }
}

pub(super) fn health(keys: &HealthKeys) -> HealthSettings {
    HealthSettings {
        watched: keys.check(),
        interval: keys.interval(),
        timeout: keys.timeout(),
        unhealthy_after: keys.unhealthy_after(),
        healthy_after: keys.healthy_after(),
    }
}

pub(super) fn ejection(keys: &EjectionKeys) -> EjectionSettings {
    EjectionSettings {
        failures: keys.failures(),
        time: keys.time(),
        max_time: keys.max_time().max(keys.time()),
        max_share: keys.max_share(),
    }
}

pub(super) fn breaker(keys: &BreakerKeys) -> BreakerSettings {
    BreakerSettings {
        failures: keys.failures(),
        time: keys.time(),
        max_time: keys.max_time().max(keys.time()),
        max_retry_after: keys.max_retry_after(),
    }
}
