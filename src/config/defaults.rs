//! What holds when the configuration says nothing, and why.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const MINUTE: Duration = Duration::from_secs(60);

/// Loopback, since nothing authenticates clients before the operator says so.
pub(super) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8808);
/// The port after the first one, on loopback: metrics tell which tools are used.
pub(super) const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8809);
/// A tool call carries text and at times a picture; 4 MiB hold a photograph in base64.
pub(super) const MAX_BODY: usize = 4 * MIB;
/// Four times a large OAuth token with cookies beside it, and what a browser would send at the most.
pub(super) const MAX_HEADERS: usize = 32 * KIB;
/// A client that needs longer for one packet of headers holds a connection on purpose.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Half again of what proxies commonly keep a connection for (nginx and AWS: 60 s): whoever closes first must be the one that sends.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// 4 MiB in 30 s is 140 kB/s: slower than any link an agent works over.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Below the usual limit of descriptors in a container (2^20), and some 100 MB of buffers.
pub(super) const MAX_CONNECTIONS: usize = 10_000;
/// One for each connection: agents wait for one answer at a time on HTTP/1.1.
pub(super) const MAX_REQUESTS: usize = 10_000;
/// Half of the shortest idle time-out that is common among proxies (30 s).
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Twice what nginx and Apache give: a laptop that changes networks comes back sooner, and what holds a place of a server must not hold
/// it for ever.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// The recursion limit of serde_json, which the upstream's own parser is likely to share.
pub(super) const MAX_DEPTH: usize = 128;
/// Batches exist in one revision only, and its clients batch a handful.
pub(super) const MAX_BATCH: usize = 50;
/// One for each connection.
pub(super) const MAX_STREAMS: usize = 10_000;

/// Sessions of idle agents are the common case: fifty thousand of them are to fit half a gigabyte.
pub(super) const MAX_SESSIONS: usize = 50_000;
/// All of them: without authentication everybody is the same principal.
pub(super) const MAX_SESSIONS_PER_PRINCIPAL: usize = 50_000;
/// As long as a person's pause between two questions to an agent.
pub(super) const SESSION_IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// A call that reports progress once a second stays resumable for four minutes.
pub(super) const RESUME_EVENTS: usize = 256;
/// The large results are the ones worth resuming, but not worth more memory than this.
pub(super) const RESUME_BYTES: usize = MIB;
/// A laptop changes networks within a minute.
pub(super) const RESUME_GRACE: Duration = MINUTE;
/// More resources than any client's window can follow.
pub(super) const MAX_SUBSCRIPTIONS: usize = 256;
/// A person answers one at a time; a few calls may ask at once.
pub(super) const MAX_QUESTIONS: usize = 32;
/// How long a person may think before the upstream is told that nobody answered.
pub(super) const QUESTION_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Each holds a call open at its server: as many as requests in flight.
pub(super) const MAX_PARKED: usize = 10_000;
/// All of a person's agents at once, and a tenth of the whole: one principal cannot take every place.
pub(super) const MAX_PARKED_PER_PRINCIPAL: usize = 1000;
/// What a person may take to fill in a form, as in a session.
pub(super) const PARKED_LIFETIME: Duration = QUESTION_TIMEOUT;
/// Servers that ask twice do so in one go: the second question is there within milliseconds.
pub(super) const QUESTION_GATHER: Duration = Duration::from_millis(30);
/// The official SDKs stop at 8 to 10 rounds.
pub(super) const MAX_ROUNDS: usize = 10;

/// A list is asked for while a person waits: without the slow server it is still useful.
pub(super) const LIST_DEADLINE: Duration = Duration::from_secs(5);
/// All tools of nearly every deployment in one page: many clients never ask for the second.
pub(super) const PAGE_SIZE: usize = 1000;
/// Legacy servers that never say `list_changed` are asked again after a minute.
pub(super) const LIST_TTL: Duration = MINUTE;
/// Tools change by the day, and whoever listens is told of a change as soon as it is found: an hour's break of an agent keeps its lists.
pub(super) const MAX_STALE: Duration = Duration::from_secs(3600);
/// A thousand servers with some twenty tools of a kilobyte each.
pub(super) const MAX_KEPT: usize = 64 * MIB;
/// A server that lists more than this does not mean it.
pub(super) const MAX_LIST_ENTRIES: usize = 10_000;

