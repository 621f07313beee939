//! Many calls over one stream of messages in each direction: stdio, and HTTP+SSE.
//!
//! Requests get numbers of this wire; answers and progress find their call by them. What names no call goes to the [`Bus`], or to the
//! call that [`Owners`] says.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::{
    era::{Incoming, Outgoing, Revision, legacy, modern},
    jsonrpc::{self, Id, MAX_DEPTH, Malformed, Message, Raw, one_line},
    mcp::{Answer, Notice, UpstreamFault},
};

use super::{
    bus::Bus,
    converse::Exchange,
    errand::{Dialect, Errand, Tasking},
    lost,
    mailbox::{Broken, Item, Mailbox},
    owners::{Owners, Place},
    post::Post,
    wire::stdio::{Ends, Pace},
};

/// The shared state of one wire.
pub(super) struct Mux {
    server: Arc<str>,
    post: Box<dyn Post>,
    dialect: OnceLock<Dialect>,
    bus: Arc<Bus>,
    owners: Owners,
    next: AtomicU64,
    calls: Mutex<Calls>,
    /// Set when `calls` has ended, to be seen without its lock.
    has_ended: AtomicBool,
    end: Notify,
    /// Messages that came.
    heard: AtomicU64,
    /// Lines in a row that were none.
    garbage: AtomicU32,
}

/// Lines that are no message which are skipped in a row: banners and logs of a server that prints where it should not.
const MAX_GARBAGE: u32 = 1000;

#[derive(Default)]
struct Calls {
    by_id: HashMap<u64, Waiting>,
    ended: Option<UpstreamFault>,
}

/// A request that is not answered yet.
struct Waiting {
    mailbox: Arc<Mailbox>,
    /// Whether it is a subscription: it waits for notices, and an answer only ends it.
    is_subscription: bool,
}

/// The call whose answer was lost hears of it.
fn too_large(lost: Option<Waiting>) {
    if let Some(call) = lost {
        let _ = call.mailbox.put(Item::Broken(UpstreamFault::TooLarge.into()));
    }
}

impl Mux {
    /// A wire whose first request gets the number `first`: those before it were used by a probe.
    pub(super) fn new(server: Arc<str>, post: Box<dyn Post>, owners: Owners, bus: Arc<Bus>, first: u64) -> Self {
        let next = AtomicU64::new(first);
        Self {
            server,
            post,
            dialect: OnceLock::new(),
            bus,
            owners,
            next,
            calls: Mutex::default(),
            has_ended: AtomicBool::new(false),
            end: Notify::new(),
            heard: AtomicU64::new(0),
            garbage: AtomicU32::new(0),
        }
    }

    pub(super) const fn owners(&self) -> &Owners {
        &self.owners
    }

