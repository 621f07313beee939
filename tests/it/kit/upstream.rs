//! A server whose every line a test writes, over HTTP or as a stdio child.
//!
//! The stdio child is `servers/relay.py`: it carries its lines to this process, so that both wires are scripted the same way. What no
//! test cares about (handshake, lists, subscriptions) is answered by the autopilot; everything else waits to be taken.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Notify, watch},
    task::AbortHandle,
};

use super::{
    autopilot::{self, Catalog},
    http::{Framing, Head, body},
    soon,
};

/// Which era a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// How a server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http,
    Stdio,
}

/// A scripted server.
#[derive(Clone)]
pub(crate) struct Upstream(Arc<Inner>);

pub(super) struct Inner {
    pub(super) era: Era,
    pub(super) wire: Wire,
    port: u16,
    arrived: Mutex<VecDeque<Arrived>>,
    changed: Notify,
    pub(super) catalog: Mutex<Catalog>,
    manual: Mutex<HashSet<String>>,
    pub(super) seen: Mutex<Vec<String>>,
    /// The heads of all requests over HTTP.
    heads: Mutex<Vec<Head>>,
    /// Where notices go that belong to no request: with the id of the subscription, if it has one.
    pub(super) listeners: Mutex<Vec<(Arrived, Option<Value>)>>,
    pub(super) sessions: AtomicUsize,
    connections: AtomicUsize,
    /// What accepts connections, and those that there are: they end with [`Upstream::stop`].
    accepting: Mutex<Option<AbortHandle>>,
    open: Mutex<Vec<(Weak<Write>, AbortHandle)>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upstream {
    pub(crate) async fn new(era: Era, wire: Wire) -> Self {
        Self::offering(era, wire, Catalog::default()).await
    }

    pub(crate) async fn offering(era: Era, wire: Wire, catalog: Catalog) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Arc::new(Inner {
            era,
            wire,
            port: listener.local_addr().unwrap().port(),
            arrived: Mutex::default(),
            changed: Notify::new(),
            catalog: Mutex::new(catalog),
            manual: Mutex::default(),
            seen: Mutex::default(),
            heads: Mutex::default(),
            listeners: Mutex::default(),
            sessions: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            accepting: Mutex::default(),
            open: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, inner.clone()));
        *lock(&inner.accepting) = Some(accepting.abort_handle());
        Self(inner)
    }

