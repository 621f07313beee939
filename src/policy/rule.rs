//! One rule: what it is about, and what it says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cel::Context;
use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::{
    clock,
    mcp::{ListKind, Verb},
    telemetry::metrics::METRICS,
};

use super::{
    asked::{Asked, Subject},
    language::{Condition, ConditionFault, Failure, Mentions, Variable},
    scope::{Scope, class},
    settings::{Effect, Mode, RuleSettings, TargetSettings},
    truth::Truth,
};

/// A failing rule says so once in this time.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// A rule.
pub(super) struct Rule {
    pub(super) effect: Effect,
    pub(super) mode: Mode,
    pub(super) scopes: Vec<String>,
    /// Its name, or `#3`.
    pub(super) mark: Arc<str>,
    pub(super) targets: Targets,
    /// As it was written.
    pub(super) source: Box<str>,
    condition: Condition,
    /// When it last said that it fails, in seconds since 1970.
    said: AtomicU64,
}

/// Why settings make no rule.
#[derive(Debug, thiserror::Error)]
pub enum RuleFault {
    /// A condition is wrong.
    #[error("{}", .0.first().map_or_else(String::new, ToString::to_string))]
    Condition(Vec<ConditionFault>),
    /// A pattern is no glob.
    #[error("a pattern is no glob")]
    Pattern(#[from] globset::Error),
}

/// What is wrong with a rule's condition, and whether anything is left that it is about.
pub fn faults(settings: &RuleSettings) -> Vec<ConditionFault> {
    match Rule::new(settings, 0, Mode::Enforce) {
        Err(RuleFault::Condition(faults)) => faults,
        // Patterns are the configuration's own to report.
        Err(RuleFault::Pattern(_)) | Ok(_) => Vec::new(),
    }
}

impl Rule {
    /// The rule of these settings, at a place in the configuration.
    pub(super) fn new(settings: &RuleSettings, place: usize, mode: Mode) -> Result<Self, RuleFault> {
        let condition = Condition::parse(&settings.condition).map_err(RuleFault::Condition)?;
        let targets = Targets::new(&settings.targets, condition.mentions())?;
        if !targets.are_some() {
            return Err(RuleFault::Condition(vec![ConditionFault::AboutNothing]));
        }
        let mark = settings.name.as_deref().map_or_else(|| format!("#{}", place + 1).into(), Arc::from);
        let mode = if mode == Mode::Shadow { Mode::Shadow } else { settings.mode };
        let scopes = settings.scopes.clone();
        let source = settings.condition.as_str().into();
        Ok(Self { effect: settings.effect, mode, scopes, mark, targets, source, condition, said: AtomicU64::new(0) })
    }

    pub(super) const fn mentions(&self) -> Mentions {
        self.condition.mentions()
    }

    /// What it says, and why it failed if it did.
    pub(super) fn ask(
        &self,
        asked: &Asked<'_>,
        scope: &Scope<'_>,
        context: &Context<'_, '_>,
    ) -> (Truth, Option<Failure>) {
        let about = self.targets.cover(asked);
        if about == Truth::No {
            return (Truth::No, None);
        }
        let holds = self.condition.holds(context);
        let missed = scope.missed();
        match (holds, about) {
            (Ok(true), about) => (about, None),
            (Ok(false), _) => (Truth::No, None),
            // What failed for want of something may hold with it, and so may what is not about this after all.
            (Err(_), _) if missed || self.mentions().meets(scope.gaps()) => (Truth::Open, None),
            (Err(failure), Truth::Open) => (Truth::Open, Some(failure)),
            (Err(failure), _) => (Truth::Failed, Some(failure)),
        }
    }

