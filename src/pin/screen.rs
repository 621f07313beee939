//! Which of a server's tools are what was approved.

use std::{collections::BTreeMap, sync::Arc};

use super::lock::Pinned;
use crate::jsonrpc::Raw;

/// What is done about tools that are not what was approved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: nobody looks.
    #[default]
    Off,
    /// They are reported.
    Warn,
    /// They are reported, and withheld until they are approved.
    Enforce,
}

/// What a server's tools are held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screen {
    /// What is done about those that are not what was approved.
    pub mode: Mode,
    /// What was approved; nothing where there is no lock.
    pub pins: Option<Arc<BTreeMap<String, Pinned>>>,
    /// A tool whose entry has more bytes is withheld in any case.
    pub max_entry_bytes: usize,
}

/// Something to be reported of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is the matter.
    pub reason: Reason,
    /// What is done about it.
    pub verdict: Verdict,
}

/// What is the matter with a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It was never approved.
    New,
    /// It is not what was approved.
    Changed,
    /// Its entry is larger than allowed.
    TooLarge,
}

impl Reason {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::TooLarge => "too_large",
        }
    }
}

/// What is done about a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is offered all the same.
    Offered,
    /// It is withheld: for clients it does not exist.
    Withheld,
}

impl Screen {
    /// What there is to report of a tool as it was listed.
    pub fn judge(&self, name: &str, tool: &Raw) -> Option<Finding> {
        if tool.bytes().len() > self.max_entry_bytes {
            return Some(Finding { reason: Reason::TooLarge, verdict: Verdict::Withheld });
        }
        let verdict = match self.mode {
            Mode::Off => return None,
            Mode::Warn => Verdict::Offered,
            Mode::Enforce => Verdict::Withheld,
        };
        let reason = match self.pins.as_ref().and_then(|pins| pins.get(name)) {
            None => Reason::New,
            Some(pinned) if *pinned != Pinned::of(tool) => Reason::Changed,
            Some(_) => return None,
        };
        Some(Finding { reason, verdict })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_approved_or_is_something_else_now_is_found() {
        let approved = Raw::literal(r#"{"name":"a","description":"reads","inputSchema":{"type":"object"}}"#);
        let pins = Arc::new(BTreeMap::from([("a".to_owned(), Pinned::of(&approved))]));
        let screen = |mode| Screen { mode, pins: Some(pins.clone()), max_entry_bytes: 100 };
        let tools = [
            (r#"{ "inputSchema": {"type":"object"}, "description": "reads", "name": "a", "_meta": 1 }"#, None),
            (r#"{"name":"a","description":"Reads","inputSchema":{"type":"object"}}"#, Some(Reason::Changed)),
            (r#"{"name":"a","description":"reads","inputSchema":{"type":"object","x":1}}"#, Some(Reason::Changed)),
            (
                r#"{"name":"a","description":"reads","inputSchema":{"type":"object"},"annotations":{}}"#,
                Some(Reason::Changed),
            ),
            (r#"{"name":"b"}"#, Some(Reason::New)),
        ];
        for (tool, reason) in tools {
            let tool = Raw::literal(tool);
            let name = tool.member("name").unwrap().text().unwrap().into_owned();
            for (mode, verdict) in [(Mode::Warn, Verdict::Offered), (Mode::Enforce, Verdict::Withheld)] {
                let expected = reason.map(|reason| Finding { reason, verdict });
                assert_eq!(screen(mode).judge(&name, &tool), expected, "{tool:?}");
            }
            assert_eq!(screen(Mode::Off).judge(&name, &tool), None);
        }
    }

    #[test]
    fn without_a_lock_nothing_is_approved() {
        let screen = Screen { mode: Mode::Enforce, pins: None, max_entry_bytes: 100 };
        let found = screen.judge("a", &Raw::literal(r#"{"name":"a"}"#)).unwrap();
        assert_eq!((found.reason, found.verdict), (Reason::New, Verdict::Withheld));
    }

    #[test]
    fn an_entry_of_the_largest_size_is_offered_and_one_byte_more_is_not_whatever_the_mode() {
        let screen = Screen { mode: Mode::Off, pins: None, max_entry_bytes: 12 };
        assert_eq!(screen.judge("a", &Raw::literal(r#"{"name":"a"}"#)), None);
        let found = screen.judge("a", &Raw::literal(r#"{"name":"ab"}"#)).unwrap();
        assert_eq!((found.reason, found.verdict), (Reason::TooLarge, Verdict::Withheld));
    }
}
