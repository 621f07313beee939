//! `audit`: the audit log.

use crate::{
    audit::settings::{Calls, Claims, OnLoss, Recording},
    config::{
        defaults,
        shape::section,
        shapes::{Bytes, Choice, Count, FilePath, Glob, List, Secret, Text, Time},
    },
};

section! {
    /// The audit log: one line for each call, chained by hashes.
    AuditKeys {
        /// The file. It is made where there is none, and readable by the gateway's user only.
        file "file": FilePath,
        /// A file of this size is set aside, and another begins.
        max_size "maxSize": Bytes<1024> = defaults::AUDIT_MAX_SIZE,
        /// A file of this age is set aside as well.
        max_age "maxAge": Time<1000>,
        /// Files set aside that are kept; all of them when absent.
        keep "keep": Count,
        /// `acts` for calls that run or read something, `all` for lists, discovery and subscriptions as well.
        calls "calls": Choice<Calls> = Calls::Acts,
        /// What is kept of the claims of callers' tokens: `none`, or `full` so that `myelin policy replay` knows them and what tools said of how they act.
        claims "claims": Choice<Claims> = Claims::None,
        /// What is kept of arguments: the first entry that fits decides; without one, their SHA-256.
        arguments "arguments": List<ArgumentKeys>,
        /// Calls that wait to be written at the most.
        queue "queue": Count<1, 1_000_000> = defaults::AUDIT_QUEUE,
        /// How long a written line may wait until the disk confirms it; 0s waits after each write.
        sync "sync": Time<0> = defaults::AUDIT_SYNC,
        /// While lines cannot be written: `count` lets calls go on and says later how many lines are missing, `refuse` refuses calls.
        on_loss "onLoss": Choice<OnLoss> = OnLoss::Count,
        /// A key for the hashes, of at least 32 characters and best a reference: without it nobody can make a chain that holds.
        key "key": Secret,
    }
}

section! {
    /// What is kept of the arguments of some calls.
    ArgumentKeys {
        /// A pattern over the names that clients use; all of them when absent.
        pattern "match": Glob = "*".to_owned(),
        /// `none`, a `digest`, the arguments `redacted`, or `full`.
        record "record": Choice<Recording> = Recording::Digest,
        /// What `redacted` takes out: names of members, and JSON pointers such as `/card/number`. Names that sound secret when absent.
        redact "redact": List<Text>,
    }
}