    /// Counts that it failed, and says so from time to time.
    pub(super) fn failed(&self, failure: Option<&Failure>) {
        METRICS.policy_failures.inc();
        let now = clock::unix_time().as_secs();
        let said = self.said.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(said) >= SAY_AGAIN.as_secs();
        if is_due && self.said.compare_exchange(said, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let reason = failure.map_or("the arguments are too large or no object", Failure::reason);
            tracing::warn!(rule = &*self.mark, effect = self.effect.name(), reason, "a rule fails, and denies");
        }
    }
}

/// What a rule is about.
#[derive(Debug)]
pub(super) struct Targets {
    methods: Option<GlobSet>,
    servers: Option<GlobSet>,
    endpoints: Option<GlobSet>,
    tools: About,
    prompts: About,
    resources: About,
    other_methods: bool,
}

/// Whether a rule is about things of one kind.
#[derive(Debug)]
enum About {
    None,
    All,
    These(GlobSet),
}

impl Targets {
    /// By the lists of the rule and by what its condition speaks of: one that speaks of the tool is about tools.
    fn new(settings: &TargetSettings, mentions: Mentions) -> Result<Self, globset::Error> {
        const SUBJECTS: [Variable; 3] = [Variable::Tool, Variable::Prompt, Variable::Resource];
        let lists = [&settings.tools, &settings.prompts, &settings.resources];
        let is_listed = lists.iter().any(|list| list.is_some());
        let speaks_of_others =
            |own: Option<Variable>| SUBJECTS.iter().any(|other| Some(*other) != own && mentions.has(*other));
        let has_arguments = mentions.has(Variable::Arguments);
        let about = |list: &Option<Vec<String>>, own: Variable| -> Result<About, globset::Error> {
            let wants_arguments = has_arguments && own == Variable::Resource;
            Ok(match list {
                _ if speaks_of_others(Some(own)) || wants_arguments => About::None,
                Some(patterns) => About::These(compile(patterns)?),
                None if is_listed => About::None,
                None => About::All,
            })
        };
        Ok(Self {
            methods: settings.methods.as_deref().map(compile).transpose()?,
            servers: settings.servers.as_deref().map(compile).transpose()?,
            endpoints: settings.endpoints.as_deref().map(compile).transpose()?,
            tools: about(&settings.tools, Variable::Tool)?,
            prompts: about(&settings.prompts, Variable::Prompt)?,
            resources: about(&settings.resources, Variable::Resource)?,
            other_methods: !is_listed && !has_arguments && !speaks_of_others(None),
        })
    }

    /// Whether there is anything that it could be about.
    fn are_some(&self) -> bool {
        let method_of = |about: &About, verb: Verb| {
            !matches!(about, About::None) && self.methods.as_ref().is_none_or(|methods| methods.is_match(verb.method()))
        };
        self.other_methods
            || method_of(&self.tools, Verb::CallTool)
            || method_of(&self.prompts, Verb::GetPrompt)
            || method_of(&self.resources, Verb::ReadResource)
    }

    /// The list, or else the part of the condition, that makes it about something else.
    pub(super) fn misses(&self, asked: &Asked<'_>) -> Option<&'static str> {
        let without = |set: &Option<GlobSet>, name: &str| set.as_ref().is_some_and(|set| !set.is_match(name));
        let kind = match asked.subject {
            Subject::Tool(_) => "tools",
            Subject::Prompt(_) => "prompts",
            Subject::Resource(_) => "resources",
            Subject::Some(_) | Subject::Method(_) => "methods",
        };
        match self.cover(asked) {
            Truth::Yes | Truth::Open => None,
            _ if without(&self.methods, asked.subject.method()) => Some("methods"),
            _ if without(&self.servers, asked.server) => Some("servers"),
            _ if without(&self.endpoints, asked.endpoint) => Some("endpoints"),
            _ => Some(kind),
        }
    }

    /// Whether it is about this.
    pub(super) fn cover(&self, asked: &Asked<'_>) -> Truth {
        let within = |set: &Option<GlobSet>, name: &str| set.as_ref().is_none_or(|set| set.is_match(name));
        let is_within = within(&self.methods, asked.subject.method())
            && within(&self.servers, asked.server)
            && within(&self.endpoints, asked.endpoint);
        if !is_within {
            return Truth::No;
        }
        match asked.subject {
            Subject::Tool(thing) => self.tools.covers(Some(thing.name)),
            Subject::Prompt(thing) => self.prompts.covers(Some(thing.name)),
            Subject::Resource(uri) => self.resources.covers(Some(uri)),
            Subject::Some(kind) => self.of(kind).covers(None),
            Subject::Method(_) if self.other_methods => Truth::Yes,
            Subject::Method(_) => Truth::No,
        }
    }

    fn of(&self, kind: ListKind) -> &About {
        match class(kind) {
            Variable::Tool => &self.tools,
            Variable::Prompt => &self.prompts,
            _ => &self.resources,
        }
    }
}

impl About {
    /// Whether the thing of that name is meant; of one without a name that may be.
    fn covers(&self, name: Option<&str>) -> Truth {
        match (self, name) {
            (Self::None, _) => Truth::No,
            (Self::All, _) => Truth::Yes,
            (Self::These(set), Some(name)) if set.is_match(name) => Truth::Yes,
            (Self::These(_), Some(_)) => Truth::No,
            (Self::These(_), None) => Truth::Open,
        }
    }
}

fn compile(patterns: impl AsRef<[String]>) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns.as_ref() {
        set.add(Glob::new(pattern)?);
    }
    set.build()
}
