//! Where the messages for one call wait until it takes them: bounded, with one reader.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Mutex, PoisonError},
    task::{Poll, Waker},
};

use crate::{
    jsonrpc::{ErrorObject, Id, Raw},
    mcp::{AskKind, Notice, UpstreamFault},
};

/// Something that an upstream says about one call.
#[derive(Debug)]
pub(super) enum Item {
    /// The answer.
    Answer(Result<Raw, ErrorObject>),
    /// Progress; its parameters with the token of this wire.
    Progress(Raw),
    /// Anything else to know.
    Notice(Notice),
    /// A question to the client.
    Ask(Id, AskKind, Option<Raw>),
    /// The question with this id is withdrawn.
    Retract(Id),
    /// There will be no answer.
    Broken(Broken),
}

/// Why there is no answer, and whether the server can have seen the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) fault: UpstreamFault,
    pub(super) reached: Reached,
}

/// Whether a request can have reached its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// Provably not: none of it was written.
    Not,
    /// It may have been carried out.
    Perhaps,
}

impl Broken {
    /// A request that was not written.
    pub(super) const fn unsent(fault: UpstreamFault) -> Self {
        Self { fault, reached: Reached::Not }
    }
}

/// Where nobody can tell, it may have been carried out.
impl From<UpstreamFault> for Broken {
    fn from(fault: UpstreamFault) -> Self {
        Self { fault, reached: Reached::Perhaps }
    }
}

impl Item {
    /// What ends a call always has a place; the rest is dropped when the reader is too slow.
    const fn is_essential(&self) -> bool {
        matches!(self, Self::Answer(_) | Self::Broken(_) | Self::Ask(..) | Self::Retract(_))
    }
}

/// Messages kept for a reader that is slow; further notices are dropped, and counted.
const CAPACITY: usize = 256;

/// A mailbox.
#[derive(Debug, Default)]
pub(super) struct Mailbox(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Item>,
    waker: Option<Waker>,
}

/// A notice found no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dropped;

impl Mailbox {
    /// Puts an item in.
    pub(super) fn put(&self, item: Item) -> Result<(), Dropped> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.items.len() >= CAPACITY && !item.is_essential() {
            return Err(Dropped);
        }
        inner.items.push_back(item);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Takes the next item if there is one.
    pub(super) fn take_now(&self) -> Option<Item> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).items.pop_front()
    }

    /// Takes the next item.
    ///
    /// # Cancel safety
    /// An item is taken only when this is ready.
    pub(super) async fn take(&self) -> Item {
        poll_fn(|context| {
            let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match inner.items.pop_front() {
                Some(item) => Poll::Ready(item),
                None => {
                    inner.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
