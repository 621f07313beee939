//! Keeping a running gateway in order: what is unused is ended, and files that changed are read anew.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{
    signal::unix::Signal,
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep, sleep_until},
};

use crate::{
    audit::{Audit, Event},
    config::{self, settings::Settings, watch::Sources},
    downstream::{
        exchange::{Exchange, Gate, Paths, Tokens},
        tls::{Reload, TlsFiles},
    },
    limit::ledger::Ledger,
    telemetry::{label::Success, metrics::METRICS},
    upstream::Upstream,
};

use super::{
    audit,
    door::Door,
    fetch,
    found::Found,
    gateway::{BuildError, Gateway},
    reach::reach_all,
};

/// How often things are put in order.
const ROUND: Duration = Duration::from_secs(5);
/// How long files are left to settle: editors and ConfigMaps change several things at once.
const SETTLE: Duration = Duration::from_millis(200);
/// Where settings came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// What was read: a change from then on is seen, however soon it comes.
    pub seen: Sources,
}

/// Which servers came, and how many went.
struct Adopted {
    added: Vec<Arc<Upstream>>,
    removed: usize,
}

/// What is kept in order.
pub(super) struct Kept {
    pub(super) gateway: Arc<Gateway>,
    pub(super) door: Arc<Door>,
    pub(super) exchange: Arc<Exchange>,
    pub(super) paths: Arc<Paths>,
    pub(super) gate: Arc<Gate>,
    /// Where clients connect.
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Arc<TlsFiles>>,
    pub(super) source: Option<Source>,
    /// Servers that the file does not name.
    pub(super) found: Found,
    /// What the gateway runs by: the file's settings, and what was found.
    pub(super) running: Settings,
    /// SIGHUP, where there is a file to read anew.
    pub(super) hangup: Option<Signal>,
    pub(super) audit: Option<Arc<Audit>>,
    /// Where what was taken of quotas is written.
    pub(super) ledger: Option<Arc<Ledger>>,
}

/// Keeps a gateway in order until it is dropped.
pub(super) async fn keep(mut kept: Kept, mut settings: Settings) {
    let (changes, mut changed) = mpsc::channel(1);
    let mut watch = kept.source.as_ref().map(|source| Watch::of(source.seen.clone(), &changes));
    let mut hangup = kept.hangup.take();
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next_expiry = kept.door.parked().next_expiry();
        tokio::select! {
            () = at(next_expiry) => kept.door.parked().expire(),
            _ = rounds.tick() => {
                kept.tidy().await;
                if watch.as_ref().is_some_and(Watch::changed) {
                    kept.reload(&mut settings, &mut watch, &changes);
                }
            }
            Some(()) = changed.recv() => {
                sleep(SETTLE).await;
                while changed.try_recv().is_ok() {}
                if watch.as_ref().is_some_and(Watch::changed) {
                    kept.reload(&mut settings, &mut watch, &changes);
                }
            }
            () = kept.found.changed() => {
                kept.found.settle(SETTLE).await;
                kept.find(&settings);
            }
            () = received(&mut hangup) => kept.reload(&mut settings, &mut watch, &changes),
        }
    }
}

/// The paths of these settings' endpoints.
pub(super) fn set_paths(paths: &Paths, settings: &Settings) {
    let wants_token = |name: &String| {
        let server = settings.upstreams.iter().find(|upstream| upstream.name == *name);
        server.is_some_and(|server| server.credential.wants_token())
    };
    let endpoints = settings.endpoints.iter().map(|endpoint| {
        let tokens = if endpoint.servers.iter().any(wants_token) { Tokens::Kept } else { Tokens::Dropped };
        (endpoint.path.as_str(), tokens)
    });
    paths.set(endpoints);
}

/// Ready at that time; never without one. A call that is parked while this waits is looked at with the next round.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Ready when the signal came; never without one.
pub(super) async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Writes down what was taken of quotas.
pub(super) async fn write_down(ledger: Option<Arc<Ledger>>, gateway: &Gateway) {
    let Some(ledger) = ledger else { return };
    let taken = gateway.limits().taken();
    let written = tokio::task::spawn_blocking(move || ledger.write(taken)).await;
    if let Ok(Err(error)) = written {
        tracing::error!(%error, "what was taken of quotas cannot be written to `stateDir`");
    }
}

impl Kept {
    async fn tidy(&self) {
        self.exchange.reap();
        self.door.parked().expire();
        self.gateway.limits().retain_recent();
        write_down(self.ledger.clone(), &self.gateway).await;
        for upstream in self.gateway.upstreams() {
            audit::things(self.audit.as_ref(), &upstream);
            upstream.reap().await;
        }
        match self.tls.as_ref().map(|tls| tls.reload_if_changed()) {
            Some(Err(error)) => tracing::error!(%error, "the new files of `tls` are not usable; the old ones stay"),
            Some(Ok(Reload::Replaced)) => self.gate.look_again(),
            Some(Ok(Reload::Unchanged)) | None => {}
        }
    }

    /// Goes over to the servers that there are now.
    fn find(&mut self, settings: &Settings) {
        let merged = self.found.added_to(settings);
        // What else changed concerns nobody who is connected.
        if merged == self.running {
            return;
        }
        match self.adopt(merged) {
            Ok(Adopted { added, removed }) => {
                tracing::info!(added = added.len(), removed, "other servers were found");
                tokio::spawn(reach_all(added));
            }
            Err(error) => tracing::error!(%error, "the servers that were found are not usable; the old ones stay"),
        }
    }

