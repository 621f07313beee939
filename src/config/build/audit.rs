//! `audit`: whole in itself.

use super::found::{LEAST_KEY, section, values};
use crate::{
    audit::settings::{ArgumentRule, AuditSettings, Recording},
    config::{
        keys::{ArgumentKeys, AuditKeys, FileKeys},
        place::Found,
        problem::ProblemKind,
        shape::Reader,
    },
};

pub(super) fn settings(keys: &FileKeys, reader: &mut Reader<'_>) -> Option<AuditSettings> {
    let Found { value: audit, place } = keys.audit.as_ref()?;
    if audit.file.is_none() && !reader.reported(place, "file") {
        reader.report(place, ProblemKind::Incomplete { needed: "file" });
    }
    if let Some(key) = &audit.key
        && key.value.expose().chars().count() < LEAST_KEY
    {
        reader.report(&key.place, ProblemKind::WeakSealingKey { least: LEAST_KEY });
    }
    let arguments = section(audit.arguments.clone());
    Some(AuditSettings {
        arguments: arguments.iter().map(|found| rule(found, reader)).collect(),
        ..whole(audit, audit.file.as_ref()?.value.clone())
    })
}

fn whole(audit: &AuditKeys, file: std::path::PathBuf) -> AuditSettings {
    AuditSettings {
        file,
        max_size_bytes: u64::try_from(audit.max_size()).unwrap_or(u64::MAX),
        max_age: audit.max_age.as_ref().map(|found| found.value),
        keep: audit.keep.as_ref().map(|found| found.value),
        arguments: Vec::new(),
        claims: audit.claims(),
        calls: audit.calls(),
        queue: audit.queue(),
        sync: audit.sync(),
        on_loss: audit.on_loss(),
        key: audit.key.as_ref().map(|found| found.value.clone()),
    }
}

fn rule(found: &Found<ArgumentKeys>, reader: &mut Reader<'_>) -> ArgumentRule {
    let keys = &found.value;
    if let (Some(redact), true) = (&keys.redact, keys.record() != Recording::Redacted) {
        reader.report(&redact.place, ProblemKind::OfTheOtherWire { beside: "record: redacted" });
    }
    ArgumentRule { pattern: keys.pattern(), record: keys.record(), redact: values(keys.redact.clone()) }
}
