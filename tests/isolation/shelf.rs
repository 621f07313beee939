//! A server of one era that has everything of everybody, and watches who asks for what.
//!
//! Whose request it is says `_meta`, which the gateway carries; what it is about has its owner's mark. Sources: MCP 2026-07-28 and
//! 2025-11-25, streamable HTTP.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::spawn_local,
};

use crate::{
    Era,
    http1::{Head, Inbox},
    people::{self, Kind, Person},
    tally::{Claim, Tally},
};

/// The member of `_meta` that says whose request it is.
pub(crate) const OWNER: &str = "isolation.example/owner";
/// The member of `_meta` that says which request it is.
pub(crate) const NONCE: &str = "isolation.example/nonce";

/// The server.
pub(crate) struct Shelf {
    era: Era,
    lists: HashMap<&'static str, Value>,
    /// Legacy sessions, and whose requests came in each.
    sessions: RefCell<HashMap<String, Option<u32>>>,
    tally: Rc<Tally>,
}

struct Answer {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
}

impl Shelf {
    /// Serves in the background. Returns its address.
    pub(crate) async fn serve(era: Era, people: &[Person], tally: &Rc<Tally>) -> anyhow::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let lists = Kind::ALL.map(|kind| (kind.method(), list(kind, era, people))).into();
        let shelf = Rc::new(Self { era, lists, sessions: RefCell::default(), tally: tally.clone() });
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shelf = shelf.clone();
                spawn_local(async move {
                    // A connection that the gateway gives up in the middle is its own business.
                    let _ = shelf.converse(stream).await;
                });
            }
        });
        Ok(format!("http://{address}/mcp"))
    }

    async fn converse(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut inbox = Inbox::default();
        while let Some(extent) = inbox.receive(&mut stream).await? {
            let (head, body) = inbox.message(&extent)?;
            if head.field("authorization").is_some() || body.windows(7).any(|part| part == b"secret-") {
                self.tally.trouble(Claim::TokensStay, head.start);
            }
            let answer = match head.start.split(' ').next() {
                Some("POST") => self.post(&head, body),
                Some("DELETE") => Answer::empty("200 OK"),
                _ => Answer::empty("405 Method Not Allowed"),
            };
            stream.write_all(&answer.bytes()).await?;
        }
        Ok(())
    }

    fn post(&self, head: &Head<'_>, body: &[u8]) -> Answer {
        let Ok(message) = serde_json::from_slice::<Value>(body) else { return Answer::empty("400 Bad Request") };
        let (id, method) = (&message["id"], message["method"].as_str().unwrap_or_default());
        if id.is_null() {
            return Answer::empty("202 Accepted");
        }
        let is_modern = !message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].is_null();
        if is_modern != (self.era == Era::Modern) {
            return Answer::error(id, -32601);
        }
        if method == "initialize" {
            return self.open_session(id);
        }
        self.watch(head, method, &message["params"]);
        match self.result(method, &message["params"]) {
            Some(result) => Answer::result(&message, self.dressed(method, result)),
            None => Answer::error(id, -32602),
        }
    }

    fn open_session(&self, id: &Value) -> Answer {
        let mut sessions = self.sessions.borrow_mut();
        let session = format!("shelf-{}", sessions.len());
        let capabilities = json!({ "tools": {}, "prompts": {}, "resources": {}, "completions": {} });
        let greeting = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": { "name": "shelf", "version": "1" } });
        let mut answer = Answer::json(&json!({ "jsonrpc": "2.0", "id": id, "result": greeting }));
        answer.headers.push_str(&format!("Mcp-Session-Id: {session}\r\n"));
        sessions.insert(session, None);
        answer
    }

    /// Whose request it is must be whose thing it is about, and, in the legacy era, whose session it came in.
    fn watch(&self, head: &Head<'_>, method: &str, params: &Value) {
        let about = params.to_string();
        let owner = params["_meta"][OWNER].as_str().and_then(|owner| people::marks(owner.as_bytes()).next());
        if self.lists.contains_key(method) || method == "server/discover" || method == "ping" {
            return;
        }
        let Some(owner) = owner else {
            return self.tally.trouble(Claim::NothingCrosses, &format!("nobody's {method}: {about}"));
        };
        self.tally.carried();
        if people::marks(about.as_bytes()).any(|mark| mark != owner) {
            self.tally.trouble(Claim::NothingCrosses, &format!("{method} by {owner}: {about}"));
        }
        let Some(session) = head.field("mcp-session-id") else { return };
        let mut sessions = self.sessions.borrow_mut();
        let of_session = sessions.entry(session.to_owned()).or_default();
        if of_session.is_some_and(|before| before != owner) {
            self.tally.trouble(Claim::NothingCrosses, &format!("{method} by {owner} in a session of {of_session:?}"));
        }
        *of_session = Some(owner);
    }

    fn result(&self, method: &str, params: &Value) -> Option<Value> {
        let nonce = params["_meta"][NONCE].as_str().unwrap_or_default();
        let said = |name: &Value| format!("{} {nonce}", name.as_str().unwrap_or_default());
        Some(match method {
            "server/discover" => json!({
                "supportedVersions": ["2026-07-28"],
                "capabilities": { "tools": {}, "prompts": {}, "resources": {}, "completions": {} },
            }),
            "ping" => json!({}),
            "tools/call" => json!({ "content": [{ "type": "text", "text": said(&params["name"]) }] }),
            "prompts/get" => {
                json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": said(&params["name"]) } }] })
            }
            "resources/read" => json!({ "contents": [{ "uri": params["uri"], "text": said(&params["uri"]) }] }),
            "completion/complete" => json!({ "completion": { "values": [said(&params["ref"]["name"])] } }),
            _ => self.lists.get(method)?.clone(),
        })
    }

    /// With what the modern era wants of every result, and of those that may be kept.
    fn dressed(&self, method: &str, mut result: Value) -> Value {
        if self.era == Era::Modern {
            result["resultType"] = json!("complete");
            if method == "resources/read" || self.lists.contains_key(method) || method == "server/discover" {
                (result["ttlMs"], result["cacheScope"]) = (json!(60_000), json!("public"));
            }
            if method == "resources/read" {
                (result["ttlMs"], result["cacheScope"]) = (json!(0), json!("private"));
            }
        }
        result
    }
}