    /// Goes over to other settings. What is no longer used finishes its calls.
    fn adopt(&mut self, settings: Settings) -> Result<Adopted, BuildError> {
        let before = self.gateway.upstreams();
        let removed = self.gateway.reload(&settings)?;
        set_paths(&self.paths, &settings);
        self.running = settings;
        let mut added = self.gateway.upstreams();
        added.retain(|upstream| !before.iter().any(|before| Arc::ptr_eq(before, upstream)));
        let adopted = Adopted { removed: removed.len(), added };
        for upstream in removed {
            // Calls in flight finish on it, with the secrets that they began with; then its processes end.
            tokio::spawn(async move {
                let grace = upstream.settings().total_timeout;
                let _ = tokio::time::timeout(grace, idle(&upstream)).await;
                upstream.close().await;
            });
        }
        Ok(adopted)
    }

    /// Reads the file anew. One that is broken is refused, and the old settings stay.
    fn reload(&mut self, settings: &mut Settings, watch: &mut Option<Watch>, changes: &mpsc::Sender<()>) {
        let Some(Source { path: source, .. }) = &self.source else {
            tracing::info!("nothing to reload: there is no configuration file");
            return;
        };
        // Before it is read: what changes from now on is a change, also of what turns out to be broken.
        *watch = Some(Watch::of(config::sources(source), changes));
        let loaded = match config::load(source) {
            Ok(loaded) => loaded,
            Err(problems) => return self.refuse(&problems),
        };
        *watch = Some(Watch::of(loaded.sources, changes));
        if loaded.settings == *settings {
            // A signal often follows the change that was seen already: nobody needs to hear of it twice.
            tracing::info!("nothing to reload: the configuration is the same");
            return;
        }
        if loaded.settings.upstreams.is_empty() && loaded.settings.discovery.is_none() && !settings.upstreams.is_empty()
        {
            // A file that is being written is empty for a moment.
            return self.refuse(&"the file names no server any more");
        }
        if !loaded.settings.auth.may_guard(self.address.ip()) {
            // The listener stays where it is, wherever the file wants it.
            return self.refuse(&"nothing in the file says who may come in at the address that is served");
        }
        let auth = match fetch::auth(&loaded.settings) {
            Ok(auth) => auth,
            Err(error) => return self.refuse(&error),
        };
        self.found.look_by(&loaded.settings);
        let merged = self.found.added_to(&loaded.settings);
        match self.adopt(merged) {
            Ok(adopted) => {
                if (&loaded.settings.auth, &loaded.settings.egress) != (&settings.auth, &settings.egress) {
                    self.gate.set(auth);
                }
                tracing::info!(removed = adopted.removed, "configuration reloaded");
                audit::note(self.audit.as_ref(), Event::Reload, [("result", "ok".into())]);
                METRICS.config_reloads.of(Success::Ok).inc();
                warn_fixed(settings, &loaded.settings);
                *settings = loaded.settings;
            }
            Err(error) => {
                self.found.look_by(settings);
                self.refuse(&error);
            }
        }
    }

    fn refuse(&self, error: &dyn std::fmt::Display) {
        tracing::error!("the new configuration is not usable; the old one stays\n{error}");
        METRICS.config_reloads.of(Success::Failed).inc();
        audit::note(self.audit.as_ref(), Event::Reload, [("result", "failed".into())]);
    }
}

async fn idle(upstream: &Upstream) {
    while upstream.load().1 > 0 {
        sleep(SETTLE).await;
    }
}

/// What only a restart can change.
fn warn_fixed(old: &Settings, new: &Settings) {
    let fixed = [
        ("listen", old.listener != new.listener),
        ("admin", (old.admin, &old.admin_token) != (new.admin, &new.admin_token)),
        ("http", old.http != new.http),
        ("sessions", old.sessions != new.sessions),
        ("questions", old.questions != new.questions),
        ("sealing", old.sealing_keys != new.sealing_keys),
        ("replicas", old.hops != new.hops),
        ("redis", old.redis != new.redis),
        ("log", old.log != new.log),
        ("audit", old.audit != new.audit),
        ("stateDir", old.state_dir != new.state_dir),
        ("lists.maxKept", old.lists.max_kept_bytes != new.lists.max_kept_bytes),
        ("maxStarts", old.max_starts != new.max_starts),
        ("threads", old.threads != new.threads),
        ("drain", old.drain != new.drain),
    ];
    for (key, _) in fixed.into_iter().filter(|(_, changed)| *changed) {
        tracing::warn!(key, "this change takes effect at the next start");
    }
}

/// Eyes on the files of a configuration.
struct Watch {
    sources: Sources,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// The directories are watched: a watch on a file ends when the file is replaced. Where nothing can be watched, looking from time
    /// to time has to do.
    fn of(sources: Sources, changes: &mpsc::Sender<()>) -> Self {
        let changes = changes.clone();
        // A full queue means that somebody is told already.
        let told = notify::recommended_watcher(move |_| {
            let _ = changes.try_send(());
        });
        let mut watcher = told.ok();
        if let Some(watcher) = &mut watcher {
            for directory in sources.directories() {
                let _ = watcher.watch(&directory, RecursiveMode::NonRecursive);
            }
        }
        Self { sources, _watcher: watcher }
    }

    fn changed(&self) -> bool {
        self.sources.changed()
    }
}
