//! One call told to its client: what the upstream says becomes events, what the client answers goes back, and the clock runs.

use std::{sync::Arc, time::Duration};

use smallvec::SmallVec;
use tokio::time::{Instant, sleep_until};

use crate::{
    clock,
    era::legacy::back::{elicitation_ids, unattributable},
    jsonrpc::{Id, Raw},
    mcp::{Answer, Ask, AskId, AskKind, Caller, Event, Notice, Outcome, ProgressInterest, Stage, UpstreamFault},
    telemetry::{label, metrics::METRICS},
};

use super::{
    bus::Bus,
    errand::{Dialect, Errand},
    mailbox::{Broken, Item},
    owners::visit,
    signature,
};

/// Questions of one call that are open at the most; further ones are refused.
const MAX_ASKS: usize = 64;

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Silence; progress starts it anew.
    pub silence: Duration,
    /// In all.
    pub total: Duration,
}

/// One request in flight on some wire. Dropping it cancels the request upstream.
pub(super) trait Exchange: Send {
    /// The next thing the upstream says. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Item> + Send;
    /// Sends the client's answer to a question.
    fn answer(&mut self, id: Id, answer: Answer);
    /// What the upstream speaks.
    fn dialect(&self) -> Dialect;
    /// Nothing came for as long as it may be waited.
    fn timed_out(&mut self) {}
}

/// Where a call is carried, and since when.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) server: &'a Arc<str>,
    pub(super) bus: &'a Bus,
    pub(super) since: Instant,
}

/// What a client heard of a call: what comes of it when it is made again goes on from there.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How many questions.
    pub(super) asked: u64,
    progress: Option<f64>,
}

/// Carries a call to its end.
///
/// # Errors
/// There is no answer.
pub(super) async fn converse(
    mut exchange: impl Exchange,
    stage: &Stage,
    errand: &Errand,
    Place { server, bus, since }: Place<'_>,
    patience: Patience,
    told: &mut Told,
) -> Result<Outcome, Broken> {
    let mut talk = Talk { stage, errand, bus, is_legacy: exchange.dialect().is_legacy(), asks: SmallVec::new(), told };
    let end = since + patience.total;
    let silence = sleep_until((since + patience.silence).min(end));
    tokio::pin!(silence);
    loop {
        let waits_for_client = !talk.asks.is_empty();
        let item = tokio::select! {
            biased;
            item = exchange.next() => item,
            (ask, answer) = stage.answered(), if waits_for_client => {
                if let Some(id) = talk.take(ask) {
                    exchange.answer(id, answer);
                }
                silence.as_mut().reset((Instant::from_std(clock::now()) + patience.silence).min(end));
                continue;
            }
            () = &mut silence => {
                // While the client is asked, the upstream owes nothing: only the whole counts.
                if waits_for_client && Instant::from_std(clock::now()) < end {
                    silence.as_mut().reset(end);
                    continue;
                }
                exchange.timed_out();
                return Err(UpstreamFault::Timeout.into());
            }
        };
        match item {
            Item::Answer(answer) => {
                if let Err(error) = &answer {
                    for id in elicitation_ids(error) {
                        talk.expect_visit(id);
                    }
                }
                let outcome = exchange.dialect().outcome(errand, server, answer);
                return Ok(match &errand.asker {
                    Some(asker) => signature::outcome(outcome, asker),
                    None => outcome,
                });
            }
            Item::Broken(broken) => return Err(broken),
            // No client answers so many at once.
            Item::Ask(id, kind, _) if talk.asks.len() >= MAX_ASKS => {
                METRICS.refused.of(label::Limit::CallQuestions).inc();
                exchange.answer(id, unattributable(kind));
            }
            item => {
                if talk.tell(item).await {
                    silence.as_mut().reset((Instant::from_std(clock::now()) + patience.silence).min(end));
                }
            }
        }
    }
}

/// Whether a notification in no words of MCP is for a caller: one era's mean nothing to the other's clients, and modern clients say
/// with each request whether they know extensions.
pub(super) fn knows_unknown(is_legacy_server: bool, caller: &Caller) -> bool {
    match caller.session {
        Some(_) => is_legacy_server,
        None => caller.capabilities.profile.extensions.is_some(),
    }
}

struct Talk<'a> {
    stage: &'a Stage,
    errand: &'a Errand,
    bus: &'a Bus,
    is_legacy: bool,
    asks: SmallVec<[(AskId, Id); 2]>,
    told: &'a mut Told,
}

