//! Questions that came while no call was in flight, put to the client of the next call before that call is sent.
//!
//! A server that asks for roots right after the handshake wants to know them before it works: it gets them first. If the client goes
//! away, or its call is parked and left, nothing was executed, and questions for roots wait for another call.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::{
    era::legacy::back::{answer, given_up},
    jsonrpc::Id,
    mcp::{Answer, Ask, AskId, AskKind, Event, Fault, Stage, Unanswered},
};

use super::{
    mailbox::{Item, Mailbox},
    peer::Peer,
    signature,
};

/// Numbers of these questions: apart from those of the call that follows.
const FIRST: u64 = 1 << 62;

/// The questions, and where their answers go.
pub(super) struct Overture<'a> {
    peer: &'a Peer,
    token: u64,
    mailbox: Arc<Mailbox>,
    open: Vec<(AskId, Id, AskKind)>,
    asked: u64,
}

impl<'a> Overture<'a> {
    /// Takes the questions that wait at a peer, if any do.
    pub(super) fn of(peer: &'a Peer) -> Option<Self> {
        let owners = peer.owners();
        if !owners.has_early() {
            return None;
        }
        let (token, mailbox) = (peer.next_token(), Arc::default());
        owners.enter(token, &mailbox, None);
        Some(Self { peer, token, mailbox, open: Vec::new(), asked: 0 })
    }

    /// Puts them, and passes on the answers. Of a client that takes too long its server hears so, and the call goes on.
    ///
    /// # Errors
    /// [`Fault::Unanswered`]: the client is gone, and so is its call.
    ///
    /// # Cancel safety
    /// Dropped, questions for roots wait for the next call.
    pub(super) async fn play(mut self, stage: &Stage, asker: Option<&str>, deadline: Instant) -> Result<(), Fault> {
        loop {
            while let Some(item) = self.mailbox.take_now() {
                self.tell(item, stage, asker).await;
            }
            if self.open.is_empty() {
                return Ok(());
            }
            let given = tokio::select! {
                biased;
                item = self.mailbox.take() => {
                    self.tell(item, stage, asker).await;
                    continue;
                }
                given = timeout_at(deadline, stage.answered()) => given,
            };
            match given {
                Ok((_, Err(Unanswered::GivenUp(_)))) => {
                    return Err(Fault::Unanswered("The client did not come back with answers"));
                }
                Ok((ask, given)) => self.answered(ask, &given),
                Err(_) => {
                    for (_, id, kind) in std::mem::take(&mut self.open) {
                        self.reply(&id, &given_up(kind));
                    }
                }
            }
        }
    }

    async fn tell(&mut self, item: Item, stage: &Stage, asker: Option<&str>) {
        match item {
            Item::Ask(id, kind, params) => {
                self.asked += 1;
                let ask = AskId(FIRST | self.asked);
                self.open.push((ask, id, kind));
                let params = match asker {
                    Some(asker) => signature::question(kind, params, asker),
                    None => params,
                };
                stage.say(Event::Ask(Ask { id: ask, kind, params })).await;
            }
            Item::Retract(id) => {
                if let Some(place) = self.open.iter().position(|(_, open, _)| *open == id) {
                    stage.say(Event::Retract(self.open.swap_remove(place).0)).await;
                }
            }
            // Nothing was sent that could be answered, and what is told between calls is told to everybody who listens.
            Item::Answer(_) | Item::Progress(_) | Item::Notice(_) | Item::Broken(_) => (),
        }
    }

    fn answered(&mut self, ask: AskId, given: &Answer) {
        if let Some(place) = self.open.iter().position(|(open, ..)| *open == ask) {
            let (_, id, _) = self.open.swap_remove(place);
            self.reply(&id, given);
        }
    }

    fn reply(&self, id: &Id, given: &Answer) {
        self.peer.owners().answered(id);
        self.peer.post(answer(id, given));
    }
}

impl Drop for Overture<'_> {
    fn drop(&mut self) {
        for (id, unanswered) in self.peer.owners().leave(self.token) {
            self.peer.post(answer(&id, &unanswered));
        }
    }
}
