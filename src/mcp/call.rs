//! What a client wants.

use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::jsonrpc::Raw;

use super::{Caller, Decision, Filter, ListKind, Params, TaskCall, TraceContext};

/// One client request, whatever era and wire it came by.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks, and what their client can do.
    pub caller: Arc<Caller>,
    /// The path of the endpoint they use.
    pub endpoint: Arc<str>,
    /// What they want.
    pub op: Op,
    /// Whether they want to hear of progress.
    pub progress: ProgressInterest,
    /// Arguments that the client mirrored into headers; the owner of the tool's schema checks them.
    pub mirrored: Mirrored,
    /// What is learned on the way, for the log.
    pub trace: Arc<Trace>,
}

/// What is learned of a call on its way.
#[derive(Debug, Default)]
pub struct Trace {
    context: Option<TraceContext>,
    address: Option<IpAddr>,
    server: OnceLock<Arc<str>>,
    own_name: OnceLock<Box<str>>,
    entry: OnceLock<Raw>,
    decision: OnceLock<Decision>,
    upstream_us: AtomicU64,
}

impl Trace {
    /// Of a call that came from there, perhaps with a trace.
    pub fn new(address: IpAddr, context: Option<TraceContext>) -> Self {
        Self { context, address: Some(address), ..Self::default() }
    }

    /// Where the client is, as far as trusted proxies tell. Absent where no client asked.
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The trace that the call came with.
    pub const fn context(&self) -> Option<&TraceContext> {
        self.context.as_ref()
    }

    /// It goes to this server.
    pub fn goes_to(&self, server: &Arc<str>) {
        let _ = self.server.set(server.clone());
    }

    /// The server it went to.
    pub fn server(&self) -> Option<&str> {
        self.server.get().map(|server| &**server)
    }

    /// The policy said this of it. What it said first stays: a call that is tried again is still one call.
    pub fn decided(&self, decision: Decision) {
        let _ = self.decision.set(decision);
    }

    /// What the policy said of it; nothing where there is no policy, or nothing to decide.
    pub fn decision(&self) -> Option<&Decision> {
        self.decision.get()
    }

    /// The server's own name for what is called.
    pub fn goes_by(&self, own: &str) {
        let _ = self.own_name.set(own.into());
    }

    /// The server's own name for what is called, where clients use another.
    pub fn own_name(&self) -> Option<&str> {
        self.own_name.get().map(|own| &**own)
    }

    /// It is of a tool that its server describes like this.
    pub fn is_of(&self, entry: &Raw) {
        let _ = self.entry.set(entry.clone());
    }

    /// How its server describes the tool that is called.
    pub fn entry(&self) -> Option<&Raw> {
        self.entry.get()
    }

    /// The server had it for so long.
    pub fn spend(&self, time: Duration) {
        self.upstream_us.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long servers had it.
    pub fn upstream_time(&self) -> Duration {
        Duration::from_micros(self.upstream_us.load(Ordering::Relaxed))
    }
}

/// What a client wants.
#[derive(Clone, Debug)]
pub enum Op {
    /// What there is: `server/discover`, `initialize`.
    Discover,
    /// One page of a list.
    List(ListKind, Option<String>),
    /// A tool call, a prompt, a resource: the three that may need input. Shared, since who takes part in a call keeps what was asked.
    Invoke(Arc<Invoke>),
    /// Suggestions for an argument.
    Complete(Completion),
    /// Something of a task.
    Task(TaskCall),
    /// One page of the caller's tasks (2025-11-25).
    Tasks(Option<String>),
    /// A stream of change notices.
    Listen(Filter),
    /// The client's roots changed (legacy sessions only); there is nothing to answer.
    RootsChanged,
    /// A notification that this gateway has no opinion of (legacy sessions only); there is nothing to answer.
    Tell {
        /// The method.
        method: String,
        /// The parameters as they came.
        params: Option<Raw>,
    },
    /// A method that this gateway has no opinion of.
    Extension {
        /// The method.
        method: String,
        /// The parameters as they came.
        params: Option<Raw>,
    },
}

/// A request that runs something and may need input on the way.
#[derive(Clone, Debug)]
pub struct Invoke {
    /// Which of the three.
    pub verb: Verb,
    /// The tool, the prompt or the URI.
    pub target: String,
    /// The parameters as they came, `_meta` included.
    pub params: Params,
    /// Their member `arguments`, found once for all who look at it.
    pub arguments: Option<Raw>,
    /// Answers to the questions of the round before, an object.
    pub answers: Option<Raw>,
    /// The state of the round before.
    pub state: Option<String>,
    /// The wish that it become a task, an object (2025-11-25).
    pub task: Option<Raw>,
}

/// The three methods that may need input (2026-07-28 basic/patterns/mrtr, Supported Requests).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `tools/call`
    CallTool,
    /// `prompts/get`
    GetPrompt,
    /// `resources/read`
    ReadResource,
}

impl Verb {
    /// The method.
    pub const fn method(self) -> &'static str {
        match self {
            Self::CallTool => "tools/call",
            Self::GetPrompt => "prompts/get",
            Self::ReadResource => "resources/read",
        }
    }

    /// The parameter that names the target.
    pub const fn key(self) -> &'static str {
        match self {
            Self::CallTool | Self::GetPrompt => "name",
            Self::ReadResource => "uri",
        }
    }

    /// The list in which targets are found.
    pub const fn list(self) -> ListKind {
        match self {
            Self::CallTool => ListKind::Tools,
            Self::GetPrompt => ListKind::Prompts,
            Self::ReadResource => ListKind::Resources,
        }
    }
}

/// A request for suggestions.
#[derive(Clone, Debug)]
pub struct Completion {
    /// What the argument belongs to.
    pub reference: Reference,
    /// The parameters as they came.
    pub params: Raw,
}

/// What a completion refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A prompt by name.
    Prompt(String),
    /// A resource or template by URI.
    Resource(String),
}

/// Whether the client gave a progress token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressInterest {
    /// It did: progress is wanted.
    Wanted,
    /// It did not: none is sent.
    Unwanted,
}

/// `Mcp-Param-*` headers of a modern client.
#[derive(Clone, Debug, Default)]
pub enum Mirrored {
    /// The client's wire has no such headers: nothing to check.
    #[default]
    NotApplicable,
    /// Lower-case names without the prefix, and the values as they came.
    Headers(Vec<(String, Vec<u8>)>),
}
