//! A legacy session: what the handshake settled, and what goes on in it.
//!
//! Sources: 2025-11-25 basic/lifecycle and basic/transports (Session Management).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use http::HeaderName;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};

use crate::{
    clock,
    downstream::settings::SessionSettings,
    era::{Revision, legacy::front},
    jsonrpc::Id,
    mcp::{Answer, AskId, Call, Caller, Filter, Level, LogInterest, Mirrored, Op, Principal, ProgressInterest},
};

use super::stream::{Keep, Naming, Stream};

/// The header that names a session (2025-11-25 basic/transports).
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// Finished streams kept for clients that come back.
const MAX_FINISHED_STREAMS: usize = 8;

/// An answer on its way to the call that asked.
pub(super) type Answered = (AskId, Answer);

/// A legacy session.
pub(super) struct Session {
    /// What the client calls it.
    pub(super) id: Arc<str>,
    pub(super) principal: Principal,
    pub(super) endpoint: Arc<str>,
    pub(super) codec: front::Session,
    pub(super) settings: Arc<SessionSettings>,
    caller: ArcSwap<Caller>,
    /// The stream that belongs to no request.
    pub(super) own: Arc<Stream>,
    state: Mutex<State>,
    next: AtomicU64,
    pub(super) tasks: Mutex<JoinSet<()>>,
}

struct State {
    /// Requests in flight by the client's id.
    calls: HashMap<Id, Arc<Notify>>,
    /// Questions by their number.
    asks: HashMap<u64, (AskId, mpsc::Sender<Answered>)>,
    streams: BTreeMap<u64, Arc<Stream>>,
    /// Subscriptions: dropping the guard ends one.
    subscriptions: HashMap<String, Arc<Notify>>,
    is_listening: bool,
    last_used: Instant,
}

/// What a session is opened with.
pub(super) struct Opening {
    pub(super) id: Arc<str>,
    pub(super) endpoint: Arc<str>,
    pub(super) caller: Caller,
    pub(super) codec: front::Session,
    pub(super) settings: Arc<SessionSettings>,
}

