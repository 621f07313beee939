//! What a condition is asked about: variables that are made when somebody looks at them.
//!
//! What is not known yet is not there, and that it was looked for is remembered. The language's own rules do the rest: `false && ?` is
//! false and `true || ?` is true, whatever `?` would be, so that a condition that comes to something without it would come to the same
//! with it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cel::{
    common::{
        types::{CelMap, CelTimestamp},
        value::CowVal,
    },
    context::VariableResolver,
};
use chrono::DateTime;

use crate::{clock, mcp::ListKind};

use super::{
    asked::{Asked, Known, Subject},
    language::{Mentions, Variable},
    value,
};

/// The variables of one question.
pub(super) struct Scope<'a> {
    asked: &'a Asked<'a>,
    known: Known<'a>,
    bounds: Bounds,
    principal: OnceLock<CelMap<'a>>,
    subject: OnceLock<CelMap<'a>>,
    client: OnceLock<CelMap<'static>>,
    request: OnceLock<CelMap<'static>>,
    arguments: OnceLock<Option<CelMap<'static>>>,
    now: OnceLock<Option<CelTimestamp>>,
    missed: AtomicBool,
}

/// How much is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The largest arguments.
    pub(super) max_arguments_bytes: usize,
    /// Whether some condition looks at claims.
    pub(super) claims: Claims,
    /// What nobody knows any more, of a call that is long over.
    pub(super) gaps: Mentions,
    /// When the call was, since 1970; now when absent.
    pub(super) at: Option<Duration>,
}

/// Whether some condition looks at claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claims {
    /// One does.
    Seen,
    /// None does.
    Unseen,
}

impl<'a> Scope<'a> {
    pub(super) fn new(asked: &'a Asked<'a>, known: Known<'a>, bounds: Bounds) -> Self {
        Self {
            asked,
            known,
            bounds,
            principal: OnceLock::new(),
            subject: OnceLock::new(),
            client: OnceLock::new(),
            request: OnceLock::new(),
            arguments: OnceLock::new(),
            now: OnceLock::new(),
            missed: AtomicBool::new(false),
        }
    }

    /// What nobody knows any more.
    pub(super) const fn gaps(&self) -> Mentions {
        self.bounds.gaps
    }

    /// Whether something was looked for that is not known yet; asked once for each condition.
    pub(super) fn missed(&self) -> bool {
        self.missed.swap(false, Ordering::Relaxed)
    }

    fn principal(&self) -> &CelMap<'a> {
        self.principal.get_or_init(|| {
            let identity = self.asked.principal.identity();
            let claims = (self.bounds.claims == Claims::Seen).then_some(&identity.claims);
            let known = value::principal(identity, claims);
            if self.bounds.gaps.has(Variable::Claims) { value::without(known, "claims") } else { known }
        })
    }

    /// The tool, prompt or resource, where it is the one that is looked for.
    fn subject(&self, wanted: Variable) -> Option<&CelMap<'a>> {
        match (wanted, self.asked.subject) {
            (Variable::Tool, Subject::Tool(thing)) => Some(self.subject.get_or_init(|| {
                let known = value::tool(&thing);
                let is_gap = self.bounds.gaps.has(Variable::Annotations);
                if is_gap { value::without(known, "annotations") } else { known }
            })),
            (Variable::Prompt, Subject::Prompt(thing)) => Some(self.subject.get_or_init(|| value::prompt(&thing))),
            (Variable::Resource, Subject::Resource(uri)) => {
                Some(self.subject.get_or_init(|| value::record([("uri", value::text(uri))])))
            }
            _ => None,
        }
    }

    fn arguments(&self) -> Option<&CelMap<'static>> {
        let Known::Whole(_, raw) = self.known else { return None };
        self.arguments.get_or_init(|| value::arguments(raw, self.bounds.max_arguments_bytes)).as_ref()
    }

    fn client(&self) -> Option<&CelMap<'static>> {
        let caller = self.known.caller()?;
        Some(self.client.get_or_init(|| value::client(caller)))
    }

    fn request(&self) -> Option<&CelMap<'static>> {
        let caller = self.known.caller().filter(|_| !self.bounds.gaps.has(Variable::Request))?;
        Some(self.request.get_or_init(|| value::request(caller)))
    }

    fn now(&self) -> Option<&CelTimestamp> {
        self.known.caller()?;
        let make = || {
            let since = self.bounds.at.unwrap_or_else(clock::unix_time);
            let time = DateTime::from_timestamp(i64::try_from(since.as_secs()).ok()?, since.subsec_nanos())?;
            Some(CelTimestamp::from(time.fixed_offset()))
        };
        self.now.get_or_init(make).as_ref()
    }

    fn find(&self, variable: Variable) -> Option<CowVal<'_, '_>> {
        match variable {
            Variable::Principal => Some(CowVal::Borrowed(self.principal())),
            Variable::Claims | Variable::Annotations => None,
            Variable::Method => Some(CowVal::Owned(value::text(self.asked.subject.method()))),
            Variable::Server => Some(CowVal::Owned(value::text(self.asked.server))),
            Variable::Endpoint => Some(CowVal::Owned(value::text(self.asked.endpoint))),
            Variable::Tool | Variable::Prompt | Variable::Resource => {
                self.subject(variable).map(|subject| CowVal::Borrowed(subject))
            }
            Variable::Arguments => self.arguments().map(|arguments| CowVal::Borrowed(arguments)),
            Variable::Client => self.client().map(|client| CowVal::Borrowed(client)),
            Variable::Request => self.request().map(|request| CowVal::Borrowed(request)),
            Variable::Now => self.now().map(|now| CowVal::Borrowed(now)),
        }
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let variable = Variable::of(name)?;
        let found = self.find(variable);
        if found.is_none() {
            self.missed.store(true, Ordering::Relaxed);
        }
        found
    }
}

/// The list that a subject of no name belongs to: resources that a template makes are resources.
pub(super) const fn class(kind: ListKind) -> Variable {
    match kind {
        ListKind::Tools => Variable::Tool,
        ListKind::Prompts => Variable::Prompt,
        ListKind::Resources | ListKind::Templates => Variable::Resource,
    }
}