/// Kubernetes kills after 30 s unless told otherwise.
pub(super) const DRAIN: Duration = Duration::from_secs(30);
/// What an operator wants to see without asking.
pub(super) const LOG_LEVEL: &str = "info";

/// The official TypeScript SDK's own time-out for a request without progress.
pub(super) const TIMEOUT: Duration = MINUTE;
/// Long tools report progress; after ten minutes the agent has given up.
pub(super) const TOTAL_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// The slowest server that was measured was ready in 2.4 s.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// `npx` and `uvx` download on the first start.
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(30);
/// An interpreter's start keeps a core busy for a second: eight leave a small machine room for calls.
pub(super) const MAX_STARTS: usize = 8;
/// Results may be larger than requests: whole documents, pictures.
pub(super) const MAX_MESSAGE: usize = 16 * MIB;
/// As large as what the server may answer: clients are told by `http.maxBody` first, also by one that was raised.
pub(super) const MAX_ARGUMENTS: usize = MAX_MESSAGE;
/// All that the largest message has room for.
pub(super) const MAX_RESULT: usize = MAX_MESSAGE;
/// Ten times the largest that was seen of a public server; a model reads each of them with every conversation.
pub(super) const MAX_DESCRIPTION: usize = 256 * 1024;
/// A handful of agents per gateway, and a child takes 70 to 300 MB.
pub(super) const POOL_MAX: usize = 32;
/// What a single-threaded server can have open before it only queues.
pub(super) const POOL_MAX_IN_FLIGHT: usize = 64;
/// Four times what is in flight: more would wait longer than the queue's time-out.
pub(super) const POOL_MAX_QUEUE: usize = 256;
/// Long enough to outlast another call, short enough to answer before the client gives up.
pub(super) const POOL_QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
/// A child costs memory and a start costs seconds: ten minutes balance the two for a person at work.
pub(super) const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// What nobody notices who waits for a start anyway.
pub(super) const RESTART_WAIT: Duration = Duration::from_millis(200);
/// A server that was mended is back within half a minute.
pub(super) const RESTART_MAX_WAIT: Duration = Duration::from_secs(30);
/// With the waits between them, some seconds of trying.
pub(super) const RESTART_FAILURES: usize = 10;
/// Twice what ten failures take with the default waits.
pub(super) const RESTART_WINDOW: Duration = Duration::from_secs(5 * 60);
/// Half of the default time-out of a call.
pub(super) const PING_AFTER: Duration = Duration::from_secs(30);
/// The first finds another child or replica; a second covers one that is just going away, too.
pub(super) const RETRY_MAX: usize = 2;
/// What service meshes take: repetitions never double the load of a server that is in trouble.
pub(super) const RETRY_BUDGET: usize = 20;
/// Beyond what a local call takes, and nothing that a person notices.
pub(super) const RETRY_WAIT: Duration = Duration::from_millis(50);
/// TCP retransmits its first packet after 1 s and 3 s; a third loss means that nobody is there.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One for each call that [`POOL_MAX_IN_FLIGHT`] allows.
pub(super) const MAX_IDLE_CONNECTIONS: usize = 64;
/// Calls and streams of all principals together.
pub(super) const MAX_UPSTREAM_CONNECTIONS: usize = 256;

/// DNS of clusters tells its answers for 5 to 30 s: a replica that came or went is noticed within one of them.
pub(super) const RESOLVE: Duration = Duration::from_secs(10);
/// A replica that hangs gets no calls after half a minute, and a look costs less than one call.
pub(super) const HEALTH_INTERVAL: Duration = Duration::from_secs(10);
/// A look is answered without work: whoever takes longer cannot take calls.
pub(super) const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);
/// Two lost in a row happen to a replica that collects its garbage.
pub(super) const UNHEALTHY_AFTER: usize = 3;
/// A replica that has just started answers once before it is warm.
pub(super) const HEALTHY_AFTER: usize = 2;
/// What Envoy and others take: fewer would blame a replica for one bad request that is tried again.
pub(super) const EJECTION_FAILURES: usize = 5;
/// As long as a restart takes.
pub(super) const EJECTION_TIME: Duration = Duration::from_secs(10);
/// A replica that has failed for this long is looked after by somebody.
pub(super) const EJECTION_MAX_TIME: Duration = Duration::from_secs(5 * 60);
/// The other half can carry twice as much for a while, and not more.
pub(super) const EJECTION_MAX_SHARE: usize = 50;
/// Twice what leaves a replica out: first the others are tried.
pub(super) const BREAKER_FAILURES: usize = 10;
/// Short enough that nobody notices when it was a hiccup.
pub(super) const BREAKER_TIME: Duration = Duration::from_secs(1);
/// A server that is back is called again within half a minute.
pub(super) const BREAKER_MAX_TIME: Duration = Duration::from_secs(30);
/// Whoever asks for more is asked again all the same: the client hears what was asked for.
pub(super) const MAX_RETRY_AFTER: Duration = MINUTE;