impl Session {
    /// A session whose own stream is `own`, or one that it makes.
    pub(super) fn open(opening: Opening, own: Option<Arc<Stream>>) -> Arc<Self> {
        let Opening { id, endpoint, caller, codec, settings } = opening;
        let keep = keep(&settings);
        let own = own.unwrap_or_else(|| Stream::new(0, naming(codec.revision, NamingFor::Own), keep));
        let state = State {
            calls: HashMap::new(),
            asks: HashMap::new(),
            streams: BTreeMap::new(),
            subscriptions: HashMap::new(),
            is_listening: false,
            last_used: clock::now(),
        };
        Arc::new(Self {
            id,
            principal: caller.principal.clone(),
            endpoint,
            codec,
            settings,
            caller: ArcSwap::from_pointee(caller),
            own,
            state: Mutex::new(state),
            next: AtomicU64::new(1),
            tasks: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client did something.
    pub(super) fn touch(&self) {
        self.lock().last_used = clock::now();
    }

    /// Whether nothing has happened for so long, and nothing goes on.
    pub(super) fn is_idle(&self, limit: Duration) -> bool {
        let state = self.lock();
        let is_quiet = state.calls.is_empty() && !self.own.is_read();
        is_quiet && clock::now().saturating_duration_since(state.last_used) >= limit
    }

    /// A call of this session.
    pub(super) fn call(&self, op: Op, progress: ProgressInterest) -> Call {
        Call {
            caller: self.caller.load_full(),
            endpoint: self.endpoint.clone(),
            op,
            progress,
            mirrored: Mirrored::NotApplicable,
            trace: Arc::default(),
        }
    }

    /// A call by whoever sent its request: tokens of one principal differ in what they may be used for.
    pub(super) fn call_by(&self, principal: &Principal, op: Op, progress: ProgressInterest) -> Call {
        let mut call = self.call(op, progress);
        if !call.caller.principal.is_known_alike(principal) {
            call.caller = Arc::new(Caller { principal: principal.clone(), ..Caller::clone(&call.caller) });
        }
        call
    }

    /// The client came with another token of the same principal: what nobody asks for by itself is seen with that from now on.
    pub(super) fn renew(&self, principal: &Principal) {
        let caller = self.caller.load();
        if !caller.principal.is_known_alike(principal) {
            self.caller.store(Arc::new(Caller { principal: principal.clone(), ..Caller::clone(&caller) }));
        }
    }

    /// Which log messages the client wants from now on.
    pub(super) fn set_level(&self, level: Level) {
        let caller = Caller { log: LogInterest::AtLeast(level), ..Caller::clone(&self.caller.load()) };
        self.caller.store(Arc::new(caller));
    }

    /// Whether a log message is wanted.
    pub(super) fn wants(&self, level: Level) -> bool {
        self.caller.load().log.wants(level)
    }

    // --- requests ----------------------------------------------------------------------------------------------------

    /// A request begins; the notification tells when the client gives it up.
    pub(super) fn begin(&self, id: &Id) -> Arc<Notify> {
        let cancelled = Arc::new(Notify::new());
        self.lock().calls.insert(id.clone(), cancelled.clone());
        cancelled
    }

    /// It ended.
    pub(super) fn end(&self, id: &Id) {
        let mut state = self.lock();
        state.calls.remove(id);
        state.last_used = clock::now();
    }

    /// The client gives a request up.
    pub(super) fn cancel(&self, id: &Id) {
        if let Some(cancelled) = self.lock().calls.remove(id) {
            cancelled.notify_one();
        }
    }

    // --- questions ---------------------------------------------------------------------------------------------------

    /// A number for a question. `None` when too many are open.
    pub(super) fn ask(&self, ask: AskId, to: &mpsc::Sender<Answered>) -> Option<u64> {
        let mut state = self.lock();
        if state.asks.len() >= self.settings.max_questions {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        state.asks.insert(number, (ask, to.clone()));
        Some(number)
    }

    /// Forgets questions of a call; answers with their numbers.
    pub(super) fn forget(&self, is_meant: impl Fn(AskId) -> bool, of: &mpsc::Sender<Answered>) -> Vec<u64> {
        let mut state = self.lock();
        let meant = |(ask, to): &(AskId, mpsc::Sender<Answered>)| to.same_channel(of) && is_meant(*ask);
        state.asks.extract_if(|_, asked| meant(asked)).map(|(number, _)| number).collect()
    }

    /// The client's answer finds its question once.
    pub(super) fn answer(&self, id: &Id, answer: Answer) {
        let asked = id.number().and_then(|number| self.lock().asks.remove(&number));
        if let Some((ask, to)) = asked {
            // A call has room for as many answers as a session may have questions.
            let _ = to.try_send((ask, answer));
        }
    }

    // --- streams -----------------------------------------------------------------------------------------------------

    /// A stream for a request.
    pub(super) fn stream(&self) -> Arc<Stream> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let stream = Stream::new(number, naming(self.codec.revision, NamingFor::Request), keep(&self.settings));
        let mut state = self.lock();
        let finished: Vec<u64> =
            state.streams.iter().filter(|(_, stream)| stream.is_finished()).map(|(number, _)| *number).collect();
        for old in finished.iter().take(finished.len().saturating_sub(MAX_FINISHED_STREAMS - 1)) {
            state.streams.remove(old);
        }
        state.streams.insert(number, stream.clone());
        stream
    }

    /// The stream with that number.
    pub(super) fn find_stream(&self, number: u64) -> Option<Arc<Stream>> {
        if number == self.own.number { Some(self.own.clone()) } else { self.lock().streams.get(&number).cloned() }
    }

    // --- subscriptions -----------------------------------------------------------------------------------------------

    /// Whether the session's own stream still needs somebody to fill it; true once.
    pub(super) fn starts_listening(&self) -> bool {
        !std::mem::replace(&mut self.lock().is_listening, true)
    }

    /// A place for a subscription. `None` when there are too many; `Some(None)` when it stands already.
    pub(super) fn subscribe(&self, uri: &str) -> Option<Option<Arc<Notify>>> {
        let mut state = self.lock();
        if state.subscriptions.contains_key(uri) {
            return Some(None);
        }
        if state.subscriptions.len() >= self.settings.max_subscriptions {
            return None;
        }
        let ended = Arc::new(Notify::new());
        state.subscriptions.insert(uri.to_owned(), ended.clone());
        Some(Some(ended))
    }

    /// Whether a subscription still stands.
    pub(super) fn is_subscribed(&self, uri: &str) -> bool {
        self.lock().subscriptions.contains_key(uri)
    }

    /// Ends a subscription.
    pub(super) fn unsubscribe(&self, uri: &str) {
        if let Some(ended) = self.lock().subscriptions.remove(uri) {
            ended.notify_one();
        }
    }

    /// A task that ends with the session.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Ends everything that goes on in it: calls are cancelled, streams end.
    pub(super) fn close(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        let (calls, streams) = {
            let mut state = self.lock();
            (std::mem::take(&mut state.calls), std::mem::take(&mut state.streams))
        };
        // Those that have no stream yet run with their request, not among the tasks.
        for cancelled in calls.into_values() {
            cancelled.notify_one();
        }
        for stream in streams.into_values().chain([self.own.clone()]) {
            stream.finish();
        }
    }

    /// What the session's own listening asks for.
    pub(super) const fn interests() -> Filter {
        Filter::lists()
    }
}

enum NamingFor {
    Own,
    Request,
}

/// Priming came with 2025-11-25; older clients read empty data as a message. The own stream of a session is not primed: nobody waits
/// for an answer on it.
const fn naming(revision: Revision, stream: NamingFor) -> Naming {
    match (revision, stream) {
        (Revision::V2025_11_25, NamingFor::Request) => Naming::Primed,
        _ => Naming::Named,
    }
}

pub(super) const fn keep(settings: &SessionSettings) -> Keep {
    Keep { events: settings.resume_events, bytes: settings.resume_bytes }
}
