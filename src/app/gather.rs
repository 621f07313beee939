//! The parts of a joined list: what there is at once, and what comes before the deadline.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::timeout_at};

use crate::{
    clock,
    mcp::{Caller, Fault, ListKind},
    telemetry::label::ListSource,
    upstream::{Content, Group, Look, Part},
};

use super::endpoint::{Endpoint, Member, Stocks};

/// Every server's part of a list.
#[derive(Default)]
pub(super) struct Parts {
    /// In the order of the servers.
    pub(super) stocks: Stocks,
    /// Servers of which there is nothing.
    pub(super) missing: Vec<String>,
    /// Servers that show the caller no more than they show to anybody, if that, until the caller agrees to be connected.
    pub(super) unconnected: Vec<Arc<str>>,
    /// Servers whose part is not what they would say now for certain, and when they said it, since 1970.
    pub(super) stale: Vec<(Arc<str>, Duration)>,
}

impl Parts {
    fn add(&mut self, member: &Member, part: Part) {
        member.upstream.served(part.source);
        let server = member.upstream.name();
        match (&part.stock, part.source) {
            (None, _) => self.missing.push(server.to_string()),
            (Some(stock), ListSource::Stale | ListSource::Persisted) => {
                self.stale.push((server.clone(), stock.read_at));
            }
            _ => (),
        }
        self.stocks.push(part.stock);
    }
}

/// What there is of a list at once, by server; nothing of one of which the caller sees nothing.
type Looks = Vec<Option<Look>>;

impl Endpoint {
    /// Every server's part as far as it comes before the deadline. Only servers that have something to say are waited for, and none for
    /// longer than once: what is late is read on, and what there is serves meanwhile.
    pub(super) async fn gather(&self, caller: &Arc<Caller>, kind: ListKind, content: Content) -> Parts {
        let looks = match self.gathered(caller, kind, content) {
            Ok(parts) => return parts,
            Err(looks) => looks,
        };
        // What is in no answer at all is worth waiting for, however late.
        let waits = |look: &Option<Look>| matches!(look, Some(Look::Wait | Look::Now(Part { stock: None, .. })));
        let wanted: Vec<bool> = looks.iter().map(waits).collect();
        let came = self.each_at(caller, &wanted, move |group| async move { group.list(kind).await }).await;
        let mut parts = Parts { unconnected: self.unconnected(caller, kind), ..Parts::default() };
        for ((member, look), came) in self.members.iter().zip(looks).zip(came) {
            match (look, came) {
                (None, _) => parts.stocks.push(None),
                (_, Some(stock)) => parts.add(member, Part { stock: Some(stock), source: ListSource::Miss }),
                (Some(Look::Now(part)), None) => parts.add(member, part),
                (Some(Look::Wait), None) => parts.add(member, member.upstream.part_of_late(caller, kind)),
            }
        }
        parts
    }

    /// The same without waiting. Where somebody is worth waiting for it is what there is so far.
    pub(super) fn gathered(&self, caller: &Arc<Caller>, kind: ListKind, content: Content) -> Result<Parts, Looks> {
        // A server of which the caller sees nothing keeps nobody waiting.
        let look =
            |member: &Member| self.sees_some(caller, member, kind).then(|| member.upstream.look(caller, kind, content));
        let looks: Looks = self.members.iter().map(look).collect();
        let is_there = |look: &Option<Look>| !matches!(look, Some(Look::Wait));
        let is_something = |look: &Option<Look>| matches!(look, None | Some(Look::Now(Part { stock: Some(_), .. })));
        if !looks.iter().all(is_there) || !(looks.is_empty() || looks.iter().any(is_something)) {
            return Err(looks);
        }
        let mut parts = Parts { unconnected: self.unconnected(caller, kind), ..Parts::default() };
        for (member, look) in self.members.iter().zip(looks) {
            match look {
                Some(Look::Now(part)) => parts.add(member, part),
                Some(Look::Wait) | None => parts.stocks.push(None),
            }
        }
        Ok(parts)
    }

    /// Does something with the caller's group on each server that is wanted at once, until the deadline.
    pub(super) async fn each<F, T>(
        &self,
        caller: &Arc<Caller>,
        wanted: impl Fn(&Member) -> bool,
        act: impl Fn(Arc<Group>) -> F + Copy + Send + 'static,
    ) -> Vec<Option<T>>
    where
        F: Future<Output = Result<T, Fault>> + Send,
        T: Send + 'static,
    {
        let wanted: Vec<bool> = self.members.iter().map(wanted).collect();
        self.each_at(caller, &wanted, act).await
    }

    async fn each_at<F, T>(
        &self,
        caller: &Arc<Caller>,
        wanted: &[bool],
        act: impl Fn(Arc<Group>) -> F + Copy + Send + 'static,
    ) -> Vec<Option<T>>
    where
        F: Future<Output = Result<T, Fault>> + Send,
        T: Send + 'static,
    {
        let deadline = tokio::time::Instant::from_std(clock::now() + self.lists.deadline);
        let mut acting = JoinSet::new();
        for (place, (member, _)) in self.members.iter().zip(wanted).enumerate().filter(|(_, (_, wanted))| **wanted) {
            let (upstream, caller) = (member.upstream.clone(), caller.clone());
            acting.spawn(async move {
                let done = match upstream.group(&caller).await {
                    Ok(group) => act(group).await,
                    Err(fault) => Err(fault),
                };
                (place, done)
            });
        }
        let mut out: Vec<Option<T>> = self.members.iter().map(|_| None).collect();
        while let Ok(Some(done)) = timeout_at(deadline, acting.join_next()).await {
            let Ok((place, result)) = done else { continue };
            match (result, out.get_mut(place)) {
                (Ok(value), Some(slot)) => *slot = Some(value),
                (Err(fault), _) => tracing::warn!(endpoint = &*self.path, ?fault, "a server's part is missing"),
                _ => (),
            }
        }
        // What is late goes on: it is bounded by the upstream's own timeouts.
        acting.detach_all();
        out
    }
}
