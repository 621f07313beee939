//! A reply as part of another: what it says is said on, what is answered is answered on.

use crate::mcp::{Event, Outcome, Reply, Stage};

/// Passes everything on until the reply ends.
///
/// # Cancel safety
/// Dropped, it cancels the reply.
pub async fn pass(mut reply: Reply, stage: &Stage) -> Outcome {
    loop {
        tokio::select! {
            event = reply.next() => match event {
                Event::End(outcome) => return outcome,
                event => stage.say(event).await,
            },
            (ask, answer) = stage.answered() => reply.answer(ask, answer),
        }
    }
}
