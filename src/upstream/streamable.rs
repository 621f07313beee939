//! Streamable HTTP towards one upstream, in either era: every request is a POST of its own, and its answer comes back on it.
//!
//! A legacy session is opened by the handshake, named in each request, and opened anew when the upstream has forgotten it (404: the
//! request was not processed, so it is sent again). A stream that ends before the answer is taken up where it broke when the
//! upstream gave its events ids (2025-11-25 basic/transports, Resumability).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::sync::watch;

use crate::{
    era::{Incoming, Outgoing, legacy},
    jsonrpc::{self, MAX_DEPTH, Malformed, Message, Raw},
    mcp::{Notice, Principal, Profile, UpstreamFault},
};

use super::{
    aside::{Aside, Full},
    bus::Bus,
    credential::Courier,
    errand::{Dialect, Errand, Tasking},
    http_exchange::HttpExchange,
    mailbox::{Broken, Item, Mailbox},
    owners::{Attribution, Owners, Place},
    posting::{Got, Posted, initialize, media_type, name_session, post, post_headers},
    session::Session,
    wire::http::{self as wire, To},
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// How long a message that wants no answer may take.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// Such messages on their way at the most: each call has one at its end, and of calls there are as many as may be in flight
/// (`http.maxRequests`) and wait for their users (`questions.maxParked`), 10,000 each.
const MAX_POSTS: usize = 20_000;
/// Of them, before no more is said in return to what a server sends unasked: one that pings without end makes no tasks without end.
const MAX_RETURNS: usize = 256;

/// One upstream endpoint, and the legacy session on it if there is one.
pub(super) struct Streamable {
    pub(super) server: Arc<str>,
    pub(super) courier: Arc<Courier>,
    dialect: Dialect,
    profile: Profile,
    session: ArcSwapOption<Session>,
    renewal: tokio::sync::Mutex<()>,
    /// The server went over to something else than the handshake settled.
    is_over: AtomicBool,
    /// How often the session was opened anew.
    renewals: watch::Sender<u64>,
    bus: Arc<Bus>,
    owners: Owners,
    next: AtomicU64,
    max_message_bytes: usize,
    /// Messages on their way that nobody waits for; they end with this.
    aside: Aside,
}

impl Streamable {
    #[expect(clippy::too_many_arguments, reason = "what the handshake settled, each of another type")]
    pub(super) fn new(
        server: Arc<str>,
        courier: Arc<Courier>,
        dialect: Dialect,
        profile: Profile,
        attribution: Attribution,
        bus: Arc<Bus>,
        max_message_bytes: usize,
    ) -> Self {
        Self {
            server,
            aside: Aside::new(courier.metrics().clone()),
            courier,
            dialect,
            owners: Owners::new(attribution, profile.clone()),
            profile,
            session: ArcSwapOption::empty(),
            is_over: AtomicBool::new(false),
            renewals: watch::Sender::new(0),
            renewal: tokio::sync::Mutex::new(()),
            bus,
            next: AtomicU64::new(1),
            max_message_bytes,
        }
    }

    /// Settles the session that the handshake opened.
    pub(super) fn enter(&self, session: Option<Session>) {
        self.session.store(session.map(Arc::new));
    }

    /// Whether nothing more is to be sent: the server is not what the handshake found.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// How often the session was opened anew: what the server was told in the last one is to be told again.
    pub(super) fn renewals(&self) -> watch::Receiver<u64> {
        self.renewals.subscribe()
    }

    pub(super) const fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    pub(super) const fn owners(&self) -> &Owners {
        &self.owners
    }

    /// Starts a client's request.
    pub(super) fn start(self: &Arc<Self>, errand: &Errand) -> HttpExchange {
        let token = self.token();
        let awaited = errand.tasking.awaited();
        let may_be_named = self.dialect.is_legacy() && (self.owners.is_private() || awaited.is_some());
        let mailbox = (may_be_named && !errand.tasking.is_short()).then(|| Arc::new(Mailbox::default()));
        if let Some(mailbox) = &mailbox {
            self.owners.enter(token, mailbox, awaited);
        }
        let by = Some(errand.caller.principal.clone());
        let exchange = HttpExchange::new(self.clone(), token, self.dialect.encode(errand, token), mailbox, by);
        // What becomes a task is not cancelled so (2025-11-25 basic/utilities/tasks).
        if errand.tasking == Tasking::Wished { exchange.uncancellable() } else { exchange }
    }

    /// Starts a request of the gateway's own.
    pub(super) fn start_own(self: &Arc<Self>, encode: impl FnOnce(u64) -> Outgoing) -> HttpExchange {
        let token = self.token();
        HttpExchange::new(self.clone(), token, encode(token), None, None)
    }

    pub(super) fn token(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn session_headers(&self, headers: &mut HeaderMap) -> Option<Arc<Session>> {
        let session = self.session.load_full();
        if let Dialect::Legacy(revision) = &self.dialect {
            name_session(*revision, session.as_deref(), headers);
        }
        session
    }

    /// Sends one request. A session that the upstream has forgotten, or whose replica is gone, is opened anew, once: the request was
    /// refused or did not arrive, so it was not executed and is sent again.
    pub(super) async fn post_request(
        &self,
        body: Bytes,
        extra: &[(HeaderName, HeaderValue)],
        by: Option<&Principal>,
    ) -> Result<Posted, Broken> {
        for _ in 0..2 {
            let mut headers = post_headers(extra);
            let session = self.session_headers(&mut headers);
            let to = To::pinned(session.as_ref().map(|session| session.pin()));
            let posted = post(&self.courier, body.clone(), headers, self.max_message_bytes, (by, to)).await;
            match posted.map(|opened| opened.posted) {
                Ok(Posted::SessionUnknown) => self.renew(session).await.map_err(Broken::unsent)?,
                Err(UpstreamFault::Unavailable) if self.may_move(session.as_deref()) => {
                    self.renew(session).await.map_err(Broken::unsent)?;
                }
                // What this fault says is that nothing was sent.
                Err(fault @ UpstreamFault::Unavailable) => return Err(Broken::unsent(fault)),
                posted => return posted.map_err(Broken::from),
            }
        }
        Err(UpstreamFault::Gone.into())
    }

    /// Whether there is another replica for a session whose own is not there.
    fn may_move(&self, session: Option<&Session>) -> bool {
        session.is_some_and(|session| self.courier.replicas().has_others(session.pin()))
    }

    /// Opens the session anew unless somebody else just did.
    async fn renew(&self, forgotten: Option<Arc<Session>>) -> Result<(), UpstreamFault> {
        let _turn = self.renewal.lock().await;
        let is_same = |now: Option<Arc<Session>>| match (&now, &forgotten) {
            (Some(now), Some(forgotten)) => Arc::ptr_eq(now, forgotten),
            (None, None) => true,
            _ => false,
        };
        if !is_same(self.session.load_full()) {
            return Ok(());
        }
        tracing::info!(server = &*self.server, "upstream has forgotten the session; opening another");
        let (session, answer) = initialize(&self.courier, &self.profile, self.max_message_bytes).await?;
        self.enter(session);
        let handshake = answer.ok().and_then(|result| legacy::back::handshake(&result));
        if !handshake.is_some_and(|handshake| self.dialect.is_of(handshake.revision)) {
            // It was replaced by another version of itself: what clients were told of it holds no longer.
            self.is_over.store(true, Ordering::Release);
            self.close().await;
            return Err(UpstreamFault::Gone);
        }
        self.post_message(legacy::back::initialized()).await?;
        self.courier.renewed();
        self.renewals.send_modify(|count| *count += 1);
        self.bus.publish_gap();
        Ok(())
    }

    /// Sends a message that wants no answer.
    pub(super) async fn post_message(&self, message: Bytes) -> Result<(), UpstreamFault> {
        let mut headers = post_headers(&[]);
        let session = self.session_headers(&mut headers);
        let to = To::pinned(session.as_ref().map(|session| session.pin()));
        let sent = post(&self.courier, message, headers, self.max_message_bytes, (None, to));
        tokio::time::timeout(POST_TIMEOUT, sent).await.map_err(|_| UpstreamFault::Timeout)?.map(drop)
    }

    /// Sends a message that wants no answer while somebody does something else.
    pub(super) fn post_aside(self: &Arc<Self>, message: Bytes) {
        self.post_unless(MAX_POSTS, message);
    }

    /// The same in return to what the server sent unasked.
    fn post_in_return(self: &Arc<Self>, message: Bytes) {
        self.post_unless(MAX_RETURNS, message);
    }

    fn post_unless(self: &Arc<Self>, most: usize, message: Bytes) {
        let this = Arc::downgrade(self);
        let sent = self.aside.send(most, async move {
            let Some(this) = this.upgrade() else { return };
            if let Err(fault) = this.post_message(message).await {
                tracing::debug!(server = &*this.server, %fault, "a message to an upstream was lost");
            }
        });
        if sent == Err(Full) {
            tracing::debug!(server = &*self.server, "too many messages to an upstream wait; one is dropped");
        }
    }

    /// Opens a stream by GET: the session's own, or one that broke.
    pub(super) async fn get(&self, last_event_id: Option<&Bytes>) -> Result<Got, UpstreamFault> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, STREAM);
        let session = self.session_headers(&mut headers);
        if let Some(value) = last_event_id.and_then(|id| HeaderValue::from_bytes(id).ok()) {
            headers.insert(LAST_EVENT_ID, value);
        }
        let request = wire::Outgoing { method: Method::GET, target: None, headers, body: Bytes::new() };
        let to = To::pinned(session.as_ref().map(|session| session.pin())).streaming();
        let incoming = self.courier.send(request, None, to).await?;
        let is_stream = media_type(&incoming.headers) == Some("text/event-stream");
        Ok(match incoming.status {
            status if status.is_success() && is_stream => Got::Stream(incoming.body),
            StatusCode::NOT_FOUND if session.is_some() => Got::SessionUnknown,
            _ => Got::Nothing,
        })
    }

    /// Opens the session anew: the upstream has forgotten it.
    pub(super) async fn begin_anew(&self) -> Result<(), UpstreamFault> {
        self.renew(self.session.load_full()).await
    }

    /// Ends the session; an upstream that does not allow it is left as it is.
    pub(super) async fn close(&self) {
        let mut headers = HeaderMap::new();
        let Some(session) = self.session_headers(&mut headers) else { return };
        let request = wire::Outgoing { method: Method::DELETE, target: None, headers, body: Bytes::new() };
        // Whatever it answers, nothing more is wanted of it.
        let sent = self.courier.send(request, None, To::pinned(Some(session.pin())));
        let _ = tokio::time::timeout(POST_TIMEOUT, sent).await;
    }

    /// Reads one message of a stream; `token` is the request whose stream it is.
    pub(super) fn read(self: &Arc<Self>, data: Bytes, token: Option<u64>) -> Vec<Item> {
        let messages = match Message::parse(data.clone(), MAX_DEPTH) {
            Ok(message) => vec![message],
            Err(Malformed::Batch) => {
                jsonrpc::batch(data, MAX_DEPTH).unwrap_or_default().into_iter().flatten().collect()
            }
            Err(error) => {
                tracing::warn!(server = &*self.server, %error, "upstream sent what is no message");
                Vec::new()
            }
        };
        messages.into_iter().filter_map(|message| self.sort(message, token)).collect()
    }

    fn sort(self: &Arc<Self>, message: Message, token: Option<u64>) -> Option<Item> {
        match self.dialect.decode(message)? {
            Incoming::Answer(id, answer) if id.number() == token && token.is_some() => Some(Item::Answer(answer)),
            Incoming::Answer(..) => None,
            Incoming::Complaint(error) => token.map(|_| Item::Answer(Err(error))),
            Incoming::Progress(about, params) if about.unsigned() == token && token.is_some() => {
                Some(Item::Progress(params))
            }
            // A task goes on reporting after the call that made it was answered.
            Incoming::Progress(_, params) => {
                if legacy::task::related(&params).is_some() {
                    self.bus.publish(Notice::Progress(params));
                }
                None
            }
            Incoming::Notice(notice, subscription) => self.notice(notice, subscription.as_ref(), token),
            Incoming::Ask(id, kind, params) if token.is_some() => Some(Item::Ask(id, kind, params)),
            Incoming::Ask(id, kind, params) => {
                if let Err(refused) = self.owners.ask(id, kind, params) {
                    let (id, unanswered) = *refused;
                    self.post_in_return(legacy::back::answer(&id, &unanswered));
                }
                None
            }
            Incoming::Ping(id) => {
                self.post_in_return(legacy::back::pong(&id));
                None
            }
            Incoming::Unknown(id) => {
                self.post_in_return(legacy::back::unknown(&id));
                None
            }
            Incoming::Cancelled(id) if token.is_some() => Some(Item::Retract(id)),
            Incoming::Cancelled(id) => {
                self.owners.retract(&id);
                None
            }
        }
    }

    /// On a request's stream what belongs to the request stays; changes concern everybody.
    fn notice(&self, notice: Notice, subscription: Option<&Raw>, token: Option<u64>) -> Option<Item> {
        let is_change = matches!(notice, Notice::Changed(_) | Notice::Updated(..) | Notice::Task(_));
        match (token, &notice) {
            (Some(_), _) if subscription.is_some() || !is_change => return Some(Item::Notice(notice)),
            (None, Notice::Log(_, params)) => match self.owners.place(params) {
                Place::Call(mailbox) => self.bus.tell(&mailbox, Item::Notice(notice)),
                Place::Everybody => self.bus.publish(notice),
                Place::Nobody => (),
            },
            _ => self.bus.publish(notice),
        }
        None
    }
}
