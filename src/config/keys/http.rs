//! The side that clients connect to: HTTP, sessions, questions.

use crate::{
    config::{
        defaults,
        shape::section,
        shapes::{Block, Bytes, Choice, Count, Host, List, Origin, Time},
    },
    downstream::proxies::{ForwardedHeader, ProxyProtocol},
};

section! {
    /// Limits and rules of the side that clients connect to.
    HttpKeys {
        /// The largest request body.
        max_body "maxBody": Bytes<1024> = defaults::MAX_BODY,
        /// All headers of a request together.
        max_headers "maxHeaders": Bytes<8192> = defaults::MAX_HEADERS,
        /// How long a client may take to send its headers.
        header_timeout "headerTimeout": Time = defaults::HEADER_TIMEOUT,
        /// How long an HTTP/1.1 connection may be silent between two requests; longer than a proxy in front keeps it for its next one.
        idle_timeout "idleTimeout": Time<1000> = defaults::IDLE_TIMEOUT,
        /// How long a client may take to send its body.
        body_timeout "bodyTimeout": Time = defaults::BODY_TIMEOUT,
        /// Connections at the most.
        max_connections "maxConnections": Count = defaults::MAX_CONNECTIONS,
        /// Requests in flight at the most.
        max_requests "maxRequests": Count = defaults::MAX_REQUESTS,
        /// Silence on a stream after which a comment is sent, so that no proxy closes it.
        keep_alive "keepAlive": Time<1000> = defaults::KEEP_ALIVE,
        /// How long a client may take nothing of what is sent to it; then its connection is closed, or its HTTP/2 stream reset, and its calls are cancelled.
        write_timeout "writeTimeout": Time<1000> = defaults::WRITE_TIMEOUT,
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
        /// The addresses of proxies in front of the gateway that are believed when they say where a request came from: blocks such as
        /// `10.0.0.0/8`.
        trusted_proxies "trustedProxies": List<Block>,
        /// The header in which they say it, and the only one that is looked at.
        forwarded_header "forwardedHeader": Choice<ForwardedHeader> = ForwardedHeader::XForwardedFor,
        /// `on` when connections of trusted proxies begin with the PROXY protocol, version 1 or 2.
        proxy_protocol "proxyProtocol": Choice<ProxyProtocol> = ProxyProtocol::Off,
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