    /// The next number of this wire.
    pub(super) fn next_token(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Settles what the other side speaks: once per wire, since a process keeps its era.
    pub(super) fn settle(&self, dialect: Dialect) {
        let _ = self.dialect.set(dialect);
    }

    /// Before it is settled, messages are read as a legacy server's: they have everything a modern one's have.
    fn dialect(&self) -> Dialect {
        self.dialect.get().cloned().unwrap_or(Dialect::Legacy(Revision::NEWEST_LEGACY))
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a client's request.
    pub(super) fn start(self: &Arc<Self>, errand: &Errand) -> Result<MuxExchange, UpstreamFault> {
        let is_short = errand.tasking.is_short();
        let standing = if is_short { Standing::Gateways } else { Standing::Clients(errand.tasking.awaited()) };
        let mut exchange = self.send(standing, |token| self.dialect().encode_bare(errand, token))?;
        // What becomes a task is not cancelled so (2025-11-25 basic/utilities/tasks).
        exchange.cancellable &= errand.tasking != Tasking::Wished;
        Ok(exchange)
    }

    /// Sends a request of the gateway's own.
    pub(super) fn start_own(
        self: &Arc<Self>,
        encode: impl FnOnce(u64) -> Outgoing,
    ) -> Result<MuxExchange, UpstreamFault> {
        self.send(Standing::Gateways, encode)
    }

    fn send(
        self: &Arc<Self>,
        standing: Standing<'_>,
        encode: impl FnOnce(u64) -> Outgoing,
    ) -> Result<MuxExchange, UpstreamFault> {
        let token = self.next_token();
        let outgoing = encode(token);
        let mailbox = Arc::new(Mailbox::default());
        let pace = {
            let mut calls = self.lock();
            if let Some(fault) = calls.ended {
                return Err(fault);
            }
            let is_subscription = outgoing.method == "subscriptions/listen";
            calls.by_id.insert(token, Waiting { mailbox: mailbox.clone(), is_subscription });
            // Who works on another request is not kept waiting by this one.
            if calls.by_id.len() == 1 { Pace::AtOnce } else { Pace::Together }
        };
        if let Standing::Clients(task) = standing {
            self.owners.enter(token, &mailbox, task);
        }
        // `initialize` is never cancelled (2025-11-25 basic/utilities/cancellation).
        let cancellable = outgoing.method != "initialize";
        let exchange = MuxExchange { mux: self.clone(), token, mailbox, finished: false, cancellable };
        let message = jsonrpc::request(&Id::from(token), &outgoing.method, outgoing.params.as_ref());
        match self.post.post(one_line(message), Some(token), pace) {
            Ok(()) => Ok(exchange),
            Err(fault) => {
                // What the other side never saw is not cancelled.
                self.lock().by_id.remove(&token);
                // Who does not read is not asked again.
                if fault == UpstreamFault::Gone {
                    self.end(fault);
                }
                Err(fault)
            }
        }
    }

    /// Sends a message that is no request.
    pub(super) fn post(&self, message: Bytes) -> Result<(), UpstreamFault> {
        self.post.post(one_line(message), None, Pace::AtOnce)
    }

    /// The wire broke: all calls end, each knowing whether it was sent, and no new one starts.
    pub(super) fn end(&self, fault: UpstreamFault) {
        let waiting = {
            let mut calls = self.lock();
            calls.ended.get_or_insert(fault);
            self.has_ended.store(true, Ordering::Release);
            std::mem::take(&mut calls.by_id)
        };
        let unsent = self.post.give_up();
        for (token, call) in waiting {
            let broken = if unsent.contains(&token) { Broken::unsent(fault) } else { fault.into() };
            let _ = call.mailbox.put(Item::Broken(broken));
        }
        self.end.notify_waiters();
    }

    /// Whether the wire broke.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Ready when the wire broke: why.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn ended(&self) -> UpstreamFault {
        loop {
            let mut end = std::pin::pin!(self.end.notified());
            end.as_mut().enable();
            let ended = self.lock().ended;
            match ended {
                Some(fault) => return fault,
                None => end.await,
            }
        }
    }

    /// How many messages came so far.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Whether a request waits for its answer.
    pub(super) fn is_awaited(&self) -> bool {
        self.lock().by_id.values().any(|call| !call.is_subscription)
    }

    /// Whether it said nothing that was a message for too long.
    pub(super) fn is_babbling(&self) -> bool {
        self.garbage.load(Ordering::Relaxed) > MAX_GARBAGE
    }

    /// A line beyond the limit is dropped. It is the answer that its ends name, else the only one that is awaited. Where nobody can tell,
    /// its end may; else the call runs into its timeout.
    pub(super) fn lost_a_line(&self, ends: &Ends) {
        let mut calls = self.lock();
        let mut awaited = calls.by_id.iter().filter(|(_, call)| !call.is_subscription).map(|(token, _)| *token);
        let only = awaited.next().filter(|_| awaited.next().is_none());
        let lost = lost::answered(ends).or(only).and_then(|token| calls.by_id.remove(&token));
        drop(calls);
        too_large(lost);
    }

    /// Such a line has come to its end.
    pub(super) fn passed_a_line(&self, ends: &Ends) {
        let lost = lost::answered(ends).and_then(|token| self.lock().by_id.remove(&token));
        too_large(lost);
    }

    /// Takes one line that arrived; a 2025-03-26 server may batch.
    pub(super) fn receive(&self, line: Bytes) {
        match Message::parse(line.clone(), MAX_DEPTH) {
            Ok(message) => {
                self.count_message();
                self.route(message);
            }
            Err(Malformed::Batch) => {
                self.count_message();
                for message in jsonrpc::batch(line, MAX_DEPTH).unwrap_or_default().into_iter().flatten() {
                    self.route(message);
                }
            }
            Err(error) if self.garbage.fetch_add(1, Ordering::Relaxed) == 0 => {
                tracing::warn!(server = &*self.server, %error, "upstream sent a line that is no message");
            }
            // Once is enough to know it.
            Err(error) => tracing::debug!(server = &*self.server, %error, "upstream sent a line that is no message"),
        }
    }

    /// One reader counts: plain stores do.
    fn count_message(&self) {
        self.heard.store(self.heard.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.garbage.store(0, Ordering::Relaxed);
    }

    fn route(&self, message: Message) {
        match self.dialect().decode(message) {
            Some(Incoming::Answer(id, answer)) => self.finish(&id, Item::Answer(answer)),
            Some(Incoming::Complaint(error)) => {
                tracing::warn!(server = &*self.server, code = error.code, "upstream complains of a message unnamed");
            }
            Some(Incoming::Progress(token, params)) => self.progress(token.unsigned(), params),
            Some(Incoming::Notice(notice, Some(id))) => self.deliver(id.unsigned(), Item::Notice(notice)),
            Some(Incoming::Notice(notice, None)) => self.notice(notice),
            Some(Incoming::Ask(id, kind, params)) => {
                if let Err(refused) = self.owners.ask(id, kind, params) {
                    let (id, unanswered) = *refused;
                    self.reply(legacy::back::answer(&id, &unanswered));
                }
            }
            Some(Incoming::Ping(id)) => self.reply(legacy::back::pong(&id)),
            Some(Incoming::Unknown(id)) => self.reply(legacy::back::unknown(&id)),
            Some(Incoming::Cancelled(id)) if self.owners.retract(&id) => (),
            // The end of a subscription of ours (2026-07-28 basic/patterns/subscriptions, Graceful Closure).
            Some(Incoming::Cancelled(id)) => self.finish(&id, Item::Broken(UpstreamFault::Gone.into())),
            None => tracing::debug!(server = &*self.server, "upstream sent a message that means nothing here"),
        }
    }

    /// An answer finds its call once; a second one, and one that nobody waits for, is dropped.
    fn finish(&self, id: &Id, item: Item) {
        let call = id.number().and_then(|token| self.lock().by_id.remove(&token));
        match call {
            Some(call) => drop(call.mailbox.put(item)),
            None => tracing::debug!(server = &*self.server, id = id.raw().as_str(), "nobody waits for this answer"),
        }
    }

    fn mailbox(&self, token: Option<u64>) -> Option<Arc<Mailbox>> {
        token.and_then(|token| self.lock().by_id.get(&token).map(|call| call.mailbox.clone()))
    }

    fn deliver(&self, token: Option<u64>, item: Item) {
        if let Some(mailbox) = self.mailbox(token) {
            self.bus.tell(&mailbox, item);
        }
    }

    /// A task goes on reporting after the call that made it was answered.
    fn progress(&self, token: Option<u64>, params: Raw) {
        match self.mailbox(token) {
            Some(mailbox) => self.bus.tell(&mailbox, Item::Progress(params)),
            None if legacy::task::related(&params).is_some() => self.bus.publish(Notice::Progress(params)),
            None => (),
        }
    }

    fn notice(&self, notice: Notice) {
        match &notice {
            Notice::Log(_, params) => match self.owners.place(params) {
                Place::Call(mailbox) => self.bus.tell(&mailbox, Item::Notice(notice)),
                Place::Everybody => self.bus.publish(notice),
                Place::Nobody => (),
            },
            Notice::Elicited(params, _) => match self.owners.visitor(params) {
                Some(mailbox) => self.bus.tell(&mailbox, Item::Notice(notice)),
                None => self.bus.publish(notice),
            },
            _ => self.bus.publish(notice),
        }
    }

    fn reply(&self, message: Bytes) {
        if self.post(message).is_err() {
            tracing::debug!(server = &*self.server, "upstream is gone before an answer could be sent");
        }
    }
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing<'a> {
    /// A client's: questions and log messages may belong to it, and so do those of the task whose end it waits for.
    Clients(Option<&'a str>),
    /// The gateway's own.
    Gateways,
}

/// One request on the wire. Dropping it before the answer cancels it.
pub(super) struct MuxExchange {
    mux: Arc<Mux>,
    token: u64,
    mailbox: Arc<Mailbox>,
    finished: bool,
    cancellable: bool,
}

impl Exchange for MuxExchange {
    async fn next(&mut self) -> Item {
        let item = self.mailbox.take().await;
        self.finished |= matches!(item, Item::Answer(_) | Item::Broken(_));
        item
    }

    fn answer(&mut self, id: Id, answer: Answer) {
        self.mux.owners.answered(&id);
        self.mux.reply(legacy::back::answer(&id, &answer));
    }

    fn dialect(&self) -> Dialect {
        self.mux.dialect()
    }
}

impl Drop for MuxExchange {
    fn drop(&mut self) {
        for (id, unanswered) in self.mux.owners.leave(self.token) {
            self.mux.reply(legacy::back::answer(&id, &unanswered));
        }
        if self.finished {
            return;
        }
        let was_waiting = self.mux.lock().by_id.remove(&self.token).is_some();
        if was_waiting && self.cancellable {
            let (method, params) = modern::back::cancelled(&Id::from(self.token));
            self.mux.reply(jsonrpc::notification(method, Some(&params)));
        }
    }
}
