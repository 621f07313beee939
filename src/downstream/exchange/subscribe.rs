//! `resources/subscribe` of a legacy session: a stream of changes that ends with the subscription.

use std::{net::IpAddr, sync::Arc};

use crate::{
    era::legacy::front,
    jsonrpc::Id,
    mcp::{Event, Filter, Limit, Notice, Op, ProgressInterest},
};

use super::{
    account::{self, count_refusal},
    core::Exchange,
    said::Said,
    session::Session,
};

/// Subscribes: answered when the server granted it.
pub(super) async fn subscribe(
    exchange: &Exchange,
    session: &Arc<Session>,
    id: &Id,
    uri: String,
    address: IpAddr,
) -> Said {
    let refuse = |sentence| Said::not_done(id, sentence);
    let ended = match session.subscribe(&uri) {
        None => {
            count_refusal(&Limit::Subscriptions);
            return refuse("Too many subscriptions in this session");
        }
        Some(None) => return Said::done(id),
        Some(Some(ended)) => ended,
    };
    let listen = session.call(Op::Listen(Filter::resource(&uri)), ProgressInterest::Unwanted);
    let call = account::within(listen, address, None);
    if let Err(fault) = exchange.admit(&call.caller.principal, address, &call.endpoint).await {
        session.unsubscribe(&uri);
        return Said::refused(id, fault, &session.codec);
    }
    let mut reply = exchange.waist.call(call);
    loop {
        match reply.next().await {
            Event::Notice(Notice::Acknowledged(granted)) if granted.uris.contains(&uri) => break,
            Event::Notice(Notice::Acknowledged(_)) | Event::End(_) => {
                session.unsubscribe(&uri);
                return refuse("No server grants a subscription to this resource");
            }
            _ => (),
        }
    }
    let (own, weak) = (session.own.clone(), Arc::downgrade(session));
    session.spawn(async move {
        loop {
            tokio::select! {
                // What the client was told to be over is over, whatever waits.
                biased;
                () = ended.notified() => return,
                event = reply.next() => match event {
                    Event::Notice(notice @ Notice::Updated(..)) => {
                        // The client may have heard already that the subscription is gone.
                        if !weak.upgrade().is_some_and(|session| session.is_subscribed(&uri)) {
                            return;
                        }
                        if let Some(message) = front::notice(None, &notice) {
                            own.push(message);
                        }
                    }
                    Event::End(_) => return,
                    _ => (),
                },
            }
        }
    });
    Said::done(id)
}
