//! Somebody whom the gateway asks over HTTP, and whose answers a test writes.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

use crate::kit::http::{Framing, Head, body};

/// What the gateway asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The address of whoever is asked, without a path.
    pub(super) origin: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) authorization: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) body: String,
}

impl Asked {
    /// The value of a field of a form.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What it is answered.
pub(super) enum Says {
    Json(u16, Value),
    /// The same, once it may.
    Held(Arc<Notify>, Value),
    /// Nothing, ever.
    Silence,
}

type Answers = dyn Fn(&Asked) -> Says + Send + Sync;

/// Somebody whom the gateway asks. Dropped, it is gone.
pub(super) struct Authority {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

impl Authority {
    pub(super) async fn start(answers: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answers): (Arc<Mutex<Vec<_>>>, Arc<Answers>) = (Arc::default(), Arc::new(answers));
        let serving = tokio::spawn(serve(listener, url.clone(), answers, asked.clone()));
        Self { url, asked, serving }
    }

    /// All that it was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, origin: String, answers: Arc<Answers>, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut open = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        open.spawn(answer(stream, origin.clone(), answers.clone(), asked.clone()));
    }
}

async fn answer(stream: TcpStream, origin: String, answers: Arc<Answers>, all: Arc<Mutex<Vec<Asked>>>) {
    let mut stream = BufReader::new(stream);
    let Ok(Some(head)) = Head::read(&mut stream).await else { return };
    let body = body(&mut stream, head.framing(Framing::Length(0))).await.unwrap();
    let mut line = head.line.split(' ').map(str::to_owned);
    let asked = Asked {
        origin,
        method: line.next().unwrap(),
        path: line.next().unwrap(),
        authorization: head.header("authorization").map(str::to_owned),
        content_type: head.header("content-type").map(str::to_owned),
        body: String::from_utf8(body).unwrap(),
    };
    all.lock().unwrap().push(asked.clone());
    let (status, body) = match answers(&asked) {
        Says::Json(status, body) => (status, body),
        Says::Held(may, body) => {
            may.notified().await;
            (200, body)
        }
        Says::Silence => return std::future::pending().await,
    };
    let body = body.to_string();
    let answer = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let _ = stream.get_mut().write_all(answer.as_bytes()).await;
    let _ = stream.get_mut().shutdown().await;
}
