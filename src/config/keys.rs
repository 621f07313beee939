//! Every key of a configuration: its name, its form, its default and its documentation.
//!
//! This is the only list. Reading, did-you-mean, the JSON Schema and therefore an editor's completion come from it.

use super::{
    defaults,
    shape::section,
    shapes::{
        Address, AddressOrOff, Allow, Bytes, CallTime, Choice, Count, Date, FilePath, Flag, Glob, Host, Ignored, List,
        LogWord, Mapping, OneOrMany, Origin, SchemaAddress, Secret, Text, Time, WireWord,
    },
};
use crate::{
    route::settings::Names,
    upstream::settings::{EraHint, Isolation},
};

section! {
    /// The configuration of Myelin, an MCP gateway. Any value may refer to `${env:NAME}`, `${env:NAME:-default}` or
    /// `${file:/path}`.
    FileKeys {
        /// Where an editor finds this schema.
        schema "$schema": SchemaAddress,
        /// Where clients connect: an address and a port; port 0 takes a free one.
        listen "listen": Address = defaults::LISTEN,
        /// The certificate to serve HTTPS with.
        tls "tls": TlsKeys,
        /// Where health and metrics are served, or `off`.
        admin "admin": AddressOrOff = Some(defaults::ADMIN),
        /// Who may come in. Without it nobody is asked for a token.
        auth "auth": AuthKeys,
        /// `allow` lets clients in without authentication even from other machines, and beside `auth` those without a token.
        anonymous "anonymous": Allow,
        /// Limits and rules of the side that clients connect to.
        http "http": HttpKeys,
        /// Limits of the sessions of clients up to revision 2025-11-25.
        sessions "sessions": SessionKeys,
        /// Calls that wait for their client's answers to a server's questions.
        questions "questions": QuestionKeys,
        /// How the lists of several servers are joined.
        lists "lists": ListKeys,
        /// The keys that seal session ids, cursors and tokens.
        sealing "sealing": SealingKeys,
        /// How the log is written.
        log "log": LogKeys,
        /// How long calls in flight may take to finish when the gateway stops; 0s ends them at once.
        drain "drain": Time<0> = defaults::DRAIN,
        /// Worker threads; one for each core when absent.
        threads "threads": Count<1, 1024>,
        /// What holds for every server that does not say otherwise.
        defaults "defaults": ServerOptions,
        /// The servers by name, with the entries that MCP clients have.
        servers "mcpServers": Mapping<ServerKeys>,
        /// The paths that clients connect to, each with the servers behind it; `/mcp` with all of them when absent.
        endpoints "endpoints": Mapping<EndpointKeys>,
    }
}

section! {
    /// A certificate and its key. The files are read anew when they change.
    TlsKeys {
        /// PEM file with the certificate chain, the leaf first.
        cert "cert": FilePath,
        /// PEM file with the private key.
        key "key": FilePath,
    }
}

section! {
    /// Who may come in.
    AuthKeys {
        /// API keys; `myelin key new` makes one.
        api_keys "apiKeys": List<ApiKeyKeys>,
        /// Issuers whose JWTs are taken.
        issuers "issuers": List<IssuerKeys>,
        /// Scopes that every JWT must carry.
        scopes "scopes": List<Text>,
        /// Where clients reach the gateway from outside, without a path: `https://mcp.example`.
        public_url "publicUrl": Text,
        /// How far the clocks of issuers may be off.
        clock_skew "clockSkew": Time<0> = defaults::CLOCK_SKEW,
        /// Verified tokens that are remembered at the most.
        max_remembered "maxRemembered": Count<2> = defaults::MAX_REMEMBERED,
        /// How long a verified token is not looked at again, at the most.
        remember_for "rememberFor": Time = defaults::REMEMBER_FOR,
    }
}

section! {
    /// One API key: `hash`, or `token` where the key itself comes from a secret.
    ApiKeyKeys {
        /// The principal that it stands for; several keys may stand for one.
        id "id": Text,
        /// The key's hash, as `myelin key new` prints it.
        hash "hash": Text,
        /// The key itself, best a reference. Any text that can be a bearer token.
        token "token": Secret,
        /// The groups of the principal.
        groups "groups": List<Text>,
        /// The first day (UTC) on which it is refused.
        expires "expires": Date,
    }
}

