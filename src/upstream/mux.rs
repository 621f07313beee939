//! Many calls over one stream of messages in each direction: stdio, and HTTP+SSE.
//!
//! Requests get numbers of this wire; answers and progress find their call by them. What names no call goes to the [`Bus`], except for a
//! question and a log message of a legacy server: those belong to the call in flight when there can be no doubt which one
//! ([`Attribution`]), and to nobody otherwise, since a guess would show one user's prompt to another.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use crate::{
    era::{Incoming, legacy, modern},
    jsonrpc::{self, Id, MAX_DEPTH, Message, Raw, one_line},
    mcp::{Answer, AskKind, Notice, UpstreamFault},
};

use super::{
    bus::Bus,
    converse::Exchange,
    errand::{Dialect, Errand},
    mailbox::{Item, Mailbox},
};

/// To whom a message without a name belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribution {
    /// To nobody, whoever calls: the wire is shared by principals.
    Nobody,
    /// To the only call in flight, if there is just one.
    OnlyCall,
    /// To the newest call in flight: they all are of one client session.
    NewestCall,
}

/// Carries lines to the other side without waiting.
pub(super) trait Post: Send + Sync {
    /// Sends one message.
    fn post(&self, message: Bytes) -> Result<(), UpstreamFault>;
}

/// Questions kept until a call comes that they can be attached to.
const MAX_EARLY_ASKS: usize = 16;

/// The shared state of one wire.
pub(super) struct Mux {
    post: Box<dyn Post>,
    dialect: OnceLock<Dialect>,
    attribution: Attribution,
    bus: Arc<Bus>,
    next: AtomicU64,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    by_id: HashMap<u64, Call>,
    early_asks: VecDeque<(Id, AskKind, Option<Raw>)>,
    ended: Option<UpstreamFault>,
}

struct Call {
    mailbox: Arc<Mailbox>,
    /// A client's call, not an errand of the gateway's own.
    is_clients: bool,
    asks: Vec<Id>,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A client's: questions and log messages may belong to it.
    Client,
    /// The gateway's own.
    Gateway,
}

impl Mux {
    pub(super) fn new(post: Box<dyn Post>, attribution: Attribution, bus: Arc<Bus>) -> Self {
        Self { post, dialect: OnceLock::new(), attribution, bus, next: AtomicU64::new(1), calls: Mutex::default() }
    }

    /// Settles what the other side speaks; before that only answers are understood.
    pub(super) fn settle(&self, dialect: Dialect) {
        // Settled once per wire: an era is fixed for the life of a process.
        let _ = self.dialect.set(dialect);
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dialect(&self) -> Dialect {
        self.dialect.get().cloned().unwrap_or(Dialect::Legacy(crate::era::Revision::NEWEST_LEGACY))
    }

    /// Sends a request.
    pub(super) fn start(self: &Arc<Self>, errand: &Errand, origin: Origin) -> Result<MuxExchange, UpstreamFault> {
        let token = self.next.fetch_add(1, Ordering::Relaxed);
        let outgoing = self.dialect().encode(errand, token);
        self.send_request(token, &outgoing.method, outgoing.params.as_ref(), origin)
    }

    /// Sends a request that is written already but for its id.
    pub(super) fn start_encoded(self: &Arc<Self>, encode: impl FnOnce(u64) -> crate::era::Outgoing) -> Result<MuxExchange, UpstreamFault> {
        let token = self.next.fetch_add(1, Ordering::Relaxed);
        let outgoing = encode(token);
        self.send_request(token, &outgoing.method, outgoing.params.as_ref(), Origin::Gateway)
    }

    fn send_request(self: &Arc<Self>, token: u64, method: &str, params: Option<&Raw>, origin: Origin) -> Result<MuxExchange, UpstreamFault> {
        let mailbox = Arc::new(Mailbox::default());
        let is_clients = origin == Origin::Client;
        {
            let mut calls = self.lock();
            if let Some(fault) = calls.ended {
                return Err(fault);
            }
            calls.by_id.insert(token, Call { mailbox: mailbox.clone(), is_clients, asks: Vec::new() });
            if is_clients && self.attribution != Attribution::Nobody {
                while let Some((id, kind, params)) = calls.early_asks.pop_front() {
                    let _ = mailbox.put(Item::Ask(id, kind, params));
                }
            }
        }
        let exchange = MuxExchange { mux: self.clone(), token, mailbox, finished: false, never_cancel: method == "initialize" };
        self.post(jsonrpc::request(&Id::from(token), method, params))?;
        Ok(exchange)
    }

    /// Sends a message that is no request.
    pub(super) fn post(&self, message: Bytes) -> Result<(), UpstreamFault> {
        self.post.post(one_line(message))
    }

    /// The wire broke: all calls end, and no new one starts.
    pub(super) fn end(&self, fault: UpstreamFault) {
        let calls = {
            let mut calls = self.lock();
            calls.ended.get_or_insert(fault);
            std::mem::take(&mut calls.by_id)
        };
        for call in calls.into_values() {
            let _ = call.mailbox.put(Item::Broken(fault));
        }
    }

    /// Whether the wire broke.
    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended.is_some()
    }

