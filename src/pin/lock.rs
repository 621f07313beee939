//! `myelin.lock`: the definitions that were approved, by server and tool. Sorted and laid out so that a change is a small difference of
//! text, to be reviewed like code.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};

use super::canonical::{compact, definition, lines};
use crate::jsonrpc::Raw;

/// The form of the file.
const VERSION: &str = "1";
/// How deep a file may be nested: definitions are bounded by the depth of messages.
const MAX_DEPTH: usize = 256;

/// Where the lock is, and what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// The file.
    pub path: PathBuf,
    /// What it says; nothing when it is not there.
    pub lock: Option<Arc<Lock>>,
}

/// What was approved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The tools of each server, by the server's own names for them.
    pub servers: BTreeMap<String, Arc<BTreeMap<String, Pinned>>>,
}

/// One tool as it was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Its definition in canonical form.
    pub definition: Raw,
}

/// Why a text is no lock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockFault {
    /// It is not JSON.
    #[error("is not JSON")]
    Syntax,
    /// It is JSON of another form, or of a version that is not known here.
    #[error("is not a lock of this version of Myelin")]
    Form,
    /// The hash beside a definition is not that of the definition.
    #[error(
        "the hash of `{tool}` of `{server}` is not that of its definition: it was changed by hand; restore the file, or remove it and approve anew"
    )]
    Hash {
        /// The server.
        server: String,
        /// The tool.
        tool: String,
    },
}

impl Pinned {
    /// A tool as it was listed.
    pub fn of(tool: &Raw) -> Self {
        Self { definition: definition(tool) }
    }

    /// The SHA-256 of the definition, as hexadecimal digits.
    pub fn sha256(&self) -> String {
        digest(&SHA256, self.definition.bytes()).as_ref().iter().fold(String::new(), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl Lock {
    /// Reads a lock. Each definition must have the hash that stands beside it.
    ///
    /// # Errors
    /// [`LockFault`].
    pub fn parse(text: &str) -> Result<Self, LockFault> {
        let root = Raw::parse(text.to_owned().into(), MAX_DEPTH).map_err(|_| LockFault::Syntax)?;
        let is_known = root.member("version").is_some_and(|version| version.as_str() == VERSION);
        let servers = root.member("servers").filter(|_| is_known).ok_or(LockFault::Form)?;
        let servers = servers.object().map_err(|_| LockFault::Form)?;
        let mut lock = Self::default();
        for (server, tools) in servers.iter() {
            let tools = tools.object().map_err(|_| LockFault::Form)?;
            let tools = tools.iter().map(|(tool, pinned)| Ok((tool.to_owned(), pin(server, tool, &pinned)?)));
            lock.servers.insert(server.to_owned(), Arc::new(tools.collect::<Result<_, _>>()?));
        }
        Ok(lock)
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let mut out = format!("{{\n  \"version\": {VERSION},\n  \"servers\": {{");
        for (place, (server, tools)) in self.servers.iter().enumerate() {
            out.push_str(if place > 0 { ",\n    " } else { "\n    " });
            out.push_str(&quoted(server));
            out.push_str(": {");
            for (place, (tool, pinned)) in tools.iter().enumerate() {
                let (comma, sha256) = (if place > 0 { "," } else { "" }, pinned.sha256());
                let definition = lines(&pinned.definition, 4);
                // Writing to a String does not fail.
                let _ = write!(
                    out,
                    "{comma}\n      {}: {{\n        \"sha256\": \"{sha256}\",\n        \"definition\": {definition}\n      }}",
                    quoted(tool)
                );
            }
            out.push_str(if tools.is_empty() { "}" } else { "\n    }" });
        }
        out.push_str(if self.servers.is_empty() { "}\n}\n" } else { "\n  }\n}\n" });
        out
    }
}

fn pin(server: &str, tool: &str, pinned: &Raw) -> Result<Pinned, LockFault> {
    let pinned = pinned.object().map_err(|_| LockFault::Form)?;
    let definition = compact(&pinned.get("definition").ok_or(LockFault::Form)?);
    let own = Pinned { definition };
    if pinned.text("sha256").as_deref() == Some(&*own.sha256()) {
        Ok(own)
    } else {
        Err(LockFault::Hash { server: server.to_owned(), tool: tool.to_owned() })
    }
}

fn quoted(text: &str) -> String {
    Raw::string(text).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let tools = [
            ("read", r#"{"name":"read","description":"Reads\na \"file\".","inputSchema":{"type":"object","x":1.50}}"#),
            ("list", r#"{"name":"list"}"#),
        ];
        let tools = tools.map(|(name, tool)| (name.to_owned(), Pinned::of(&Raw::literal(tool))));
        let servers = [("files".to_owned(), Arc::new(BTreeMap::from(tools))), ("none".to_owned(), Arc::default())];
        Lock { servers: BTreeMap::from(servers) }
    }

    #[test]
    fn what_was_written_is_read_and_written_the_same() {
        for lock in [lock(), Lock::default()] {
            let text = lock.to_text();
            assert_eq!(Lock::parse(&text).as_ref(), Ok(&lock), "{text}");
        }
        assert!(lock().to_text().contains("\"x\": 1.50"), "{}", lock().to_text());
    }

    #[test]
    fn a_definition_or_a_hash_that_was_changed_by_hand_is_seen() {
        let text = lock().to_text();
        let fault = LockFault::Hash { server: "files".to_owned(), tool: "read".to_owned() };
        assert_eq!(Lock::parse(&text.replace("1.50", "1.5")), Err(fault));
        assert_eq!(Lock::parse("{"), Err(LockFault::Syntax));
        assert_eq!(Lock::parse(&text.replace("\"version\": 1", "\"version\": 2")), Err(LockFault::Form));
        assert_eq!(Lock::parse(r#"{"version":1,"servers":{"a":[]}}"#), Err(LockFault::Form));
    }
}
