//! One entry of `mcpServers` to the settings of an upstream.

use std::{collections::BTreeMap, time::Duration};

use super::{
    credential,
    found::{section, values},
    replicas, wire,
};
use crate::{
    config::{
        keys::{PingKeys, PoolKeys, RestartKeys, RetryKeys, ServerKeys, ServerOptions, ToolKeys},
        names::{check_server, check_tool},
        place::Found,
        problem::{ProblemKind, Remark},
        shape::{Reader, Section},
    },
    upstream::{
        credential::settings::CredentialSettings,
        settings::{
            PingSettings, PoolSettings, RestartSettings, RetrySettings, StdioSettings, ToolSettings, UpstreamSettings,
            WireSettings,
        },
    },
};

/// A server as the endpoints see it.
pub(super) struct Listed<'a> {
    pub(super) name: &'a str,
    pub(super) enabled: Enabled,
}

/// Whether a server is to be started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Enabled {
    Yes,
    No,
}

impl<'a> Listed<'a> {
    pub(super) fn of((name, keys): &'a (String, Found<ServerKeys>)) -> Self {
        Self { name, enabled: if keys.value.disabled() { Enabled::No } else { Enabled::Yes } }
    }
}

/// A program as an upstream with all defaults.
pub fn stdio_upstream(name: &str, command: &str, args: &[&str]) -> UpstreamSettings {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let stdio = StdioSettings { command: command.to_owned(), args, env: BTreeMap::new(), cwd: None, sandbox: None };
    upstream(name, WireSettings::Stdio(stdio), &ServerOptions::default())
}

/// The servers that are not disabled.
pub(super) fn all(
    servers: &[(String, Found<ServerKeys>)],
    defaults: &ServerOptions,
    reader: &mut Reader<'_>,
) -> Vec<UpstreamSettings> {
    servers.iter().filter_map(|(name, keys)| server(name, keys, defaults, reader)).collect()
}

/// A disabled server is checked like every other: it may be enabled again.
pub(super) fn server(
    name: &str,
    found: &Found<ServerKeys>,
    defaults: &ServerOptions,
    reader: &mut Reader<'_>,
) -> Option<UpstreamSettings> {
    if let Err(fault) = check_server(name) {
        reader.report(&found.place, fault.into());
    }
    let options = found.value.options.clone().over(defaults);
    check_timeouts(&options, reader);
    check_tools(&options, reader);
    let wire = wire::settings(found, &options, reader);
    if found.value.disabled() {
        reader.note(&found.place, Remark::Disabled);
        return None;
    }
    let credential = credential::settings(&found.value, wire.as_ref()?, reader);
    Some(UpstreamSettings { credential, ..upstream(name, wire?, &options) })
}

fn upstream(name: &str, wire: WireSettings, options: &ServerOptions) -> UpstreamSettings {
    UpstreamSettings {
        name: name.to_owned(),
        wire,
        credential: CredentialSettings::None,
        start: options.start(),
        era: options.era(),
        pool: pool(&section(options.pool.clone())),
        restart: restart(&section(options.restart.clone())),
        ping: ping(&section(options.ping.clone()), options.timeout()),
        retry: retry(&section(options.retry.clone())),
        tools: tools(section(options.tools.clone())),
        timeout: options.timeout(),
        // A time-out that the operator gave is meant, even where it is longer than the default of the whole call.
        total_timeout: options.total_timeout().max(options.timeout()),
        probe_timeout: options.probe_timeout(),
        start_timeout: options.start_timeout(),
        max_message_bytes: options.max_message(),
        max_arguments_bytes: options.max_arguments(),
        max_result_bytes: options.max_result(),
        overlong: options.overlong(),
        max_entry_bytes: options.max_description(),
        pin: options.pin(),
        breaker: replicas::breaker(&section(options.breaker.clone())),
    }
}

fn pool(keys: &PoolKeys) -> PoolSettings {
    PoolSettings {
        isolation: keys.isolation(),
        min: keys.min(),
        max: keys.max(),
        max_per_key: keys.max_per_key.as_ref().map_or_else(|| keys.max(), |found| found.value),
        warm: keys.warm(),
        max_in_flight: keys.max_in_flight(),
        max_queue: keys.max_queue(),
        queue_timeout: keys.queue_timeout(),
        idle_timeout: keys.idle_timeout(),
        max_lifetime: Some(keys.max_lifetime()).filter(|lifetime| !lifetime.is_zero()),
    }
}

fn restart(keys: &RestartKeys) -> RestartSettings {
    RestartSettings { wait: keys.wait(), max_wait: keys.max_wait(), failures: keys.failures(), window: keys.window() }
}

/// One that blocks while a tool works is not ended before its calls run out of time.
fn ping(keys: &PingKeys, call_timeout: Duration) -> PingSettings {
    let timeout = keys.timeout.as_ref().map_or(call_timeout, |found| found.value);
    PingSettings { after: Some(keys.after()).filter(|after| !after.is_zero()), timeout }
}

fn retry(keys: &RetryKeys) -> RetrySettings {
    RetrySettings { calls: keys.calls(), max: keys.max(), budget_percent: keys.budget(), wait: keys.wait() }
}

fn tools(keys: ToolKeys) -> ToolSettings {
    let rename = section(keys.rename).into_iter().map(|(own, offered)| (own, offered.value)).collect();
    ToolSettings { allow: values(keys.allow), deny: values(keys.deny), rename }
}

fn check_timeouts(options: &ServerOptions, reader: &mut Reader<'_>) {
    if let (Some(timeout), Some(total)) = (&options.timeout, &options.total_timeout)
        && timeout.value > total.value
    {
        reader.report(&timeout.place, ProblemKind::TimeoutExceedsTotal);
    }
}

/// Each new name is one that a tool may have, and no two tools get the same.
fn check_tools(options: &ServerOptions, reader: &mut Reader<'_>) {
    let Some(rename) = options.tools.as_ref().and_then(|tools| tools.value.rename.as_ref()) else { return };
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (own, offered) in &rename.value {
        if let Err(fault) = check_tool(&offered.value) {
            reader.report(&offered.place, fault.into());
        } else if let Some(other) = taken.insert(&offered.value, own) {
            reader.report(&offered.place, ProblemKind::RenameCollision { other: other.to_owned() });
        }
    }
}
