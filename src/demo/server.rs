//! The loop of a demo server: a line in, what it causes out, until the input ends.
//!
//! One request is finished before the next line is read. A `notifications/cancelled` can therefore only ever meet an
//! open listen; for a call it comes too late, which the protocol allows. State between requests: a legacy session,
//! the open listens, and what the server's own tools keep.
//! Source: MCP 2026-07-28 stdio, subscriptions; 2025-11-25 lifecycle; 2025-03-26 batching.

use std::io::{self, BufRead, Write};
use std::str::FromStr;

use serde_json::{Value, json};

use super::documents::Documents;
use super::dress::{Freshness, Served, dress, refuse};
use super::era::{Asking, Era, Level, MODERN_VERSION, Revision};
use super::fault::Fault;
use super::line::{Line, Outbox, Outlet, read_line};
use super::method::{declared, perform, text_param};
use super::offer::Offer;
use super::rpc::{Inbound, Object, Request, object, result};
use super::search::Search;
use super::subscription::{Listens, Session, Tellable};
use super::tool::{Change, Exchange};
use super::vectors::Vectors;

/// The most messages in one batch of a 2025-03-26 client.
const BATCH_LIMIT: usize = 50;

/// Which demo server to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DemoServer {
    /// Ranked full-text search over short articles.
    Search,
    /// Similarity search over a collection of vectors, with upserts.
    Vectors,
    /// A shelf of documents, read page by page.
    Documents,
}

/// A name that no demo server has.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown demo server: use search, vectors or documents")]
pub struct UnknownDemoServer;

impl FromStr for DemoServer {
    type Err = UnknownDemoServer;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        <Self as clap::ValueEnum>::from_str(name, false).map_err(|_| UnknownDemoServer)
    }
}

/// Serves MCP over a pair of pipes until the input ends or the reader of the output is gone.
///
/// # Errors
/// Whatever reading or writing fails with, except a broken output pipe: that is the client leaving.
pub fn serve(server: DemoServer, input: impl BufRead, output: impl Write) -> io::Result<()> {
    let served = match server {
        DemoServer::Search => Server::new(Search::default(), output).run(input),
        DemoServer::Vectors => Server::new(Vectors::default(), output).run(input),
        DemoServer::Documents => Server::new(Documents, output).run(input),
    };
    match served {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        served => served,
    }
}

struct Server<S, W> {
    offer: S,
    outbox: Outbox<W>,
    session: Option<Session>,
    listens: Listens,
    changes: Vec<Change>,
}

/// What a request leads to.
enum Reply {
    Served(Served),
    /// The request stays open: these messages go out instead of a result.
    Opened(Value),
}

impl<S: Offer, W: Write> Server<S, W> {
    fn new(offer: S, output: W) -> Self {
        let outbox = Outbox::new(output);
        Self { offer, outbox, session: None, listens: Listens::default(), changes: Vec::new() }
    }

    fn run(mut self, mut input: impl BufRead) -> io::Result<()> {
        while let Some(line) = read_line(&mut input)? {
            match line {
                Line::Whole(bytes) => self.take_line(&bytes),
                Line::TooLong => self.refuse_line(&Fault::LineTooLong),
            }
            self.outbox.check()?;
        }
        for ended in self.listens.end() {
            self.outbox.send(&ended);
        }
        self.outbox.check()
    }