    /// Where it is, for a client that comes without a gateway.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.0.port)
    }

    /// Its entry in `mcpServers`.
    pub(crate) fn entry(&self) -> Value {
        match self.0.wire {
            Wire::Http => json!({ "url": format!("http://127.0.0.1:{}/mcp", self.0.port) }),
            Wire::Stdio => json!({
                "command": "python3",
                "args": [concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers/relay.py")],
                "env": { "RELAY_PORT": self.0.port.to_string() },
            }),
        }
    }

    /// The test answers this method itself.
    pub(crate) fn takes(&self, method: &str) {
        lock(&self.0.manual).insert(method.to_owned());
    }

    /// The autopilot answers this method again.
    pub(crate) fn leaves(&self, method: &str) {
        lock(&self.0.manual).remove(method);
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Catalog)) {
        change(&mut lock(&self.0.catalog));
    }

    /// How often a method came, whoever answered it.
    pub(crate) fn count(&self, method: &str) -> usize {
        lock(&self.0.seen).iter().filter(|seen| *seen == method).count()
    }

    /// How often a method of HTTP came.
    pub(crate) fn lines(&self, method: &str) -> usize {
        lock(&self.0.heads).iter().filter(|head| head.line.starts_with(method)).count()
    }

    /// Nobody is there any more.
    pub(crate) async fn stop(&self) {
        lock(&self.0.accepting).take().expect("it runs").abort();
        let open = std::mem::take(&mut *lock(&self.0.open));
        for (write, reader) in open {
            if let Some(write) = write.upgrade() {
                write.lock().await.take();
            }
            reader.abort();
        }
        let is_gone = async { while TcpStream::connect(("127.0.0.1", self.0.port)).await.is_ok() {} };
        soon("nobody is there", is_gone).await;
    }

    /// The values of a header in all requests so far, each once.
    pub(crate) fn headers(&self, name: &str) -> std::collections::BTreeSet<Option<String>> {
        lock(&self.0.heads).iter().map(|head| head.header(name).map(str::to_owned)).collect()
    }

    /// The next message of this method.
    pub(crate) async fn take(&self, method: &str) -> Arrived {
        self.take_if(method, |arrived| arrived.method() == method).await
    }

    /// The answer to a question of this id.
    pub(crate) async fn answer(&self, id: &Value) -> Arrived {
        self.take_if("an answer", |arrived| arrived.method().is_empty() && arrived.json["id"] == *id).await
    }

    pub(crate) async fn take_if(&self, what: &str, wanted: impl Fn(&Arrived) -> bool) -> Arrived {
        soon(&format!("{what} reaches the server"), self.wait_for(wanted)).await
    }

    /// The next message of this method, however long it takes.
    pub(crate) async fn next(&self, method: &str) -> Arrived {
        self.wait_for(|arrived| arrived.method() == method).await
    }

    async fn wait_for(&self, wanted: impl Fn(&Arrived) -> bool) -> Arrived {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(arrived) = self.take_now(&wanted) {
                return arrived;
            }
            changed.await;
        }
    }

    fn take_now(&self, wanted: &impl Fn(&Arrived) -> bool) -> Option<Arrived> {
        let mut queue = lock(&self.0.arrived);
        let place = queue.iter().position(wanted)?;
        queue.remove(place)
    }

    /// Waits until so many subscriptions or streams are open.
    pub(crate) async fn is_heard_by(&self, count: usize) {
        super::until("somebody listens", || lock(&self.0.listeners).len() >= count).await;
    }

    /// Breaks all subscriptions and streams off.
    pub(crate) async fn hang_up_on_listeners(&self) {
        let listeners = std::mem::take(&mut *lock(&self.0.listeners));
        for (listener, _) in listeners {
            listener.hang_up().await;
        }
    }

    /// Says a whole message to everybody who listens.
    pub(crate) async fn tell_raw(&self, text: &str) {
        let listeners = std::mem::take(&mut *lock(&self.0.listeners));
        for (mut listener, subscription) in listeners {
            if !*listener.out.gone.borrow() {
                listener.say(text).await;
                lock(&self.0.listeners).push((listener, subscription));
            }
        }
    }

    /// Says something to everybody who listens; `members` are those of `params`, without braces.
    pub(crate) async fn tell(&self, method: &str, members: &str) {
        let listeners = std::mem::take(&mut *lock(&self.0.listeners));
        for (mut listener, subscription) in listeners {
            let tag = subscription.as_ref().map_or_else(String::new, |id| {
                let comma = if members.is_empty() { "" } else { "," };
                format!(r#"{comma}"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}"#)
            });
            if !*listener.out.gone.borrow() {
                listener.notice(method, &format!("{members}{tag}")).await;
                lock(&self.0.listeners).push((listener, subscription));
            }
        }
    }
}

/// The sending half of a connection, until it is hung up.
type Write = tokio::sync::Mutex<Option<OwnedWriteHalf>>;

/// Where a message came from, and where its answer goes.
#[derive(Clone)]
struct Out {
    wire: Wire,
    write: Arc<Write>,
    gone: watch::Receiver<bool>,
    reader: AbortHandle,
    number: usize,
}

/// A message that came, and the way back.
#[derive(Clone)]
pub(crate) struct Arrived {
    /// Its text as it came.
    pub(crate) text: String,
    pub(crate) json: Value,
    head: Head,
    out: Out,
    is_streaming: bool,
}

impl Arrived {
    pub(crate) fn method(&self) -> &str {
        self.json["method"].as_str().unwrap_or("")
    }

    pub(crate) fn params(&self) -> &Value {
        &self.json["params"]
    }

    pub(crate) fn id(&self) -> &Value {
        &self.json["id"]
    }

    /// The first line of its request, over HTTP.
    pub(crate) fn line(&self) -> &str {
        &self.head.line
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// Which connection or child it came from.
    pub(crate) fn connection(&self) -> usize {
        self.out.number
    }

    /// Answers with a result.
    pub(crate) async fn result(&mut self, result: &str) {
        let id = self.id().clone();
        self.finish(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)).await;
    }

