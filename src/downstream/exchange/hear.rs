//! What a legacy session hears without having asked: the changes of its endpoint, on the stream that belongs to no request.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{
    era::legacy::front,
    mcp::{Event, Notice, Op, ProgressInterest},
};

use super::{core::Exchange, session::Session};

/// Fills the session's own stream with the changes of its endpoint, from the first time that somebody reads it. What is returned then
/// resolves when changes are heard.
pub(super) fn listen(exchange: &Arc<Exchange>, session: &Arc<Session>) -> Option<oneshot::Receiver<()>> {
    if !session.starts_listening() {
        return None;
    }
    let (stands, when_stands) = oneshot::channel();
    let mut stands = Some(stands);
    let mut reply = exchange.waist.call(session.call(Op::Listen(Session::interests()), ProgressInterest::Unwanted));
    let weak = Arc::downgrade(session);
    session.spawn(async move {
        loop {
            let event = reply.next().await;
            let Some(session) = weak.upgrade() else { return };
            match event {
                Event::End(_) => {
                    session.own.finish();
                    return;
                }
                Event::Notice(Notice::Acknowledged(_)) => {
                    let _ = stands.take().map(|stands| stands.send(()));
                }
                Event::Notice(Notice::Log(level, _)) if !session.wants(level) => (),
                Event::Notice(notice) => {
                    if let Some(message) = front::notice(None, &notice) {
                        session.own.push(message);
                    }
                }
                Event::Ask(_) | Event::Retract(_) => (),
            }
        }
    });
    Some(when_stands)
}
