//! The fake upstream over HTTP: one path, both eras, legacy sessions, JSON or SSE answers.
//!
//! It checks the headers the modern revision requires and the session the legacy one requires.
//! Source: MCP 2026-07-28 and 2025-11-25, streamable HTTP.
use crate::answer::{self, Era, Options as VoiceOptions, Question, Refusal, Voice};
use crate::http1::{Head, Inbox};
use clap::Args;
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// Legacy sessions held at once; a benchmark opens one per connection.
const SESSION_LIMIT: usize = 100_000;

#[derive(Args)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
    /// Answer calls that carry a progress token as SSE, after this many progress notifications.
    #[arg(long, default_value_t = 0)]
    progress: u32,
    #[command(flatten)]
    voice: VoiceOptions,
}

struct Upstream {
    voice: Voice,
    progress: u32,
    sessions: RefCell<HashSet<String>>,
}

/// Serves until the process is ended; prints its URL first.
#[expect(clippy::print_stdout, reason = "who started it reads the address there")]
pub(crate) async fn serve(options: Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    println!(r#"{{"url":"http://{}/mcp"}}"#, listener.local_addr()?);
    let voice = Voice::new(&options.voice);
    let upstream = Rc::new(Upstream { voice, progress: options.progress, sessions: RefCell::default() });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let upstream = Rc::clone(&upstream);
        tokio::task::spawn_local(async move {
            if let Err(error) = upstream.converse(stream).await {
                eprintln!("upstream: {error:#}");
            }
        });
    }
}

impl Upstream {
    async fn converse(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        let (mut inbox, mut out, mut body) = (Inbox::default(), Vec::new(), Vec::new());
        while let Some(extent) = inbox.receive(&mut stream).await? {
            let (head, text) = inbox.message(&extent)?;
            let last = head.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            out.clear();
            body.clear();
            match head.start.split(' ').next() {
                Some("POST") => self.post(&head, text, &mut body, &mut out),
                Some("DELETE") => self.end_session(&head, &mut out),
                _ => respond("405 Method Not Allowed", "Allow: POST, DELETE\r\n", b"", &mut out),
            }
            stream.write_all(&out).await?;
            if last {
                break;
            }
        }
        Ok(())
    }

    fn post(&self, head: &Head<'_>, text: &[u8], body: &mut Vec<u8>, out: &mut Vec<u8>) {
        let Ok(question) = serde_json::from_slice::<Question<'_>>(text) else {
            return respond("400 Bad Request", "", b"", out);
        };
        let (Some(id), Some(method)) = (question.id, question.method) else {
            return respond("202 Accepted", "", b"", out);
        };
        let era = question.era();
        if let Err(refusal) = check_head(head, &question) {
            answer::refuse(refusal, id.get(), body);
            return respond(refusal.status(era), JSON, body, out);
        }
        if era == Era::Legacy && method == "initialize" {
            return self.open_session(&question, body, out);
        }
        if era == Era::Legacy && method != "server/discover" {
            match head.field("mcp-session-id") {
                None => return respond("400 Bad Request", "", b"", out),
                Some(session) if !self.sessions.borrow().contains(session) => {
                    return respond("404 Not Found", "", b"", out);
                }
                Some(_) => {}
            }
        }
        match (self.progress, question.progress_token()) {
            (1.., Some(token)) => self.stream(&question, token, body, out),
            _ => {
                let status = self.voice.respond(&question, body).map_or("200 OK", |refusal| refusal.status(era));
                respond(status, JSON, body, out);
            }
        }
    }

    fn stream(&self, question: &Question<'_>, token: &str, body: &mut Vec<u8>, out: &mut Vec<u8>) {
        out.extend_from_slice(SSE_HEAD.as_bytes());
        for step in 1..=self.progress {
            body.clear();
            answer::progress(token, step, self.progress, body);
            event(body, out);
        }
        body.clear();
        self.voice.respond(question, body);
        event(body, out);
        out.extend_from_slice(b"0\r\n\r\n");
    }

    fn open_session(&self, question: &Question<'_>, body: &mut Vec<u8>, out: &mut Vec<u8>) {
        if let Some(refusal) = self.voice.respond(question, body) {
            return respond(refusal.status(Era::Legacy), JSON, body, out);
        }
        let mut sessions = self.sessions.borrow_mut();
        if sessions.len() >= SESSION_LIMIT {
            return respond("503 Service Unavailable", "", b"", out);
        }
        let session = format!("bench-{:08}", sessions.len());
        respond("200 OK", &format!("{JSON}Mcp-Session-Id: {session}\r\n"), body, out);
        sessions.insert(session);
    }

    /// Accepts the end of a session but keeps its name taken, so that names are never given twice.
    fn end_session(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        let known = head.field("mcp-session-id").is_some_and(|session| self.sessions.borrow().contains(session));
        respond(if known { "200 OK" } else { "404 Not Found" }, "", b"", out);
    }
}

const JSON: &str = "Content-Type: application/json\r\n";
const SSE_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The headers of a modern request repeat its body (2026-07-28 streamable-http, server validation).
fn check_head(head: &Head<'_>, question: &Question<'_>) -> Result<(), Refusal> {
    if question.era() == Era::Legacy {
        return Ok(());
    }
    let named = question.method == Some("tools/call");
    let same = head.field("mcp-protocol-version") == question.version()
        && head.field("mcp-method") == question.method
        && (!named || head.field("mcp-name") == question.name());
    if same { Ok(()) } else { Err(Refusal::HeaderMismatch) }
}

fn respond(status: &str, headers: &str, body: &[u8], out: &mut Vec<u8>) {
    let length = body.len();
    out.extend_from_slice(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n").as_bytes());
    out.extend_from_slice(body);
}

fn event(message: &[u8], out: &mut Vec<u8>) {
    const FRAME: usize = "data: \n\n".len();
    out.extend_from_slice(format!("{:x}\r\ndata: ", message.len() + FRAME).as_bytes());
    out.extend_from_slice(message);
    out.extend_from_slice(b"\n\n\r\n");
}