section! {
    /// An issuer whose JWTs are taken.
    IssuerKeys {
        /// Its identifier, as `iss` has it. Its metadata is found from here.
        issuer "issuer": Text,
        /// What `aud` must contain one of; the endpoint's own address when absent.
        audience "audience": OneOrMany<Text>,
        /// Where its keys are, when it has no metadata.
        keys_url "keysUrl": Text,
        /// The claim that lists the groups.
        groups_claim "groupsClaim": Text = defaults::GROUPS_CLAIM.to_owned(),
        /// How long its keys count as fresh.
        keys_ttl "keysTtl": Time<1000> = defaults::KEYS_TTL,
    }
}

section! {
    /// Where health and metrics are served.
    AdminKeys {
        /// An address and a port.
        listen "listen": Address = defaults::ADMIN,
    }
}

section! {
    /// Limits and rules of the side that clients connect to.
    HttpKeys {
        /// The largest request body.
        max_body "maxBody": Bytes<1024> = defaults::MAX_BODY,
        /// All headers of a request together.
        max_headers "maxHeaders": Bytes<8192> = defaults::MAX_HEADERS,
        /// How long a client may take to send its headers.
        header_timeout "headerTimeout": Time = defaults::HEADER_TIMEOUT,
        /// How long a client may take to send its body.
        body_timeout "bodyTimeout": Time = defaults::BODY_TIMEOUT,
        /// Connections at the most.
        max_connections "maxConnections": Count = defaults::MAX_CONNECTIONS,
        /// Requests in flight at the most.
        max_requests "maxRequests": Count = defaults::MAX_REQUESTS,
        /// Silence on a stream after which a comment is sent, so that no proxy closes it.
        keep_alive "keepAlive": Time<1000> = defaults::KEEP_ALIVE,
        /// Nesting of a request's JSON at the most.
        max_depth "maxDepth": Count<8, 1024> = defaults::MAX_DEPTH,
        /// Elements of a JSON-RPC batch (revision 2025-03-26) at the most.
        max_batch "maxBatch": Count = defaults::MAX_BATCH,
        /// Origins of browsers' pages that may connect, besides those of the gateway's own loopback address.
        allowed_origins "allowedOrigins": List<Origin>,
        /// Hosts that requests may name, besides the gateway's own loopback names; without any, and not on loopback, all may.
        allowed_hosts "allowedHosts": List<Host>,
        /// Streams of change notices at the most.
        max_streams "maxStreams": Count = defaults::MAX_STREAMS,
    }
}

section! {
    /// Limits of the sessions of clients up to revision 2025-11-25.
    SessionKeys {
        /// Sessions at the most.
        max "max": Count = defaults::MAX_SESSIONS,
        /// Sessions of one principal at the most.
        max_per_principal "maxPerPrincipal": Count = defaults::MAX_SESSIONS_PER_PRINCIPAL,
        /// A session without a request or an open stream for this long is ended.
        idle_timeout "idleTimeout": Time<1000> = defaults::SESSION_IDLE_TIMEOUT,
        /// Events kept for `Last-Event-ID`, per session.
        resume_events "resumeEvents": Count<0> = defaults::RESUME_EVENTS,
        /// Bytes kept for `Last-Event-ID`, per session.
        resume_bytes "resumeBytes": Bytes<0> = defaults::RESUME_BYTES,
        /// How long a call whose stream broke goes on, waiting for its client.
        resume_grace "resumeGrace": Time<0> = defaults::RESUME_GRACE,
        /// Subscribed resources per session.
        max_subscriptions "maxSubscriptions": Count<0> = defaults::MAX_SUBSCRIPTIONS,
        /// Unanswered questions per session.
        max_questions "maxQuestions": Count<0> = defaults::MAX_QUESTIONS,
        /// How long a client may take to answer a question.
        question_timeout "questionTimeout": Time = defaults::QUESTION_TIMEOUT,
    }
}

