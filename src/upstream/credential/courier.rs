//! Carries requests to one server in somebody's name: its replicas, what authorises each request, and whether it is called at all.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::StatusCode;

use crate::{
    mcp::{Principal, UpstreamFault},
    telemetry::metrics::ServerMetrics,
    upstream::{
        circuit::{Circuit, Pass},
        wire::http::{Answered, HttpFault, Outgoing, Phase, Replicas, To},
    },
};

use super::badge::{Badge, Credential};

/// The way to one server for those who share a group.
pub(in crate::upstream) struct Courier {
    replicas: Arc<Replicas>,
    credential: Arc<Credential>,
    circuit: Arc<Circuit>,
    /// In whose name the gateway's own requests are made: the group's principal, with the newest token that it came with.
    holder: ArcSwapOption<Principal>,
}

impl Courier {
    pub(in crate::upstream) fn new(
        replicas: Arc<Replicas>,
        credential: Arc<Credential>,
        circuit: Arc<Circuit>,
    ) -> Self {
        Self { replicas, credential, circuit, holder: ArcSwapOption::empty() }
    }

    /// From now on the gateway's own requests are made in the name of this principal.
    pub(in crate::upstream) fn act_for(&self, principal: &Principal) {
        self.holder.store(Some(Arc::new(principal.clone())));
    }

    /// The replicas, for what needs no credential.
    pub(in crate::upstream) const fn replicas(&self) -> &Arc<Replicas> {
        &self.replicas
    }

    /// Lets a request through in the name of `by`, or of the group's principal where it is the gateway's own. What becomes of it must be
    /// told to what this gives.
    ///
    /// # Errors
    /// [`UpstreamFault::LeftAlone`]: not now.
    pub(in crate::upstream) fn admit(&self, by: Option<&Principal>) -> Result<Pass, UpstreamFault> {
        match by {
            Some(by) => self.circuit.admit(Some(by.id())),
            None => self.circuit.admit(self.holder.load().as_ref().map(|holder| holder.id())),
        }
    }

    /// Where what happens to the server is counted.
    pub(in crate::upstream) fn metrics(&self) -> &ServerMetrics {
        self.circuit.metrics()
    }

    /// A session was opened anew.
    pub(in crate::upstream) fn renewed(&self) {
        self.circuit.renewed();
    }

    /// Sends a request without a credential, unless the server is known to answer none of those.
    async fn send_bare(&self, request: Outgoing, to: To<'_>) -> Result<Answered, UpstreamFault> {
        let bareness = self.credential.oauth().map(|oauth| oauth.bareness()).filter(|bareness| bareness.may_try());
        let bareness = bareness.ok_or(UpstreamFault::Unconnected)?;
        let incoming = self.replicas.send(request, to).await.map_err(|fault| unreachable(&fault))?;
        match incoming.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                bareness.refused();
                Err(UpstreamFault::Unconnected)
            }
            _ => {
                bareness.answered();
                Ok(incoming)
            }
        }
    }

    /// Sends a request in the name of `by`, or of the group's principal where it is the gateway's own. One that the server answers with
    /// 401 was not acted on (RFC 9110 section 15.5.2): it is sent once more if there is another token to send it with.
    ///
    /// # Errors
    /// What the call hears.
    ///
    /// # Cancel safety
    /// As [`Replicas::send`].
    pub(in crate::upstream) async fn send(
        &self,
        request: Outgoing,
        by: Option<&Principal>,
        to: To<'_>,
    ) -> Result<Answered, UpstreamFault> {
        if self.credential.is_none() {
            return self.replicas.send(request, to).await.map_err(|fault| unreachable(&fault));
        }
        let held = if by.is_none() { self.holder.load_full() } else { None };
        let principal = by.or(held.as_deref());
        let badge = match self.credential.badge(principal).await {
            Ok(badge) => badge.ok_or(UpstreamFault::Unauthorized)?,
            // What the gateway asks for itself may be answered to anybody; a call is made in the name of whoever agreed, or not at all.
            Err(UpstreamFault::Unconnected) if by.is_none() => return self.send_bare(request, to).await,
            Err(fault) => return Err(fault),
        };
        let send = async |badge: &Badge| {
            let mut request = request.clone();
            request.headers.insert(badge.name.clone(), badge.value.clone());
            self.replicas.send(request, to).await.map_err(|fault| unreachable(&fault))
        };
        let mut incoming = send(&badge).await?;
        if incoming.status == StatusCode::UNAUTHORIZED
            && let Some(another) = self.credential.another(principal, &badge).await?
        {
            incoming = send(&another).await?;
        }
        match incoming.status {
            StatusCode::FORBIDDEN => Err(self.credential.forbidden(principal, &incoming.headers)),
            _ => Ok(incoming),
        }
    }
}

/// What a fault of the wire means for a call.
pub(in crate::upstream) fn unreachable(fault: &HttpFault) -> UpstreamFault {
    tracing::debug!(%fault, "request to an upstream failed");
    match fault {
        HttpFault::TooLarge { .. } => UpstreamFault::TooLarge,
        HttpFault::Protocol(_) => UpstreamFault::Garbled,
        HttpFault::Reset(_) => UpstreamFault::Gone,
        HttpFault::Silent => UpstreamFault::Timeout,
        // It is this side that has too much to do with it.
        HttpFault::Timeout { phase: Phase::Slot } => UpstreamFault::Overloaded,
        // All these say that nothing was sent, and this word does.
        HttpFault::Connect(_)
        | HttpFault::Forbidden
        | HttpFault::Tls(_)
        | HttpFault::NotSent(_)
        | HttpFault::Timeout { .. }
        | HttpFault::Left => UpstreamFault::Unavailable,
    }
}
