//! The open streams of the HTTP+SSE transport, found again by the POSTs that belong to them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use crate::mcp::{Limit, Principal};

use super::{session::Session, stream::Stream};

/// An open stream, and the session that lives as long.
pub(super) struct Connection {
    pub(super) principal: Principal,
    pub(super) endpoint: Arc<str>,
    pub(super) stream: Arc<Stream>,
    pub(super) session: OnceLock<Arc<Session>>,
}

/// The open streams by the id in their POST address.
#[derive(Default)]
pub(super) struct Connections(Mutex<HashMap<String, Arc<Connection>>>);

impl Connections {
    pub(super) fn find(&self, id: &str) -> Option<Arc<Connection>> {
        self.lock().get(id).cloned()
    }

    /// Adds one, unless there are as many as may be.
    pub(super) fn insert(&self, id: &str, connection: Connection, max: usize) -> Result<(), Limit> {
        let mut open = self.lock();
        if open.len() >= max {
            return Err(Limit::Streams);
        }
        open.insert(id.to_owned(), Arc::new(connection));
        Ok(())
    }

    pub(super) fn remove(&self, id: &str) -> Option<Arc<Connection>> {
        self.lock().remove(id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
