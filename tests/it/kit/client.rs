//! A client that sends whatever bytes it is given, and reads answers of both forms as they come.

use std::{collections::VecDeque, io};

use serde_json::Value;
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{
    http::{Framing, Head, piece},
    soon,
};

/// The bytes of a request.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str("host: 127.0.0.1\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// A connection that sends bytes.
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = soon("connect", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// Sends bytes; the other side may hang up in the middle of them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = soon("send", self.stream.write_all(bytes)).await;
    }

    /// The head of the answer; the body is read as it is asked for.
    pub(crate) async fn answer(self) -> Answer {
        let mut input = BufReader::new(self.stream);
        let head = soon("an answer", Head::read(&mut input)).await.unwrap().expect("an answer, not a hang-up");
        let status = head.line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let framing = if status == 204 { Framing::Length(0) } else { head.framing(Framing::UntilClose) };
        Answer { status, head, input, framing, text: String::new(), events: VecDeque::new(), is_over: false }
    }

    /// Whether the other side hangs up without an answer.
    pub(crate) async fn is_hung_up(self) -> bool {
        let mut input = BufReader::new(self.stream);
        matches!(soon("a hang-up", Head::read(&mut input)).await, Ok(None) | Err(_))
    }

    /// A request and the head of its answer.
    pub(crate) async fn exchange(address: &str, bytes: &[u8]) -> Answer {
        let mut client = Self::connect(address).await;
        client.send(bytes).await;
        client.answer().await
    }
}

/// An event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SseEvent {
    pub(crate) id: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) data: String,
}

/// An answer. Dropped, it hangs up.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: Head,
    input: BufReader<TcpStream>,
    framing: Framing,
    text: String,
    events: VecDeque<SseEvent>,
    is_over: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    async fn more(&mut self) -> io::Result<bool> {
        if self.is_over {
            return Ok(false);
        }
        match soon("more of the body", piece(&mut self.input, &mut self.framing)).await? {
            // All three line ends of an event stream are one; a message holds none of them.
            Some(mut bytes) => {
                if self.is_stream() {
                    bytes.retain(|byte| *byte != b'\r');
                }
                self.text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
            }
            None => self.is_over = true,
        }
        Ok(!self.is_over)
    }

    /// The connection, for another request; the body is read to its end.
    pub(crate) async fn kept(mut self) -> Client {
        while self.more().await.expect("a whole body") {}
        Client { stream: self.input.into_inner() }
    }

    /// The whole body as it came.
    pub(crate) async fn text(mut self) -> String {
        while self.more().await.expect("a whole body") {}
        self.text
    }

    /// The raw text up to and with the next blank line: an event or a comment.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                return Some(std::mem::replace(&mut self.text, rest));
            }
            if !self.more().await.unwrap_or(false) {
                return None;
            }
        }
    }

    /// The next event that carries data; comments alone do not count as a sign of life.
    pub(crate) async fn event(&mut self) -> Option<SseEvent> {
        soon("an event", self.next_event()).await
    }

    async fn next_event(&mut self) -> Option<SseEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        loop {
            let block = self.block().await?;
            let event = parse(&block);
            if !event.data.is_empty() || event.id.is_some() {
                return Some(event);
            }
        }
    }

    /// The text of the next message, in either form of answer.
    pub(crate) async fn message_text(&mut self) -> Option<String> {
        if self.is_stream() {
            loop {
                let event = self.event().await?;
                if !event.data.is_empty() {
                    return Some(event.data);
                }
            }
        }
        while self.more().await.unwrap_or(false) {}
        Some(std::mem::take(&mut self.text)).filter(|text| !text.is_empty())
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Value {
        let text = self.message_text().await.expect("a message, not the end");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The response, and what came before it.
    pub(crate) async fn all(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(text) = self.message_text().await {
            all.push(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")));
        }
        all
    }

    /// The text of the response: the last message.
    pub(crate) async fn response_text(mut self) -> String {
        let mut last = None;
        while let Some(text) = self.message_text().await {
            last = Some(text);
        }
        last.expect("a response")
    }

    /// The response: the last message.
    pub(crate) async fn response(self) -> Value {
        let text = self.response_text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The response is an error of this status and code; answers with it.
    pub(crate) async fn refused(self, status: u16, code: i64) -> Value {
        let own = self.status;
        let text = self.response_text().await;
        let message: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{own}: {error}: {text}"));
        assert_eq!((own, message["error"]["code"].as_i64()), (status, Some(code)), "{message}");
        message
    }
}

fn parse(block: &str) -> SseEvent {
    let mut event = SseEvent::default();
    for line in block.lines() {
        match line.split_once(": ").or_else(|| line.split_once(':')) {
            Some(("id", value)) => event.id = Some(value.to_owned()),
            Some(("event", value)) => event.event = Some(value.to_owned()),
            Some(("data", value)) => event.data.push_str(value),
            _ => (),
        }
    }
    event
}
