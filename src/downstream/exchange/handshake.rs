//! The handshake of legacy clients: a session, what its endpoint offers, and a line in the audit log.
//!
//! Source: 2025-11-25 basic/lifecycle.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    audit::{Ended, Entry},
    clock,
    era::{
        Era,
        legacy::front::{self, Initialize},
    },
    mcp::{Call, Caller, Event, Fault, Limit, LogInterest, Offer, Op, Outcome, ProgressInterest, Trace},
};

use super::{
    account::{self, count_refusal},
    core::Exchange,
    said::Said,
    session::{Opening, Session},
    stream::Stream,
    visitor::Visitor,
};

/// The handshake: the session it opens and the answer, or the refusal.
pub(super) async fn handshake(
    exchange: &Exchange,
    visitor: Visitor,
    initialize: Initialize,
    own: Option<Arc<Stream>>,
) -> Result<(Arc<Session>, Bytes), Said> {
    let Initialize { id, revision, capabilities, client_info } = initialize;
    let Visitor { principal, endpoint, address, .. } = visitor;
    let codec = front::Session { revision, capabilities: capabilities.clone() };
    let fail = |fault: Fault| Said::refused(&id, fault, &codec);
    let caller = Caller {
        principal,
        session: None,
        client_info,
        capabilities,
        log: LogInterest::ServersChoice,
        address: Some(address),
    };
    let session_id = exchange.table.mint(&caller).ok_or_else(|| fail(Fault::Internal))?;
    let caller = Caller { session: Some(session_id.clone()), ..caller };
    let settings = exchange.table.settings.clone();
    let session = Session::open(Opening { id: session_id, endpoint, caller, codec: codec.clone(), settings }, own);
    let discover = account::within(session.call(Op::Discover, ProgressInterest::Unwanted), address, None);
    let entry = exchange.audit_opening(&discover).map_err(fail)?;
    let line = OpeningLine { begun: clock::now(), trace: discover.trace.clone(), entry };
    let opened = enter(exchange, &session, discover).await;
    line.end(&opened);
    let body = front::initialized(&id, revision, &*opened.map_err(fail)?);
    Ok((session, body))
}

/// Lets a session in: what its endpoint offers.
async fn enter(exchange: &Exchange, session: &Arc<Session>, discover: Call) -> Result<Arc<Offer>, Fault> {
    let address = discover.trace.address().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let _admission = exchange.admit(&discover.caller.principal, address, &discover.endpoint).await?;
    let mut reply = exchange.waist.call(discover);
    let offer = loop {
        match reply.next().await {
            Event::End(Outcome::Discovered(offer)) => break offer,
            Event::End(Outcome::Failed(fault)) => return Err(fault),
            Event::End(_) => return Err(Fault::Internal),
            _ => (),
        }
    };
    if let Err(limit) = exchange.table.insert(session) {
        count_refusal(&limit);
        return Err(Fault::Limited(limit, exchange.table.settings.idle_timeout));
    }
    Ok(offer)
}

/// The line that the opening of a session will have in the audit log.
struct OpeningLine {
    begun: Instant,
    trace: Arc<Trace>,
    entry: Option<Entry>,
}

impl OpeningLine {
    fn end(self, opened: &Result<Arc<Offer>, Fault>) {
        let Some(entry) = self.entry else { return };
        let (outcome, status) = match opened {
            Ok(_) => ("ok", 200),
            Err(fault @ Fault::Limited(Limit::Set(_), _)) => (fault.label(), 429),
            Err(fault) => (fault.label(), 200),
        };
        let gateway = clock::now().saturating_duration_since(self.begun);
        let ended = Ended { outcome, status, gateway, upstream: Duration::ZERO };
        entry.end(Era::Legacy.name(), "initialize", None, &self.trace, ended);
    }
}
