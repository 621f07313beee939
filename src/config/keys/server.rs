//! `mcpServers` and `defaults`: the servers.

use super::sandbox::SandboxKeys;
use std::time::Duration;

use crate::{
    config::{
        defaults,
        shape::section,
        shapes::{
            Bytes, CallTime, Choice, Count, EveryOrOff, FilePath, Flag, Glob, Ignored, List, Mapping, OrOff, Secret,
            ServerAuth, Text, Time, WireWord,
        },
    },
    pin::Mode,
    upstream::settings::{EraHint, Isolation, Overlong, RetryCalls, Start},
};

use super::remote::{BreakerKeys, EjectionKeys, HealthKeys, IdentityKeys};

section! {
    /// One server. `command` starts a program, `url` calls an address.
    ServerKeys {
        /// The program to start: a path, or a name looked up in `PATH`.
        command "command": Text,
        /// The program's arguments.
        args "args": List<Text>,
        /// Variables added to the few that the program inherits.
        env "env": Mapping<Secret>,
        /// The program's working directory; the configuration's own when absent.
        cwd "cwd": FilePath,
        /// How the server is reached; `command` and `url` already say it, except that `sse` means the transport of 2024-11-05.
        wire "type": Choice<WireWord>,
        /// The server's address.
        url "url": Text,
        /// The addresses of its replicas, in place of `url`. The first is what the server is called in tokens for it.
        urls "urls": List<Text>,
        /// Headers added to each request.
        headers "headers": Mapping<Secret>,
        /// What requests to `url` are authorised with.
        auth "auth": ServerAuth,
        /// Leaves the server out.
        disabled "disabled": Flag = false,
        /// A client's key; ignored.
        description "description": Ignored,
        /// A client's key; ignored.
        auto_approve "autoApprove": Ignored,
        /// A client's key; ignored.
        always_allow "alwaysAllow": Ignored,
        /// A client's key; ignored.
        trust "trust": Ignored,
        /// A client's key; ignored: give the variables in `env`.
        env_file "envFile": Ignored,
        /// A client's key; ignored.
        oauth "oauth": Ignored,
        /// A client's key; ignored.
        gallery "gallery": Ignored,
        /// A client's key; ignored.
        version "version": Ignored,
        /// A client's key; ignored.
        dev "dev": Ignored,
        ..options: ServerOptions
    }
}

section! {
    /// What may be said of each server, and of all of them in `defaults`.
    ServerOptions {
        /// The protocol's era that the server speaks: `modern` (2026-07-28), `legacy` (before), or `auto` to ask it.
        era "era": Choice<EraHint> = EraHint::Probe,
        /// `eager` starts or reaches the server with the gateway, `lazy` with the first call that needs it.
        start "start": Choice<Start> = Start::Eager,
        /// The longest silence of a call: progress starts it anew. A whole number counts milliseconds, as clients write it.
        timeout "timeout": CallTime = defaults::TIMEOUT,
        /// The longest that a call may take, progress or not; never shorter than a given `timeout`.
        total_timeout "totalTimeout": Time = defaults::TOTAL_TIMEOUT,
        /// How long the question for the era may stay unanswered before a program counts as legacy.
        probe_timeout "probeTimeout": Time = defaults::PROBE_TIMEOUT,
        /// How long start and handshake may take.
        start_timeout "startTimeout": Time = defaults::START_TIMEOUT,
        /// The largest message accepted from the server.
        max_message "maxMessage": Bytes<1024> = defaults::MAX_MESSAGE,
        /// The largest arguments of a call that are passed on to the server.
        max_arguments "maxArguments": Bytes<16> = defaults::MAX_ARGUMENTS,
        /// The largest result of a call that is passed back.
        max_result "maxResult": Bytes<1024> = defaults::MAX_RESULT,
        /// A tool's result that is larger: `refuse` fails the call, `cut` cuts its text and says so at its end. What is not text is never
        /// cut: where that alone is larger, the call fails.
        overlong "overlong": Choice<Overlong> = Overlong::Refuse,
        /// The largest description of a tool: name, text, schemas and all. A tool with a larger one is withheld.
        max_description "maxDescription": Bytes<256> = defaults::MAX_DESCRIPTION,
        /// Tools that are not what `myelin pin approve` wrote into the lock: `off` ignores it, `warn` reports them, `enforce` withholds them.
        pin "pin": Choice<Mode> = Mode::Off,
        /// Who shares a session or a child process, and how many there may be.
        pool "pool": PoolKeys,
        /// What the server's program may do at the most, or `off`. Of servers with a `command`.
        sandbox "sandbox": OrOff<SandboxKeys> = None,
        /// How a program is started again when it failed.
        restart "restart": RestartKeys,
        /// How it is found out whether a program lives that says nothing.
        ping "ping": PingKeys,
        /// Which calls are made again that failed, and how often.
        retry "retry": RetryKeys,
        /// Which of the server's tools are offered, and under which names.
        tools "tools": ToolKeys,
        /// PEM file of the authority to trust for `url` instead of the machine's; read anew when it changes.
        ca "ca": FilePath,
        /// The certificate that the server is shown.
        tls "tls": IdentityKeys,
        /// How often the name in `url` is looked up, each address that it leads to being a replica: a time, or `on` for the usual one. With
        /// `off` a name is one replica, wherever it leads.
        resolve "resolve": EveryOrOff = None,
        /// How long connecting to `url` may take.
        connect_timeout "connectTimeout": Time = defaults::CONNECT_TIMEOUT,
        /// How long a request may wait for the head of its answer; `timeout` when absent. Many servers send it only with the result.
        first_byte_timeout "firstByteTimeout": Time,
        /// Idle connections to each replica kept for reuse.
        max_idle_connections "maxIdleConnections": Count<0> = defaults::MAX_IDLE_CONNECTIONS,
        /// Open connections to each replica at the most; over HTTP/2, requests in flight.
        max_connections "maxConnections": Count = defaults::MAX_UPSTREAM_CONNECTIONS,
        /// How replicas are looked at.
        health "health": HealthKeys,
        /// When a replica gets no calls for a while.
        ejection "ejection": EjectionKeys,
        /// When the server gets no calls for a while.
        breaker "breaker": BreakerKeys,
    }
}