fn list(kind: Kind, era: Era, people: &[Person]) -> Value {
    let entry = |name: String| match kind {
        Kind::Tools => {
            json!({ "name": name, "description": format!("Belongs to {name}"), "inputSchema": { "type": "object" } })
        }
        Kind::Prompts => json!({ "name": name, "arguments": [{ "name": "topic" }] }),
        Kind::Resources => json!({ "uri": name, "name": name }),
        Kind::Templates => json!({ "uriTemplate": name, "name": name }),
    };
    let entries: Vec<Value> = people.iter().flat_map(|person| person.owns(kind, era)).map(entry).collect();
    json!({ kind.member(): entries })
}

impl Answer {
    fn empty(status: &'static str) -> Self {
        Self { status, headers: String::new(), body: Vec::new() }
    }

    fn json(message: &Value) -> Self {
        Self {
            headers: "Content-Type: application/json\r\n".to_owned(),
            body: message.to_string().into(),
            ..Self::empty("200 OK")
        }
    }

    fn error(id: &Value, code: i64) -> Self {
        Self::json(&json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": "not here" } }))
    }

    /// The answer, as a stream with progress before it where that was asked for.
    fn result(request: &Value, result: Value) -> Self {
        let response = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
        let meta = &request["params"]["_meta"];
        if meta["progressToken"].is_null() {
            return Self::json(&response);
        }
        let params = json!({ "progressToken": meta["progressToken"], "progress": 1, "message": meta[NONCE] });
        let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params });
        let body = format!("data: {progress}\n\ndata: {response}\n\n").into();
        Self { headers: "Content-Type: text/event-stream\r\n".to_owned(), body, ..Self::empty("200 OK") }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { status, headers, body } = self;
        let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}