section! {
    /// Limits of calls that wait for their client's answers to a server's questions.
    QuestionKeys {
        /// Calls parked between two requests of clients of revision 2026-07-28, at the most.
        max_parked "maxParked": Count<0> = defaults::MAX_PARKED,
        /// Parked calls of one principal at the most.
        max_parked_per_principal "maxParkedPerPrincipal": Count<0> = defaults::MAX_PARKED_PER_PRINCIPAL,
        /// How long a client may take to come back with the answers; then its call is cancelled.
        lifetime "lifetime": Time<1000> = defaults::PARKED_LIFETIME,
        /// How long further questions of a server are waited for before its client is asked, so that it is asked once.
        gather "gather": Time<0> = defaults::QUESTION_GATHER,
        /// How often one call may ask, whatever the eras; one more fails it.
        max_rounds "maxRounds": Count<1, 100> = defaults::MAX_ROUNDS,
    }
}

section! {
    /// How the lists of several servers are joined.
    ListKeys {
        /// How long a list waits for a slow server before it is answered without it.
        deadline "deadline": Time = defaults::LIST_DEADLINE,
        /// Entries per page.
        page_size "pageSize": Count = defaults::PAGE_SIZE,
        /// How long the lists of a server up to revision 2025-11-25 count as fresh; later servers say so themselves.
        ttl "ttl": Time<0> = defaults::LIST_TTL,
        /// Entries taken from one server at the most.
        max_entries "maxEntries": Count = defaults::MAX_LIST_ENTRIES,
    }
}

section! {
    /// The keys that seal session ids, cursors and tokens.
    SealingKeys {
        /// The newest first, each of at least 32 characters and best a reference. Without one, a key is made at each start, and no
        /// other replica can read what it sealed.
        keys "keys": List<Secret>,
    }
}

section! {
    /// How the log is written.
    LogKeys {
        /// `pretty` for people, `json` for machines, `auto` for the one that suits where the log goes.
        format "format": Choice<LogWord> = LogWord::Auto,
        /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,myelin::upstream=debug`.
        level "level": Text = defaults::LOG_LEVEL.to_owned(),
    }
}

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
        /// Headers added to each request.
        headers "headers": Mapping<Secret>,
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
        /// Who shares a session or a child process, and how many there may be.
        pool "pool": PoolKeys,
        /// Which of the server's tools are offered, and under which names.
        tools "tools": ToolKeys,
        /// PEM file of the authority to trust for `url` instead of the machine's.
        ca "ca": FilePath,
        /// How long connecting to `url` may take.
        connect_timeout "connectTimeout": Time = defaults::CONNECT_TIMEOUT,
        /// Idle connections to `url` kept for reuse.
        max_idle_connections "maxIdleConnections": Count<0> = defaults::MAX_IDLE_CONNECTIONS,
        /// Open connections to `url` at the most.
        max_connections "maxConnections": Count = defaults::MAX_UPSTREAM_CONNECTIONS,
    }
}

section! {
    /// Who shares a session or a child process, and how many there may be.
    PoolKeys {
        /// `shared` by everybody, one for each `principal`, or one for each client `session`.
        isolation "isolation": Choice<Isolation> = Isolation::Principal,
        /// Sessions or children at the most.
        max "max": Count = defaults::POOL_MAX,
        /// Calls in flight on each of them at the most.
        max_in_flight "maxInFlight": Count = defaults::POOL_MAX_IN_FLIGHT,
        /// Calls that wait for one at the most.
        max_queue "maxQueue": Count<0> = defaults::POOL_MAX_QUEUE,
        /// How long a call may wait for one.
        queue_timeout "queueTimeout": Time = defaults::POOL_QUEUE_TIMEOUT,
        /// One without calls for this long is stopped.
        idle_timeout "idleTimeout": Time<1000> = defaults::POOL_IDLE_TIMEOUT,
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

section! {
    /// One endpoint.
    EndpointKeys {
        /// Names of servers, patterns over them, or `*` for all; the order is the order of the joined lists.
        servers "servers": List<Glob>,
        /// How tools are named: `prefixed` with `server__`, `bare`, or `auto`: prefixed when there is more than one server.
        names "names": Choice<Names> = Names::Auto,
    }
}
