//! An API server of Kubernetes, as far as Services are listed and watched: versions, bookmarks, history that is forgotten, and all that
//! can go wrong on the way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
    sync::watch,
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use super::http::Head;

/// The API server. Dropped, nobody is there any more.
pub(crate) struct Cluster {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    accepting: AbortHandle,
    pub(crate) url: String,
}

#[derive(Default)]
struct State {
    services: BTreeMap<(String, String), Value>,
    /// What happened, in the words of a watch; a version is a place in it.
    history: Vec<Happened>,
    /// Versions before are forgotten.
    oldest: usize,
    token: String,
    away: Option<u16>,
    /// Watches of an earlier time are broken off.
    epoch: usize,
    /// Watches say nothing and never end.
    is_silent: bool,
    asked: Vec<String>,
}

#[derive(Clone)]
enum Happened {
    Event(String, String),
    Raw(Vec<u8>),
}

/// A Service that is a server at this port of this machine.
pub(crate) fn service(namespace: &str, name: &str, port: u16, annotations: Value) -> Value {
    json!({
        "metadata": {
            "namespace": namespace, "name": name, "creationTimestamp": "2026-01-01T00:00:00Z", "annotations": annotations,
            "labels": { "myelin.dev/server": "true" }, "managedFields": [{ "manager": "kubectl" }],
        },
        "spec": {
            "type": "ClusterIP", "clusterIP": "127.0.0.1",
            "ports": [{ "name": "mcp", "port": port, "protocol": "TCP", "targetPort": port }],
        },
        "status": { "loadBalancer": {} },
    })
}

impl Cluster {
    /// One that takes the token `one`.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { token: "one".to_owned(), ..State::default() }));
        let changed = watch::Sender::default();
        let accepting = tokio::spawn(accept(listener, state.clone(), changed.clone())).abort_handle();
        Self { state, changed, accepting, url }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let answer = change(&mut lock(&self.state));
        self.changed.send_modify(|count| *count += 1);
        answer
    }

    /// Adds or replaces a Service.
    pub(crate) fn put(&self, service: Value) {
        self.change(|state| {
            let key = key(&service);
            let kind = if state.services.contains_key(&key) { "MODIFIED" } else { "ADDED" };
            state.happens(kind, service.clone());
            state.services.insert(key, service);
        });
    }

    pub(crate) fn remove(&self, namespace: &str, name: &str) {
        self.change(|state| {
            let gone = state.services.remove(&(namespace.to_owned(), name.to_owned())).expect("it is there");
            state.happens("DELETED", gone);
        });
    }

    /// Says where it is, as API servers do from time to time.
    pub(crate) fn bookmark(&self) {
        self.change(|state| state.happens("BOOKMARK", json!({ "kind": "Service", "metadata": {}, "spec": {} })));
    }

    /// Puts bytes on all watches.
    pub(crate) fn says(&self, bytes: impl Into<Vec<u8>>) {
        self.change(|state| state.history.push(Happened::Raw(bytes.into())));
    }

    /// Changes a Service where no watch sees it, and forgets that it did.
    pub(crate) fn forgets(&self) {
        self.change(|state| {
            state.oldest = state.history.len();
            state.epoch += 1;
        });
    }

    /// Breaks all watches off.
    pub(crate) fn hangs_up(&self) {
        self.change(|state| state.epoch += 1);
    }

    /// From now on watches say nothing and do not end.
    pub(crate) fn falls_silent(&self) {
        self.change(|state| state.is_silent = true);
    }

    /// Answers everything with this status, and breaks the watches off; with none it is itself again, and not silent.
    pub(crate) fn answers(&self, status: Option<u16>) {
        self.change(|state| {
            (state.away, state.is_silent) = (status, false);
            state.epoch += 1;
        });
    }

    /// Takes this token only, and breaks the watches off.
    pub(crate) fn takes(&self, token: &str) {
        self.change(|state| {
            token.clone_into(&mut state.token);
            state.epoch += 1;
        });
    }

    /// How many requests had this in their first line.
    pub(crate) fn asked(&self, what: &str) -> usize {
        lock(&self.state).asked.iter().filter(|line| line.contains(what)).count()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.accepting.abort();
        self.hangs_up();
    }
}