section! {
    /// Who shares a session or a child process, and how many there may be.
    PoolKeys {
        /// `shared` by everybody, one for each `principal`, or one for each client `session`.
        isolation "isolation": Choice<Isolation> = Isolation::Principal,
        /// Programs that are kept running for each key while it is used, and always where all share.
        min "min": Count<0, 1024> = 0,
        /// Sessions or children at the most, in all.
        max "max": Count = defaults::POOL_MAX,
        /// Programs of one key (everybody, a principal or a session) at the most; `max` when absent.
        max_per_key "maxPerKey": Count,
        /// Programs that are started and initialised ahead: the next key takes one, and another is started in its place.
        warm "warm": Count<0, 1024> = 0,
        /// Calls in flight on each of them at the most.
        max_in_flight "maxInFlight": Count = defaults::POOL_MAX_IN_FLIGHT,
        /// Calls that wait for one at the most.
        max_queue "maxQueue": Count<0> = defaults::POOL_MAX_QUEUE,
        /// How long a call may wait for one.
        queue_timeout "queueTimeout": Time = defaults::POOL_QUEUE_TIMEOUT,
        /// One without calls for this long is stopped.
        idle_timeout "idleTimeout": Time<1000> = defaults::POOL_IDLE_TIMEOUT,
        /// A program is replaced after this time, or up to half of it earlier, when its calls are done and another one has taken over; `0s` never
        /// does.
        max_lifetime "maxLifetime": Time<0> = Duration::ZERO,
    }
}

section! {
    /// How a program is started again when it failed: at once the first time, then after a wait that doubles.
    RestartKeys {
        /// The wait after the second failure in a row, or down to half of it.
        wait "wait": Time = defaults::RESTART_WAIT,
        /// The longest wait.
        max_wait "maxWait": Time = defaults::RESTART_MAX_WAIT,
        /// After so many failures within `window` it is left alone until `myelin restart`; 0 never leaves it. A start that failed is one, and
        /// a program that ends before it has answered a call.
        failures "failures": Count<0, 1000> = defaults::RESTART_FAILURES,
        /// The time within which they count.
        window "window": Time = defaults::RESTART_WINDOW,
    }
}

section! {
    /// How it is found out whether a program lives that says nothing although calls wait for it.
    PingKeys {
        /// The silence after which it is asked; `0s` never asks.
        after "after": Time<0> = defaults::PING_AFTER,
        /// Without an answer for this long it is ended, and its calls fail; the server's `timeout` when absent.
        timeout "timeout": Time,
    }
}

section! {
    /// Which calls are made again that failed, and how often.
    RetryKeys {
        /// `unsent`: those that provably did not reach the server. `safe`: also reads, and calls of tools that the server annotates with
        /// `readOnlyHint` or `idempotentHint`. `off`: none.
        calls "calls": Choice<RetryCalls> = RetryCalls::Unsent,
        /// How often one call is made again.
        max "max": Count<1, 10> = defaults::RETRY_MAX,
        /// Of a hundred calls in ten seconds so many are made again at the most; a few always are.
        budget "budget": Count<0, 100> = defaults::RETRY_BUDGET,
        /// The pause before it is made again, more or less; it doubles each time.
        wait "wait": Time = defaults::RETRY_WAIT,
    }
}

section! {
    /// Which tools are offered, and under which names.
    ToolKeys {
        /// Patterns over the server's own names; without any, all tools are offered.
        allow "allow": List<Glob>,
        /// Patterns over the server's own names that are withheld even when allowed.
        deny "deny": List<Glob>,
        /// The server's own name to the name that is offered.
        rename "rename": Mapping<Text>,
    }
}
