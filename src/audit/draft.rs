//! A line while it is made: what happened, without its number and its place in the chain, which it gets when it is written.
//!
//! It is made where the thing happens: what a line tells of is in the cache then, and no record of many parts goes from thread to thread.

use std::{io::Write, net::IpAddr, time::Duration};

use serde::Serialize;

use super::{
    arguments::{Arguments, Text},
    line::Event,
    settings::Claims,
};
use crate::{
    jsonrpc::{Raw, quote},
    mcp::Identity,
    telemetry::write_time,
};

/// Most lines fit into it.
const USUAL_BYTES: usize = 1024;
/// Arguments up to this size are digested at once; larger ones by the thread that writes.
const QUICK_BYTES: usize = 16 << 10;

/// Bytes of a text that are kept for the next lines.
const MAX_KEPT_BYTES: usize = 1 << 20;

/// A line without its number and place.
pub(super) struct Draft {
    pub(super) time: Duration,
    pub(super) event: Event,
    /// An object that is still open.
    text: Vec<u8>,
    rest: Option<Box<Rest>>,
}

/// Arguments that are still to be looked at, and what clients call the thing that has them.
struct Rest {
    name: String,
    arguments: Raw,
}

impl Draft {
    pub(super) fn new(event: Event, time: Duration) -> Self {
        let mut text = Vec::with_capacity(USUAL_BYTES);
        text.extend_from_slice(b"{\"time\":\"");
        write_time(&mut text, time);
        text.extend_from_slice(b"\",\"event\":\"");
        text.extend_from_slice(event.name().as_bytes());
        text.push(b'"');
        Self { time, event, text, rest: None }
    }

    fn name(&mut self, name: &'static str) {
        self.text.extend_from_slice(b",\"");
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
    }

    /// A member, where there is something to say.
    pub(super) fn word(&mut self, name: &'static str, word: Option<&str>) {
        if let Some(word) = word {
            self.name(name);
            quote(&mut self.text, word);
        }
    }

    /// A member of any form.
    pub(super) fn value(&mut self, name: &'static str, value: &impl Serialize) {
        self.name(name);
        // Every value that comes here has a JSON form, and writing to a Vec does not fail.
        let written = serde_json::to_writer(&mut self.text, value);
        debug_assert!(written.is_ok(), "a member has a JSON form");
    }

    /// Where it came from.
    pub(super) fn address(&mut self, address: Option<IpAddr>) {
        if let Some(address) = address {
            self.name("address");
            // Writing to a Vec does not fail.
            let _ = write!(self.text, "\"{address}\"");
        }
    }

    /// JSON as it came, on one line: what stands between values may be a line's end, and inside of texts there is none.
    pub(super) fn raw(&mut self, name: &'static str, raw: &Raw) {
        self.name(name);
        let start = self.text.len();
        self.text.extend_from_slice(raw.bytes());
        for byte in self.text.iter_mut().skip(start).filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
    }

    /// Who it was; claims are nobody's business here where nobody says otherwise.
    pub(super) fn principal(&mut self, identity: &Identity, claims: Claims) {
        self.name("principal");
        self.text.extend_from_slice(b"{\"id\":");
        quote(&mut self.text, &identity.id);
        self.word("kind", Some(identity.kind.name()));
        self.word("issuer", identity.issuer.as_deref());
        self.word("client", identity.client.as_deref());
        for (name, list) in [("groups", &identity.groups), ("scopes", &identity.scopes)] {
            if !list.is_empty() {
                self.value(name, list);
            }
        }
        if claims == Claims::Full {
            self.value("claims", &identity.claims);
        }
        self.text.push(b'}');
    }

    /// What is kept of arguments to what clients call `name`.
    pub(super) fn arguments(&mut self, rules: &Arguments, name: &str, arguments: Raw) {
        if arguments.bytes().len() <= QUICK_BYTES {
            self.keep(rules, name, &arguments);
        } else {
            self.rest = Some(Box::new(Rest { name: name.to_owned(), arguments }));
        }
    }

    fn keep(&mut self, rules: &Arguments, name: &str, arguments: &Raw) {
        let kept = rules.keep(name, arguments);
        self.word("arguments_sha256", kept.digest.as_deref());
        match kept.text {
            Text::None => {}
            Text::Part(value) => self.value("arguments", &value),
            Text::Whole => self.raw("arguments", arguments),
        }
    }
}

/// Lines that wait to be chained, one text for all of them: it is filled and written over and over without a word to the allocator.
#[derive(Default)]
pub(super) struct Batch {
    text: Vec<u8>,
    marks: Vec<Mark>,
    /// Bytes of arguments that are still to be looked at.
    rest: usize,
}

/// Where a line ends.
struct Mark {
    event: Event,
    time: Duration,
    end: usize,
    rest: Option<Box<Rest>>,
}

impl Batch {
    pub(super) fn push(&mut self, draft: Draft) {
        let Draft { time, event, text, rest } = draft;
        self.text.extend_from_slice(&text);
        self.rest += rest.as_ref().map_or(0, |rest| rest.arguments.bytes().len());
        self.marks.push(Mark { event, time, end: self.text.len(), rest });
    }

    /// Lines.
    pub(super) const fn len(&self) -> usize {
        self.marks.len()
    }

    /// The bytes of it that wait, in memory.
    pub(super) const fn bytes(&self) -> usize {
        self.text.len() + self.rest
    }

    /// Hands out each line as an object that is still open, and is empty then.
    pub(super) fn drain(&mut self, rules: &Arguments, mut take: impl FnMut(&[u8])) {
        let Self { text, marks, rest } = self;
        let mut start = 0;
        for mark in marks.drain(..) {
            let line = text.get(start..mark.end).unwrap_or_default();
            start = mark.end;
            match mark.rest {
                None => take(line),
                Some(rest) => {
                    let mut draft = Draft { time: mark.time, event: mark.event, text: line.to_vec(), rest: None };
                    draft.keep(rules, &rest.name, &rest.arguments);
                    take(&draft.text);
                }
            }
        }
        text.clear();
        text.shrink_to(MAX_KEPT_BYTES);
        *rest = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::settings::{ArgumentRule, Recording};

    fn lines(batch: &mut Batch, rules: &Arguments) -> Vec<String> {
        let mut lines = Vec::new();
        batch.drain(rules, |line| lines.push(String::from_utf8(line.to_vec()).unwrap()));
        lines
    }

    #[test]
    fn arguments_of_any_size_are_kept_on_one_line_in_their_own_words() {
        let record = ArgumentRule { pattern: "*".to_owned(), record: Recording::Full, redact: Vec::new() };
        let rules = Arguments::new(&[record], Claims::None).unwrap();
        let large = format!("{{\n\"a\" : 1.50,\r\n\"b\":\"{}\"}}", "x".repeat(QUICK_BYTES));
        let mut batch = Batch::default();
        for text in ["{\n\"a\" : 1.50}".to_owned(), large.clone()] {
            let mut draft = Draft::new(Event::Call, Duration::ZERO);
            draft.arguments(&rules, "tool", Raw::parse(text.into(), 9).unwrap());
            batch.push(draft);
        }
        assert!(batch.bytes() > QUICK_BYTES && batch.len() == 2);
        let lines = lines(&mut batch, &rules);
        assert!(lines[0].ends_with("\"arguments\":{ \"a\" : 1.50}"), "{}", lines[0]);
        assert!(lines[1].ends_with(&large.replace(['\n', '\r'], " ")));
        assert_eq!((batch.len(), batch.bytes()), (0, 0));
    }
}
