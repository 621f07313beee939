//! One request at a replica, from its sending to the end of its answer: it is counted, and what becomes of it is held for or against
//! the replica.

use std::{sync::Arc, time::Instant};

use http::StatusCode;

use super::{super::fault::HttpFault, record::Record};
use crate::clock;

/// What a request is for, as far as its failure says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An answer: silence speaks against the replica.
    Answer,
    /// A stream, on which there may be nothing to say for days.
    Stream,
    /// To look at the replica: counted by whoever looks.
    Look,
}

/// One request at a replica.
pub(in crate::upstream::wire::http) struct Flight {
    record: Arc<Record>,
    /// When it began, where silence speaks against the replica.
    since: Option<Instant>,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Open,
    /// Something came: it lives.
    Alive,
    Given,
}

impl Flight {
    pub(super) fn new(record: Arc<Record>, purpose: Purpose) -> Self {
        record.begin();
        let verdict = if purpose == Purpose::Look { Verdict::Given } else { Verdict::Open };
        let since = (purpose == Purpose::Answer && record.ward.settings.ejection.failures > 0).then(clock::now);
        Self { record, since, verdict }
    }

    /// The head of the answer is there.
    pub(super) fn head(&mut self, status: StatusCode) {
        if status.is_server_error() {
            self.broke();
        }
    }

    /// It came to nothing.
    pub(super) fn failed(&mut self, fault: &HttpFault) {
        if fault.blames_upstream() {
            self.broke();
        } else {
            self.verdict = Verdict::Given;
        }
    }

    /// Bytes came.
    pub(in crate::upstream::wire::http) fn heard(&mut self) {
        if self.verdict == Verdict::Open {
            self.verdict = Verdict::Alive;
        }
    }

    /// The answer is over.
    pub(in crate::upstream::wire::http) fn ended(&mut self) {
        if self.verdict != Verdict::Given {
            self.verdict = Verdict::Given;
            self.record.succeeded();
        }
    }

    /// The answer broke off.
    pub(in crate::upstream::wire::http) fn broke(&mut self) {
        if self.verdict != Verdict::Given {
            self.verdict = Verdict::Given;
            self.record.failed();
        }
    }
}

impl Drop for Flight {
    /// Whoever gave up earlier than a call may be silent did so for reasons of their own.
    fn drop(&mut self) {
        self.record.end();
        let (silence, _) = self.record.ward.settings.patience;
        let is_silent = self.verdict == Verdict::Open;
        if is_silent && self.since.is_some_and(|since| clock::now().saturating_duration_since(since) >= silence) {
            self.broke();
        }
    }
}
