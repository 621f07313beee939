//! `myelin check`: whether a configuration holds, without or with its servers.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use myelin::{
    config::{self, Loaded, settings::Settings},
    route::settings::EndpointSettings,
    upstream::settings::UpstreamSettings,
};
use serde_json::{Value as Json, json};

use super::{
    exit::Code,
    failure::Failure,
    import::tell,
    live::{self, Live},
    reach::{is_prefixed, wire},
    terminal::{GOOD, count, table},
};

/// Say everything that is wrong with a configuration, or what it sets up
///
/// With --live each server is started or reached as well, and asked for what it offers.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  myelin check myelin.yaml
  myelin check .mcp.json --live")]
pub(super) struct Check {
    /// The configuration
    file: PathBuf,
    /// Start or reach each server and list its tools
    #[arg(long)]
    live: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let loaded = match config::load(&self.file) {
            Ok(loaded) => loaded,
            Err(problems) if self.json => {
                let report = json!({ "ok": false, "problems": problems.to_json(), "notes": [] });
                writeln!(io::stdout(), "{report:#}")?;
                return Ok(Code::Configuration);
            }
            Err(problems) => return Err(problems.into()),
        };
        if !self.json {
            tell(&loaded.notes);
        }
        let live = if self.live { Some(live::look(&loaded.settings)?) } else { None };
        if self.json {
            self.print_json(&loaded, live.as_ref())?;
        } else {
            self.print(&loaded.settings, live.as_ref())?;
        }
        Ok(if live.is_some_and(|live| live.is_incomplete()) { Code::Unreachable } else { Code::Done })
    }

    fn print(&self, settings: &Settings, live: Option<&Live>) -> Result<(), Failure> {
        let (servers, endpoints) = (settings.upstreams.len(), settings.endpoints.len());
        let mut out = anstream::stdout().lock();
        writeln!(
            out,
            "{GOOD}valid:{GOOD:#} {} has {} at {}, listening on {}\n",
            self.file.display(),
            count(servers, "server"),
            count(endpoints, "endpoint"),
            settings.listener.address,
        )?;
        if servers > 0 {
            match live {
                Some(live) => writeln!(out, "{}", live.servers())?,
                None => writeln!(out, "{}", table(["SERVER", "WIRE"], settings.upstreams.iter().map(server_row)))?,
            }
        }
        write!(out, "{}", table(["ENDPOINT", "SERVERS", "NAMES"], settings.endpoints.iter().map(endpoint_row)))?;
        if let Some(live) = live {
            write!(out, "{}", live.names())?;
        }
        Ok(())
    }

    fn print_json(&self, loaded: &Loaded, live: Option<&Live>) -> Result<(), Failure> {
        let origin = self.file.display().to_string();
        let notes: Json = loaded.notes.iter().map(|note| note.to_json(&origin)).collect();
        let settings = &loaded.settings;
        let servers: Json = settings.upstreams.iter().map(|server| server_json(server, live)).collect();
        let endpoints: Json = settings.endpoints.iter().map(|endpoint| endpoint_json(endpoint, live)).collect();
        let ok = !live.is_some_and(Live::is_incomplete);
        let report = json!({
            "ok": ok,
            "problems": [],
            "notes": notes,
            "listen": settings.listener.address,
            "admin": settings.admin,
            "servers": servers,
            "endpoints": endpoints,
        });
        writeln!(io::stdout(), "{report:#}")?;
        Ok(())
    }
}

fn server_row(server: &UpstreamSettings) -> [String; 2] {
    [server.name.clone(), wire(server)]
}

fn endpoint_row(endpoint: &EndpointSettings) -> [String; 3] {
    [endpoint.path.clone(), endpoint.servers.join(", "), names(endpoint).to_owned()]
}

fn names(endpoint: &EndpointSettings) -> &'static str {
    if is_prefixed(endpoint) { "server__tool" } else { "the server's own" }
}

fn server_json(server: &UpstreamSettings, live: Option<&Live>) -> Json {
    let mut json = json!({ "name": server.name, "wire": wire(server) });
    merge(&mut json, live.map(|live| live.server_json(&server.name)));
    json
}

fn endpoint_json(endpoint: &EndpointSettings, live: Option<&Live>) -> Json {
    let mut json = json!({ "path": endpoint.path, "servers": endpoint.servers, "prefixed": is_prefixed(endpoint) });
    merge(&mut json, live.map(|live| live.endpoint_json(&endpoint.path)));
    json
}

fn merge(json: &mut Json, more: Option<Json>) {
    if let (Some(members), Some(Json::Object(more))) = (json.as_object_mut(), more) {
        members.extend(more);
    }
}
