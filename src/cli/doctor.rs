//! `myelin doctor`: everything that can be found out beforehand, each with what to do about it.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use http::Uri;
use myelin::{
    app,
    config::{self, settings::Settings},
    guard::sandbox::Kernel,
    upstream::settings::{EgressSettings, WireSettings},
};
use serde_json::{Value as Json, json};

use super::{
    exit::Code,
    failure::Failure,
    finding::{Finding, Grade},
    live, machine,
    terminal::count,
    walk,
};

/// Look at the machine, a configuration and its servers, and say what to do
///
/// Each server of the file is started or reached. Exit code 0 when nothing is a problem, 1 when something is, 78 when the configuration
/// does not hold.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  myelin doctor
  myelin doctor myelin.yaml
  myelin doctor --url https://mcp.example/mcp --json")]
pub(super) struct Doctor {
    /// The configuration
    file: Option<PathBuf>,
    /// Walk to a token as a client of this address does, a gateway or a server
    #[arg(long, value_name = "URL")]
    url: Vec<Uri>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let kernel = Kernel::look();
        let mut findings = machine::kernel(&kernel);
        findings.push(machine::clock());
        let mut broken = false;
        let mut settings = None;
        if let Some(file) = &self.file {
            match config::load(file) {
                Ok(loaded) => {
                    findings.push(Finding::good("configuration", format!("{} holds", file.display())));
                    settings = Some(loaded.settings);
                }
                Err(problems) => {
                    broken = true;
                    let advice = "see `myelin check`; the keys are in docs/configuration.md";
                    findings.push(Finding::problem("configuration", problems.to_string(), advice));
                }
            }
        }
        if let Some(settings) = &settings {
            findings.extend(machine::limits(settings));
            findings.extend(machine::sandboxes(settings, &kernel));
            findings.extend(live::look(settings)?.findings());
        }
        findings.extend(self.walks(settings.as_ref())?);
        self.print(&findings)?;
        let problem = findings.iter().any(|finding| finding.grade == Grade::Problem);
        Ok(match (broken, problem) {
            (true, _) => Code::Configuration,
            (false, true) => Code::ToolFailed,
            (false, false) => Code::Done,
        })
    }

    /// The way to a token, at each address over HTTP.
    fn walks(&self, settings: Option<&Settings>) -> Result<Vec<Finding>, Failure> {
        let servers =
            settings.into_iter().flat_map(|settings| &settings.upstreams).filter_map(|server| match &server.wire {
                WireSettings::Http(http) => Some((server.name.clone(), http.url.to_string())),
                WireSettings::Stdio(_) => None,
            });
        let named = self.url.iter().map(|url| (url.host().unwrap_or_default().to_owned(), url.to_string()));
        let places: Vec<(String, String)> = named.chain(servers).collect();
        let egress = settings.map_or_else(EgressSettings::default, |settings| settings.egress.clone());
        let fetch = app::web(egress);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut findings = Vec::new();
            for (name, url) in places {
                findings.extend(walk::walk(&*fetch, &name, &url).await);
            }
            Ok(findings)
        })
    }

    fn print(&self, findings: &[Finding]) -> Result<(), Failure> {
        if self.json {
            let all: Json = findings.iter().map(Finding::json).collect();
            let ok = findings.iter().all(|finding| finding.grade != Grade::Problem);
            writeln!(io::stdout(), "{:#}", json!({ "ok": ok, "findings": all }))?;
            return Ok(());
        }
        let mut out = anstream::stdout().lock();
        for finding in findings {
            write!(out, "{}", finding.lines())?;
        }
        let of = |grade| findings.iter().filter(|finding| finding.grade == grade).count();
        let (problems, warnings) = (count(of(Grade::Problem), "problem"), count(of(Grade::Warning), "warning"));
        writeln!(out, "\n{problems}, {warnings}")?;
        Ok(())
    }
}
