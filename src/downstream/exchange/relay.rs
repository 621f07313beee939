//! An answer of another gateway, passed back as it comes.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, SizeHint};
use hyper::body::Incoming;

/// What ends an event (WHATWG HTML, section 9.2.6); the events of gateways end so.
const END_OF_EVENT: &[u8] = b"\n\n";

/// The other gateway was lost in the middle of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway that answered was lost in the middle")]
pub struct Cut;

/// What becomes of an answer that does not come to its end.
#[derive(Default)]
pub(super) struct Parting {
    /// Said last when its home is lost; without it, or where it would come into the middle of an event, its client sees that it broke off.
    pub(super) lost: Option<Bytes>,
    /// It may end before.
    pub(super) leave: Option<Leave>,
}

/// When an answer may end, and with which last words.
pub(super) type Leave = (Pin<Box<dyn Future<Output = ()> + Send>>, Option<Bytes>);

/// The rest of an answer.
pub(super) struct Relay {
    answer: Incoming,
    parting: Parting,
    /// Whether what was passed back so far ends with an event.
    is_whole: bool,
    is_over: bool,
}

impl Relay {
    pub(super) const fn new(answer: Incoming, parting: Parting) -> Self {
        Self { answer, parting, is_whole: true, is_over: false }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over || self.answer.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Some((end, words)) = &mut self.parting.leave
            && end.as_mut().poll(context).is_ready()
        {
            self.is_over = true;
            return Poll::Ready(words.take().filter(|_| self.is_whole).map(Ok));
        }
        loop {
            return match std::task::ready!(Pin::new(&mut self.answer).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.is_whole = data.ends_with(END_OF_EVENT);
                        Poll::Ready(Some(Ok(data)))
                    }
                    // Trailers, of which gateways send none.
                    Err(_) => continue,
                },
                Some(Err(_)) => Poll::Ready(Some(self.broken())),
                None => {
                    self.is_over = true;
                    Poll::Ready(None)
                }
            };
        }
    }

    fn broken(&mut self) -> Result<Bytes, Cut> {
        self.is_over = true;
        self.parting.lost.take().filter(|_| self.is_whole).ok_or(Cut)
    }
}
