//! The whole file, and its small sections.

use super::{
    audit::AuditKeys,
    auth::AuthKeys,
    credential::SigningKeys,
    discovery::DiscoveryKeys,
    egress::EgressKeys,
    endpoint::EndpointKeys,
    hop::ReplicaKeys,
    http::{HttpKeys, QuestionKeys, SessionKeys},
    limit::{LimitKeys, LimitTableKeys},
    policy::{PolicyKeys, RuleKeys},
    redis::RedisKeys,
    server::{ServerKeys, ServerOptions},
};
use crate::{
    config::{
        defaults,
        shape::section,
        shapes::{
            Address, AddressOrOff, Admin, Allow, Bytes, Choice, Count, FilePath, List, LogWord, Mapping, SchemaAddress,
            Secret, Text, Time,
        },
    },
    downstream::settings::ClientAuth,
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
        admin "admin": AddressOrOff = Some(Admin::at(defaults::ADMIN)),
        /// Who may come in. Without it nobody is asked for a token.
        auth "auth": AuthKeys,
        /// `allow` lets clients in without authentication even from other machines, and beside `auth` those without a token.
        anonymous "anonymous": Allow,
        /// How often and how much at once may be called. A call is refused when any of them says so.
        limits "limits": List<LimitKeys>,
        /// How much `limits` remember.
        limit_table "limitTable": LimitTableKeys,
        /// Where gateways count `limits` together and share users' connections; without it each has its own.
        redis "redis": RedisKeys,
        /// How the gateways of a deployment reach each other; without it each has its sessions for itself.
        replicas "replicas": ReplicaKeys,
        /// Where the addresses may lead that servers and issuers name.
        egress "egress": EgressKeys,
        /// The audit log: one line for each call, chained by hashes. Nowhere when absent.
        audit "audit": AuditKeys,
        /// Who may see and call what. Once there is a rule, what no rule allows is denied.
        policies "policies": List<RuleKeys>,
        /// What holds for all `policies`.
        policy "policy": PolicyKeys,
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
        /// Where the connections of users to servers, the gateway's registrations at authorization servers and the lists of servers are
        /// kept, sealed under `sealing.keys`, and what is used of quotas. Without it they are forgotten at each stop.
        state_dir "stateDir": FilePath,
        /// The keys that sign what the gateway says of its callers.
        signing "signing": SigningKeys,
        /// How the log is written.
        log "log": LogKeys,
        /// How long calls in flight may take to finish when the gateway stops; 0s ends them at once.
        drain "drain": Time<0> = defaults::DRAIN,
        /// What `pin` holds tools against; `myelin.lock` beside the configuration when absent. It is read anew when it changes.
        lock "lock": FilePath,
        /// Worker threads; one for each core when absent.
        threads "threads": Count<1, 1024>,
        /// Programs that are started at the same time at the most; more wait for their turn.
        max_starts "maxStarts": Count<1, 1024> = defaults::MAX_STARTS,
        /// What holds for every server that does not say otherwise.
        defaults "defaults": ServerOptions,
        /// The servers by name, with the entries that MCP clients have.
        servers "mcpServers": Mapping<ServerKeys>,
        /// Servers that are found instead of named.
        discovery "discovery": DiscoveryKeys,
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
        /// PEM file with the authorities that issue clients' certificates; no client is asked for one when absent.
        client_ca "clientCa": FilePath,
        /// Whether a client may (`optional`) or must (`required`) have a certificate.
        client_auth "clientAuth": Choice<ClientAuth> = ClientAuth::Optional,
        /// PEM file with the revocation lists of those authorities: one of each that issues certificates.
        crl "crl": FilePath,
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
        /// How long a list that is no longer fresh is answered with while it is read anew; with 0s callers wait for that.
        max_stale "maxStale": Time<0> = defaults::MAX_STALE,
        /// Entries taken from one server at the most.
        max_entries "maxEntries": Count = defaults::MAX_LIST_ENTRIES,
        /// How much of the lists of servers that do not run is kept, in memory and in `stateDir`; the least recently used go first.
        max_kept "maxKept": Bytes<1024> = defaults::MAX_KEPT,
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
