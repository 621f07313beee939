//! One live connection to a server, speaking its era: a child process, a legacy session, or a modern endpoint.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{
    clock,
    era::{Outgoing, legacy},
    jsonrpc::{ErrorObject, Raw},
    mcp::{Level, LogInterest, Principal, UpstreamFault},
    seal,
    telemetry::metrics::InUse,
};

use super::{
    any_exchange::AnyExchange,
    circuit::Pass,
    converse::Exchange,
    credential::Courier,
    errand::{Errand, Greeting},
    mailbox::Item,
    mux::Mux,
    owners::Owners,
    streamable::Streamable,
    wire::stdio::Child,
};

/// A live connection.
pub(super) struct Peer {
    /// What it speaks and offers.
    pub(super) greeting: Greeting,
    pub(super) link: Link,
    /// What tells it apart from its siblings, where only one of them knows what it was told: a child, or a session that is a stream.
    pub(super) mark: Option<Arc<str>>,
    /// Calls that hold this peer.
    pub(super) leases: AtomicUsize,
    /// Since when it is there.
    pub(super) started: Instant,
    last_used: Mutex<Instant>,
    phase: AtomicU8,
    is_to_be_replaced: AtomicBool,
    has_answered: AtomicBool,
    /// The last call of one that takes no more has ended.
    vacated: Notify,
    /// Readers and listeners; they end with the peer.
    tasks: Mutex<JoinSet<()>>,
    /// Whether its own stream of notices is open, for wires that have one apart.
    listening: OnceLock<watch::Receiver<bool>>,
    /// The most verbose log level that was asked of a legacy server, as its place among the levels.
    log_level: AtomicUsize,
    /// Counted among the server's children while it lives.
    counted: OnceLock<InUse>,
    /// What lets requests over HTTP through, or not.
    courier: Option<Arc<Courier>>,
}

/// It takes calls.
const TAKES_CALLS: u8 = 0;
/// It finishes those that it has.
const RETIRES: u8 = 1;
/// It is being ended.
const CLOSES: u8 = 2;

/// What carries its messages.
pub(super) enum Link {
    /// A child process.
    Stdio(Arc<Mux>, Child),
    /// HTTP+SSE.
    Sse(Arc<Mux>),
    /// Streamable HTTP.
    Http(Arc<Streamable>),
}

impl Peer {
    pub(super) fn new(greeting: Greeting, link: Link, tasks: JoinSet<()>) -> Self {
        let mark = match link {
            Link::Stdio(..) | Link::Sse(_) => seal::random_id().ok().map(Into::into),
            Link::Http(_) => None,
        };
        Self {
            greeting,
            link,
            mark,
            leases: AtomicUsize::new(0),
            started: clock::now(),
            last_used: Mutex::new(clock::now()),
            phase: AtomicU8::new(TAKES_CALLS),
            is_to_be_replaced: AtomicBool::new(false),
            has_answered: AtomicBool::new(false),
            vacated: Notify::new(),
            tasks: Mutex::new(tasks),
            listening: OnceLock::new(),
            log_level: AtomicUsize::new(usize::MAX),
            counted: OnceLock::new(),
            courier: None,
        }
    }

    /// The same, whose requests this lets through.
    pub(super) fn through(self, courier: &Arc<Courier>) -> Self {
        Self { courier: Some(courier.clone()), ..self }
    }

    /// A task that ends with the peer.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// From now on it counts.
    pub(super) fn count(&self, children: InUse) {
        let _ = self.counted.set(children);
    }

    /// It has a stream of notices apart; this says when it is open.
    pub(super) fn set_listening(&self, is_open: watch::Receiver<bool>) {
        let _ = self.listening.set(is_open);
    }

    /// Waits until changes that happen from now on are heard, or it is clear that they will not be.
    pub(super) async fn hears(&self) {
        if let Some(is_open) = self.listening.get() {
            let _ = is_open.clone().wait_for(|is_open| *is_open).await;
        }
    }

