//! A process: started, kept in order, reloaded, stopped.

use std::{io::IsTerminal, sync::Arc};

use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use crate::{
    admin,
    audit::{Audit, AuditFault},
    config::settings::{LogFormat, LogSettings, Settings},
    dialogue::DriveSettings,
    downstream::{
        drain::{Drain, Drainer, drain},
        exchange::{Exchange, Gate, Pages, Paths},
        guard::Guard,
        listener::{BindError, Bound},
        settings::ListenerSettings,
    },
    limit::{
        Limits,
        ledger::Ledger,
        redis::{RedisFault, RedisStore},
    },
    mcp::Waist,
    redact::Redacted,
    seal::KeyRing,
    telemetry::{access, log},
    upstream::{
        Library, Upstream,
        credential::{
            Reached, Wallet,
            oauth::{Safe, SafeFault},
            settings::CredentialSettings,
        },
        settings::UpstreamSettings,
    },
};

use super::{
    audit,
    door::Door,
    doors::Doors,
    fetch,
    found::Found,
    gateway::{BuildError, Gateway},
    hop::{self, HopError},
    keep::{self, Kept, Source},
    library,
    operate::Operations,
    reach::reach_all,
    shared,
    site::Site,
    status::Health,
};

/// What an answer to an operator needs to be written out.
const ADMIN_GRACE: std::time::Duration = std::time::Duration::from_millis(100);
/// How long children and sessions may take to end, after the calls did.
const CLOSE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(8);

/// What a gateway is started with.
pub struct Options {
    /// What it runs by.
    pub settings: Settings,
    /// The file that they came from: it is read anew on SIGHUP and when it changes.
    pub source: Option<Source>,
    /// Is told when clients can connect.
    pub announce: Box<dyn FnOnce(&Ready) + Send>,
}

