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
    fn bytes(&self) -> usize {
        match self {
            Self::Progress(params)
            | Self::Notice(Notice::Progress(params) | Notice::Log(_, params) | Notice::Extension(_, Some(params))) => {
                params.bytes().len()
            }
            _ => 0,
        }
    }

    const fn is_essential(&self) -> bool {
        matches!(self, Self::Answer(_) | Self::Broken(_) | Self::Ask(..) | Self::Retract(_))
    }
}

/// Messages kept for a reader that is slow; further notices are dropped, and counted.
const CAPACITY: usize = 256;
/// Bytes of notices kept for one: what a client reads in a moment. A larger one has a place where nothing else waits.
const CAPACITY_BYTES: usize = 1 << 20;

/// A mailbox.
#[derive(Debug, Default)]
pub(super) struct Mailbox(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The next one: most calls have their answer and nothing else, which then needs no queue.
    first: Option<Item>,
    /// Those after it.
    later: VecDeque<Item>,
    bytes: usize,
    waker: Option<Waker>,
}

impl Inner {
    fn take(&mut self) -> Option<Item> {
        let item = std::mem::replace(&mut self.first, self.later.pop_front())?;
        self.bytes -= item.bytes();
        Some(item)
    }

    fn add(&mut self, item: Item) {
        match self.first {
            None => self.first = Some(item),
            Some(_) => self.later.push_back(item),
        }
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.later.len()
    }
}

/// A notice found no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dropped;

impl Mailbox {
    /// Puts an item in.
    pub(super) fn put(&self, item: Item) -> Result<(), Dropped> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = item.bytes();
        let is_full = inner.len() >= CAPACITY || (inner.bytes > 0 && inner.bytes + bytes > CAPACITY_BYTES);
        if is_full && !item.is_essential() {
            return Err(Dropped);
        }
        inner.bytes += bytes;
        inner.add(item);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Takes the next item if there is one.
    pub(super) fn take_now(&self) -> Option<Item> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes the next item.
    ///
    /// # Cancel safety
    /// An item is taken only when this is ready.
    pub(super) async fn take(&self) -> Item {
        poll_fn(|context| {
            let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match inner.take() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::Level;

    fn log(bytes: usize) -> Item {
        Item::Notice(Notice::Log(Level::Info, Raw::string(&"x".repeat(bytes - 2))))
    }

    #[test]
    fn notices_are_bounded_in_number_and_size_and_what_ends_a_call_always_has_a_place() {
        let mailbox = Mailbox::default();
        for _ in 0..CAPACITY {
            mailbox.put(log(10)).unwrap();
        }
        assert_eq!(mailbox.put(log(10)), Err(Dropped));
        mailbox.put(Item::Broken(UpstreamFault::Gone.into())).unwrap();
        let mailbox = Mailbox::default();
        mailbox.put(log(CAPACITY_BYTES / 2)).unwrap();
        mailbox.put(log(CAPACITY_BYTES / 2)).unwrap();
        assert_eq!(mailbox.put(log(2)), Err(Dropped), "full to the last byte");
        mailbox.put(Item::Answer(Ok(Raw::empty_object()))).unwrap();
        while mailbox.take_now().is_some() {}
        mailbox.put(log(4 * CAPACITY_BYTES)).expect("a large one alone has a place");
        assert_eq!(mailbox.put(log(2)), Err(Dropped));
    }
}
