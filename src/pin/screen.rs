//! Which of what a server says is what was approved.

use std::sync::Arc;

use super::{
    kind::Kind,
    lock::{Approved, Pinned},
};
use crate::jsonrpc::Raw;

/// What is done about things that are not what was approved.
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

/// What a server's things are held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screen {
    /// What is done about those that are not what was approved.
    pub mode: Mode,
    /// What was approved; nothing where there is no lock.
    pub pins: Option<Arc<Approved>>,
    /// What has an entry of more bytes is withheld in any case.
    pub max_entry_bytes: usize,
}

/// Something to be reported of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is the matter.
    pub reason: Reason,
    /// What is done about it.
    pub verdict: Verdict,
}

/// What is the matter with a thing.
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

/// What is done about a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is offered all the same.
    Offered,
    /// It is withheld: for clients it does not exist.
    Withheld,
}

impl Screen {
    /// What there is to report of something as it was listed, or said.
    pub fn judge(&self, kind: Kind, name: &str, entry: &Raw) -> Option<Finding> {
        if entry.bytes().len() > self.max_entry_bytes {
            return Some(Finding { reason: Reason::TooLarge, verdict: Verdict::Withheld });
        }
        let verdict = match self.mode {
            Mode::Off => return None,
            Mode::Warn => Verdict::Offered,
            Mode::Enforce => Verdict::Withheld,
        };
        let reason = match self.pins.as_ref().and_then(|pins| pins.get(&(kind, name.to_owned()))) {
            None => Reason::New,
            Some(pinned) if *pinned != Pinned::of(kind, entry) => Reason::Changed,
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
        let pins = Arc::new(Approved::from([((Kind::Tool, "a".to_owned()), Pinned::of(Kind::Tool, &approved))]));
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
                assert_eq!(screen(mode).judge(Kind::Tool, &name, &tool), expected, "{tool:?}");
            }
            assert_eq!(screen(Mode::Off).judge(Kind::Tool, &name, &tool), None);
        }
    }

    #[test]
    fn each_kind_is_held_against_its_own() {
        let entries = [
            (Kind::Prompt, r#"{"name":"a","arguments":[]}"#, r#"{"name":"a","arguments":[{"name":"x"}]}"#),
            (Kind::Resource, r#"{"uri":"a","name":"a","size":1}"#, r#"{"uri":"a","name":"a","description":"do"}"#),
            (Kind::Template, r#"{"uriTemplate":"a","name":"a"}"#, r#"{"uriTemplate":"a","name":"b"}"#),
            (Kind::Instructions, r#""Be kind.""#, r#""Be quick.""#),
        ];
        for (kind, approved, other) in entries {
            let approved = Raw::literal(approved);
            let pins = Approved::from([((kind, "a".to_owned()), Pinned::of(kind, &approved))]);
            let screen = Screen { mode: Mode::Enforce, pins: Some(Arc::new(pins)), max_entry_bytes: 100 };
            assert_eq!(screen.judge(kind, "a", &approved), None);
            let reason = |name: &str, entry| screen.judge(kind, name, &Raw::literal(entry)).unwrap().reason;
            assert_eq!((reason("a", other), reason("b", other)), (Reason::Changed, Reason::New), "{kind:?}");
            // What is read of a resource changes all the time; how large it is is no part of it.
            let grown = Raw::literal(r#"{"uri":"a","name":"a","size":2}"#);
            assert!(kind != Kind::Resource || screen.judge(kind, "a", &grown).is_none());
            assert_eq!(screen.judge(Kind::Tool, "a", &approved).unwrap().reason, Reason::New, "of another kind");
        }
    }

    #[test]
    fn without_a_lock_nothing_is_approved() {
        let screen = Screen { mode: Mode::Enforce, pins: None, max_entry_bytes: 100 };
        let found = screen.judge(Kind::Tool, "a", &Raw::literal(r#"{"name":"a"}"#)).unwrap();
        assert_eq!((found.reason, found.verdict), (Reason::New, Verdict::Withheld));
    }

    #[test]
    fn an_entry_of_the_largest_size_is_offered_and_one_byte_more_is_not_whatever_the_mode() {
        let screen = Screen { mode: Mode::Off, pins: None, max_entry_bytes: 12 };
        assert_eq!(screen.judge(Kind::Tool, "a", &Raw::literal(r#"{"name":"a"}"#)), None);
        let found = screen.judge(Kind::Tool, "a", &Raw::literal(r#"{"name":"ab"}"#)).unwrap();
        assert_eq!((found.reason, found.verdict), (Reason::TooLarge, Verdict::Withheld));
    }
}
