//! `myelin run`: the gateway.

use std::{env, path::PathBuf};

use myelin::{
    app,
    config::{self, settings::Settings, stdio_upstream},
};

use super::{
    announce::announce,
    exit::Code,
    failure::Failure,
    import::tell,
    listen::{self, Listen},
    offered::Example,
};

/// The built-in servers that stand behind the gateway when no file says otherwise.
const DEMO: [&str; 3] = ["search", "vectors", "documents"];

/// A call of theirs that works as it stands.
const DEMO_CALL: &str = "search__web_search query='message queues'";

/// Serve the tools of a file's servers at one address
///
/// FILE is Myelin's own YAML or JSON, or a client's configuration such as .mcp.json. Without one, three small built-in servers are
/// served on loopback, to try. SIGHUP or a change of the file reloads it; SIGTERM lets calls in flight finish.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  myelin run
  myelin run .mcp.json
  myelin run myelin.yaml --listen 127.0.0.1:9000 --log-level debug")]
pub(super) struct Run {
    /// The configuration
    file: Option<PathBuf>,
    /// Listen here instead of where the file says; a port alone means loopback, port 0 a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<Listen>,
    /// error, warn, info, debug, trace, or a filter such as info,myelin::upstream=debug
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Run {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let (mut settings, source) = self.settings()?;
        match self.listen {
            Some(listen) => listen.apply(&mut settings)?,
            None if self.file.is_none() => listen::evade(&mut settings),
            None => {}
        }
        if let Some(level) = self.log_level {
            settings.log.filter = level;
        }
        let example = if self.file.is_none() { Example::Known(DEMO_CALL) } else { Example::FirstTool };
        let announce = Box::new(move |ready: &app::Ready| announce(ready, example));
        app::run(app::Options { settings, source, announce })?;
        Ok(Code::Done)
    }

    fn settings(&self) -> Result<(Settings, Option<app::Source>), Failure> {
        let Some(file) = &self.file else { return Ok((demo(), None)) };
        let loaded = config::load(file)?;
        tell(&loaded.notes);
        Ok((loaded.settings, Some(app::Source { path: file.clone(), seen: loaded.sources })))
    }
}

/// All defaults, with this program's own servers.
fn demo() -> Settings {
    let program = env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok());
    let program = program.unwrap_or_else(|| "myelin".to_owned());
    Settings::default_with(DEMO.iter().map(|name| stdio_upstream(name, &program, &["demo", name])).collect())
}
