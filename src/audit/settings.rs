//! What an operator may say about the audit log: the validated form that `config` builds.

use std::{path::PathBuf, time::Duration};

use crate::redact::Redacted;

/// How the audit log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// The file; older ones lie beside it, with the number of their first line behind the name.
    pub file: PathBuf,
    /// A file that grew to so many bytes is set aside.
    pub max_size_bytes: u64,
    /// A file of that age is set aside.
    pub max_age: Option<Duration>,
    /// Files that were set aside and are kept; all of them when absent.
    pub keep: Option<usize>,
    /// What is kept of arguments: the first rule that fits decides, and without one their digest.
    pub arguments: Vec<ArgumentRule>,
    /// What is kept of the claims of callers' tokens.
    pub claims: Claims,
    /// Which calls have a line.
    pub calls: Calls,
    /// Calls that wait to be written at the most.
    pub queue: usize,
    /// How long written lines may wait for the disk to confirm them.
    pub sync: Duration,
    /// What happens to calls while lines cannot be written.
    pub on_loss: OnLoss,
    /// With a key, nobody without it can make a chain that holds.
    pub key: Option<Redacted<String>>,
}

/// What is kept of the arguments of some calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentRule {
    /// A pattern over the names that clients use.
    pub pattern: String,
    /// How much.
    pub record: Recording,
    /// What is taken out when redacting: names of members at any depth, and JSON pointers (RFC 6901). Names that sound secret when empty.
    pub redact: Vec<String>,
}

/// How much is kept of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// Nothing, not even a digest: short arguments can be guessed from one.
    None,
    /// The SHA-256 of their bytes.
    Digest,
    /// That, and themselves without what is secret.
    Redacted,
    /// That, and themselves.
    Full,
}

/// What is kept of the claims of callers' tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claims {
    /// Nothing: they may tell more of a person than who it is.
    #[default]
    None,
    /// All of them.
    Full,
}

/// Which calls have a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Those that run or read something.
    Acts,
    /// Lists, discovery and subscriptions, too.
    All,
}

/// What happens to calls while lines cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// They go on; what is lost is counted, and said in the chain later.
    Count,
    /// They are refused.
    Refuse,
}
