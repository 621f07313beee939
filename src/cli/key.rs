//! `myelin key`: makes API keys.

use std::io::Write;

use myelin::auth::NewKey;
use serde_json::json;

use super::{exit::Code, failure::Failure};

/// Make API keys for clients
#[derive(Debug, clap::Args)]
pub(super) struct Key {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    New(New),
}

/// Make a key; it is shown this once
///
/// The key goes to its user, who sends it as `Authorization: Bearer KEY`. The printed entry, which holds only a hash of it, goes into
/// the configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  myelin key new ci --group builders --expires 2027-01-31")]
struct New {
    /// The principal that the key stands for: letters, digits and `-`
    name: String,
    /// A group of the principal; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The first day (UTC) on which the key is refused
    #[arg(long, value_name = "YYYY-MM-DD")]
    expires: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Key {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let Command::New(new) = self.command;
        new.run()
    }
}

impl New {
    fn run(self) -> Result<Code, Failure> {
        let made = NewKey::make(&self.name).map_err(Failure::Key)?;
        let mut entry = json!({ "id": self.name, "hash": made.hash.to_string() });
        if let Some(members) = entry.as_object_mut() {
            if !self.groups.is_empty() {
                members.insert("groups".to_owned(), json!(self.groups));
            }
            members.extend(self.expires.map(|day| ("expires".to_owned(), json!(day))));
        }
        let mut out = std::io::stdout();
        if self.json {
            writeln!(out, "{}", json!({ "key": made.key.expose(), "entry": entry }))?;
        } else {
            writeln!(out, "{}\n", made.key.expose())?;
            // JSON is YAML, too.
            writeln!(out, "auth:\n  apiKeys:\n    - {entry}")?;
        }
        Ok(Code::Done)
    }
}