    /// How many of the clients' calls are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.lock().by_id.values().filter(|call| call.is_clients).count()
    }

    /// Takes one message that arrived.
    pub(super) fn receive(&self, server: &str, line: Bytes) {
        let messages = match Message::parse(line.clone(), MAX_DEPTH) {
            Ok(message) => vec![Ok(message)],
            // A 2025-03-26 server may batch.
            Err(jsonrpc::Malformed::Batch) => jsonrpc::batch(line, MAX_DEPTH).unwrap_or_default(),
            Err(error) => vec![Err(error)],
        };
        for message in messages {
            match message {
                Ok(message) => self.route(message),
                Err(error) => tracing::warn!(server, %error, "upstream sent a line that is no message"),
            }
        }
    }

    fn route(&self, message: Message) {
        match self.dialect().decode(message) {
            Some(Incoming::Answer(id, answer)) => self.finish(&id, Item::Answer(answer)),
            Some(Incoming::Complaint(error)) => tracing::warn!(code = error.code, "upstream complains about a message without naming it"),
            Some(Incoming::Progress(token, params)) => self.deliver(token.unsigned(), Item::Progress(params)),
            Some(Incoming::Notice(notice, Some(subscription))) => self.deliver(subscription.unsigned(), Item::Notice(notice)),
            Some(Incoming::Notice(notice, None)) => self.notice(notice),
            Some(Incoming::Ask(id, kind, params)) => self.ask(id, kind, params),
            Some(Incoming::Ping(id)) => self.reply(legacy::back::pong(&id)),
            Some(Incoming::Unknown(id)) => self.reply(legacy::back::unknown(&id)),
            Some(Incoming::Cancelled(id)) => self.cancelled(&id),
            None => tracing::debug!("upstream sent a message that means nothing here"),
        }
    }

    /// An answer finds its call once; a second one, and one that nobody waits for, is dropped.
    fn finish(&self, id: &Id, item: Item) {
        let call = id.number().and_then(|token| self.lock().by_id.remove(&token));
        match call {
            Some(call) => drop(call.mailbox.put(item)),
            None => tracing::debug!(id = id.raw().as_str(), "upstream answered a request that is not in flight"),
        }
    }

    fn deliver(&self, token: Option<u64>, item: Item) {
        let mailbox = token.and_then(|token| self.lock().by_id.get(&token).map(|call| call.mailbox.clone()));
        if let Some(mailbox) = mailbox {
            let _ = mailbox.put(item);
        }
    }

    fn notice(&self, notice: Notice) {
        match notice {
            Notice::Log(..) => match self.owner(None) {
                Some(mailbox) => drop(mailbox.put(Item::Notice(notice))),
                None if self.attribution == Attribution::Nobody => (),
                None => self.bus.publish(notice),
            },
            notice => self.bus.publish(notice),
        }
    }

    /// The call that a message without a name belongs to; remembers a question's id with it.
    fn owner(&self, ask: Option<&Id>) -> Option<Arc<Mailbox>> {
        let mut calls = self.lock();
        let tokens = calls.by_id.iter().filter(|(_, call)| call.is_clients).map(|(token, _)| *token);
        let token = match self.attribution {
            Attribution::Nobody => return None,
            Attribution::NewestCall => tokens.max()?,
            Attribution::OnlyCall => {
                let mut tokens = tokens;
                let only = tokens.next()?;
                if tokens.next().is_some() {
                    return None;
                }
                only
            }
        };
        let call = calls.by_id.get_mut(&token)?;
        call.asks.extend(ask.cloned());
        Some(call.mailbox.clone())
    }

    fn ask(&self, id: Id, kind: AskKind, params: Option<Raw>) {
        if let Some(mailbox) = self.owner(Some(&id)) {
            let _ = mailbox.put(Item::Ask(id, kind, params));
            return;
        }
        let mut calls = self.lock();
        let is_idle = !calls.by_id.values().any(|call| call.is_clients);
        if self.attribution != Attribution::Nobody && is_idle && calls.early_asks.len() < MAX_EARLY_ASKS {
            calls.early_asks.push_back((id, kind, params));
            return;
        }
        drop(calls);
        tracing::warn!(question = kind.method(), "upstream asks a question that belongs to no single call");
        self.reply(legacy::back::answer(&id, &legacy::back::unattributable(kind)));
    }

    /// The upstream withdraws a question, or ends one of our subscriptions.
    fn cancelled(&self, id: &Id) {
        let mut calls = self.lock();
        calls.early_asks.retain(|(asked, _, _)| asked != id);
        let asked = calls.by_id.values_mut().find(|call| call.asks.contains(id)).map(|call| call.mailbox.clone());
        drop(calls);
        match asked {
            Some(mailbox) => drop(mailbox.put(Item::Retract(id.clone()))),
            None => self.finish(id, Item::Broken(UpstreamFault::Gone)),
        }
    }

    fn reply(&self, message: Bytes) {
        if self.post(message).is_err() {
            tracing::debug!("upstream is gone before an answer could be sent");
        }
    }
}

/// One request on the wire. Dropping it before the answer cancels it.
pub(super) struct MuxExchange {
    mux: Arc<Mux>,
    token: u64,
    mailbox: Arc<Mailbox>,
    finished: bool,
    /// `initialize` is never cancelled (2025-11-25 basic/utilities/cancellation).
    never_cancel: bool,
}

impl Exchange for MuxExchange {
    async fn next(&mut self) -> Item {
        let item = self.mailbox.take().await;
        self.finished |= matches!(item, Item::Answer(_) | Item::Broken(_));
        item
    }

    fn answer(&mut self, id: Id, answer: Answer) {
        self.mux.reply(legacy::back::answer(&id, &answer));
    }

    fn dialect(&self) -> Dialect {
        self.mux.dialect()
    }
}

impl Drop for MuxExchange {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let call = self.mux.lock().by_id.remove(&self.token);
        if call.is_some() && !self.never_cancel {
            let (method, params) = modern::back::cancelled(&Id::from(self.token));
            self.mux.reply(jsonrpc::notification(method, Some(&params)));
        }
    }
}
