//! What is counted and logged of a call, whatever way it ends.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use memchr::memmem::Finder;

use crate::{
    audit::{Ended, Entry},
    clock,
    era::{Era, Method},
    jsonrpc::Raw,
    limit::Admission,
    mcp::{Call, Fault, Invoke, Limit, Op, Outcome, Per, Trace, TraceContext},
    seal,
    telemetry::{
        access::Access,
        label,
        metrics::{InUse, METRICS},
    },
};

/// A call's account. Dropped before it is settled, the call counts as cancelled.
pub(super) struct Account {
    started: Instant,
    method: Method,
    invoke: Option<Arc<Invoke>>,
    principal: Arc<str>,
    trace: Arc<Trace>,
    era: Era,
    bytes_in: usize,
    bytes_out: usize,
    is_settled: bool,
    admission: Admission,
    audited: Option<Entry>,
    _in_flight: InUse,
}

impl Account {
    pub(super) fn open(call: &Call, era: Era, bytes_in: usize) -> Self {
        Self {
            started: clock::now(),
            method: method(&call.op),
            invoke: if let Op::Invoke(invoke) = &call.op { Some(invoke.clone()) } else { None },
            principal: call.caller.principal.shared_id(),
            trace: call.trace.clone(),
            era,
            bytes_in,
            bytes_out: 0,
            is_settled: false,
            admission: Admission::default(),
            audited: None,
            _in_flight: InUse::of(&METRICS.requests_in_flight),
        }
    }

    /// Holds what the limits gave, until the call ends.
    pub(super) fn hold(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// It will have a line in the audit log.
    pub(super) fn audit(&mut self, entry: Option<Entry>) {
        self.audited = entry;
    }

    /// When it was opened.
    pub(super) const fn started(&self) -> Instant {
        self.started
    }

    /// Bytes went out before the end.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes_out += bytes;
    }

    /// Whether the call ended.
    pub(super) const fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// The call ended.
    pub(super) fn settle(&mut self, outcome: &Outcome, status: u16, bytes: usize) {
        if let Outcome::Failed(Fault::Limited(limit, _)) = outcome
            && !self.is_settled
        {
            count_refusal(limit);
        }
        self.close(outcome_label(outcome), status, bytes);
    }

    fn close(&mut self, outcome: &'static str, status: u16, bytes: usize) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        self.admission = Admission::default();
        self.bytes_out += bytes;
        let total = clock::now().saturating_duration_since(self.started);
        let upstream = self.trace.upstream_time();
        let gateway = total.saturating_sub(upstream);
        self.count(outcome, gateway);
        if Access::is_wanted() {
            self.log(outcome, status, gateway, upstream);
        }
        if let Some(entry) = self.audited.take() {
            let ended = Ended { outcome, status, gateway, upstream };
            entry.end(self.era.name(), &self.method, self.target(), &self.trace, ended);
        }
    }

    fn count(&self, outcome: &'static str, gateway: Duration) {
        let era = match self.era {
            Era::Modern => label::Era::Modern,
            Era::Legacy => label::Era::Legacy,
        };
        METRICS.requests.count(era, label::Method::of(&self.method), label::Outcome::of(outcome));
        METRICS.gateway_time.observe(gateway.as_secs_f64());
        METRICS.bytes.of(label::Direction::In).inc_by(whole(self.bytes_in));
        METRICS.bytes.of(label::Direction::Out).inc_by(whole(self.bytes_out));
    }

    /// The tool, the prompt or the URI.
    fn target(&self) -> Option<&str> {
        self.invoke.as_ref().map(|invoke| &*invoke.target)
    }

    fn log(&self, outcome: &'static str, status: u16, gateway: Duration, upstream: Duration) {
        Access {
            method: &self.method,
            trace_id: self.trace.context().and_then(TraceContext::trace_id),
            target: self.target(),
            server: self.trace.server(),
            principal: &self.principal,
            address: self.trace.address(),
            era: self.era.name(),
            decision: self.trace.decision().map(|decision| decision.ruling.name()),
            rule: self.trace.decision().and_then(|decision| decision.rule.as_deref()),
            outcome,
            status,
            bytes_in: whole(self.bytes_in),
            bytes_out: whole(self.bytes_out),
            gateway,
            upstream,
        }
        .write();
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.close("cancelled", 0, 0);
    }
}

/// What is learned of a call that came with a trace, or without: the gateway takes the place of the parent in it.
pub(super) fn trace(address: IpAddr, context: Option<TraceContext>) -> Arc<Trace> {
    let under = |context: TraceContext| match context.has_trace().then(seal::random_span) {
        Some(Ok(span)) => context.under(span),
        // Without randomness the trace goes on as if there were no gateway.
        _ => context,
    };
    Arc::new(Trace::new(address, context.map(under)))
}

/// A session's call with the trace that it came with.
pub(super) fn within(mut call: Call, address: IpAddr, context: Option<TraceContext>) -> Call {
    // Seldom another one than where the session was opened from.
    if call.caller.address != Some(address) {
        Arc::make_mut(&mut call.caller).address = Some(address);
    }
    Call { trace: trace(address, context), ..call }
}

/// Something that has no account was refused, perhaps because of a limit.
pub(super) fn count_fault(fault: &Fault) {
    if let Fault::Limited(limit, _) = fault {
        count_refusal(limit);
    }
}

/// Something was refused because of a limit.
pub(super) fn count_refusal(limit: &Limit) {
    let label = match limit {
        Limit::Requests => label::Limit::Requests,
        Limit::Queue => label::Limit::Queue,
        Limit::Streams => label::Limit::Streams,
        Limit::Sessions => label::Limit::Sessions,
        Limit::Subscriptions => label::Limit::Subscriptions,
        Limit::Parked => label::Limit::Parked,
        Limit::Set(set) => match *set.per {
            [Per::Address] => label::Limit::PerAddress,
            [Per::Principal] => label::Limit::PerPrincipal,
            [Per::Group] => label::Limit::PerGroup,
            [Per::Endpoint] => label::Limit::PerEndpoint,
            [Per::Server] => label::Limit::PerServer,
            [Per::Tool] => label::Limit::PerTool,
            _ => label::Limit::Combined,
        },
    };
    METRICS.refused.of(label).inc();
}

/// The word for an outcome.
fn outcome_label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Failed(fault) => fault.label(),
        Outcome::InputRequired { .. } => "input_required",
        Outcome::Complete(result) if is_tool_error(result) => "tool_error",
        _ => "ok",
    }
}

/// Looked for only where the words stand: most results are not read here at all.
fn is_tool_error(result: &Raw) -> bool {
    static NAME: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\"isError\""));
    let text = result.bytes();
    let is_true = |at: usize| {
        let after = text.get(at + NAME.needle().len()..).unwrap_or_default().trim_ascii_start();
        after.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"true"))
    };
    NAME.find_iter(text).any(is_true) && result.member("isError").is_some_and(|flag| flag.as_str() == "true")
}

/// The method of a call.
pub(super) fn method(op: &Op) -> Method {
    let known = match op {
        Op::Discover => "server/discover",
        Op::List(kind, _) => kind.method(),
        Op::Invoke(invoke) => invoke.verb.method(),
        Op::Complete(_) => "completion/complete",
        Op::Task(task) => task.act.method(),
        Op::Tasks(_) => "tasks/list",
        Op::Listen(_) => "subscriptions/listen",
        Op::RootsChanged => "notifications/roots/list_changed",
        Op::Extension { method, .. } | Op::Tell { method, .. } => return method.clone().into(),
    };
    known.into()
}

fn whole(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
