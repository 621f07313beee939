//! What all requests have in common: the waist behind them, the limits, the sessions and the open streams.

use std::{net::IpAddr, sync::Arc};

use http::{StatusCode, request::Parts};
use tokio::sync::Semaphore;

use crate::{
    audit::{Audit, Entry, Refusal},
    clock, dialogue,
    downstream::{
        settings::{HttpSettings, SessionSettings},
        tls::TlsFiles,
    },
    hop::Roads,
    limit::{Admission, Admitted, Limits},
    mcp::{Call, Fault, Op, Outcome, Principal, Reply, Waist},
    seal::KeyRing,
    telemetry::metrics::{InUse, METRICS},
};

use super::{
    account::{self, Account},
    connections::Connections,
    gate::Gate,
    hops::Hops,
    pages::Pages,
    paths::Paths,
    table::Table,
};

/// The adapter between HTTP and the waist.
pub struct Exchange {
    pub(super) waist: Arc<dyn Waist>,
    pub(super) limits: Arc<Limits>,
    pub(super) http: HttpSettings,
    pub(super) table: Table,
    pub(super) connections: Connections,
    pub(super) gate: Arc<Gate>,
    pub(super) paths: Arc<Paths>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) pages: Option<Arc<dyn Pages>>,
    pub(super) audit: Option<Arc<Audit>>,
    pub(super) hops: Option<Arc<Hops>>,
}

impl Exchange {
    /// An adapter for a listener.
    pub fn new(
        (waist, limits): (Arc<dyn Waist>, Arc<Limits>),
        http: HttpSettings,
        sessions: SessionSettings,
        gate: Arc<Gate>,
        paths: Arc<Paths>,
        ring: Arc<KeyRing>,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(http.max_requests.min(Semaphore::MAX_PERMITS)));
        let table = Table::new(ring, sessions);
        Self {
            waist,
            limits,
            http,
            table,
            connections: Connections::default(),
            gate,
            paths,
            slots,
            pages: None,
            audit: None,
            hops: None,
        }
    }

    /// The same with pages beside the endpoints.
    #[must_use]
    pub fn with_pages(self, pages: Arc<dyn Pages>) -> Self {
        Self { pages: Some(pages), ..self }
    }

    /// With an audit log that each call has a line in.
    #[must_use]
    pub fn audited(self, audit: Option<Arc<Audit>>) -> Self {
        Self { audit, ..self }
    }

    /// With other gateways, to which requests are sent on that belong to them. Those on clients' certificates go along, which are judged
    /// by `tls`.
    #[must_use]
    pub fn among(self, roads: Option<Roads>, ring: &Arc<KeyRing>, tls: Option<Arc<TlsFiles>>) -> Self {
        Self { hops: roads.map(|roads| Arc::new(Hops::new(roads, ring.clone(), tls))), ..self }
    }

    /// Makes a call, if the limits let it in. A subscription counts when it begins and takes no place: streams have a limit of their own.
    pub(super) fn call(&self, call: Call, account: &mut Account) -> Reply {
        if let Some(audit) = &self.audit {
            match audit.begin(&call) {
                Ok(entry) => account.audit(entry),
                Err(fault) => return Reply::ready(Outcome::Failed(fault)),
            }
        }
        let is_listen = matches!(call.op, Op::Listen(_));
        match self.limits.enter(&call.caller.principal, call.trace.address(), &call.endpoint) {
            Admitted::Now(Ok(_)) if is_listen => {}
            Admitted::Now(Ok(admission)) => account.hold(admission),
            Admitted::Now(Err(fault)) => return Reply::ready(Outcome::Failed(fault)),
            Admitted::Later(decided) => {
                let waist = self.waist.clone();
                return Reply::script(move |stage| async move {
                    match decided.await {
                        Ok(admission) => {
                            let _held = (!is_listen).then_some(admission);
                            dialogue::pass(waist.call(call), &stage).await
                        }
                        Err(fault) => Outcome::Failed(fault),
                    }
                });
            }
        }
        self.waist.call(call)
    }

    /// Notes a request that was refused before it was a call.
    pub(super) fn audit_refusal(&self, parts: &Parts, address: IpAddr, status: StatusCode) {
        if let Some(audit) = &self.audit {
            let (path, method) = (parts.uri.path().to_owned(), parts.method.as_str().to_owned());
            let (time, status) = (clock::unix_time(), status.as_u16());
            audit.refused(&Refusal { time, address: Some(address), path, method, status, principal: None });
        }
    }

    /// Notes a notification that was not let in: it was no call, and has no answer.
    pub(super) fn audit_notification(&self, call: &Call, status: StatusCode) {
        if let Some(audit) = &self.audit {
            audit.refused(&Refusal {
                time: clock::unix_time(),
                address: call.trace.address(),
                path: call.endpoint.to_string(),
                method: account::method(&call.op).into_owned(),
                status: status.as_u16(),
                principal: Some(call.caller.principal.clone()),
            });
        }
    }

    /// A call that opens a session begins: it has a line as discovery has.
    ///
    /// # Errors
    /// [`Fault::Unaudited`].
    pub(super) fn audit_opening(&self, call: &Call) -> Result<Option<Entry>, Fault> {
        self.audit.as_ref().map_or(Ok(None), |audit| audit.begin(call))
    }

    /// Lets in what has no account.
    pub(super) async fn admit(
        &self,
        principal: &Principal,
        address: IpAddr,
        endpoint: &str,
    ) -> Result<Admission, Fault> {
        let admitted = self.limits.enter(principal, Some(address), endpoint);
        admitted.decided().await.inspect_err(account::count_fault)
    }

    /// Ends sessions that nobody uses. To be called every now and then.
    pub fn reap(&self) {
        self.table.reap(&*self.waist);
    }

    /// Ends the streams that wait for nothing, so that their connections can close.
    pub fn drain(&self) {
        if let Some(hops) = &self.hops {
            hops.drain();
        }
        self.table.drain();
    }

    /// A place for a subscription stream where one is needed; `None` when there is none left.
    pub(super) fn stream_slot(&self, is_needed: bool) -> Option<Option<InUse>> {
        if is_needed { take_slot(self.http.max_streams).map(Some) } else { Some(None) }
    }
}

/// A place among the open subscription streams.
fn take_slot(max: usize) -> Option<InUse> {
    let open = METRICS.streams.get();
    (open < i64::try_from(max).unwrap_or(i64::MAX)).then(|| InUse::of(&METRICS.streams))
}
