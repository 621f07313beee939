//! Streamable HTTP towards one upstream, in either era: every request is a POST of its own, and its answer comes back on it.
//!
//! A legacy session is opened by the handshake, named in each request, and opened anew when the upstream has forgotten it (404: the
//! request was not processed, so it is sent again). A stream that ends before the answer is taken up where it broke when the
//! upstream gave its events ids (2025-11-25 basic/transports, Resumability).

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::task::JoinSet;

use crate::{
    era::{Incoming, Outgoing, legacy},
    jsonrpc::{self, ErrorObject, Id, MAX_DEPTH, Malformed, Message, Raw},
    mcp::{Notice, Principal, Profile, UpstreamFault},
};

use super::{
    bus::Bus,
    credential::{Courier, unreachable},
    errand::{Dialect, Errand, Tasking},
    http_exchange::HttpExchange,
    mailbox::{Item, Mailbox},
    owners::{Attribution, Owners, Place},
    wire::http::{self as wire, Body},
};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How long a message that wants no answer may take.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest error body that is read for its JSON-RPC error.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// One upstream endpoint, and the legacy session on it if there is one.
pub(super) struct Streamable {
    pub(super) server: Arc<str>,
    pub(super) courier: Arc<Courier>,
    dialect: Dialect,
    profile: Profile,
    session: ArcSwapOption<HeaderValue>,
    renewal: tokio::sync::Mutex<()>,
    bus: Arc<Bus>,
    owners: Owners,
    next: AtomicU64,
    max_message_bytes: usize,
    /// Messages on their way that nobody waits for; they end with this.
    posts: Mutex<JoinSet<()>>,
}

/// What an upstream answered to a POST.
#[expect(clippy::large_enum_variant, reason = "moved once, where it is made")]
pub(super) enum Posted {
    /// One message, or what should be one.
    Whole(StatusCode, Bytes),
    /// Messages still arriving.
    Stream(Body),
    /// Nothing.
    Empty,
    /// The session is not known (any more).
    SessionUnknown,
}

/// An answer and the session that came with it.
pub(super) struct Opened {
    pub(super) posted: Posted,
    pub(super) session: Option<HeaderValue>,
}

/// Sends one POST in the name of `by`, or of the group's principal.
pub(super) async fn post(
    courier: &Courier,
    body: Bytes,
    headers: HeaderMap,
    max_message_bytes: usize,
    by: Option<&Principal>,
) -> Result<Opened, UpstreamFault> {
    let had_session = headers.contains_key(SESSION_ID);
    let request = wire::Outgoing { method: Method::POST, target: None, headers, body };
    let incoming = courier.send(request, by).await?;
    let session = incoming.headers.get(SESSION_ID).cloned();
    let is_stream = media_type(&incoming.headers) == Some("text/event-stream");
    let posted = match incoming.status {
        StatusCode::NOT_FOUND if had_session => Posted::SessionUnknown,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(UpstreamFault::Unauthorized),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => return Err(UpstreamFault::Overloaded),
        StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Posted::Empty,
        status if status.is_success() && is_stream => Posted::Stream(incoming.body),
        status => {
            let limit = if status.is_success() { max_message_bytes } else { MAX_ERROR_BYTES };
            Posted::Whole(status, incoming.body.collect(limit).await.map_err(|fault| unreachable(&fault))?)
        }
    };
    Ok(Opened { posted, session })
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next().map(str::trim)
}

