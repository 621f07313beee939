//! Hearing of changes: the session's own stream of a legacy HTTP server, and the subscription on a modern one.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{sync::watch, time::sleep};

use crate::{
    era::modern,
    mcp::{Filter, Notice, Offer, Profile, ProgressInterest},
};

use super::{
    any_exchange::AnyExchange,
    bus::Bus,
    converse::Exchange,
    mailbox::Item,
    opening::gateway_caller,
    peer::Peer,
    posting::Got,
    streamable::Streamable,
    wishes::{Wanted, Wishes},
};

/// Waits between attempts: doubled from the first to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Waits longer each time.
struct Backoff(Duration);

impl Backoff {
    const fn new() -> Self {
        Self(BACKOFF.0)
    }

    async fn wait(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(BACKOFF.1);
    }
}

/// Follows the stream that a legacy session has of its own, and opens it again when it breaks, or when the session was opened anew. A
/// server that has none answers so once and is left alone.
pub(super) async fn session_stream(http: Arc<Streamable>, bus: Arc<Bus>, opened: watch::Sender<bool>) {
    let mut renewals = http.renewals();
    let http = { Arc::downgrade(&http) };
    let (mut backoff, mut last, mut is_first, mut has_one) = (Backoff::new(), None, true, false);
    while let Some(wire) = http.upgrade() {
        if renewals.has_changed().unwrap_or(false) {
            renewals.mark_unchanged();
            last = None;
        }
        match wire.get(last.as_ref()).await {
            Ok(Got::Stream(mut body)) => {
                if !std::mem::replace(&mut is_first, false) && last.is_none() {
                    bus.publish_gap();
                }
                has_one = true;
                opened.send_replace(true);
                loop {
                    let event = tokio::select! {
                        event = body.next_event() => event,
                        // What is said from now on is said on the new one's.
                        Ok(()) = renewals.changed() => break,
                    };
                    let Ok(Some(event)) = event else { break };
                    last = event.id.or(last);
                    if !event.data.is_empty() {
                        backoff = Backoff::new();
                        drop(wire.read(event.data, None));
                    }
                }
            }
            // One that knows no such streams may say so with the same words as one that has forgotten the session.
            Ok(Got::SessionUnknown) if std::mem::replace(&mut has_one, false) => drop(wire.begin_anew().await),
            Ok(Got::SessionUnknown | Got::Nothing) => {
                opened.send_replace(true);
                return;
            }
            Err(_) => drop(opened.send_replace(true)),
        }
        drop(wire);
        backoff.wait().await;
    }
}

/// Keeps one subscription on a modern server for all who listen. A filter cannot be changed, so another wish opens a new
/// subscription before the old one is closed.
pub(super) async fn subscription(peer: Weak<Peer>, bus: Arc<Bus>, wishes: Arc<Wishes>) {
    let _turn = wishes.turn.lock().await;
    let mut wanted = wishes.follow();
    let (mut backoff, mut is_first) = (Backoff::new(), true);
    let mut current: Option<AnyExchange> = None;
    loop {
        let Some(live) = peer.upgrade().filter(|peer| peer.is_alive()) else { return };
        let (generation, filter) = filter(&live.greeting.offer, &wanted.borrow_and_update());
        let opened = open(&live, &filter).await;
        drop(live);
        match opened {
            Some((exchange, granted)) => {
                if !std::mem::replace(&mut is_first, false) && current.is_none() {
                    bus.publish_gap();
                }
                backoff = Backoff::new();
                if let Some(old) = current.replace(exchange) {
                    hear_out(old, &bus).await;
                }
                wishes.grant(generation, granted);
            }
            None => {
                wishes.grant(generation, Filter::default());
                backoff.wait().await;
                continue;
            }
        }
        if let Some(exchange) = &mut current
            && follow(exchange, &bus, &mut wanted).await == Followed::Ended
        {
            current = None;
            backoff.wait().await;
        }
    }
}

fn filter(offer: &Offer, wanted: &Wanted) -> (u64, Filter) {
    let uris = if offer.subscribe { wanted.uris().cloned().collect() } else { Vec::new() };
    let filter = Filter {
        tools: offer.tools_changed,
        prompts: offer.prompts_changed,
        resources: offer.resources_changed,
        uris,
        // Each listener follows its tasks on its own, in `group::tasks`.
        task_ids: Vec::new(),
    };
    (wanted.generation(), filter)
}

/// The subscription and what of it was granted.
async fn open(peer: &Peer, filter: &Filter) -> Option<(AnyExchange, Filter)> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let caller = gateway_caller(&Profile::default());
    let encode =
        |token| modern::back::Encode { caller: &caller, progress: ProgressInterest::Unwanted, token }.listen(filter);
    let mut exchange = peer.start_own(encode).ok()?;
    match tokio::time::timeout(PATIENCE, exchange.next()).await {
        Ok(Item::Notice(Notice::Acknowledged(granted))) => Some((exchange, granted)),
        _ => None,
    }
}

/// What was said on the old subscription before the new one stood is told, too.
async fn hear_out(mut old: AnyExchange, bus: &Bus) {
    const LATE: Duration = Duration::from_millis(10);
    while let Ok(Item::Notice(notice)) = tokio::time::timeout(LATE, old.next()).await {
        bus.publish(notice);
    }
}

#[derive(PartialEq, Eq)]
enum Followed {
    Ended,
    OtherWishes,
}

async fn follow(exchange: &mut AnyExchange, bus: &Bus, wanted: &mut watch::Receiver<Wanted>) -> Followed {
    loop {
        tokio::select! {
            item = exchange.next() => match item {
                Item::Notice(notice) => bus.publish(notice),
                Item::Answer(_) | Item::Broken(_) => return Followed::Ended,
                _ => (),
            },
            changed = wanted.changed() => return if changed.is_ok() { Followed::OtherWishes } else { Followed::Ended },
        }
    }
}
