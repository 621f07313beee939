//! The routing half of the waist, over a snapshot of the configuration that is swapped whole.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::{
    config::settings::Settings,
    jsonrpc::Raw,
    limit::{Limits, store::Store},
    mcp::{Call, Fault, Op, Outcome, Reply, Waist},
    policy::{Policies, RuleFault, ToolFilter},
    route::settings::Names,
    seal::KeyRing,
    upstream::{
        Library, Starts, Upstream,
        credential::{Wallet, WalletFault, settings::CredentialSettings},
        settings::UpstreamSettings,
        wire::http::ClientFault,
    },
};

use super::{
    connect::Wanted,
    endpoint::{self, Endpoint, Member, Memory},
    fetch,
    listen::listen,
};

/// The gateway between fronts and upstreams.
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What calls in flight hold on to.
pub(super) struct Shared {
    snapshot: ArcSwap<Snapshot>,
    reloads: watch::Sender<u64>,
    draining: watch::Sender<bool>,
    memory: Memory,
}

#[derive(Default)]
struct Snapshot {
    endpoints: HashMap<Arc<str>, Arc<Endpoint>>,
    upstreams: Vec<Arc<Upstream>>,
}

/// Why settings make no gateway.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An upstream's settings make no HTTP client.
    #[error("server `{0}` cannot be used")]
    Client(String, #[source] ClientFault),
    /// A tool pattern is no glob.
    #[error("server `{0}` has a tool pattern that is no glob")]
    Pattern(String, #[source] globset::Error),
    /// What the gateway signs with cannot be used.
    #[error(transparent)]
    Wallet(#[from] WalletFault),
    /// A limit's pattern is no glob.
    #[error("a limit has a pattern that is no glob")]
    Limit(#[source] globset::Error),
    /// A rule of the policy is none.
    #[error("rule {0} of the policy cannot be used")]
    Rule(usize, #[source] RuleFault),
}

impl Gateway {
    /// A gateway by these settings. Nothing is started yet: servers start when they are needed.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn new(
        settings: &Settings,
        ring: Arc<KeyRing>,
        wallet: Arc<Wallet>,
        store: Option<Arc<dyn Store>>,
        library: Arc<Library>,
    ) -> Result<Self, BuildError> {
        let limits = Arc::new(Limits::new(&settings.limits, store).map_err(BuildError::Limit)?);
        let starts = Arc::new(Starts::new(settings.max_starts));
        let memory = Memory { ring, book: Arc::default(), limits, wallet, starts, library };
        fill(&memory.wallet, settings)?;
        let snapshot = Snapshot::build(settings, &memory, &Snapshot::default())?;
        let (reloads, draining) = (watch::Sender::new(0), watch::Sender::new(false));
        Ok(Self { shared: Arc::new(Shared { snapshot: ArcSwap::from_pointee(snapshot), reloads, draining, memory }) })
    }

    /// Goes over to other settings. Servers whose settings are the same go on; calls in flight finish where they are; live sessions
    /// hear of it. Answers with the upstreams that are no longer used.
    ///
    /// # Errors
    /// [`BuildError`]; the old settings stay.
    pub fn reload(&self, settings: &Settings) -> Result<Vec<Arc<Upstream>>, BuildError> {
        fill(&self.shared.memory.wallet, settings)?;
        let old = self.shared.snapshot.load_full();
        let new = Snapshot::build(settings, &self.shared.memory, &old)?;
        let kept = |upstream: &&Arc<Upstream>| !new.upstreams.iter().any(|new| Arc::ptr_eq(new, upstream));
        let removed = old.upstreams.iter().filter(kept).cloned().collect();
        self.limits().set(&settings.limits).map_err(BuildError::Limit)?;
        self.shared.snapshot.store(Arc::new(new));
        self.shared.reloads.send_modify(|count| *count += 1);
        Ok(removed)
    }

    /// The limits in force.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.shared.memory.limits
    }

    /// Ends subscriptions; to be called when the gateway stops.
    pub fn drain(&self) {
        self.shared.draining.send_replace(true);
    }

    /// The servers.
    pub fn upstreams(&self) -> Vec<Arc<Upstream>> {
        self.shared.snapshot.load().upstreams.clone()
    }

    /// The endpoint at a path.
    pub fn endpoint(&self, path: &str) -> Option<Arc<Endpoint>> {
        self.shared.endpoint(path)
    }
}

impl Shared {
    pub(super) fn endpoint(&self, path: &str) -> Option<Arc<Endpoint>> {
        self.snapshot.load().endpoints.get(path).cloned()
    }

    pub(super) fn reloads(&self) -> watch::Receiver<u64> {
        self.reloads.subscribe()
    }

    pub(super) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }
}

impl Snapshot {
    fn build(settings: &Settings, memory: &Memory, old: &Self) -> Result<Self, BuildError> {
        let mut members = HashMap::new();
        let mut upstreams = Vec::with_capacity(settings.upstreams.len());
        for own in &settings.upstreams {
            let same = |old: &&Arc<Upstream>| old.settings() == own && *old.lists() == settings.lists;
            let upstream = match old.upstreams.iter().find(same) {
                Some(upstream) => upstream.clone(),
                None => {
                    Upstream::new(own.clone(), settings.lists.clone(), &memory.wallet, &memory.starts, &memory.library)
                        .map_err(|fault| BuildError::Client(own.name.clone(), fault))?
                }
            };
            upstream.pin(settings.pins.lock.as_deref());
            let filter = ToolFilter::new(&own.tools.allow, &own.tools.deny, &own.tools.rename)
                .map_err(|error| BuildError::Pattern(own.name.clone(), error))?;
            upstreams.push(upstream.clone());
            members.insert(own.name.as_str(), Member { upstream, filter: Arc::new(filter) });
        }
        let policies = Policies::new(&settings.policy).map_err(|(place, fault)| BuildError::Rule(place + 1, fault))?;
        let policies = Arc::new(policies);
        let endpoints = settings.endpoints.iter().map(|endpoint| {
            let own: Vec<Member> =
                endpoint.servers.iter().filter_map(|name| members.get(name.as_str()).cloned()).collect();
            let prefixed = match endpoint.names {
                Names::Auto => own.len() > 1,
                Names::Prefixed => true,
                Names::Bare => false,
            };
            let (lists, policies) = (settings.lists.clone(), policies.clone());
            let own_settings = endpoint::Settings { path: &endpoint.path, prefixed, lists, policies };
            let built = Endpoint::new(own_settings, own, memory.clone());
            (built.path.clone(), Arc::new(built))
        });
        Ok(Self { endpoints: endpoints.collect(), upstreams })
    }
}

/// What the wallet is told of the settings. Who signs nothing publishes nothing.
fn fill(wallet: &Wallet, settings: &Settings) -> Result<(), WalletFault> {
    wallet.set_fetch(fetch::web(settings.egress.clone()));
    if let Some(address) = &settings.auth.public_url {
        wallet.set_address(address);
    }
    let signs = |upstream: &UpstreamSettings| matches!(upstream.credential, CredentialSettings::Assertion(_));
    if settings.upstreams.iter().any(signs) || !settings.signing_keys.is_empty() {
        wallet.set_keys(&settings.signing_keys)?;
    }
    Ok(())
}

/// Most calls are of this kind: what they ask is not copied.
fn invoke(endpoint: Arc<Endpoint>, call: Call) -> Reply {
    Reply::script(move |stage| async move {
        match &call.op {
            Op::Invoke(invoke) => endpoint.consenting(&call, Wanted::Invoke(invoke), stage).await,
            _ => Outcome::Failed(Fault::Internal),
        }
    })
}

impl Waist for Gateway {
    fn call(&self, call: Call) -> Reply {
        let Some(endpoint) = self.shared.endpoint(&call.endpoint) else {
            return Reply::ready(Outcome::Failed(Fault::UnknownMethod("this endpoint is gone".to_owned())));
        };
        if matches!(call.op, Op::Invoke(_)) {
            return invoke(endpoint, call);
        }
        match call.op.clone() {
            Op::List(kind, None) => match endpoint.list_now(&call.caller, kind) {
                Some(page) => Reply::ready(page),
                None => Reply::script(move |_| async move { endpoint.list(&call.caller, kind, None).await }),
            },
            Op::List(kind, cursor) => {
                Reply::script(move |_| async move { endpoint.list(&call.caller, kind, cursor.as_deref()).await })
            }
            Op::Discover => Reply::script(move |_| async move { endpoint.discover(&call.caller).await }),
            Op::Invoke(_) => invoke(endpoint, call),
            Op::Complete(completion) => Reply::script(move |stage| async move {
                endpoint.consenting(&call, Wanted::Suggestions(&completion), stage).await
            }),
            Op::Extension { method, params } => Reply::script(move |stage| async move {
                endpoint.consenting(&call, Wanted::Extension(&method, params.as_ref()), stage).await
            }),
            Op::Task(task) => Reply::script(move |stage| async move { endpoint.task(&call, &task, stage).await }),
            Op::Tasks(cursor) => {
                Reply::script(move |_| async move { endpoint.list_tasks(&call, cursor.as_deref()).await })
            }
            Op::Listen(filter) => {
                let shared = self.shared.clone();
                Reply::script(move |stage| listen(shared, call, filter, stage))
            }
            Op::Tell { method, params } => {
                endpoint.tell(&call, &method, params.as_ref());
                Reply::ready(Outcome::Complete(Raw::empty_object()))
            }
            Op::RootsChanged => {
                endpoint.tell_roots_changed(&call.caller);
                Reply::ready(Outcome::Complete(Raw::empty_object()))
            }
        }
    }

    fn ended(&self, session: &Arc<str>) {
        for upstream in self.upstreams() {
            let session = session.clone();
            // Closing a child takes as long as the child does; nobody waits for it.
            tokio::spawn(async move { upstream.end_session(&session).await });
        }
    }
}
