//! The lock: read with the configuration, so that a change of either is one reload.

use std::{io, sync::Arc};

use super::found::section;
use crate::{
    config::{
        keys::FileKeys,
        place::Place,
        problem::{ProblemKind, Remark},
        shape::Reader,
    },
    pin::{Lock, Mode, Pins},
};

/// Beside the configuration.
const NAME: &str = "myelin.lock";

/// Where nobody looks at tools the lock is not read: one that is broken is then nobody's problem.
pub(super) fn pins(keys: &FileKeys, reader: &mut Reader<'_>) -> Pins {
    let beside = || reader.environment.directory().join(NAME);
    let path = keys.lock.as_ref().map_or_else(beside, |found| found.value.clone());
    let mode = strictest(keys);
    if mode == Mode::Off {
        return Pins { path, lock: None };
    }
    let text = reader.environment.document(&path);
    reader.files.add(&path, text.as_deref().ok());
    let place = keys.lock.as_ref().map_or_else(Place::file, |found| found.place.clone());
    let lock = match text {
        Ok(text) => match Lock::parse(&text) {
            Ok(lock) => Some(Arc::new(lock)),
            Err(fault) => {
                reader.report(&place, ProblemKind::Lock { path: path.clone(), fault: Box::new(fault) });
                None
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if mode == Mode::Enforce {
                reader.note(&place, Remark::NoLock { path: path.clone() });
            }
            None
        }
        Err(error) => {
            reader.report(&place, ProblemKind::UnreadableLock { path: path.clone(), kind: error.kind() });
            None
        }
    };
    Pins { path, lock }
}

fn strictest(keys: &FileKeys) -> Mode {
    let general = section(keys.defaults.clone()).pin();
    let servers = section(keys.servers.clone());
    let modes: Vec<Mode> =
        servers.iter().map(|(_, found)| found.value.options.pin.as_ref().map_or(general, |pin| pin.value)).collect();
    [Mode::Enforce, Mode::Warn].into_iter().find(|mode| modes.contains(mode)).unwrap_or_default()
}
