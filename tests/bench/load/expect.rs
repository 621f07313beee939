//! What is sent and what must come back: every answer's id and content is compared with its call.
use crate::answer::{Era, LEGACY, MODERN};
use anyhow::{Context, bail, ensure};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt::Write;

/// The text every call carries beside its nonce.
const TEXT: &str = "The quick brown fox jumps over the lazy dog.";

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Method {
    #[value(name = "tools/call")]
    Call,
    #[value(name = "tools/list")]
    List,
}

/// The kind of exchange a run repeats.
pub(crate) struct Exchange {
    pub(crate) era: Era,
    pub(crate) method: Method,
    /// Name of the echo tool as the gateway lists it.
    pub(crate) tool: String,
    /// Progress notifications each call must bring.
    pub(crate) progress: u32,
    /// Tools a list must hold.
    pub(crate) tools: usize,
    /// Distinguishes the nonces of this run from those of any other.
    pub(crate) run: u32,
}

/// One call under way.
pub(crate) struct Sent {
    pub(crate) id: u64,
    nonce: String,
}

impl Exchange {
    /// Writes the body of call number `id` into `body`.
    pub(crate) fn body(&self, id: u64, body: &mut String) -> Sent {
        body.clear();
        let nonce = format!("{:08x}-{id:x}", self.run);
        let written = match self.method {
            Method::Call => write!(
                body,
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{}","arguments":{{"nonce":"{nonce}","text":"{TEXT}"}}{}}}}}"#,
                self.tool,
                self.meta(id, ",")
            ),
            Method::List => {
                write!(
                    body,
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{{}}}}}"#,
                    self.meta(id, "")
                )
            }
        };
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
        Sent { id, nonce }
    }

    fn meta(&self, id: u64, comma: &str) -> String {
        let token = if self.progress > 0 { format!(r#""progressToken":{id}"#) } else { String::new() };
        match self.era {
            Era::Legacy if token.is_empty() => String::new(),
            Era::Legacy => format!(r#"{comma}"_meta":{{{token}}}"#),
            Era::Modern => {
                let separator = if token.is_empty() { "" } else { "," };
                format!(
                    r#"{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"load","version":"1.0.0"}}{separator}{token}}}"#
                )
            }
        }
    }

    /// The header lines that belong to the era and the method.
    pub(crate) fn headers(&self, session: Option<&str>) -> String {
        match self.era {
            Era::Modern if self.method == Method::Call => {
                format!("MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: {}\r\n", self.tool)
            }
            Era::Modern => format!("MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/list\r\n"),
            Era::Legacy => match session {
                Some(session) => format!("MCP-Protocol-Version: {LEGACY}\r\nMcp-Session-Id: {session}\r\n"),
                None => String::new(),
            },
        }
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    method: Option<&'a str>,
    params: Option<Progress>,
    #[serde(borrow)]
    result: Option<Outcome<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    progress_token: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    #[serde(borrow)]
    result_type: Option<&'a str>,
    #[serde(borrow, default)]
    content: Vec<Block<'a>>,
    #[serde(borrow)]
    structured_content: Option<Echo<'a>>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow)]
    text: &'a str,
}

#[derive(Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    nonce: &'a str,
    #[serde(borrow)]
    text: &'a str,
}

/// Compares answers with their calls; remembers the first list so that the next ones are compared byte by byte.
#[derive(Default)]
pub(crate) struct Checker {
    tools: Vec<u8>,
    skeleton: Vec<u8>,
}

impl Checker {
    /// Checks the body of an HTTP response to `sent`.
    ///
    /// # Errors
    /// Says what is wrong with the first thing that is.
    pub(crate) fn check(&mut self, exchange: &Exchange, sent: &Sent, kind: &str, body: &[u8]) -> anyhow::Result<()> {
        if !kind.starts_with("text/event-stream") {
            ensure!(exchange.progress == 0, "a JSON answer cannot carry progress");
            return self.check_response(exchange, sent, body);
        }
        let (mut progress, mut responses) = (0, 0);
        for message in events(std::str::from_utf8(body)?) {
            if message.contains("\"method\"") && check_progress(sent, message)? {
                ensure!(responses == 0, "progress after the response");
                progress += 1;
            } else {
                self.check_response(exchange, sent, message.as_bytes())?;
                responses += 1;
            }
        }
        ensure!(responses == 1, "{responses} responses in one stream");
        ensure!(progress == exchange.progress, "{progress} progress notifications, not {}", exchange.progress);
        Ok(())
    }

    fn check_response(&mut self, exchange: &Exchange, sent: &Sent, body: &[u8]) -> anyhow::Result<()> {
        match exchange.method {
            Method::Call => check_call(exchange, sent, body),
            Method::List => self.check_list(exchange, sent, body),
        }
    }

    fn check_list(&mut self, exchange: &Exchange, sent: &Sent, body: &[u8]) -> anyhow::Result<()> {
        if self.tools.is_empty() {
            self.tools = first_list(exchange, body)?;
        }
        let start = memmem::find(body, b"\"tools\":").context("no tools")? + b"\"tools\":".len();
        let end = start + self.tools.len();
        ensure!(body.get(start..end) == Some(&self.tools), "the list changed during the run");
        self.skeleton.clear();
        self.skeleton.extend_from_slice(body.get(..start).unwrap_or_default());
        self.skeleton.extend_from_slice(b"[]");
        self.skeleton.extend_from_slice(body.get(end..).unwrap_or_default());
        outcome(exchange, sent, &self.skeleton).map(|_| ())
    }
}

fn first_list(exchange: &Exchange, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    #[derive(Deserialize)]
    struct Listed<'a> {
        #[serde(borrow)]
        result: Tools<'a>,
    }
    #[derive(Deserialize)]
    struct Tools<'a> {
        #[serde(borrow)]
        tools: &'a RawValue,
    }
    let listed: Listed<'_> = serde_json::from_slice(body)?;
    let tools: Vec<&RawValue> = serde_json::from_str(listed.result.tools.get())?;
    ensure!(tools.len() == exchange.tools, "{} tools, not {}", tools.len(), exchange.tools);
    Ok(listed.result.tools.get().as_bytes().to_vec())
}