/// A gateway that takes calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The addresses of its endpoints.
    pub endpoints: Vec<String>,
    /// The address of its admin listener.
    pub admin: Option<String>,
    /// The names of its servers.
    pub servers: Vec<String>,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The log cannot be set up.
    #[error("the log cannot be set up")]
    Log(#[source] log::LogError),
    /// No runtime, or no randomness.
    #[error("the operating system refuses what the gateway needs")]
    System(#[source] std::io::Error),
    /// It cannot listen for clients.
    #[error("cannot listen for clients")]
    Listen(#[source] BindError),
    /// It cannot listen for admin requests.
    #[error("cannot listen for health and metrics")]
    Admin(#[source] BindError),
    /// The audit log cannot be opened.
    #[error(transparent)]
    Audit(AuditFault),
    /// It cannot keep what it must.
    #[error(transparent)]
    State(SafeFault),
    /// `stateDir` cannot be used.
    #[error("`stateDir` cannot be used")]
    Ledger(#[source] std::io::Error),
    /// The settings make no gateway.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Other gateways cannot reach it.
    #[error(transparent)]
    Others(#[from] HopError),
    /// What limits are counted in cannot be used.
    #[error("redis cannot be used")]
    Redis(#[from] RedisFault),
}

/// Runs a gateway until it is told to stop, and has.
///
/// # Errors
/// [`RunError`]: it did not start.
pub fn run(options: Options) -> Result<(), RunError> {
    let settings = &options.settings;
    log::init(form(&settings.log), &settings.log.filter).map_err(RunError::Log)?;
    // Nobody else installs one; a second run in one process finds the first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let threads = settings.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    // One thread needs no wake-ups between threads: a tenth of a call's time.
    let mut builder =
        if threads == 1 { runtime::Builder::new_current_thread() } else { runtime::Builder::new_multi_thread() };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().build().map_err(RunError::System)?;
    let audit = audit::start(&options.settings, options.source.as_ref().map(|source| &*source.path))
        .map_err(RunError::Audit)?;
    let served = runtime.block_on(serve(options, audit.clone()));
    runtime.shutdown_background();
    access::flush();
    audit::close(audit);
    served
}

fn form(settings: &LogSettings) -> log::Form {
    match settings.format {
        LogFormat::Json => log::Form::Json,
        LogFormat::Pretty if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() => {
            log::Form::Coloured
        }
        LogFormat::Pretty => log::Form::Plain,
    }
}

async fn serve(options: Options, audit: Option<Arc<Audit>>) -> Result<(), RunError> {
    let Options { settings, source, announce } = options;
    // Before anybody hears that it runs: a signal that nobody waits for would kill it.
    let mut signals = Signals::new();
    let hangup = source.as_ref().and_then(|_| signals.hangup.take());
    let (ring, others) = hop::open(&settings, ring(&settings)?)?;
    let bound = Bound::bind(&settings.listener).map_err(RunError::Listen)?;
    let wallet = shared::with_connections(wallet(&settings, &bound, &ring)?).await;
    let store = shared::store(&settings).await?;
    let library = library::open(&settings, &ring);
    let counts = shared::counts(store.as_ref());
    let mut found = Found::start(&settings).await;
    let merged = found.added_to(&settings);
    let gateway = Arc::new(Gateway::new(&merged, ring.clone(), wallet.clone(), counts, library.clone())?);
    let ledger = ledger(&settings, &gateway)?;
    let admin_bound = bind_admin(&settings)?;
    let ready = ready(&merged, &bound, admin_bound.as_ref());

    let waist: Arc<dyn Waist> = gateway.clone();
    let door = Arc::new(Door::new(&waist, &ring, settings.questions.clone(), drive(&settings)));
    let paths = Arc::new(Paths::default());
    keep::set_paths(&paths, &merged);
    let gate = Arc::new(gate(&settings, &bound)?);
    let (http, inner) = (settings.http.clone(), limited(&door, &gateway));
    let pages: Arc<dyn Pages> = Arc::new(Site::new(wallet.clone(), gateway.clone(), gate.clone(), ring.clone()));
    let exchange = Exchange::new(inner, http, settings.sessions.clone(), gate.clone(), paths.clone(), ring.clone());
    let (others, roads) = others.map_or((None, None), |others| (Some(others.bound), Some(others.roads)));
    let exchange = exchange.with_pages(pages).audited(audit.clone()).among(roads, &ring, bound.tls_files());
    let exchange = Arc::new(exchange);

    let health = Arc::new(Health::new(gateway.clone(), audit.clone(), store.clone(), found.shown().clone()));
    let (admin_drainer, admin_drain) = drain();
    let mut tasks = JoinSet::new();
    let operations = Operations::new(gateway.clone(), wallet.clone(), audit.clone());
    let admin = serve_admin(admin_bound, health.clone(), (operations, settings.admin_token.clone()), admin_drain);
    let admin = (admin_drainer, tokio::spawn(admin));
    let kept = Kept {
        gateway: gateway.clone(),
        door: door.clone(),
        exchange: exchange.clone(),
        paths,
        gate,
        address: bound.address(),
        tls: bound.tls_files(),
        source,
        found,
        running: merged,
        hangup,
        audit,
        ledger: ledger.clone(),
    };
    tasks.spawn(keep::keep(kept, settings.clone()));
    tend(&mut tasks, &gateway, &library, store.as_ref());
    tasks.spawn(shared::follow(wallet, gateway.clone()));

    let doors = Doors::open((bound, others), &settings.http, &exchange);
    health.serves();
    announce(&ready);
    signals.stop().await;
    tracing::info!(grace = ?settings.drain, "draining");
    health.drains();
    gateway.drain();
    exchange.drain();
    doors.close(&exchange, door.parked(), settings.drain).await;
    finish(&gateway, ledger).await;
    stop_admin(admin, tasks).await;
    tokio::join!(shared::leave(store), library.flush());
    tracing::info!("stopped");
    Ok(())
}

/// Where what is taken of quotas is written down, where there is a folder for it and no store that keeps it: what was taken before counts.
fn ledger(settings: &Settings, gateway: &Gateway) -> Result<Option<Arc<Ledger>>, RunError> {
    let folder = settings.state_dir.as_deref().filter(|_| settings.redis.is_none());
    let ledger = folder.map(Ledger::open).transpose().map_err(RunError::Ledger)?;
    if let Some(ledger) = &ledger {
        gateway.limits().restore(&ledger.read());
    }
    Ok(ledger.map(Arc::new))
}

/// What goes on beside the calls until the gateway stops.
fn tend(tasks: &mut JoinSet<()>, gateway: &Gateway, library: &Arc<Library>, store: Option<&Arc<RedisStore>>) {
    tasks.spawn(reach_all(gateway.upstreams()));
    tasks.spawn(library.clone().keep());
    tasks.spawn(shared::keep(store.cloned()));
}

/// Writes down what must be, and ends the servers.
async fn finish(gateway: &Gateway, ledger: Option<Arc<Ledger>>) {
    keep::write_down(ledger, gateway).await;
    close_all(gateway.upstreams()).await;
}

fn ring(settings: &Settings) -> Result<KeyRing, RunError> {
    KeyRing::new(settings.sealing_keys.iter().map(|key| key.expose().as_str())).map_err(|_| no_randomness())
}

/// What servers' credentials are made with.
fn wallet(settings: &Settings, bound: &Bound, ring: &Arc<KeyRing>) -> Result<Arc<Wallet>, RunError> {
    let safe = Safe::open(ring, settings.state_dir.as_deref()).map_err(RunError::State)?;
    let safe = match shared::commons(settings)? {
        Some(commons) => safe.sharing(commons, ring),
        None => safe,
    };
    let is_local = bound.address().ip().to_canonical().is_loopback();
    let reached = if is_local { Reached::Locally } else { Reached::Remotely };
    let address = format!("{}://{}", scheme(settings), bound.address());
    Ok(Wallet::new(fetch::web(settings.egress.clone()), &address, reached, safe))
}

fn bind_admin(settings: &Settings) -> Result<Option<Bound>, RunError> {
    let listener = settings.admin.map(|address| ListenerSettings { address, tls: None });
    listener.map(|listener| Bound::bind(&listener)).transpose().map_err(RunError::Admin)
}

async fn serve_admin(
    bound: Option<Bound>,
    health: Arc<Health>,
    (operations, token): (Operations, Option<Redacted<String>>),
    drain: Drain,
) {
    if let Some(bound) = bound {
        let is_local = bound.address().ip().to_canonical().is_loopback();
        let reached = if is_local { admin::Reached::Locally } else { admin::Reached::Remotely };
        let api = admin::Api { operator: Arc::new(operations), token, reached };
        let _ = admin::serve(bound, health, api, drain).await;
    }
}

/// What an exchange calls, and what it asks before.
fn limited(door: &Arc<Door>, gateway: &Gateway) -> (Arc<dyn Waist>, Arc<Limits>) {
    (door.clone(), gateway.limits().clone())
}

fn gate(settings: &Settings, bound: &Bound) -> Result<Gate, RunError> {
    // The pages that users agree on are forms of the gateway's own.
    let mut http = settings.http.clone();
    let has_pages = |upstream: &UpstreamSettings| matches!(upstream.credential, CredentialSettings::Oauth(_));
    let templates = settings.discovery.iter().flat_map(|discovery| discovery.rules.templates.values());
    if settings.upstreams.iter().chain(templates.map(|template| &template.settings)).any(has_pages) {
        http.allowed_origins.extend(settings.auth.public_url.clone());
    }
    let guard = Guard::new(&http, bound.address());
    let auth = fetch::auth(settings).map_err(|_| no_randomness())?;
    Ok(Gate::new(guard, auth, scheme(settings)))
}

const fn scheme(settings: &Settings) -> &'static str {
    if settings.listener.tls.is_some() { "https" } else { "http" }
}

fn drive(settings: &Settings) -> DriveSettings {
    let (question_timeout, max_rounds) = (settings.sessions.question_timeout, settings.questions.max_rounds);
    DriveSettings { max_rounds, question_timeout, ..DriveSettings::default() }
}

fn no_randomness() -> RunError {
    RunError::System(std::io::ErrorKind::Other.into())
}

/// Ends the tasks; whoever reads from the operator's listener hears the end of it.
async fn stop_admin((drainer, serving): (Drainer, JoinHandle<()>), mut tasks: JoinSet<()>) {
    tasks.shutdown().await;
    drainer.start(ADMIN_GRACE);
    let _ = timeout(2 * ADMIN_GRACE, serving).await;
}

fn ready(settings: &Settings, bound: &Bound, admin: Option<&Bound>) -> Ready {
    let scheme = scheme(settings);
    let address = bound.address();
    let endpoints = settings.endpoints.iter().map(|endpoint| format!("{scheme}://{address}{}", endpoint.path));
    Ready {
        endpoints: endpoints.collect(),
        admin: admin.map(|bound| format!("http://{}", bound.address())),
        servers: settings.upstreams.iter().map(|upstream| upstream.name.clone()).collect(),
    }
}

/// Ends all servers' processes and sessions.
async fn close_all(upstreams: Vec<Arc<Upstream>>) {
    let mut closing = JoinSet::new();
    for upstream in upstreams {
        closing.spawn(async move { upstream.close().await });
    }
    let all = async { while closing.join_next().await.is_some() {} };
    if timeout(CLOSE_PATIENCE, all).await.is_err() {
        tracing::warn!("some servers did not end in time; their guards kill them");
    }
}

/// What tells the gateway to stop: SIGTERM or SIGINT; and SIGHUP where there is no file to read anew, since then the terminal was closed.
/// One that cannot be had is never received; SIGKILL always ends the process, and the guards then end its children.
struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
    hangup: Option<Signal>,
}

impl Signals {
    fn new() -> Self {
        let signal = |kind| tokio::signal::unix::signal(kind).ok();
        Self {
            terminate: signal(SignalKind::terminate()),
            interrupt: signal(SignalKind::interrupt()),
            hangup: signal(SignalKind::hangup()),
        }
    }

    async fn stop(&mut self) {
        tokio::select! {
            () = keep::received(&mut self.terminate) => (),
            () = keep::received(&mut self.interrupt) => (),
            () = keep::received(&mut self.hangup) => (),
        }
    }
}