impl State {
    fn happens(&mut self, kind: &str, mut object: Value) {
        object["metadata"]["resourceVersion"] = (self.history.len() + 1).to_string().into();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        self.history.push(Happened::Event(namespace, json!({ "type": kind, "object": object }).to_string() + "\n"));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(service: &Value) -> (String, String) {
    let text = |member: &str| service["metadata"][member].as_str().unwrap().to_owned();
    (text("namespace"), text("name"))
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, changed: watch::Sender<u64>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, state.clone(), changed.subscribe()));
    }
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>, changed: watch::Receiver<u64>) {
    let (read, mut write) = stream.into_split();
    let Ok(Some(head)) = Head::read(&mut BufReader::new(read)).await else { return };
    let target = head.line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let is_known = {
        let mut state = lock(&state);
        state.asked.push(head.line.clone());
        head.header("authorization") == Some(&format!("Bearer {}", state.token))
    };
    let away = lock(&state).away;
    let namespace = match path.split('/').collect::<Vec<_>>().as_slice() {
        ["", "api", "v1", "services"] => None,
        ["", "api", "v1", "namespaces", namespace, "services"] => Some((*namespace).to_owned()),
        _ => return answer(&mut write, 404, &json!({})).await,
    };
    assert_eq!(query["labelSelector"], "myelin.dev%2Fserver%3Dtrue");
    match (is_known, away) {
        (_, Some(status)) => answer(&mut write, status, &json!({ "kind": "Status", "code": status })).await,
        (false, _) => answer(&mut write, 401, &json!({ "kind": "Status", "code": 401 })).await,
        _ if query.contains_key("watch") => watching(write, (state, changed), namespace, &query).await,
        _ => {
            let page = page(&lock(&state), namespace.as_deref(), &query);
            answer(&mut write, 200, &page).await;
        }
    }
}

fn page(state: &State, namespace: Option<&str>, query: &BTreeMap<&str, &str>) -> Value {
    let limit: usize = query["limit"].parse().unwrap();
    let after: usize = query.get("continue").map_or(0, |next| next.parse().unwrap());
    let own =
        state.services.values().filter(|service| namespace.is_none_or(|own| service["metadata"]["namespace"] == own));
    let own: Vec<&Value> = own.collect();
    let items: Vec<&Value> = own.iter().copied().skip(after).take(limit).collect();
    let mut metadata = json!({ "resourceVersion": state.history.len().to_string() });
    if after + items.len() < own.len() {
        metadata["continue"] = (after + items.len()).to_string().into();
    }
    json!({ "kind": "ServiceList", "apiVersion": "v1", "metadata": metadata, "items": items })
}

async fn answer(write: &mut OwnedWriteHalf, status: u16, content: &Value) {
    let content = content.to_string();
    let head = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        content.len()
    );
    let _ = write.write_all((head + &content).as_bytes()).await;
}

async fn watching(
    mut write: OwnedWriteHalf,
    (state, mut changed): (Arc<Mutex<State>>, watch::Receiver<u64>),
    namespace: Option<String>,
    query: &BTreeMap<&str, &str>,
) {
    let lasts = Duration::from_secs(query["timeoutSeconds"].parse().unwrap());
    let (mut seen, end): (usize, _) = (query["resourceVersion"].parse().unwrap(), Instant::now() + lasts);
    let (epoch, oldest) = {
        let state = lock(&state);
        (state.epoch, state.oldest)
    };
    let _ = write
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    if seen < oldest {
        let gone = json!({ "type": "ERROR", "object": { "kind": "Status", "code": 410, "reason": "Expired" } });
        return drop(chunk(&mut write, format!("{gone}\n").as_bytes()).await);
    }
    loop {
        changed.borrow_and_update();
        let (news, is_silent) = {
            let state = lock(&state);
            if state.epoch != epoch {
                return;
            }
            (state.history[seen..].to_vec(), state.is_silent)
        };
        for happened in if is_silent { Vec::new() } else { news } {
            seen += 1;
            let bytes = match happened {
                Happened::Raw(bytes) => bytes,
                Happened::Event(of, _) if !of.is_empty() && namespace.as_ref().is_some_and(|own| *own != of) => {
                    continue;
                }
                Happened::Event(_, text) => text.into_bytes(),
            };
            if chunk(&mut write, &bytes).await.is_err() {
                return;
            }
        }
        let waits = async {
            if is_silent { changed.changed().await.ok() } else { timeout_at(end, changed.changed()).await.ok()?.ok() }
        };
        if waits.await.is_none() {
            let _ = write.write_all(b"0\r\n\r\n").await;
            return;
        }
    }
}

async fn chunk(write: &mut OwnedWriteHalf, bytes: &[u8]) -> std::io::Result<()> {
    write.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
    write.write_all(bytes).await?;
    write.write_all(b"\r\n").await
}