/// A day of some ten calls a second; tools open it without trouble.
pub(super) const AUDIT_MAX_SIZE: usize = 100 * MIB;
/// As many as requests in flight: a third of a second of the fastest stream of calls that was measured.
pub(super) const AUDIT_QUEUE: usize = 10_000;
/// What a power cut may take; a disk confirms in some milliseconds, and other writers wait meanwhile.
pub(super) const AUDIT_SYNC: Duration = Duration::from_secs(1);

/// Each takes some 200 bytes; more principals than this are rarely at work within an hour.
pub(super) const MAX_LIMIT_KEYS: usize = 10_000;
/// Twice what a lost packet costs a handshake: a second (RFC 6298 section 2.1). In a network that works it takes a millisecond, and whoever is
/// not there after that long is not coming back.
pub(super) const HOP_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Keys of other programs in the same Redis are told apart by it.
pub(super) const REDIS_PREFIX: &str = "myelin";
/// Fifty times what Redis takes in the same data centre, and a tenth of what people notice.
pub(super) const REDIS_TIMEOUT: Duration = Duration::from_millis(50);
/// What a few principals' agents send at once.
pub(super) const LIMIT_QUEUE: usize = 64;
/// Long enough for a burst to pass, short enough that nobody gives up before.
pub(super) const LIMIT_WAIT: Duration = Duration::from_secs(2);

/// Arguments that people wrote fit; documents in them do not, and no rule reads those.
pub(super) const MAX_POLICY_ARGUMENTS: usize = 64 * KIB;
/// Fifty people with 450 tools, prompts and resources each are 22,500, and half of them are to fit beside what is looked at meanwhile.
/// Each takes some 250 bytes with ten rules (resident memory that 25,000 of them took, 2026-11-28): 12.5 MB for all of them.
pub(super) const MAX_POLICY_REMEMBERED: usize = 50_000;

/// Clocks kept by NTP differ by less than a second; a minute is what OAuth servers allow.
pub(super) const CLOCK_SKEW: Duration = MINUTE;
/// Each takes some 200 bytes.
pub(super) const MAX_REMEMBERED: usize = 10_000;
/// How long a token may outlive its revocation, and a removed key what it signed.
pub(super) const REMEMBER_FOR: Duration = MINUTE;
/// What every authorization server gives (RFC 8693 section 3).
pub(super) const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Half of it is used: long enough that few are signed, short enough that one that leaked is soon of no use.
pub(super) const ASSERTION_TTL: Duration = Duration::from_secs(5 * 60);
/// What most issuers call it.
pub(super) const GROUPS_CLAIM: &str = "groups";
/// What issuers' own caching headers usually say.
pub(super) const KEYS_TTL: Duration = Duration::from_secs(5 * 60);
/// An issuer on the same continent answers within 100 ms; a client waits for this with its first request.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// At 20 ms an answer, some thousand new tokens in a second; more would be a flood that the issuer should not feel.
pub(super) const MAX_LOOKUPS: usize = 32;
/// Where a pod finds its token and the authority of its API server.
pub(super) const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
pub(super) const SERVICE_ACCOUNT_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
/// What every pod can resolve, where its environment does not say.
pub(super) const API_SERVER: &str = "https://kubernetes.default.svc";
/// What a Service says that it is a server.
pub(super) const DISCOVERY_SELECTOR: &str = "myelin.dev/server=true";
/// More servers behind one endpoint than a model can choose from, and few enough to be reached one by one.
pub(super) const MAX_DISCOVERED: usize = 100;
/// API servers say where they are about once a minute (Kubernetes, Watch bookmarks): a dead connection is noticed after that.
pub(super) const WATCH_TIMEOUT: Duration = Duration::from_secs(90);
