//! One replica: the client that reaches it, and what it is to those who must come back to it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use http::{HeaderMap, StatusCode, Uri};

use super::{
    super::{
        body::Body,
        client::{Client, Outgoing},
        fault::HttpFault,
    },
    flight::{Flight, Purpose},
    record::Record,
    standing::Opinion,
};

/// What tells replicas apart: which of the configured addresses, and where its name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) url: usize,
    pub(super) address: Option<SocketAddr>,
}

/// One replica.
pub(super) struct Replica {
    pub(super) key: Key,
    pub(super) client: Client,
    pub(super) record: Arc<Record>,
    /// It is no longer named: until when those who need it may still come.
    leaving: Mutex<Option<Instant>>,
    has_left: AtomicBool,
}

/// What a replica answers, and which it was.
#[derive(Debug)]
pub struct Answered {
    /// The status, whatever it is.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The content, still arriving.
    pub body: Body,
    /// Where it comes from.
    pub from: Pin,
}

impl Replica {
    pub(super) fn new(key: Key, client: Client, record: Record) -> Self {
        Self { key, client, record: Arc::new(record), leaving: Mutex::new(None), has_left: AtomicBool::new(false) }
    }

    pub(super) async fn send(self: &Arc<Self>, request: Outgoing, purpose: Purpose) -> Result<Answered, HttpFault> {
        if self.has_left.load(Ordering::Acquire) {
            return Err(HttpFault::Left);
        }
        let mut flight = Flight::new(self.record.clone(), purpose);
        match self.client.send(request).await {
            Ok(mut incoming) => {
                flight.head(incoming.status);
                incoming.body.count(flight);
                let (status, headers, body) = (incoming.status, incoming.headers, incoming.body);
                Ok(Answered { status, headers, body, from: Pin(self.clone()) })
            }
            Err(fault) => {
                flight.failed(&fault);
                Err(fault)
            }
        }
    }

    /// It is named no longer.
    pub(super) fn leave(&self, until: Instant) {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(until);
    }

    /// It is named again.
    pub(super) fn stay(&self) {
        *self.leaving.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn leaves(&self) -> Option<Instant> {
        *self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets it go when nobody needs it any more, or the time for that is over. Whether it is gone.
    pub(super) fn may_go(&self, now: Instant) -> bool {
        let is_unused = self.record.in_flight() == 0 && self.record.sessions() == 0;
        let goes = self.leaves().is_some_and(|until| is_unused || until <= now);
        if goes {
            self.has_left.store(true, Ordering::Release);
        }
        goes
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.record.name)
    }
}

/// A certain replica.
#[derive(Clone, Debug)]
pub struct Pin(pub(super) Arc<Replica>);

impl Pin {
    /// What people call it: host and port.
    pub fn name(&self) -> &str {
        &self.0.record.name
    }

    /// The request target that a reference sent by the replica means, if it lies on its own origin.
    pub fn resolve(&self, reference: &str) -> Option<Uri> {
        self.0.client.resolve(reference)
    }

    /// Something of it is needed for as long as what this gives lives: a session.
    pub fn hold(&self) -> Stay {
        self.0.record.enter();
        Stay(self.clone())
    }

    /// A look at it found it at work, or not.
    pub fn looked(&self, found: Opinion) {
        self.0.record.saw(found);
    }
}

impl PartialEq for Pin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A session on a replica.
#[derive(Debug)]
pub struct Stay(Pin);

impl Stay {
    /// Which replica it is.
    pub const fn pin(&self) -> &Pin {
        &self.0
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.0.record.leave();
    }
}