    fn take_line(&mut self, bytes: &[u8]) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match serde_json::from_slice(bytes) {
            Err(_) => self.refuse_line(&Fault::Unparsable),
            Ok(Value::Array(batch)) => self.take_batch(batch),
            Ok(message) => {
                if let Some(answer) = self.take(message) {
                    self.outbox.send(&answer);
                }
            }
        }
        self.publish();
    }

    fn take_batch(&mut self, batch: Vec<Value>) {
        let allowed = self.session.as_ref().is_some_and(|session| session.revision.has_batches());
        if !allowed || batch.is_empty() || batch.len() > BATCH_LIMIT {
            return self.refuse_line(&Fault::Batch);
        }
        let mut answers = Vec::new();
        for message in batch {
            if message.get("method").is_some_and(|method| method == "initialize") {
                answers.push(refuse(&Fault::Batch, message.get("id"), self.session_era()));
            } else {
                answers.extend(self.take(message));
            }
        }
        if !answers.is_empty() {
            self.outbox.send(&Value::Array(answers));
        }
    }

    fn refuse_line(&mut self, fault: &Fault) {
        let answer = refuse(fault, None, self.session_era());
        self.outbox.send(&answer);
    }

    fn session_era(&self) -> Option<Era> {
        self.session.as_ref().map(|session| Era::Legacy(session.revision))
    }

    fn take(&mut self, message: Value) -> Option<Value> {
        match Inbound::parse(message) {
            Ok(Inbound::Request(request)) => Some(self.answer(&request)),
            Ok(Inbound::Notification { method, params }) => {
                self.note(&method, &params);
                None
            }
            Ok(Inbound::Response) => None,
            Err(unreadable) => Some(refuse(&unreadable.fault, unreadable.id.as_ref(), self.session_era())),
        }
    }

    fn note(&mut self, method: &str, params: &Object) {
        match (method, params.get("requestId")) {
            ("notifications/initialized", _) => self.session.iter_mut().for_each(Session::make_ready),
            ("notifications/cancelled", Some(id)) => self.listens.close(id),
            _ => {}
        }
    }

    fn answer(&mut self, request: &Request) -> Value {
        let era = Era::of(request, self.session.as_ref().map(|session| session.revision));
        match era.ok_or(Fault::NotOpened).and_then(|era| self.reply(request, era)) {
            Ok((_, Reply::Opened(message))) => message,
            Ok((era, Reply::Served(served))) => result(&request.id, dress(served, era, &server_info::<S>())),
            Err(fault) => refuse(&fault, Some(&request.id), era),
        }
    }

    fn reply(&mut self, request: &Request, era: Era) -> Result<(Era, Reply), Fault> {
        let session_level = self.session.as_ref().and_then(|session| session.log_level);
        let asking = Asking::read(&request.params, era, session_level)?;
        let reply = match era {
            Era::Modern => self.reply_modern(request, &asking)?,
            Era::Legacy(_) => self.reply_legacy(request, &asking)?,
        };
        // The answer to initialize already speaks the revision it agrees on.
        let era = if request.method == "initialize" { self.session_era().unwrap_or(era) } else { era };
        Ok((era, reply))
    }

    fn reply_modern(&mut self, request: &Request, asking: &Asking) -> Result<Reply, Fault> {
        match request.method.as_str() {
            "server/discover" => Ok(Reply::Served(discover::<S>())),
            "subscriptions/listen" if declared::<S>("subscriptions/listen") => {
                self.listens.open(&request.id, &request.params, tellable::<S>()).map(Reply::Opened)
            }
            _ => self.reply_shared(request, asking),
        }
    }

    fn reply_legacy(&mut self, request: &Request, asking: &Asking) -> Result<Reply, Fault> {
        let (method, params) = (request.method.as_str(), &request.params);
        match (method, &mut self.session) {
            ("ping", _) => return Ok(empty()),
            ("initialize", _) => return self.initialize(params),
            ("logging/setLevel", Some(session)) if declared::<S>(method) => {
                session.log_level = Some(Level::parse(params.get("level").unwrap_or(&Value::Null))?);
            }
            ("resources/subscribe", Some(session)) if declared::<S>(method) => {
                let uri = text_param(params, "uri")?;
                if !S::watchable(uri) {
                    return Err(Fault::UnknownResource { uri: uri.to_owned() });
                }
                session.subscribe(uri)?;
            }
            ("resources/unsubscribe", Some(session)) if declared::<S>(method) => {
                session.unsubscribe(text_param(params, "uri")?);
            }
            _ => return self.reply_shared(request, asking),
        }
        Ok(empty())
    }

    fn reply_shared(&mut self, request: &Request, asking: &Asking) -> Result<Reply, Fault> {
        let mut exchange = Exchange::new(asking, &mut self.outbox, &mut self.changes);
        perform(&mut self.offer, &request.method, &request.params, &mut exchange).map(Reply::Served)
    }

    fn initialize(&mut self, params: &Object) -> Result<Reply, Fault> {
        let revision = Revision::negotiate(text_param(params, "protocolVersion")?);
        self.session = Some(Session::new(revision));
        let body = json!({
            "protocolVersion": revision.version(),
            "capabilities": S::capabilities(),
            "serverInfo": server_info::<S>(),
            "instructions": S::IDENTITY.instructions,
        });
        Ok(Reply::Served(Served { body: object(body), freshness: Freshness::None }))
    }

    /// Tells of the changes that the last line caused, after its answer.
    fn publish(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            let legacy = self.session.as_ref().and_then(|session| session.tell(&change));
            for notice in legacy.into_iter().chain(self.listens.tell(&change)) {
                self.outbox.send(&notice);
            }
        }
    }
}

fn empty() -> Reply {
    Reply::Served(Served { body: Object::new(), freshness: Freshness::None })
}

fn discover<S: Offer>() -> Served {
    let body = json!({
        "supportedVersions": [MODERN_VERSION],
        "capabilities": S::capabilities(),
        "instructions": S::IDENTITY.instructions,
    });
    Served { body: object(body), freshness: Freshness::Fixed }
}

fn server_info<S: Offer>() -> Value {
    let identity = S::IDENTITY;
    json!({
        "name": identity.name,
        "title": identity.title,
        "version": env!("CARGO_PKG_VERSION"),
        "description": identity.description,
    })
}

fn tellable<S: Offer>() -> Tellable {
    let resource_list = S::capabilities().pointer("/resources/listChanged") == Some(&Value::Bool(true));
    Tellable { resource_list, resources: S::watchable }
}
