//! The load generator: closed loop, or a fixed rate whose latencies count from the intended send time.
//!
//! At a fixed rate the schedule does not wait for answers: a call that had to queue because the gateway stalled is
//! charged the time it queued (no coordinated omission). Each connection has one call under way and, in the legacy
//! era, its own session.
use crate::answer::{Era, LEGACY};
use crate::clock::now;
use crate::expect::{Checker, Exchange, Method};
use crate::histogram::Histogram;
use crate::http1::{Head, Inbox};
use crate::process::Cpu;
use crate::report::Report;
use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// A run with more errors than this measures nothing; it stops.
const ERROR_LIMIT: u64 = 100;
/// What calls still under way at the end may take before they count as errors.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Endpoint, as `http://ADDRESS:PORT/PATH`.
    #[arg(long)]
    url: String,
    #[arg(long, value_enum, default_value_t = EraOption::Modern)]
    era: EraOption,
    #[arg(long, value_enum, default_value_t = Method::Call)]
    method: Method,
    /// Name of the echo tool.
    #[arg(long, default_value = "echo")]
    tool: String,
    /// Tools a list must hold.
    #[arg(long, default_value_t = 50)]
    tools: usize,
    /// Ask for progress, and require this many notifications per call.
    #[arg(long, default_value_t = 0)]
    progress: u32,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Length of the measured window.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Load before the window, not measured.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Calls per second over all connections; without it the loop is closed.
    #[arg(long)]
    rate: Option<f64>,
    /// Processes whose CPU time is reported per call.
    #[arg(long, value_delimiter = ',')]
    pid: Vec<u32>,
    /// Bearer tokens, shared out among the connections.
    #[arg(long, value_delimiter = ',')]
    token: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum EraOption {
    Modern,
    Legacy,
}

/// When the window opens and closes, and in which order calls are due.
struct Schedule {
    opens: Instant,
    closes: Instant,
    pace: Option<Pace>,
}

struct Pace {
    started: Instant,
    interval: Duration,
    total: u64,
    due: Arc<Semaphore>,
}

struct Run {
    exchange: Exchange,
    address: String,
    path: String,
    tokens: Vec<String>,
    schedule: Schedule,
    next: Cell<u64>,
    done: Cell<u64>,
    latencies: RefCell<Histogram>,
    checker: RefCell<Checker>,
    errors: Cell<u64>,
    first_error: RefCell<Option<String>>,
}

/// Runs the load and prints the report.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let run = Rc::new(Run::new(&options)?);
    let connections: Vec<_> =
        (0..options.connections).map(|number| tokio::task::spawn_local(Rc::clone(&run).connection(number))).collect();
    tokio::time::sleep_until(run.schedule.opens.into()).await;
    let (cpu_before, done_before) = (Cpu::of(&options.pid)?, run.done.get());
    tokio::time::sleep_until(run.schedule.closes.into()).await;
    let (cpu_after, done_after) = (Cpu::of(&options.pid)?, run.done.get());
    let all_ended = tokio::time::timeout(GRACE, async {
        for connection in connections {
            let _ = connection.await;
        }
    });
    if all_ended.await.is_err() {
        run.count_error(&anyhow::anyhow!("calls still under way {} s after the end", GRACE.as_secs()));
    }
    let latencies = run.latencies.borrow();
    let calls = done_after - done_before;
    let mut report = Report::new(&latencies, calls, run.schedule.closes - run.schedule.opens);
    report.errors = run.errors.get();
    report.first_error = run.first_error.take();
    if !options.pid.is_empty() {
        report.charge(cpu_before, cpu_after, calls);
    }
    report.print(options.json)
}

impl Run {
    fn new(options: &Options) -> anyhow::Result<Self> {
        let rest = options.url.strip_prefix("http://").context("the URL must start with http://")?;
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let era = match options.era {
            EraOption::Modern => Era::Modern,
            EraOption::Legacy => Era::Legacy,
        };
        Ok(Self {
            exchange: Exchange {
                era,
                method: options.method,
                tool: options.tool.clone(),
                progress: options.progress,
                tools: options.tools,
                run: std::process::id(),
            },
            address: address.to_owned(),
            path: format!("/{path}"),
            tokens: options.token.clone(),
            schedule: Schedule::new(options),
            next: Cell::new(0),
            done: Cell::new(0),
            latencies: RefCell::default(),
            checker: RefCell::default(),
            errors: Cell::new(0),
            first_error: RefCell::default(),
        })
    }

    async fn connection(self: Rc<Self>, number: usize) {
        while self.errors.get() < ERROR_LIMIT {
            match self.converse(number).await {
                Ok(()) => return,
                Err(error) => self.count_error(&error),
            }
        }
    }

    /// Calls on one connection until the schedule ends; an I/O error ends it early.
    async fn converse(&self, number: usize) -> anyhow::Result<()> {
        let mut peer = Peer::connect(self, number).await?;
        let mut body = String::with_capacity(1024);
        while let Some((id, intended)) = self.schedule.next(&self.next).await {
            let sent = self.exchange.body(id, &mut body);
            let begun = intended.unwrap_or_else(now);
            let extent = peer.exchange(&body).await?;
            let ended = now();
            let (head, text) = peer.inbox.message(&extent)?;
            if let Err(error) = self.check(&head, text, &sent) {
                self.count_error(&error);
                ensure!(self.errors.get() < ERROR_LIMIT, "too many errors");
            }
            self.done.set(self.done.get() + 1);
            self.schedule.record(begun, ended, &mut self.latencies.borrow_mut());
        }
        Ok(())
    }

