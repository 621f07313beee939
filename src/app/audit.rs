//! What the audit log hears from the composition: starts, reloads, the end.

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};

use crate::{
    audit::{Audit, AuditFault, Event, Note},
    clock,
    config::settings::Settings,
    pin::Verdict,
    upstream::Upstream,
};

/// How long the last lines may take when the gateway ends.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Opens the audit log, where the settings have one.
pub(super) fn start(settings: &Settings, source: Option<&Path>) -> Result<Option<Arc<Audit>>, AuditFault> {
    let Some(own) = &settings.audit else { return Ok(None) };
    let mut detail = Map::new();
    detail.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    detail.extend(source.map(|path| ("configuration".to_owned(), json!(path.to_string_lossy()))));
    Audit::start(own, detail).map(Some)
}

/// Tells of something that nobody did.
pub(super) fn note(audit: Option<&Arc<Audit>>, event: Event, detail: impl IntoIterator<Item = (&'static str, Value)>) {
    if let Some(audit) = audit {
        audit.note(&Note::new(event, clock::unix_time(), detail));
    }
}

/// Tells what was found of a server's tools, prompts and so on.
pub(super) fn things(audit: Option<&Arc<Audit>>, upstream: &Upstream) {
    for ((kind, name), finding) in upstream.news_of_things() {
        let verdict = match finding.verdict {
            Verdict::Offered => "offered",
            Verdict::Withheld => "withheld",
        };
        let detail = [
            ("server", json!(&**upstream.name())),
            (kind.name(), json!(&*name)),
            ("reason", json!(finding.reason.name())),
            ("verdict", json!(verdict)),
        ];
        note(audit, Event::Pin, detail);
    }
}

/// The last line. Blocks for a moment.
pub(super) fn close(audit: Option<Arc<Audit>>) {
    if let Some(audit) = audit {
        audit.close(CLOSE_PATIENCE);
    }
}
