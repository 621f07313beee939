//! A server's program on its wire: started, asked before anything else is said, written to and read.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;

use crate::{
    era::{Incoming, Outgoing, modern},
    jsonrpc::{self, ErrorObject, Id, MAX_DEPTH, Message, Raw},
    mcp::UpstreamFault,
};

use super::{
    mux::Mux,
    post::Post,
    settings::{StdioSettings, UpstreamSettings},
    wire::stdio::{Child, Launch, Line, Lines, Pace, SendFault, StartFault, Stderr},
};

/// The way to a child's stdin.
pub(super) struct ToChild(pub(super) Child);

impl Post for ToChild {
    fn post(&self, message: Bytes, token: Option<u64>, pace: Pace) -> Result<(), UpstreamFault> {
        self.0.send_marked(message, token, pace).map_err(|fault| match fault {
            SendFault::Full => UpstreamFault::Overloaded,
            SendFault::Gone => UpstreamFault::Gone,
        })
    }

    fn give_up(&self) -> Vec<u64> {
        self.0.give_up()
    }
}

/// Starts a server's program.
pub(super) async fn spawn(
    settings: &UpstreamSettings,
    stdio: &StdioSettings,
    server: &Arc<str>,
    stderr: &Arc<Stderr>,
) -> Result<(Child, Lines), UpstreamFault> {
    let launch = Launch { stderr: stderr.clone(), ..Launch::new(settings.max_message_bytes) };
    Child::start(stdio, &launch, server).await.map_err(|fault| {
        tracing::warn!(server = &**server, %fault, "cannot start the server");
        match fault {
            StartFault::Sandbox(_) => UpstreamFault::Unconfined,
            _ => UpstreamFault::Unavailable,
        }
    })
}

/// What a child said to a request before anything else was sent.
pub(super) enum Said {
    Answer(Result<Raw, ErrorObject>),
    Nothing,
    /// It ended, or reads nothing.
    Ended,
}

/// One request, and its answer, before anything else is sent.
pub(super) async fn ask(child: &Child, lines: &mut Lines, outgoing: &Outgoing, token: u64, patience: Duration) -> Said {
    let message = jsonrpc::request(&Id::from(token), &outgoing.method, outgoing.params.as_ref());
    if child.send(message).is_err() {
        return Said::Ended;
    }
    let answer = async {
        while let Some(line) = lines.next().await {
            let Line::Message(line) = line else { continue };
            if let Some(answer) = answer_in(line, token) {
                return Said::Answer(answer);
            }
        }
        Said::Ended
    };
    timeout(patience, answer).await.unwrap_or(Said::Nothing)
}

fn answer_in(line: Bytes, token: u64) -> Option<Result<Raw, ErrorObject>> {
    let message = Message::parse(line, MAX_DEPTH).ok()?;
    match modern::back::decode(message)? {
        Incoming::Answer(id, answer) if id == Id::from(token) => Some(answer),
        Incoming::Complaint(error) => Some(Err(error)),
        _ => None,
    }
}

/// Reads what a child says until it ends, or talks nonsense.
pub(super) async fn read_lines(mux: Arc<Mux>, mut lines: Lines, server: Arc<str>) {
    let mut fault = UpstreamFault::Gone;
    while let Some(line) = lines.next().await {
        match line {
            Line::Message(line) => mux.receive(line),
            Line::Endless => {
                tracing::warn!(server = &*server, "upstream sends a line without an end");
                fault = UpstreamFault::TooLarge;
                break;
            }
            Line::TooLong(ends) => {
                tracing::warn!(server = &*server, "upstream sent a line beyond the limit; it is dropped");
                mux.lost_a_line(&ends);
            }
            Line::TooLongUntil(ends) => mux.passed_a_line(&ends),
        }
        if mux.is_babbling() {
            tracing::warn!(server = &*server, "upstream sends nothing but lines that are no messages");
            fault = UpstreamFault::Garbled;
            break;
        }
    }
    mux.end(fault);
}
