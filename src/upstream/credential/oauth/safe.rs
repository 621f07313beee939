//! What is kept over restarts, where there is a folder for it.

use std::{io, path::Path, sync::Arc};

use crate::{
    commons::Commons,
    seal::{KeyRing, Purpose},
};

use super::{client::Registrations, folder::Folder, shared::Shared, vault::Vault};

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`stateDir` cannot be used")]
pub struct SafeFault(#[source] io::Error);

/// Users' connections, and the gateway's own registrations as a client.
#[derive(Default)]
pub struct Safe {
    pub(in crate::upstream::credential) vault: Vault,
    pub(in crate::upstream::credential) registrations: Registrations,
    pub(in crate::upstream::credential) ring: Option<Arc<KeyRing>>,
}

impl Safe {
    /// What is in `state_dir`, or nothing yet and forgotten with the process.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(ring: &Arc<KeyRing>, state_dir: Option<&Path>) -> Result<Self, SafeFault> {
        let names = Some(ring.clone());
        let Some(state_dir) = state_dir else { return Ok(Self { ring: names, ..Self::default() }) };
        let folder = |name: &str, purpose| Folder::open(state_dir.join(name), ring.clone(), purpose);
        let open = || {
            Ok(Self {
                vault: Vault::open(folder("connections", Purpose::Connection)?)?,
                registrations: Registrations::open(folder("registrations", Purpose::Registration)?)?,
                ring: names.clone(),
            })
        };
        open().map_err(SafeFault)
    }

    /// The same with connections that all replicas have which know `ring`. Those of the folder go there, and it keeps none from then on.
    #[must_use]
    pub fn sharing(self, commons: Arc<Commons>, ring: &Arc<KeyRing>) -> Self {
        Self { vault: self.vault.sharing(Shared::new(commons, ring.clone())), ..self }
    }
}
