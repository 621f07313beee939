//! One request over Streamable HTTP, from its POST to its answer.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;

use crate::{
    era::{Outgoing, legacy},
    jsonrpc::{self, Id},
    mcp::{Answer, Notice, Principal, UpstreamFault},
    sse::Event,
};

use super::{
    converse::Exchange,
    credential::unreachable,
    errand::Dialect,
    mailbox::{Broken, Item, Mailbox},
    posting::{Got, Posted},
    streamable::Streamable,
    wire::http::Body,
};

/// How long to wait before a stream is taken up again when the upstream does not say.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);
/// How long it is waited at the most, whatever the upstream says.
const MAX_RETRY: Duration = Duration::from_secs(30);
/// How often in a row a stream is taken up again without a message in between.
const MAX_RESUMPTIONS: u32 = 5;

type Sending = Pin<Box<dyn Future<Output = Result<Posted, Broken>> + Send>>;

/// One request in flight. Dropping it closes its stream, and tells a legacy upstream that it is cancelled.
pub(super) struct HttpExchange {
    wire: Arc<Streamable>,
    token: u64,
    step: Step,
    items: VecDeque<Item>,
    mailbox: Option<Arc<Mailbox>>,
    last_event_id: Option<Bytes>,
    retry: Duration,
    resumptions: u32,
    is_over: bool,
    is_cancellable: bool,
}

#[expect(
    clippy::large_enum_variant,
    reason = "one for each call in flight; a box would cost each of them an allocation"
)]
enum Step {
    Sending(Sending),
    Streaming(Body),
    Over,
}

impl HttpExchange {
    /// A request in the name of `by`, or of the group's principal where it is the gateway's own.
    pub(super) fn new(
        wire: Arc<Streamable>,
        token: u64,
        outgoing: Outgoing,
        mailbox: Option<Arc<Mailbox>>,
        by: Option<Principal>,
    ) -> Self {
        let body = jsonrpc::request(&Id::from(token), &outgoing.method, outgoing.params.as_ref());
        let sender = wire.clone();
        let sending = Box::pin(async move { sender.post_request(body, &outgoing.headers, by.as_ref()).await });
        Self {
            wire,
            token,
            step: Step::Sending(sending),
            items: VecDeque::new(),
            mailbox,
            last_event_id: None,
            retry: DEFAULT_RETRY,
            resumptions: 0,
            is_over: false,
            is_cancellable: true,
        }
    }

    /// The same, but that the upstream hears nothing when it is dropped.
    pub(super) fn uncancellable(mut self) -> Self {
        self.is_cancellable = false;
        self
    }

    /// Moves on until there is something to say.
    async fn advance(&mut self) -> Item {
        loop {
            if let Some(item) = self.items.pop_front() {
                return item;
            }
            match &mut self.step {
                Step::Sending(sending) => {
                    let posted = sending.as_mut().await;
                    self.begin(posted);
                }
                Step::Streaming(body) => {
                    let event = body.next_event().await;
                    match event {
                        Ok(Some(event)) => self.event(event),
                        Ok(None) => self.broke(UpstreamFault::Gone),
                        Err(fault) => self.broke(unreachable(&fault)),
                    }
                }
                Step::Over => return Item::Broken(UpstreamFault::Gone.into()),
            }
        }
    }

    fn begin(&mut self, posted: Result<Posted, Broken>) {
        self.step = Step::Over;
        match posted {
            Ok(Posted::Stream(body)) => self.step = Step::Streaming(body),
            Ok(Posted::Whole(status, data)) => self.whole(status, data),
            Ok(Posted::Empty | Posted::SessionUnknown) => {
                self.items.push_back(Item::Broken(UpstreamFault::Garbled.into()));
            }
            Err(broken) => self.items.push_back(Item::Broken(broken)),
        }
    }

    fn whole(&mut self, status: StatusCode, data: Bytes) {
        let items = self.wire.read(data, Some(self.token));
        let has_answer = items.iter().any(|item| matches!(item, Item::Answer(_)));
        self.items.extend(items);
        if !has_answer {
            let fault = match status {
                status if status.is_server_error() => UpstreamFault::ServerError,
                status if status.is_success() => UpstreamFault::Garbled,
                _ => UpstreamFault::Refused,
            };
            self.items.push_back(Item::Broken(fault.into()));
        }
    }

    fn event(&mut self, event: Event) {
        if let Some(retry) = event.retry_ms {
            self.retry = Duration::from_millis(retry).min(MAX_RETRY);
        }
        if event.id.is_some() {
            self.last_event_id = event.id;
        }
        if !event.data.is_empty() {
            self.resumptions = 0;
            self.items.extend(self.wire.read(event.data, Some(self.token)));
        }
    }

    /// A stream that names its events can be taken up again; any other is lost, and with it the call.
    fn broke(&mut self, fault: UpstreamFault) {
        let resumable = self.wire.dialect().is_legacy() && fault == UpstreamFault::Gone;
        let Some(last) = self.last_event_id.clone().filter(|_| resumable && self.resumptions < MAX_RESUMPTIONS) else {
            self.step = Step::Over;
            self.items.push_back(Item::Broken(fault.into()));
            return;
        };
        self.resumptions += 1;
        self.items.push_back(Item::Notice(Notice::Interrupted));
        let (wire, retry) = (self.wire.clone(), self.retry);
        self.step = Step::Sending(Box::pin(async move {
            tokio::time::sleep(retry).await;
            // The request was sent long ago, whatever becomes of this.
            match wire.get(Some(&last)).await.map_err(Broken::from)? {
                Got::Stream(body) => Ok(Posted::Stream(body)),
                Got::SessionUnknown | Got::Nothing => Err(UpstreamFault::Gone.into()),
            }
        }));
    }
}

impl Exchange for HttpExchange {
    async fn next(&mut self) -> Item {
        let item = match self.mailbox.clone() {
            None => self.advance().await,
            Some(mailbox) => tokio::select! {
                biased;
                item = self.advance() => item,
                item = mailbox.take() => item,
            },
        };
        self.is_over |= matches!(item, Item::Answer(_) | Item::Broken(_));
        if self.is_over
            && let Step::Streaming(body) = std::mem::replace(&mut self.step, Step::Over)
        {
            // After the answer a stream ends: its connection is worth keeping.
            body.retire();
        }
        item
    }

    fn answer(&mut self, id: Id, answer: Answer) {
        self.wire.owners().answered(&id);
        self.wire.post_aside(legacy::back::answer(&id, &answer));
    }

    fn dialect(&self) -> Dialect {
        self.wire.dialect().clone()
    }
}

impl Drop for HttpExchange {
    fn drop(&mut self) {
        for (id, unanswered) in self.wire.owners().leave(self.token) {
            self.wire.post_aside(legacy::back::answer(&id, &unanswered));
        }
        // A modern upstream sees the closed stream; for a legacy one a closed stream is no cancellation.
        if !self.is_over && self.is_cancellable && self.wire.dialect().is_legacy() {
            let (method, params) = legacy::back::cancelled(&Id::from(self.token));
            self.wire.post_aside(jsonrpc::notification(method, Some(&params)));
        }
    }
}
