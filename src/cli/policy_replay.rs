//! `myelin policy replay`: what the rules would have said of calls that were made.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use chrono::DateTime;
use myelin::{
    audit::{Event, Line, Who},
    config,
    jsonrpc::Raw,
    mcp::{Caller, Identity, PrincipalKind, Ruling},
    policy::{Asked, Circumstances, Explanation, Policies, Variable},
};
use serde_json::{Value as Json, json};

use super::{
    exit::Code,
    failure::Failure,
    policy_call::{self, About},
    terminal::{BOLD, count, plain, table},
};

/// Calls of each kind that are shown.
const EXAMPLES: usize = 10;
/// The longest line that is read: the largest message that a server may be allowed, and what stands around it.
const MAX_LINE: u64 = 64 << 20;

/// Try the rules of a configuration on the calls of an audit log
///
/// Calls whose arguments, claims or annotations are not in the log, and which a rule looks at, are counted as unknown; it is said for want
/// of what.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  myelin policy replay /var/log/myelin/audit.jsonl --config myelin.yaml")]
pub(super) struct Replay {
    /// The audit log
    log: PathBuf,
    /// The configuration with the rules
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let settings = config::load(&self.config)?.settings;
        let policies = Policies::new(&settings.policy).map_err(|(_, fault)| Failure::Rule(fault))?;
        let unreadable = |source| Failure::Unreadable { path: self.log.clone(), source };
        let mut log = BufReader::new(File::open(&self.log).map_err(unreadable)?);
        let mut summary = Summary::default();
        let mut line = Vec::new();
        while std::io::Read::take(&mut log, MAX_LINE).read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
            summary.add(&policies, &line);
            line.clear();
        }
        if self.json {
            writeln!(std::io::stdout(), "{:#}", summary.to_json())?;
        } else {
            summary.print()?;
        }
        Ok(Code::Done)
    }
}

/// What became of the calls.
#[derive(Default)]
struct Summary {
    kinds: BTreeMap<Kind, Vec<Example>>,
    counts: BTreeMap<Kind, usize>,
    /// Why calls are unknown.
    lost: BTreeMap<&'static str, usize>,
    /// Lines that tell of no call of one thing.
    others: usize,
    unreadable: usize,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Same,
    NewlyDenied,
    NewlyAllowed,
    ShadowDenied,
    Unknown,
}

impl Kind {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Same, "same", "decided as before"),
        (Self::NewlyDenied, "newlyDenied", "newly denied"),
        (Self::NewlyAllowed, "newlyAllowed", "newly allowed"),
        (Self::ShadowDenied, "shadowDenied", "allowed, and denied by rules in shadow"),
        (Self::Unknown, "unknown", "unknown"),
    ];
}

/// A call to show.
struct Example {
    time: String,
    principal: String,
    what: String,
    server: String,
    rule: String,
}

/// As deep as the gateway itself takes at the most.
const MAX_DEPTH: usize = 1024;

/// A call of the log.
struct Recorded {
    caller: Caller,
    endpoint: String,
    server: String,
    about: About,
    arguments: Option<Raw>,
    at: Option<Duration>,
    lost: Vec<Variable>,
    was_allowed: bool,
}

impl Summary {
    fn add(&mut self, policies: &Policies, line: &[u8]) {
        let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else {
            self.unreadable += 1;
            return;
        };
        let Some(recorded) = recorded(&line) else {
            self.others += 1;
            return;
        };
        let asked = Asked {
            principal: &recorded.caller.principal,
            endpoint: &recorded.endpoint,
            server: &recorded.server,
            subject: recorded.about.subject(),
        };
        let arguments = recorded.arguments.as_ref();
        let of = Circumstances { caller: &recorded.caller, arguments, at: recorded.at, lost: &recorded.lost };
        let explanation = policies.explain(&asked, of);
        let kind = kind(&explanation, recorded.was_allowed);
        *self.counts.entry(kind).or_default() += 1;
        for lost in &explanation.lost {
            *self.lost.entry(lost).or_default() += 1;
        }
        let examples = self.kinds.entry(kind).or_default();
        if kind != Kind::Same && examples.len() < EXAMPLES {
            let by = explanation.decision.and_then(|decision| decision.rule);
            examples.push(Example {
                time: line.time.into_owned(),
                principal: asked.principal.id().to_owned(),
                what: asked.subject.name().unwrap_or_else(|| asked.subject.method()).to_owned(),
                server: recorded.server.clone(),
                rule: by.as_deref().unwrap_or("no rule").to_owned(),
            });
        }
    }

    fn count(&self, kind: Kind) -> usize {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    fn print(&self) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        writeln!(out, "{}", count(self.counts.values().sum(), "call"))?;
        for (kind, _, words) in Kind::ALL {
            writeln!(out, "{:>8} {words}", self.count(kind))?;
        }
        for (lost, calls) in &self.lost {
            writeln!(out, "         {} for want of `{lost}`", count(*calls, "call"))?;
        }
        if self.unreadable > 0 {
            writeln!(out, "{:>8} lines that are none of an audit log", self.unreadable)?;
        }
        for (kind, _, words) in Kind::ALL {
            let Some(examples) = self.kinds.get(&kind).filter(|examples| !examples.is_empty()) else { continue };
            writeln!(out, "\n{BOLD}{words}{BOLD:#}, for example")?;
            let rows = examples.iter().map(|call| {
                [&call.time, &call.principal, &call.what, &call.server, &call.rule].map(|cell| plain(cell).into_owned())
            });
            write!(out, "{}", table(["TIME", "PRINCIPAL", "CALL", "SERVER", "RULE"], rows))?;
        }
        Ok(())
    }