/// The headers of every POST.
pub(super) fn post_headers(outgoing: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(outgoing.len() + 4);
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::ACCEPT, BOTH);
    for (name, value) in outgoing {
        headers.append(name.clone(), value.clone());
    }
    headers
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
            courier,
            dialect,
            owners: Owners::new(attribution, profile.clone()),
            profile,
            session: ArcSwapOption::empty(),
            renewal: tokio::sync::Mutex::new(()),
            bus,
            next: AtomicU64::new(1),
            max_message_bytes,
            posts: Mutex::default(),
        }
    }

    /// Settles the session that the handshake opened.
    pub(super) fn enter(&self, session: Option<HeaderValue>) {
        self.session.store(session.map(Arc::new));
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

    fn session_headers(&self, headers: &mut HeaderMap) -> Option<Arc<HeaderValue>> {
        if let Dialect::Legacy(revision) = &self.dialect {
            headers.insert(VERSION, HeaderValue::from_static(revision.name()));
        }
        let session = self.session.load_full();
        if let Some(session) = &session {
            headers.insert(SESSION_ID, HeaderValue::clone(session));
        }
        session
    }

    /// Sends one request; a session that the upstream has forgotten is opened anew, once.
    pub(super) async fn post_request(
        &self,
        body: Bytes,
        extra: &[(HeaderName, HeaderValue)],
        by: Option<&Principal>,
    ) -> Result<Posted, UpstreamFault> {
        for _ in 0..2 {
            let mut headers = post_headers(extra);
            let session = self.session_headers(&mut headers);
            match post(&self.courier, body.clone(), headers, self.max_message_bytes, by).await?.posted {
                Posted::SessionUnknown => self.renew(session).await?,
                posted => return Ok(posted),
            }
        }
        Err(UpstreamFault::Gone)
    }

    /// Opens the session anew unless somebody else just did.
    async fn renew(&self, forgotten: Option<Arc<HeaderValue>>) -> Result<(), UpstreamFault> {
        let _turn = self.renewal.lock().await;
        if self.session.load_full() != forgotten {
            return Ok(());
        }
        tracing::info!(server = &*self.server, "upstream has forgotten the session; opening another");
        let (session, _) = initialize(&self.courier, &self.profile, self.max_message_bytes).await?;
        self.enter(session);
        self.post_message(legacy::back::initialized()).await?;
        self.bus.publish_gap();
        Ok(())
    }

    /// Sends a message that wants no answer.
    pub(super) async fn post_message(&self, message: Bytes) -> Result<(), UpstreamFault> {
        let mut headers = post_headers(&[]);
        self.session_headers(&mut headers);
        let sent = post(&self.courier, message, headers, self.max_message_bytes, None);
        tokio::time::timeout(POST_TIMEOUT, sent).await.map_err(|_| UpstreamFault::Timeout)?.map(drop)
    }

    /// Sends a message that wants no answer while somebody does something else.
    pub(super) fn post_aside(self: &Arc<Self>, message: Bytes) {
        let this = Arc::downgrade(self);
        let mut posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
        while posts.try_join_next().is_some() {}
        posts.spawn(async move {
            let Some(this) = this.upgrade() else { return };
            if let Err(fault) = this.post_message(message).await {
                tracing::debug!(server = &*this.server, %fault, "a message to an upstream was lost");
            }
        });
    }

    /// Opens a stream by GET: the session's own, or one that broke.
    pub(super) async fn get(&self, last_event_id: Option<&Bytes>) -> Result<Option<Body>, UpstreamFault> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, STREAM);
        self.session_headers(&mut headers);
        if let Some(value) = last_event_id.and_then(|id| HeaderValue::from_bytes(id).ok()) {
            headers.insert(LAST_EVENT_ID, value);
        }
        let request = wire::Outgoing { method: Method::GET, target: None, headers, body: Bytes::new() };
        let incoming = self.courier.send(request, None).await?;
        let is_stream = media_type(&incoming.headers) == Some("text/event-stream");
        Ok((incoming.status.is_success() && is_stream).then_some(incoming.body))
    }

    /// Ends the session; an upstream that does not allow it is left as it is.
    pub(super) async fn close(&self) {
        let Some(_) = self.session.load_full() else { return };
        let mut headers = HeaderMap::new();
        self.session_headers(&mut headers);
        let request = wire::Outgoing { method: Method::DELETE, target: None, headers, body: Bytes::new() };
        // Whatever it answers, nothing more is wanted of it.
        let _ = tokio::time::timeout(POST_TIMEOUT, self.courier.send(request, None)).await;
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
                    self.post_aside(legacy::back::answer(&id, &unanswered));
                }
                None
            }
            Incoming::Ping(id) => {
                self.post_aside(legacy::back::pong(&id));
                None
            }
            Incoming::Unknown(id) => {
                self.post_aside(legacy::back::unknown(&id));
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

/// The legacy handshake: the session it opens, and what the server answers.
pub(super) async fn initialize(
    courier: &Courier,
    profile: &Profile,
    max_message_bytes: usize,
) -> Result<(Option<HeaderValue>, Result<Raw, ErrorObject>), UpstreamFault> {
    let outgoing = legacy::back::initialize(profile);
    let body = jsonrpc::request(&Id::from(0), &outgoing.method, outgoing.params.as_ref());
    let opened = post(courier, body, post_headers(&outgoing.headers), max_message_bytes, None).await?;
    let answer = first_answer(opened.posted, &Id::from(0), max_message_bytes).await?;
    Ok((opened.session, answer))
}

/// The answer in a POST's content, whatever its form.
pub(super) async fn first_answer(
    posted: Posted,
    id: &Id,
    _max_message_bytes: usize,
) -> Result<Result<Raw, ErrorObject>, UpstreamFault> {
    let judge = |data: Bytes| match Message::parse(data, MAX_DEPTH).map(legacy::back::decode) {
        Ok(Some(Incoming::Answer(answered, answer))) if answered == *id => Some(answer),
        Ok(Some(Incoming::Complaint(error))) => Some(Err(error)),
        _ => None,
    };
    match posted {
        Posted::Whole(status, data) => judge(data).ok_or(if status.is_server_error() {
            UpstreamFault::Unavailable
        } else {
            UpstreamFault::Garbled
        }),
        Posted::Stream(mut body) => {
            while let Some(event) = body.next_event().await.map_err(|fault| unreachable(&fault))? {
                if let Some(answer) = judge(event.data) {
                    return Ok(answer);
                }
            }
            Err(UpstreamFault::Gone)
        }
        Posted::Empty | Posted::SessionUnknown => Err(UpstreamFault::Garbled),
    }
}