    /// Answers with a tool's result of one text.
    pub(crate) async fn text_result(&mut self, text: &str) {
        self.result(&format!(r#"{{"content":[{{"type":"text","text":"{text}"}}],"resultType":"complete"}}"#)).await;
    }

    pub(crate) async fn error(&mut self, code: i64, message: &str) {
        let id = self.id().clone();
        self.finish(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)).await;
    }

    /// Answers with any text.
    pub(crate) async fn finish(&mut self, text: &str) {
        if self.out.wire == Wire::Http && !self.is_streaming {
            return self.respond(200, "content-type: application/json\r\n", text).await;
        }
        self.say(text).await;
        self.end().await;
    }

    /// Ends a stream.
    pub(crate) async fn end(&mut self) {
        if self.is_streaming {
            self.write(b"0\r\n\r\n").await;
        }
    }

    /// A notice before the answer; `members` are those of `params`, without braces.
    pub(crate) async fn notice(&mut self, method: &str, members: &str) {
        self.say(&format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{members}}}}}"#)).await;
    }

    /// Progress of this request.
    pub(crate) async fn progress(&mut self, progress: impl std::fmt::Display) {
        let token = self.params()["_meta"]["progressToken"].clone();
        self.notice("notifications/progress", &format!(r#""progressToken":{token},"progress":{progress}"#)).await;
    }

    /// A question before the answer.
    pub(crate) async fn ask(&mut self, id: &Value, method: &str, params: &str) {
        self.say(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)).await;
    }

    /// A message before the answer: an event, or a line.
    pub(crate) async fn say(&mut self, text: &str) {
        if self.out.wire == Wire::Stdio {
            return self.write(format!("{text}\n").as_bytes()).await;
        }
        self.open_stream().await;
        let event = format!("data: {text}\n\n");
        self.write(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await;
    }

    pub(crate) async fn open_stream(&mut self) {
        if !std::mem::replace(&mut self.is_streaming, true) {
            self.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                .await;
        }
    }

    /// An HTTP response.
    pub(crate) async fn respond(&self, status: u16, headers: &str, text: &str) {
        let head = format!("HTTP/1.1 {status} Scripted\r\n{headers}content-length: {}\r\n\r\n", text.len());
        self.write(format!("{head}{text}").as_bytes()).await;
    }

    /// Bytes as they are.
    pub(crate) async fn write(&self, bytes: &[u8]) {
        if let Some(write) = &mut *self.out.write.lock().await {
            // Who went away hears nothing more.
            let _ = write.write_all(bytes).await;
        }
    }

    /// Closes the connection, or ends the child.
    pub(crate) async fn hang_up(&self) {
        self.out.write.lock().await.take();
        if self.out.wire == Wire::Http {
            self.out.reader.abort();
        }
    }

    /// Breaks the connection off without an orderly end.
    pub(crate) async fn reset(&self) {
        if let Some(write) = self.out.write.lock().await.take() {
            write.as_ref().set_zero_linger().unwrap();
            self.out.reader.abort();
        }
    }

    /// Waits until the gateway hangs up.
    pub(crate) async fn is_given_up(&mut self) {
        soon("the gateway gives the request up", self.out.gone.wait_for(|gone| *gone)).await.map(drop).unwrap_or(());
    }

    pub(crate) fn is_gone(&self) -> bool {
        *self.out.gone.borrow()
    }
}

async fn accept(listener: TcpListener, upstream: Arc<Inner>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        serve(stream, upstream.clone());
    }
}

fn serve(stream: TcpStream, upstream: Arc<Inner>) {
    let (read, write) = stream.into_split();
    let (goes, gone) = watch::channel(false);
    let write = Arc::new(tokio::sync::Mutex::new(Some(write)));
    let number = upstream.connections.fetch_add(1, Ordering::Relaxed);
    let (hand_over, out) = tokio::sync::oneshot::channel::<Out>();
    let (wire, open) = (upstream.wire, upstream.clone());
    let reading = tokio::spawn(async move {
        let Ok(out) = out.await else { return };
        read_all(BufReader::new(read), &upstream, &out).await;
        goes.send_replace(true);
    });
    let out = Out { wire, write, gone, reader: reading.abort_handle(), number };
    lock(&open.open).push((Arc::downgrade(&out.write), out.reader.clone()));
    let _ = hand_over.send(out);
}

async fn read_all(mut input: BufReader<OwnedReadHalf>, upstream: &Arc<Inner>, out: &Out) {
    loop {
        let (head, text) = match upstream.wire {
            Wire::Http => {
                let Ok(Some(head)) = Head::read(&mut input).await else { return };
                let Ok(content) = body(&mut input, head.framing(Framing::Length(0))).await else { return };
                (head, String::from_utf8(content).unwrap_or_default())
            }
            Wire::Stdio => {
                let mut line = String::new();
                if input.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return;
                }
                (Head::default(), line.trim_end().to_owned())
            }
        };
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        let arrived = Arrived { text, json, head, out: out.clone(), is_streaming: false };
        arrive(upstream, arrived).await;
    }
}

async fn arrive(upstream: &Arc<Inner>, arrived: Arrived) {
    let method = arrived.method().to_owned();
    lock(&upstream.seen).push(method.clone());
    lock(&upstream.heads).push(arrived.head.clone());
    let is_manual = lock(&upstream.manual).contains(&method);
    if !is_manual && let Some(left) = autopilot::answer(upstream, arrived.clone()).await {
        lock(&upstream.arrived).push_back(left);
    } else if is_manual {
        lock(&upstream.arrived).push_back(arrived);
    }
    upstream.changed.notify_waiters();
}