    fn check(&self, head: &Head<'_>, text: &[u8], sent: &crate::expect::Sent) -> anyhow::Result<()> {
        ensure!(head.status() == Some(200), "{}: {}", head.start, String::from_utf8_lossy(text));
        let kind = head.field("content-type").unwrap_or_default();
        self.checker.borrow_mut().check(&self.exchange, sent, kind, text)
    }

    fn count_error(&self, error: &anyhow::Error) {
        self.errors.set(self.errors.get() + 1);
        self.first_error.borrow_mut().get_or_insert_with(|| format!("{error:#}"));
    }
}

impl Schedule {
    fn new(options: &Options) -> Self {
        let started = now() + Duration::from_millis(20);
        let opens = started + Duration::from_secs_f64(options.warm_up);
        let closes = opens + Duration::from_secs_f64(options.seconds);
        let pace = options.rate.map(|rate| Pace::start(started, closes, rate));
        Self { opens, closes, pace }
    }

    /// The id of the next call and, at a fixed rate, when it was due; `None` at the end.
    async fn next(&self, next: &Cell<u64>) -> Option<(u64, Option<Instant>)> {
        let number = next.get();
        let Some(pace) = &self.pace else {
            next.set(number + 1);
            return (now() < self.closes).then_some((number, None));
        };
        if number >= pace.total {
            return None;
        }
        next.set(number + 1);
        pace.due.acquire().await.ok()?.forget();
        Some((number, Some(pace.time_of(number))))
    }

    /// Counts a call that belongs to the window: by its end in a closed loop, by its due time at a fixed rate.
    fn record(&self, begun: Instant, ended: Instant, latencies: &mut Histogram) {
        let belongs = if self.pace.is_some() { begun } else { ended };
        if belongs >= self.opens && belongs < self.closes {
            latencies.record(u64::try_from((ended - begun).as_nanos()).unwrap_or(u64::MAX));
        }
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the calls of a run are far fewer than 2^52, and their rate is positive"
)]
impl Pace {
    /// Starts the thread that releases calls on time: the runtime's own timer has a grain of 1 ms.
    fn start(started: Instant, closes: Instant, rate: f64) -> Self {
        let interval = Duration::from_secs_f64(1.0 / rate);
        let total = ((closes - started).as_secs_f64() * rate) as u64;
        let pace = Self { started, interval, total, due: Arc::new(Semaphore::new(0)) };
        let due = Arc::clone(&pace.due);
        std::thread::spawn(move || {
            for number in 0..total {
                std::thread::sleep((started + interval.mul_f64(number as f64)).saturating_duration_since(now()));
                due.add_permits(1);
            }
        });
        pace
    }

    fn time_of(&self, number: u64) -> Instant {
        self.started + self.interval.mul_f64(number as f64)
    }
}

/// One keep-alive connection, with its session in the legacy era.
struct Peer {
    stream: TcpStream,
    inbox: Inbox,
    head: String,
    request: Vec<u8>,
    token: Option<String>,
}

impl Peer {
    async fn connect(run: &Run, number: usize) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&run.address).await?;
        stream.set_nodelay(true)?;
        let token = run.tokens.iter().cycle().nth(number).cloned();
        let mut peer = Self { stream, inbox: Inbox::default(), head: String::new(), request: Vec::new(), token };
        peer.head = peer.head_with(run, None);
        if run.exchange.era == Era::Legacy {
            let session = peer.open_session().await?;
            peer.head = peer.head_with(run, session.as_deref());
            peer.exchange(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await?;
        }
        Ok(peer)
    }

    fn head_with(&self, run: &Run, session: Option<&str>) -> String {
        let mut fields = run.exchange.headers(session);
        if let Some(token) = &self.token {
            fields.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{fields}Content-Length: ",
            run.path, run.address
        )
    }

    async fn open_session(&mut self) -> anyhow::Result<Option<String>> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"open","method":"initialize","params":{{"protocolVersion":"{LEGACY}","capabilities":{{}},"clientInfo":{{"name":"load","version":"1.0.0"}}}}}}"#
        );
        let extent = self.exchange(&body).await?;
        let (head, text) = self.inbox.message(&extent)?;
        ensure!(head.status() == Some(200), "initialize: {}: {}", head.start, String::from_utf8_lossy(text));
        Ok(head.field("mcp-session-id").map(str::to_owned))
    }

    async fn exchange(&mut self, body: &str) -> anyhow::Result<crate::http1::Extent> {
        self.request.clear();
        self.request.extend_from_slice(self.head.as_bytes());
        self.request.extend_from_slice(body.len().to_string().as_bytes());
        self.request.extend_from_slice(b"\r\n\r\n");
        self.request.extend_from_slice(body.as_bytes());
        self.stream.write_all(&self.request).await?;
        self.inbox.receive(&mut self.stream).await?.context("closed instead of an answer")
    }
}
