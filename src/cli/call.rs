//! `myelin call`: one tool, once.

use std::{
    io::{self, Write},
    sync::Arc,
};

use myelin::{
    jsonrpc::Raw,
    mcp::{Caller, Params, ProgressInterest, TaskSupport, Verb},
    route::{Exposed, Index},
    upstream::{Errand, Group, Tasking},
};
use serde_json::json;

use super::{
    content::{Content, Verdict},
    conversation::Conversation,
    exit::Code,
    failure::Failure,
    input,
    reach::{LOG, Listing, Reach, Target, caller, runtime},
    signature::Signature,
};

/// Call a tool and print what it says
///
/// Progress, log messages and questions go to stderr. The exit code is 1 when the tool says that it failed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  myelin call search__web_search query='message queues' limit=3
  myelin call search__web_search '{\"query\": \"queues\"}' --json
  myelin call upsert @points.json --config myelin.yaml")]
pub(super) struct CallTool {
    /// The tool's name, as `myelin tools` tells it
    tool: String,
    /// Its arguments: a JSON object, key=value pairs, @file, or - for stdin
    #[arg(value_name = "JSON|KEY=VALUE")]
    arguments: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Print the whole result as it came, as JSON
    #[arg(long)]
    json: bool,
}

impl CallTool {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let mut reach = Reach::new(&self.target)?;
        reach.narrow(&self.tool);
        let runtime = runtime()?;
        let result = runtime.block_on(async {
            let result = self.call(&reach).await;
            reach.close().await;
            result
        });
        // A person who was asked and did not answer leaves a thread that waits for a line.
        runtime.shutdown_background();
        if self.json { print_json(&result?) } else { print(&result?) }
    }

    async fn call(&self, reach: &Reach) -> Result<Raw, Failure> {
        let caller = caller(LOG);
        let listing = reach.tools(&caller).await;
        let tool = self.find(reach, listing)?;
        let arguments = input::read(&self.arguments, &Signature::read(tool.raw.as_str()))?;
        let member = reach.member(tool.part).ok_or_else(|| unknown(&self.tool, &Index::default()))?;
        let server = member.upstream.name();
        let group = member.upstream.group(&caller).await.map_err(|fault| reach.failure(server, fault))?;
        converse(&group, errand(&tool, &arguments, &caller), tool.support).await.map_err(|failure| match failure {
            Failure::Failed(fault) => reach.failure(server, fault),
            other => other,
        })
    }

    fn find(&self, reach: &Reach, listing: Listing) -> Result<Exposed, Failure> {
        if let Some(tool) = listing.index.find(&self.tool) {
            return Ok(tool.clone());
        }
        // The tool may be one of those that did not answer.
        match listing.missing.into_iter().next() {
            Some((server, fault)) => Err(reach.failure(&server, fault)),
            None => Err(unknown(&self.tool, &listing.index)),
        }
    }
}

async fn converse(group: &Arc<Group>, errand: Errand, support: TaskSupport) -> Result<Raw, Failure> {
    Conversation::new(group.clone(), errand, support).hold().await
}

fn errand(tool: &Exposed, arguments: &Raw, caller: &Arc<Caller>) -> Errand {
    Errand {
        caller: caller.clone(),
        method: Verb::CallTool.method().into(),
        params: Params::of(Some(&Raw::from_value(&json!({ "name": &*tool.own })))),
        changes: [("arguments", Some(arguments.clone()))].into_iter().collect(),
        mirror: tool.mirror.clone(),
        progress: ProgressInterest::Wanted,
        verb: Some(Verb::CallTool),
        tool: Some(tool.raw.clone()),
        tasking: Tasking::Nothing,
        trace: Arc::default(),
        asker: None,
    }
}

fn unknown(name: &str, index: &Index) -> Failure {
    Failure::NoSuchTool { name: name.to_owned(), near: nearest(name, index.entries().iter().map(|tool| &*tool.name)) }
}

/// The name that somebody may have meant: the same without its prefix, else the most similar one.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    /// Below this, a suggestion surprises more often than it helps.
    const LEAST: f64 = 0.75;
    let own = |known: &'a str| known.split_once("__").map_or(known, |(_, own)| own);
    let likeness = |known: &'a str| strsim::jaro_winkler(name, known).max(strsim::jaro_winkler(name, own(known)));
    let best = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= LEAST).then(|| best.to_owned())
}

fn print_json(result: &Raw) -> Result<Code, Failure> {
    writeln!(io::stdout(), "{}", result.as_str())?;
    Ok(code(Content::read(result).verdict))
}

fn print(result: &Raw) -> Result<Code, Failure> {
    let content = Content::read(result);
    match content.verdict {
        _ if content.text.is_empty() => {}
        Verdict::Succeeded => writeln!(io::stdout(), "{}", content.text)?,
        Verdict::Failed => writeln!(io::stderr(), "{}", content.text)?,
    }
    Ok(code(content.verdict))
}

const fn code(verdict: Verdict) -> Code {
    match verdict {
        Verdict::Succeeded => Code::Done,
        Verdict::Failed => Code::ToolFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_a_likely_name_or_none() {
        let known = ["search__web_search", "search__fetch_article", "vectors__upsert"];
        assert_eq!(nearest("search__web_serch", known.into_iter()).as_deref(), Some("search__web_search"));
        assert_eq!(nearest("upsert", known.into_iter()).as_deref(), Some("vectors__upsert"));
        assert_eq!(nearest("qqq", known.into_iter()), None);
    }
}
