//! A look at one replica, apart from calls: a small exchange in its own era.
//!
//! A modern replica is asked what it is (`server/discover`). A legacy one is pinged in a session that is kept for that: a session for each
//! look would fill the server with them, and one that is kept is ended with a DELETE. Whoever refuses the gateway's credential, or has too
//! much to do, is there all the same.
//!
//! Sources: 2026-07-28 server/discover; 2025-11-25 basic/utilities/ping and basic/transports (Session Management).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::timeout;

use crate::{
    era::{Revision, legacy},
    jsonrpc::{self, Id},
    mcp::{Profile, UpstreamFault},
    telemetry::metrics::ServerMetrics,
};

use super::{
    credential::Courier,
    opening::{Verdict, probe_request},
    posting::{Opened, Posted, first_answer, name_session, post, post_headers},
    session::Session,
    sse_wire,
    wire::http::{Outgoing, Pin, To},
};

/// Whoever looks.
#[derive(Clone)]
pub(super) struct Looker {
    pub(super) courier: Arc<Courier>,
    pub(super) patience: Duration,
    pub(super) max_message_bytes: usize,
    pub(super) metrics: ServerMetrics,
}

/// A session that is kept for looks; a server may do without a session.
pub(super) struct Kept {
    session: Option<Session>,
    revision: Revision,
}

impl Looker {
    /// Looks at a replica; what is kept for the next look, and whether it is at work. Nothing where that cannot be told.
    pub(super) async fn look(&self, at: &Pin, verdict: Verdict, kept: Option<Kept>) -> (Option<Kept>, Option<bool>) {
        let (kept, found) = match verdict {
            Verdict::Modern => (None, self.discover(at).await),
            Verdict::LegacySse => (None, self.open_stream(at).await),
            Verdict::Legacy => match kept {
                Some(kept) => self.ping(at, kept).await,
                None => self.shake_hands(at).await,
            },
        };
        let is_there = match found {
            Ok(()) | Err(UpstreamFault::Unauthorized | UpstreamFault::Overloaded | UpstreamFault::Busy(_)) => {
                Some(true)
            }
            Err(UpstreamFault::Unconnected | UpstreamFault::NoToken | UpstreamFault::TokensAway) => None,
            Err(_) => Some(false),
        };
        (kept, is_there)
    }

    /// Ends a session that was kept.
    pub(super) async fn end(&self, at: &Pin, kept: Kept) {
        let Some(session) = kept.session else { return };
        let mut headers = HeaderMap::new();
        name_session(kept.revision, Some(&session), &mut headers);
        let request = Outgoing { method: Method::DELETE, target: None, headers, body: Bytes::new() };
        // Whatever it answers, nothing more is wanted of it.
        let _ = timeout(self.patience, self.courier.send(request, None, To::look(at))).await;
    }

    async fn discover(&self, at: &Pin) -> Result<(), UpstreamFault> {
        let outgoing = probe_request(1);
        let body = jsonrpc::request(&Id::from(1), &outgoing.method, outgoing.params.as_ref());
        self.ask(at, 1, body, post_headers(&outgoing.headers)).await
    }

    async fn open_stream(&self, at: &Pin) -> Result<(), UpstreamFault> {
        // The session ends with the stream.
        let opened = async { sse_wire::begin(&self.courier, To::look(at)).await.map(drop) };
        timeout(self.patience, opened).await.map_err(|_| UpstreamFault::Timeout)?
    }

    async fn ping(&self, at: &Pin, kept: Kept) -> (Option<Kept>, Result<(), UpstreamFault>) {
        let mut headers = post_headers(&[]);
        name_session(kept.revision, kept.session.as_ref(), &mut headers);
        let body = jsonrpc::request(&Id::from(1), "ping", None);
        match self.ask(at, 1, body, headers).await {
            // It was ended there, as sessions are that nobody uses.
            Err(UpstreamFault::Gone) => self.shake_hands(at).await,
            found => (Some(kept), found),
        }
    }

    /// Asks, and waits for the answer. [`UpstreamFault::Gone`] where the session is not known.
    async fn ask(&self, at: &Pin, id: u64, body: Bytes, headers: HeaderMap) -> Result<(), UpstreamFault> {
        let asked = async {
            let opened = self.send(at, body, headers).await?;
            match opened.posted {
                Posted::SessionUnknown => Err(UpstreamFault::Gone),
                posted => match first_answer(posted, &Id::from(id), self.max_message_bytes).await {
                    Err(UpstreamFault::Gone) => Err(UpstreamFault::Garbled),
                    answer => answer.map(drop),
                },
            }
        };
        timeout(self.patience, asked).await.map_err(|_| UpstreamFault::Timeout)?
    }

    async fn send(&self, at: &Pin, body: Bytes, headers: HeaderMap) -> Result<Opened, UpstreamFault> {
        post(&self.courier, body, headers, self.max_message_bytes, (None, To::look(at))).await
    }

    /// Opens a session. One whose handshake fails is ended: it is known from the head of the answer on.
    async fn shake_hands(&self, at: &Pin) -> (Option<Kept>, Result<(), UpstreamFault>) {
        let outgoing = legacy::back::initialize(&Profile::default());
        let body = jsonrpc::request(&Id::from(0), &outgoing.method, outgoing.params.as_ref());
        let sent = self.send(at, body, post_headers(&outgoing.headers));
        let opened = match timeout(self.patience, sent).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(fault)) => return (None, Err(fault)),
            Err(_) => return (None, Err(UpstreamFault::Timeout)),
        };
        let session = opened.session.map(|id| Session::new(id, at));
        let answered = timeout(self.patience, first_answer(opened.posted, &Id::from(0), self.max_message_bytes)).await;
        let handshake = match answered {
            Ok(Ok(Ok(result))) => legacy::back::handshake(&result).ok_or(UpstreamFault::Incompatible),
            Ok(Ok(Err(_))) => Err(UpstreamFault::Incompatible),
            Ok(Err(fault)) => Err(fault),
            Err(_) => Err(UpstreamFault::Timeout),
        };
        match handshake {
            Ok(handshake) => {
                let kept = Kept { session, revision: handshake.revision };
                let mut headers = post_headers(&[]);
                name_session(kept.revision, kept.session.as_ref(), &mut headers);
                let told = timeout(self.patience, self.send(at, legacy::back::initialized(), headers)).await;
                (Some(kept), told.unwrap_or(Err(UpstreamFault::Timeout)).map(drop))
            }
            Err(fault) => {
                self.end(at, Kept { session, revision: Revision::V2025_11_25 }).await;
                (None, Err(fault))
            }
        }
    }
}