fn check_call(exchange: &Exchange, sent: &Sent, body: &[u8]) -> anyhow::Result<()> {
    let outcome = outcome(exchange, sent, body)?;
    let [block] = outcome.content.as_slice() else { bail!("{} content blocks", outcome.content.len()) };
    ensure!(block.text == sent.nonce, "nonce {} in the text, not {}", block.text, sent.nonce);
    let echo = outcome.structured_content.context("no structuredContent")?;
    ensure!(echo.nonce == sent.nonce && echo.text == TEXT, "structuredContent is another call's");
    Ok(())
}

fn outcome<'a>(exchange: &Exchange, sent: &Sent, body: &'a [u8]) -> anyhow::Result<Outcome<'a>> {
    let answer: Answer<'a> = serde_json::from_slice(body)?;
    if let Some(error) = answer.error {
        bail!("error {}", error.get());
    }
    ensure!(answer.id == Some(sent.id), "id {:?}, not {}", answer.id, sent.id);
    let outcome = answer.result.context("no result")?;
    let expected = if exchange.era == Era::Modern { Some("complete") } else { None };
    ensure!(outcome.result_type == expected, "resultType {:?}, not {expected:?}", outcome.result_type);
    Ok(outcome)
}

fn check_progress(sent: &Sent, message: &str) -> anyhow::Result<bool> {
    let answer: Answer<'_> = serde_json::from_str(message)?;
    if answer.method != Some("notifications/progress") {
        return Ok(false);
    }
    let token = answer.params.context("no params")?.progress_token;
    ensure!(token == sent.id, "progress token {token}, not {}", sent.id);
    Ok(true)
}

/// The data of each event; our peers send one line of data per event.
fn events(stream: &str) -> impl Iterator<Item = &str> {
    stream.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).filter(|data| !data.is_empty())
}
