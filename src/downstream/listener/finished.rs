//! What is done with an answer once it is there.
//!
//! An `async` block that awaits an answer would hold it twice, and copy it when it is first polled: an answer's future has kilobytes, and
//! every request has one.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;

pin_project_lite::pin_project! {
    /// An answer with the last touch on it.
    pub(super) struct Finished<F, T> {
        #[pin]
        answer: F,
        touch: T,
    }
}

impl<F, T> Finished<F, T> {
    pub(super) const fn new(answer: F, touch: T) -> Self {
        Self { answer, touch }
    }
}

impl<F, T, A, B> Future for Finished<F, T>
where
    F: Future<Output = Response<A>>,
    T: Fn(Response<A>) -> Response<B>,
{
    type Output = Result<Response<B>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(context));
        Poll::Ready(Ok((this.touch)(answer)))
    }
}