impl Talk<'_> {
    /// Passes an item on; whether it is a sign of life.
    async fn tell(&mut self, item: Item) -> bool {
        match item {
            Item::Progress(params) => self.progress(params).await,
            Item::Notice(Notice::Log(level, params)) => {
                if self.errand.caller.log.wants(level) {
                    self.stage.say(Event::Notice(Notice::Log(level, params))).await;
                }
                false
            }
            Item::Notice(Notice::Extension(..)) if !knows_unknown(self.is_legacy, &self.errand.caller) => false,
            Item::Notice(notice) => {
                self.stage.say(Event::Notice(notice)).await;
                false
            }
            Item::Ask(id, kind, params) => self.ask(id, kind, params).await,
            Item::Retract(id) => self.retract(&id).await,
            Item::Answer(_) | Item::Broken(_) => false,
        }
    }

    /// Only what was asked for, and only what grows (2026-07-28 basic/patterns/progress).
    async fn progress(&mut self, params: Raw) -> bool {
        let value: Option<f64> = params.member("progress").and_then(|value| value.as_str().parse().ok());
        let grows = match (self.told.progress, value) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(last), Some(value)) => value > last,
        };
        if grows && self.errand.progress == ProgressInterest::Wanted {
            self.told.progress = value;
            self.stage.say(Event::Notice(Notice::Progress(params))).await;
        }
        grows
    }

    async fn ask(&mut self, id: Id, kind: AskKind, params: Option<Raw>) -> bool {
        self.told.asked += 1;
        let ask = AskId(self.told.asked);
        self.asks.push((ask, id));
        if let Some(id) = visit(kind, params.as_ref()) {
            self.expect_visit(id);
        }
        let params = match &self.errand.asker {
            Some(asker) => signature::question(kind, params, asker),
            None => params,
        };
        self.stage.say(Event::Ask(Ask { id: ask, kind, params })).await;
        true
    }

    /// That the user visited a URL may be said when the call has long ended: only to the session whose call it was.
    fn expect_visit(&self, id: String) {
        if let Some(session) = &self.errand.caller.session {
            self.bus.expects_visit(id, session);
        }
    }

    async fn retract(&mut self, id: &Id) -> bool {
        if let Some(at) = self.asks.iter().position(|(_, asked)| asked == id) {
            let (ask, _) = self.asks.remove(at);
            self.stage.say(Event::Retract(ask)).await;
        }
        true
    }

    fn take(&mut self, ask: AskId) -> Option<Id> {
        let at = self.asks.iter().position(|(known, _)| *known == ask)?;
        Some(self.asks.remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        future::pending,
        sync::{Mutex, PoisonError},
    };

    use super::*;
    use crate::{
        jsonrpc::ErrorObject,
        mcp::{Principal, Reply},
    };

    /// A server that says these things, one after the other, and notes what is refused to it.
    struct Says {
        items: VecDeque<Item>,
        refused: Arc<Mutex<Vec<Id>>>,
    }

    impl Exchange for Says {
        async fn next(&mut self) -> Item {
            match self.items.pop_front() {
                Some(item) => item,
                None => pending().await,
            }
        }

        fn answer(&mut self, id: Id, answer: Answer) {
            assert!(answer.is_err(), "nobody answered");
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        }

        fn dialect(&self) -> Dialect {
            Dialect::Modern
        }
    }

    #[tokio::test]
    async fn a_call_is_asked_as_much_as_may_be_and_not_once_more() {
        let ask = |id| Item::Ask(Id::from(id), AskKind::Roots, None);
        let most = u64::try_from(MAX_ASKS).unwrap();
        let end = Item::Answer(Err(ErrorObject::new(-32603, "enough")));
        let refused = Arc::new(Mutex::default());
        let says = Says { items: (1..=most + 1).map(ask).chain([end]).collect(), refused: Arc::clone(&refused) };
        let mut reply = Reply::script(|stage| async move {
            let (server, bus) = (Arc::from("asks on and on"), Bus::new(METRICS.server("asks on and on")));
            let errand = Errand::of_gateway(Arc::new(Caller::of(Principal::anonymous())), "tools/call", None);
            let patience = Patience { silence: Duration::from_secs(60), total: Duration::from_secs(60) };
            let place = Place { server: &server, bus: &bus, since: Instant::now() };
            converse(says, &stage, &errand, place, patience, &mut Told::default()).await.unwrap()
        });
        let mut asked = 0;
        while let Event::Ask(_) = reply.next().await {
            asked += 1;
        }
        assert_eq!(asked, most);
        assert_eq!(*refused.lock().unwrap_or_else(PoisonError::into_inner), [Id::from(most + 1)]);
    }
}
