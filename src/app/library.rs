//! Where what servers listed is kept while they do not run.

use std::sync::Arc;

use crate::{
    config::settings::Settings,
    seal::KeyRing,
    upstream::{Library, LibrarySettings},
};

/// What servers listed before.
pub(super) fn open(settings: &Settings, ring: &Arc<KeyRing>) -> Arc<Library> {
    let lists = &settings.lists;
    let bounds = LibrarySettings { max_bytes: lists.max_kept_bytes, max_stale: lists.max_stale };
    Arc::new(match &settings.state_dir {
        Some(folder) => Library::open(bounds, folder, ring.clone()),
        None => Library::of_memory(bounds),
    })
}
