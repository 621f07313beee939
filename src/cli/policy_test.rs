//! `myelin policy test`: what the rules say of one call, and why.

use std::{io::Write, path::PathBuf};

use myelin::{
    config,
    mcp::Ruling,
    policy::{Asked, Circumstances, Explained, Explanation, Policies, Says},
};
use serde_json::{Value as Json, json};

use super::{
    exit::Code,
    failure::Failure,
    policy_call::{self, Call, Offered},
    terminal::{BOLD, ERROR, GOOD, WARNING, table},
};

/// Explain what the rules say of a call
///
/// The principal is a JSON object with `id` and, as far as they matter, `kind`, `issuer`, `client`, `groups`, `scopes`, `claims`,
/// `clientInfo` and `era`. The call is `{"tool": {"name": …, "annotations": …}, "arguments": …}`, with `prompt`, `resource` or `method` in
/// place of `tool`, `server` where the name does not say it, and `endpoint` where it is not the first; or a JSON-RPC request.
/// Nothing is started. The exit code is 0 when the call is allowed, 1 when it is not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  myelin policy test myelin.yaml --as principal.json --call call.json")]
pub(super) struct Test {
    /// The configuration
    file: PathBuf,
    /// Who calls
    #[arg(long = "as", value_name = "FILE")]
    principal: PathBuf,
    /// The call
    #[arg(long, value_name = "FILE")]
    call: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Test {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let settings = config::load(&self.file)?.settings;
        let caller = policy_call::principal(&self.principal)?;
        let call = policy_call::call(&self.call, &settings)?;
        let policies = Policies::new(&settings.policy).map_err(|(_, fault)| Failure::Rule(fault))?;
        let asked = Asked {
            principal: &caller.principal,
            endpoint: &call.endpoint,
            server: &call.server,
            subject: call.about.subject(),
        };
        let of = Circumstances { caller: &caller, arguments: call.arguments.as_ref(), at: None, lost: &[] };
        let explanation = policies.explain(&asked, of);
        let told = Told { call: &call, explanation: &explanation, is_shown: policies.show(&asked, &caller) };
        if self.json {
            writeln!(std::io::stdout(), "{:#}", told.to_json())?;
        } else {
            told.print()?;
        }
        Ok(if told.is_allowed() { Code::Done } else { Code::Denied })
    }
}

/// What there is to say.
struct Told<'a> {
    call: &'a Call,
    explanation: &'a Explanation,
    is_shown: bool,
}

impl Told<'_> {
    fn ruling(&self) -> Ruling {
        self.explanation.decision.as_ref().map_or(Ruling::Denied, |decision| decision.ruling)
    }

    fn is_allowed(&self) -> bool {
        self.call.offered == Offered::Yes && matches!(self.ruling(), Ruling::Allowed | Ruling::ShadowDenied)
    }

    /// What its caller will meet with.
    fn outcome(&self) -> &'static str {
        match self.ruling() {
            _ if self.call.offered == Offered::No => "not there for anybody: the server's `tools` withhold it",
            Ruling::Allowed if self.explanation.rules.is_empty() => "there are no rules",
            Ruling::Allowed => "it goes on",
            Ruling::ShadowDenied => "it goes on; the rules in shadow would deny it",
            Ruling::ScopeNeeded => "answered 403 with the scopes to ask for",
            Ruling::Denied if self.is_shown => "seen in lists, and refused with code 1003 with these arguments",
            Ruling::Denied => "not there for this caller",
        }
    }

    fn rule(&self) -> Option<&str> {
        self.explanation.decision.as_ref()?.rule.as_deref()
    }

    fn print(&self) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        let by = self.rule().map(|rule| format!(" by {rule}")).unwrap_or_default();
        let style = match self.ruling() {
            _ if !self.is_allowed() => ERROR,
            Ruling::ShadowDenied => WARNING,
            _ => GOOD,
        };
        let word = if self.is_allowed() { "allowed" } else { "denied" };
        writeln!(out, "{style}{word}{by}:{style:#} {}", self.outcome())?;
        let asked = &self.call.about.subject();
        let of = asked.name().map(|name| format!(" of {name}")).unwrap_or_default();
        writeln!(out, "{BOLD}{}{of}{BOLD:#} on {} at {}\n", asked.method(), self.call.server, self.call.endpoint)?;
        let rows = self.explanation.rules.iter().map(|rule| {
            let effect =
                if rule.mode == "shadow" { format!("{}, in shadow", rule.effect) } else { rule.effect.to_owned() };
            [rule.mark.to_string(), effect, said(rule), rule.condition.to_string()]
        });
        write!(out, "{}", table(["RULE", "EFFECT", "SAYS", "CONDITION"], rows))?;
        Ok(())
    }

    fn to_json(&self) -> Json {
        let subject = self.call.about.subject();
        let rule = |rule: &Explained| {
            json!({
                "rule": &*rule.mark,
                "effect": rule.effect,
                "mode": rule.mode,
                "condition": &*rule.condition,
                "says": word(&rule.says),
                "why": why(&rule.says),
                "lackingScopes": rule.lacking,
            })
        };
        json!({
            "allowed": self.is_allowed(),
            "decision": self.ruling().name(),
            "rule": self.rule(),
            "outcome": self.outcome(),
            "listed": self.is_shown && self.call.offered == Offered::Yes,
            "method": subject.method(),
            "name": subject.name(),
            "server": self.call.server,
            "endpoint": self.call.endpoint,
            "rules": self.explanation.rules.iter().map(rule).collect::<Json>(),
        })
    }
}

const fn word(says: &Says) -> &'static str {
    match says {
        Says::Elsewhere(_) => "elsewhere",
        Says::Holds => "holds",
        Says::HoldsNot => "holds_not",
        Says::Fails(_) => "fails",
        Says::Depends => "depends",
    }
}

fn why(says: &Says) -> Option<String> {
    match says {
        Says::Elsewhere(list) => Some(format!("it is about other {list}")),
        Says::Fails(reason) => Some(reason.clone()),
        Says::Holds | Says::HoldsNot | Says::Depends => None,
    }
}

fn said(rule: &Explained) -> String {
    let mut said = match &rule.says {
        Says::Elsewhere(list) => format!("is about other {list}"),
        Says::Holds => "holds".to_owned(),
        Says::HoldsNot => "does not hold".to_owned(),
        Says::Fails(reason) if rule.effect == "deny" => format!("fails, and so denies: {reason}"),
        Says::Fails(reason) => format!("fails, and so allows nothing: {reason}"),
        Says::Depends => "depends on what is not known".to_owned(),
    };
    if rule.says == Says::Holds && !rule.lacking.is_empty() {
        said += &format!(", and wants the scopes {}", rule.lacking.join(" "));
    }
    said
}