    /// Makes a legacy server as talkative as its most curious caller wants; what others do not want is filtered for them.
    pub(super) async fn raise_log_level(&self, interest: LogInterest) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let LogInterest::AtLeast(level) = interest else { return };
        let rank = Level::ALL.iter().position(|known| *known == level).unwrap_or_default();
        if !self.greeting.dialect.is_legacy() || !self.greeting.offer.logging {
            return;
        }
        if self.log_level.fetch_min(rank, Ordering::AcqRel) > rank {
            // A server that refuses says what it likes; the call goes on.
            let _ = self.request(|_| legacy::back::set_level(level), PATIENCE).await;
        }
    }

    /// Tells a server that knows nothing any more of how talkative it should be.
    pub(super) async fn tell_log_level_again(&self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        if let Some(level) = Level::ALL.get(self.log_level.load(Ordering::Acquire)).copied() {
            let _ = self.request(|_| legacy::back::set_level(level), PATIENCE).await;
        }
    }

    /// Whether calls can still be sent.
    pub(super) fn is_alive(&self) -> bool {
        match &self.link {
            Link::Stdio(mux, _) | Link::Sse(mux) => !mux.has_ended(),
            Link::Http(http) => !http.is_over(),
        }
    }

    /// Whether it gets new calls.
    pub(super) fn takes_calls(&self) -> bool {
        self.phase.load(Ordering::Acquire) == TAKES_CALLS && self.is_alive()
    }

    /// It gets no new calls.
    pub(super) fn retire(&self) {
        self.phase.fetch_max(RETIRES, Ordering::AcqRel);
    }

    /// Whether it is ended on purpose.
    pub(super) fn is_closing(&self) -> bool {
        self.phase.load(Ordering::Acquire) == CLOSES
    }

    /// Whether it is up to whoever asks to replace it: true once.
    pub(super) fn is_to_be_replaced_now(&self) -> bool {
        !self.is_to_be_replaced.swap(true, Ordering::AcqRel)
    }

    /// It answered a call of a client; whether that was the first.
    pub(super) fn answers(&self) -> bool {
        // The others do not write what all calls share.
        !self.has_answered() && !self.has_answered.swap(true, Ordering::Relaxed)
    }

    pub(super) fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    pub(super) fn last_used(&self) -> Instant {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn age(&self) -> Duration {
        clock::now().saturating_duration_since(self.started)
    }

    /// The id of its process, if it is one.
    pub(super) fn pid(&self) -> Option<i32> {
        match &self.link {
            Link::Stdio(_, child) => Some(child.pid()),
            Link::Sse(_) | Link::Http(_) => None,
        }
    }

    /// A call has ended, at that moment.
    pub(super) fn let_go(&self, ended: Instant) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = ended;
        if self.leases.fetch_sub(1, Ordering::AcqRel) == 1 && self.phase.load(Ordering::Acquire) != TAKES_CALLS {
            self.vacated.notify_waiters();
        }
    }

    /// Ready when one that takes no more calls has none, or is gone.
    pub(super) async fn vacated(&self) {
        loop {
            let mut vacated = std::pin::pin!(self.vacated.notified());
            vacated.as_mut().enable();
            if self.leased() == 0 || !self.is_alive() {
                return;
            }
            vacated.await;
        }
    }

    /// Its place among the server's processes, which is whoever's asks from now on; none once it has ended.
    pub(super) fn take_place(&self) -> Option<OwnedSemaphorePermit> {
        match &self.link {
            Link::Stdio(_, child) => child.take_place(),
            Link::Sse(_) | Link::Http(_) => None,
        }
    }

    /// It holds this place from now on.
    pub(super) fn hold(&self, place: OwnedSemaphorePermit) {
        if let Link::Stdio(_, child) = &self.link {
            child.hold(Some(place));
        }
    }

    pub(super) fn leased(&self) -> usize {
        self.leases.load(Ordering::Acquire)
    }

    fn admit(&self, by: Option<&Principal>) -> Result<Option<Pass>, UpstreamFault> {
        self.courier.as_ref().map(|courier| courier.admit(by)).transpose()
    }

    /// Starts a client's request.
    pub(super) fn start(&self, errand: &Errand) -> Result<AnyExchange, UpstreamFault> {
        let pass = self.admit(Some(&errand.caller.principal))?;
        match &self.link {
            Link::Stdio(mux, _) | Link::Sse(mux) => mux.start(errand).map(|exchange| AnyExchange::mux(exchange, pass)),
            Link::Http(http) => Ok(AnyExchange::http(http.start(errand), pass)),
        }
    }

    /// Starts a request of the gateway's own.
    pub(super) fn start_own(&self, encode: impl FnOnce(u64) -> Outgoing) -> Result<AnyExchange, UpstreamFault> {
        let pass = self.admit(None)?;
        match &self.link {
            Link::Stdio(mux, _) | Link::Sse(mux) => {
                mux.start_own(encode).map(|exchange| AnyExchange::mux(exchange, pass))
            }
            Link::Http(http) => Ok(AnyExchange::http(http.start_own(encode), pass)),
        }
    }

    /// A request of the gateway's own, and its answer.
    pub(super) async fn request(
        &self,
        encode: impl FnOnce(u64) -> Outgoing,
        patience: Duration,
    ) -> Result<Result<Raw, ErrorObject>, UpstreamFault> {
        let mut exchange = self.start_own(encode)?;
        match timeout(patience, answer(&mut exchange)).await {
            Ok(answer) => answer,
            Err(_) => {
                exchange.timed_out();
                Err(UpstreamFault::Timeout)
            }
        }
    }

    /// To which calls its questions belong.
    pub(super) fn owners(&self) -> &Owners {
        match &self.link {
            Link::Stdio(mux, _) | Link::Sse(mux) => mux.owners(),
            Link::Http(http) => http.owners(),
        }
    }

    /// The next number of its wire.
    pub(super) fn next_token(&self) -> u64 {
        match &self.link {
            Link::Stdio(mux, _) | Link::Sse(mux) => mux.next_token(),
            Link::Http(http) => http.token(),
        }
    }

    /// Sends a message that wants no answer.
    pub(super) fn post(&self, message: Bytes) {
        match &self.link {
            Link::Stdio(mux, _) | Link::Sse(mux) => drop(mux.post(message)),
            Link::Http(http) => http.post_aside(message),
        }
    }

    /// Ends it: a child as a whole tree, a session by DELETE.
    pub(super) async fn close(&self) {
        self.phase.store(CLOSES, Ordering::Release);
        match &self.link {
            Link::Stdio(mux, child) => {
                mux.end(UpstreamFault::Gone);
                child.stop().await;
            }
            Link::Sse(mux) => mux.end(UpstreamFault::Gone),
            Link::Http(http) => http.close().await,
        }
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// Waits for the answer of a request that nobody listens to on the way.
pub(super) async fn answer(exchange: &mut impl Exchange) -> Result<Result<Raw, ErrorObject>, UpstreamFault> {
    loop {
        match exchange.next().await {
            Item::Answer(answer) => return Ok(answer),
            Item::Broken(broken) => return Err(broken.fault),
            Item::Ask(id, kind, _) => exchange.answer(id, legacy::back::unattributable(kind)),
            Item::Progress(_) | Item::Notice(_) | Item::Retract(_) => (),
        }
    }
}
