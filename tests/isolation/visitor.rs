//! One principal as a client of one era: it works without pause on one connection and looks closely at every answer.

use std::{rc::Rc, time::Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    Era, clock,
    errand::Errand,
    http1::Inbox,
    people::{self, NOBODY, Person},
    random::Random,
    tally::{Claim, Tally},
};

/// A client that met so much trouble stops; the rest would be the same.
const MAX_FAILURES: u32 = 10;
/// One request in so many is for something of somebody else's.
const FOREIGN_IN: u64 = 12;

/// The client.
pub(crate) struct Visitor {
    person: usize,
    era: Era,
    people: Rc<[Person]>,
    address: String,
    tally: Rc<Tally>,
    random: Random,
    session: Option<String>,
    sent: u64,
}

/// What came back.
struct Reply {
    status: u16,
    session: Option<String>,
    text: Vec<u8>,
    /// The messages, in order.
    messages: Vec<Value>,
}

struct Connection {
    stream: TcpStream,
    inbox: Inbox,
}

impl Visitor {
    pub(crate) fn new(person: usize, era: Era, people: Rc<[Person]>, address: &str, tally: Rc<Tally>) -> Self {
        let seed = u64::try_from(person * 2).unwrap_or_default() + u64::from(era == Era::Legacy);
        let random = Random::new(seed + 1);
        Self { person, era, people, address: address.to_owned(), tally, random, session: None, sent: 0 }
    }

    /// Works until then.
    pub(crate) async fn work_until(mut self, ends: Instant) {
        for _ in 0..MAX_FAILURES {
            match self.work(ends).await {
                Ok(()) => return,
                Err(error) => self.tally.trouble(Claim::NothingFails, &format!("{}: {error:#}", self.me().mark)),
            }
        }
    }

    fn me(&self) -> &Person {
        self.people.get(self.person).expect("it is one of them")
    }

    async fn work(&mut self, ends: Instant) -> anyhow::Result<()> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let mut connection = Connection { stream, inbox: Inbox::default() };
        if self.era == Era::Legacy && self.session.is_none() {
            self.open_session(&mut connection).await?;
        }
        while clock::now() < ends {
            if self.random.below(FOREIGN_IN) == 0 {
                self.trespass(&mut connection).await?;
            } else {
                self.go(&mut connection).await?;
            }
        }
        Ok(())
    }

    async fn open_session(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        let client = json!({ "name": "isolation", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        let request = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let reply = self.send(connection, &request, None).await?;
        ensure!(reply.status == 200, "no session: {} {}", reply.status, String::from_utf8_lossy(&reply.text));
        self.session = Some(reply.session.context("no session")?);
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        self.send(connection, &initialized, None).await?;
        Ok(())
    }

    /// Something of its own.
    async fn go(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        let mut random = Random::new(self.random.below(u64::MAX));
        let errand = Errand::any(self.me(), &mut random);
        let (reply, nonce) = self.run(connection, &errand).await?;
        self.tally.made(errand.method());
        let claim = if matches!(errand, Errand::List(_)) { Claim::OwnLists } else { Claim::OwnAnswers };
        let shown = || {
            format!("{} asked {errand:?}: {} {}", self.me().mark, reply.status, String::from_utf8_lossy(&reply.text))
        };
        let Some((answer, notices)) = reply.messages.split_last() else {
            self.tally.trouble(claim, &shown());
            return Ok(());
        };
        let is_own = people::marks(&reply.text).all(|mark| mark == self.me().number);
        let is_answer = answer["id"] == self.sent && errand.is_answered_by(&answer["result"], self.me(), &nonce);
        let are_notices = notices.iter().all(|notice| {
            let params = &notice["params"];
            notice["method"] == "notifications/progress"
                && params["progressToken"] == nonce
                && params["message"] == nonce
        });
        if !(reply.status == 200 && is_own && is_answer && are_notices) {
            self.tally.trouble(claim, &shown());
        }
        Ok(())
    }

    /// Something of somebody else's, and something of nobody's: both must look alike.
    async fn trespass(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        let mut random = Random::new(self.random.below(u64::MAX));
        let others = u64::try_from(self.people.len() - 1)?;
        let step = usize::try_from(random.below(others))? + 1;
        let other = self.people.get((self.person + step) % self.people.len()).context("somebody else")?;
        let (owner, foreign) = (other.number, Errand::of_another(other, &mut random));
        let theirs = self.run(connection, &foreign).await?.0;
        let nobodys = self.run(connection, &foreign.of_nobody(owner)).await?.0;
        self.tally.made("for what others own");
        let refused = |reply: &Reply, owner: u32| {
            let error = reply.messages.last().map(|message| &message["error"]).filter(|error| !error.is_null());
            (reply.status, error.map(|error| error.to_string().replace(&people::mark(owner), "")))
        };
        let (first, second) = (refused(&theirs, owner), refused(&nobodys, NOBODY));
        if first != second || first.1.is_none() || theirs.messages.iter().any(|message| !message["result"].is_null()) {
            let what = format!("{} asked {foreign:?}: {first:?}, and for nobody's {second:?}", self.me().mark);
            self.tally.trouble(Claim::ForeignIsAbsent, &what);
        }
        Ok(())
    }

    /// Sends it. Returns what came back, and the nonce that it was sent with.
    async fn run(&mut self, connection: &mut Connection, errand: &Errand) -> anyhow::Result<(Reply, String)> {
        self.sent += 1;
        let nonce = format!("{}-{:?}-{}", self.me().mark, self.era, self.sent);
        let params = errand.params(self.era, self.me(), &nonce);
        let request = json!({ "jsonrpc": "2.0", "id": self.sent, "method": errand.method(), "params": params });
        Ok((self.send(connection, &request, errand.named()).await?, nonce))
    }

    async fn send(&self, connection: &mut Connection, request: &Value, named: Option<&str>) -> anyhow::Result<Reply> {
        let body = request.to_string();
        let mut head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             Authorization: Bearer {}\r\nContent-Length: {}\r\n",
            self.address,
            self.me().token,
            body.len()
        );
        if self.era == Era::Modern {
            let method = request["method"].as_str().unwrap_or_default();
            head.push_str(&format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n"));
            head.extend(named.map(|named| format!("Mcp-Name: {named}\r\n")));
        } else if let Some(session) = &self.session {
            head.push_str(&format!("MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: {session}\r\n"));
        }
        connection.exchange(&format!("{head}\r\n{body}")).await
    }
}

impl Connection {
    async fn exchange(&mut self, request: &str) -> anyhow::Result<Reply> {
        self.stream.write_all(request.as_bytes()).await?;
        let extent = self.inbox.receive(&mut self.stream).await?.context("closed instead of an answer")?;
        let (head, body) = self.inbox.message(&extent)?;
        let is_stream = head.field("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        let messages = if is_stream { events(body)? } else { serde_json::from_slice(body).into_iter().collect() };
        let session = head.field("mcp-session-id").map(str::to_owned);
        Ok(Reply { status: head.status().context("no status")?, session, text: body.to_vec(), messages })
    }
}

/// The messages of an event stream; an event without content only names a place in it.
fn events(body: &[u8]) -> anyhow::Result<Vec<Value>> {
    let lines = std::str::from_utf8(body)?.lines().filter_map(|line| line.strip_prefix("data:"));
    let contents = lines.map(str::trim).filter(|content| !content.is_empty());
    contents.map(|content| serde_json::from_str(content).with_context(|| content.to_owned())).collect()
}
