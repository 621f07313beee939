//! What calls and the rest of the gateway have of the audit log.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use serde_json::{Map, Value};

use super::{
    arguments::Arguments,
    chain::{Chain, Hasher},
    file::{AuditFault, Last, Trail},
    queue::{Coming, Queue},
    record::{CallRecord, Ended, Note, Refusal},
    settings::{AuditSettings, Calls, OnLoss},
    writer::{Files, Writer},
};
use crate::{
    clock,
    jsonrpc::Raw,
    mcp::{Call, Caller, Fault, Op, Trace},
};

/// The audit log, while it is written.
pub struct Audit {
    file: PathBuf,
    queue: Arc<Queue>,
    calls: Calls,
    on_loss: OnLoss,
    arguments: Arc<Arguments>,
}

/// A call that will have a line. Dropped before its end it gives its place back.
pub struct Entry {
    audit: Arc<Audit>,
    pieces: Option<Pieces>,
}

/// What is known when a call begins.
struct Pieces {
    caller: Arc<Caller>,
    endpoint: Arc<str>,
    given: Option<Raw>,
}

impl Audit {
    /// Opens the file, says in it that the gateway starts, and begins to write. `detail` is what the first line tells of the start.
    ///
    /// # Errors
    /// [`AuditFault`].
    pub fn start(settings: &AuditSettings, detail: Map<String, Value>) -> Result<Arc<Self>, AuditFault> {
        let arguments = Arc::new(Arguments::new(&settings.arguments, settings.claims).map_err(AuditFault::Pattern)?);
        let hasher = Hasher::new(settings.key.as_ref());
        let now = clock::unix_time();
        let (trail, found) = Trail::open(&settings.file, &hasher, now)?;
        if let Some(torn) = &found.torn {
            tracing::warn!(
                bytes = torn.len(),
                "the audit log ended within a line; its end was moved into a file beside it"
            );
        }
        if found.last == Last::Doubtful {
            tracing::error!("the last line of the audit log does not hold: it was changed, or made with another key");
        }
        let queue = Arc::new(Queue::new(settings.queue));
        let chain = Chain::new(found.head, hasher);
        let sink = Files { trail, settings: settings.clone() };
        let mut writer = Writer::new(queue.clone(), chain, arguments.clone(), sink, settings.sync);
        writer.begin(&found, now, detail);
        let thread = thread::Builder::new().name("myelin-audit".to_owned());
        thread.spawn(move || writer.run()).map_err(AuditFault::Thread)?;
        let AuditSettings { file, calls, on_loss, .. } = settings;
        Ok(Arc::new(Self { file: file.clone(), queue, calls: *calls, on_loss: *on_loss, arguments }))
    }

    /// A call begins. Nothing where it is not to have a line.
    ///
    /// # Errors
    /// [`Fault::Unaudited`] where calls are refused while lines cannot be written.
    pub fn begin(self: &Arc<Self>, call: &Call) -> Result<Option<Entry>, Fault> {
        if self.calls == Calls::Acts && !acts(&call.op) {
            return Ok(None);
        }
        if self.on_loss == OnLoss::Refuse && !self.queue.reserve() {
            return Err(Fault::Unaudited);
        }
        let pieces = Pieces { caller: call.caller.clone(), endpoint: call.endpoint.clone(), given: given(&call.op) };
        Ok(Some(Entry { audit: self.clone(), pieces: Some(pieces) }))
    }

    /// A request was refused before it was a call.
    pub fn refused(&self, refusal: &Refusal) {
        self.queue.push(refusal.draft(), Coming::IfThereIsRoom);
    }

    /// Something else happened.
    pub fn note(&self, note: &Note) {
        self.queue.push(note.draft(), Coming::IfThereIsRoom);
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether lines are written.
    pub fn is_failing(&self) -> bool {
        self.queue.is_failing()
    }

    /// Whether calls are refused because of that.
    pub fn refuses(&self) -> bool {
        self.on_loss == OnLoss::Refuse && self.is_failing()
    }

    /// Says that the gateway stops, and waits until all is written, for so long at the most. Blocks.
    pub fn close(&self, patience: Duration) {
        if !self.queue.close(patience) {
            tracing::error!("the audit log was not written to its end in time");
        }
    }

    const fn coming(&self) -> Coming {
        match self.on_loss {
            OnLoss::Count => Coming::IfThereIsRoom,
            OnLoss::Refuse => Coming::WithPlace,
        }
    }
}

impl Entry {
    /// The call ended. Its line is written soon.
    pub fn end(mut self, era: &'static str, method: &str, target: Option<&str>, trace: &Trace, ended: Ended) {
        let Some(Pieces { caller, endpoint, given }) = self.pieces.take() else { return };
        let (caller, endpoint, time) = (&*caller, &*endpoint, clock::unix_time());
        let record = CallRecord { time, caller, endpoint, era, method, target, given, trace, ended };
        self.audit.queue.push(record.draft(&self.audit.arguments), self.audit.coming());
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.pieces.is_some() && self.audit.on_loss == OnLoss::Refuse {
            self.audit.queue.give_back();
        }
    }
}

/// Whether it runs or reads something.
const fn acts(op: &Op) -> bool {
    matches!(op, Op::Invoke(_) | Op::Complete(_) | Op::Task(_) | Op::Extension { .. })
}

/// What is digested of a call: its arguments, or all parameters where it has none.
fn given(op: &Op) -> Option<Raw> {
    match op {
        Op::Invoke(invoke) => invoke.arguments.clone(),
        Op::Complete(completion) => Some(completion.params.clone()),
        Op::Extension { params, .. } => params.clone(),
        _ => None,
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").field("calls", &self.calls).field("on_loss", &self.on_loss).finish_non_exhaustive()
    }
}
