//! `myelin.lock`: the definitions that were approved, by server, kind and name. Sorted and laid out so that a change is a small difference of
//! text, to be reviewed like code.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    canonical::{compact, definition, lines},
    kind::Kind,
};
use crate::jsonrpc::{Object, Raw};

/// The form of the file.
const VERSION: &str = "2";
/// The form before it, which had tools only, without a member for them.
const TOOLS_ONLY: &str = "1";
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
    /// What each server has.
    pub servers: BTreeMap<String, Arc<Approved>>,
}

/// What was approved of one server, by its own names; instructions have none.
pub type Approved = BTreeMap<(Kind, String), Pinned>;

/// One thing as it was approved.
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
        "the hash of `{label}` of `{server}` is not that of its definition: it was changed by hand; restore the file, or remove it and approve anew"
    )]
    Hash {
        /// The server.
        server: String,
        /// The tool, or what else it is.
        label: String,
    },
}

impl Pinned {
    /// Something as it was listed, or said.
    pub fn of(kind: Kind, entry: &Raw) -> Self {
        Self { definition: definition(kind, entry) }
    }

    fn written(&self, steps: usize) -> String {
        let members =
            [(quoted("sha256"), quoted(&self.sha256())), (quoted("definition"), lines(&self.definition, steps + 1))];
        object(members.into_iter(), steps)
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
        let version = root.member("version").ok_or(LockFault::Form)?;
        let read = match version.as_str() {
            VERSION => all,
            TOOLS_ONLY => |server: &str, tools: &Object| entries(server, Kind::Tool, tools),
            _ => return Err(LockFault::Form),
        };
        let servers = root.member("servers").ok_or(LockFault::Form)?;
        let servers = servers.object().map_err(|_| LockFault::Form)?;
        let mut lock = Self::default();
        for (server, own) in servers.iter() {
            let own = own.object().map_err(|_| LockFault::Form)?;
            lock.servers.insert(server.to_owned(), Arc::new(read(server, &own)?));
        }
        Ok(lock)
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let servers = self.servers.iter().map(|(name, own)| (quoted(name), written(own)));
        format!("{{\n  \"version\": {VERSION},\n  \"servers\": {}\n}}\n", object(servers, 1))
    }
}

/// The things of one server.
fn all(server: &str, own: &Object) -> Result<Approved, LockFault> {
    let mut found = Approved::new();
    for kind in Kind::ALL {
        let Some(part) = own.get(kind.member()) else { continue };
        match kind {
            Kind::Instructions => {
                found.insert((kind, String::new()), pin(server, kind, "", &part)?);
            }
            _ => found.extend(entries(server, kind, &part.object().map_err(|_| LockFault::Form)?)?),
        }
    }
    Ok(found)
}

fn entries(server: &str, kind: Kind, entries: &Object) -> Result<Approved, LockFault> {
    let pinned = entries.iter().map(|(name, pinned)| Ok(((kind, name.to_owned()), pin(server, kind, name, &pinned)?)));
    pinned.collect()
}

fn pin(server: &str, kind: Kind, name: &str, pinned: &Raw) -> Result<Pinned, LockFault> {
    let pinned = pinned.object().map_err(|_| LockFault::Form)?;
    let definition = compact(&pinned.get("definition").ok_or(LockFault::Form)?);
    let own = Pinned { definition };
    if pinned.text("sha256").as_deref() == Some(&*own.sha256()) {
        Ok(own)
    } else {
        Err(LockFault::Hash { server: server.to_owned(), label: kind.label(name) })
    }
}

/// What is written of one server.
fn written(own: &Approved) -> String {
    let parts = Kind::ALL.into_iter().filter_map(|kind| {
        let mut things = own.iter().filter(|((known, _), _)| *known == kind).peekable();
        things.peek()?;
        let part = match kind {
            Kind::Instructions => things.next().map(|(_, pinned)| pinned.written(3))?,
            _ => object(things.map(|((_, name), pinned)| (quoted(name), pinned.written(4))), 3),
        };
        Some((quoted(kind.member()), part))
    });
    object(parts, 2)
}

/// An object, its members so many steps to the right of where it begins.
fn object(members: impl Iterator<Item = (String, String)>, steps: usize) -> String {
    let space = "  ".repeat(steps + 1);
    let members: Vec<String> = members.map(|(name, value)| format!("\n{space}{name}: {value}")).collect();
    match members.is_empty() {
        true => "{}".to_owned(),
        false => format!("{{{}\n{}}}", members.join(","), "  ".repeat(steps)),
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
        let tools =
            tools.map(|(name, tool)| ((Kind::Tool, name.to_owned()), Pinned::of(Kind::Tool, &Raw::literal(tool))));
        let others = [
            (Kind::Prompt, "ask", r#"{"name":"ask","arguments":[{"name":"x"}]}"#),
            (Kind::Resource, "file:///a", r#"{"uri":"file:///a","name":"a"}"#),
            (Kind::Template, "file:///{x}", r#"{"uriTemplate":"file:///{x}","name":"x"}"#),
            (Kind::Instructions, "", r#""Read first.""#),
        ];
        let others =
            others.map(|(kind, name, entry)| ((kind, name.to_owned()), Pinned::of(kind, &Raw::literal(entry))));
        let own = tools.into_iter().chain(others).collect();
        let servers = [("files".to_owned(), Arc::new(own)), ("none".to_owned(), Arc::default())];
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
    fn a_lock_of_the_form_before_is_one_of_tools() {
        let tool = Pinned::of(Kind::Tool, &Raw::literal(r#"{"name":"list"}"#));
        let pinned = format!(r#"{{"sha256":"{}","definition":{{"name":"list"}}}}"#, tool.sha256());
        let text = format!(r#"{{"version":1,"servers":{{"files":{{"list":{pinned}}}}}}}"#);
        let own = Approved::from([((Kind::Tool, "list".to_owned()), tool)]);
        assert_eq!(Lock::parse(&text).unwrap().servers["files"], Arc::new(own));
    }

    #[test]
    fn a_definition_or_a_hash_that_was_changed_by_hand_is_seen() {
        let text = lock().to_text();
        let fault = LockFault::Hash { server: "files".to_owned(), label: "read".to_owned() };
        assert_eq!(Lock::parse(&text.replace("1.50", "1.5")), Err(fault));
        assert_eq!(Lock::parse("{"), Err(LockFault::Syntax));
        assert_eq!(Lock::parse(&text.replace("\"version\": 2", "\"version\": 3")), Err(LockFault::Form));
        assert_eq!(Lock::parse(r#"{"version":1,"servers":{"a":[]}}"#), Err(LockFault::Form));
    }
}
