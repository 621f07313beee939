//! `/api/logs`: lines of JSON, one for each line of stderr, for as long as somebody reads.
//!
//! Bounded: one piece waits for a slow reader, the rest stays where the server's lines are kept and makes room there, which the reader is
//! told as `{"lost": N}`. Silence is broken by empty lines, so that either side notices when the other is gone. The last line is `{"end": …}`.

use std::{
    any::Any,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::Frame;
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};

use crate::{
    downstream::drain::Drain,
    upstream::wire::stdio::{Stderr, StderrLine},
};

/// Pieces that wait for a slow reader. A piece is what came since the last one: at the most all lines that are kept.
const WAITING: usize = 1;
/// Silence after which an empty line is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where a server's children write.
#[derive(Clone, Debug)]
pub struct Log {
    /// The lines.
    pub stderr: Arc<Stderr>,
    /// What is gone when the server is.
    pub server: Weak<dyn Any + Send + Sync>,
}

/// How long to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// To what is there now.
    Now,
    /// Until the reader goes.
    Gone,
}

/// The body of an answer, which begins with the last `most` lines. `place` is held while it is read.
pub(super) fn body(log: Log, most: usize, until: Until, place: OwnedSemaphorePermit, mut drain: Drain) -> Body {
    let (pieces, received) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let sending = async {
            match until {
                Until::Now => send(&pieces, log.stderr.tail(most), &mut None).await.map(|()| "that is all"),
                Until::Gone => follow(&log, most, &pieces).await,
            }
        };
        tokio::select! {
            why = sending => if let Some(why) = why { let _ = pieces.send(end(why)).await; },
            // Whoever went needs no place any more.
            () = pieces.closed() => {}
            // Whoever does not read is not waited for when the gateway stops.
            () = drain.started() => { let _ = pieces.try_send(end("the gateway stops")); }
        }
        drop(place);
    });
    Body::new(Pieces(received))
}

/// Sends what there is and what comes; why nothing comes any more, or `None` when nobody reads.
async fn follow(log: &Log, most: usize, pieces: &mpsc::Sender<Bytes>) -> Option<&'static str> {
    let mut following = log.stderr.follow(most);
    let mut expected = None;
    loop {
        match timeout(KEEP_ALIVE, following.lines()).await {
            Ok(lines) => send(pieces, lines, &mut expected).await?,
            Err(_) if log.server.strong_count() == 0 => return Some("the server was changed or removed"),
            Err(_) => pieces.send(Bytes::from_static(b"\n")).await.ok()?,
        }
    }
}

/// Sends lines, and how many are missing before them; `None` when nobody reads.
async fn send(pieces: &mpsc::Sender<Bytes>, lines: Vec<StderrLine>, expected: &mut Option<u64>) -> Option<()> {
    let mut text = String::new();
    for line in &lines {
        let lost = expected.map_or(0, |expected| line.number.saturating_sub(expected));
        if lost > 0 {
            text.push_str(&format!("{}\n", json!({ "lost": lost })));
        }
        let at = u64::try_from(line.at.as_millis()).unwrap_or(u64::MAX);
        text.push_str(&format!("{}\n", json!({ "at": at, "pid": line.pid, "line": &*line.text })));
        *expected = Some(line.number + 1);
    }
    pieces.send(text.into()).await.ok()
}

fn end(why: &str) -> Bytes {
    format!("{}\n", json!({ "end": why })).into()
}

struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