    fn to_json(&self) -> Json {
        let mut json = json!({
            "calls": self.counts.values().sum::<usize>(),
            "unknownForWantOf": self.lost,
            "otherLines": self.others,
            "unreadableLines": self.unreadable,
        });
        let Some(members) = json.as_object_mut() else { return json };
        let example = |call: &Example| {
            json!({
                "time": call.time, "principal": call.principal, "call": call.what, "server": call.server, "rule": call.rule,
            })
        };
        let mut examples = serde_json::Map::new();
        for (kind, name, _) in Kind::ALL {
            members.insert(name.to_owned(), self.count(kind).into());
            let shown = self.kinds.get(&kind).into_iter().flatten().map(example).collect::<Json>();
            examples.extend((kind != Kind::Same).then(|| (name.to_owned(), shown)));
        }
        members.insert("examples".to_owned(), examples.into());
        json
    }
}

fn kind(explanation: &Explanation, was_allowed: bool) -> Kind {
    let Some(decision) = &explanation.decision else { return Kind::Unknown };
    match (decision.ruling, was_allowed) {
        (Ruling::ShadowDenied, true) => Kind::ShadowDenied,
        (Ruling::Allowed | Ruling::ShadowDenied, false) => Kind::NewlyAllowed,
        (Ruling::Denied | Ruling::ScopeNeeded, true) => Kind::NewlyDenied,
        _ => Kind::Same,
    }
}

/// The call that a line tells of. None where it is not of one thing of one server.
fn recorded(line: &Line<'_>) -> Option<Recorded> {
    let (who, method) = (line.principal.as_ref()?, line.method.as_deref()?);
    let server = line.server.as_deref().filter(|_| line.event == Event::Call)?;
    let decision = line.decision.as_deref();
    let name = || line.target.as_deref().map(str::to_owned);
    let own = || line.own_name.as_deref().map(str::to_owned).or_else(name);
    let about = match method {
        "tools/call" => About::Tool { name: name()?, own: own()?, entry: None },
        "prompts/get" => About::Prompt { name: name()?, own: own()? },
        "resources/read" => About::Resource(name()?),
        // What follows something else names it nowhere.
        _ if method.starts_with("tasks/") || method == "completion/complete" => return None,
        _ => About::Method(decision.map(|_| method.to_owned())?),
    };
    let arguments = line.arguments.as_ref().map(|raw| raw.get());
    let is_whole = arguments.zip(line.arguments_sha256.as_deref()).is_some_and(|(text, known)| hex(text) == *known);
    let has_none = line.arguments_sha256.is_none() && arguments.is_none();
    let annotations = line.annotations.as_ref().and_then(|said| raw(&format!("{{\"annotations\":{}}}", said.get())));
    let about = match about {
        About::Tool { name, own, .. } => About::Tool { name, own, entry: annotations.clone() },
        other => other,
    };
    let identity = identity(who);
    let mut lost = Vec::new();
    // Only tokens have claims: whoever is known otherwise had none.
    let has_claims = matches!(identity.kind, PrincipalKind::Token | PrincipalKind::ServiceAccount);
    lost.extend((has_claims && who.claims.is_none()).then_some(Variable::Claims));
    lost.extend(annotations.is_none().then_some(Variable::Annotations));
    lost.extend(line.address.is_none().then_some(Variable::Request));
    if !is_whole && !has_none {
        lost.push(Variable::Arguments);
    }
    let client_info = line.client_info.as_ref().and_then(|info| raw(info.get()));
    let session = (line.era.as_deref() == Some("legacy")).then(|| "recorded".into());
    let at = DateTime::parse_from_rfc3339(&line.time).ok();
    Some(Recorded {
        caller: Caller {
            address: line.address.as_deref().and_then(|address| address.parse().ok()),
            ..policy_call::caller(identity, client_info, session)
        },
        endpoint: line.endpoint.as_deref().unwrap_or_default().to_owned(),
        server: server.to_owned(),
        about,
        arguments: arguments.filter(|_| is_whole).and_then(raw),
        at: at.and_then(|at| u64::try_from(at.timestamp()).ok()).map(Duration::from_secs),
        lost,
        was_allowed: decision.is_none_or(|decision| decision == "allowed" || decision == "shadow_denied"),
    })
}

fn identity(who: &Who<'_>) -> Identity {
    Identity {
        id: (&*who.id).into(),
        kind: PrincipalKind::named(&who.kind).unwrap_or_default(),
        issuer: who.issuer.as_deref().map(Into::into),
        client: who.client.as_deref().map(str::to_owned),
        groups: who.groups.to_vec(),
        scopes: who.scopes.to_vec(),
        claims: who.claims.as_deref().cloned().unwrap_or_default(),
    }
}

fn raw(text: &str) -> Option<Raw> {
    Raw::parse(text.to_owned().into(), MAX_DEPTH).ok()
}

fn hex(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
