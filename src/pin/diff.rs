//! What changed between two definitions, for people.

use std::collections::BTreeSet;

use super::{canonical::compact, lock::Pinned};
use crate::jsonrpc::{Kind, Raw};

/// Changes of one tool that are told; of a larger rewrite nobody reads more.
const MAX_CHANGES: usize = 200;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where: a JSON pointer into the definition (RFC 6901).
    pub path: String,
    /// What stood there; nothing when it is new.
    pub before: Option<Raw>,
    /// What stands there; nothing when it is gone.
    pub after: Option<Raw>,
}

/// The smallest parts that differ, in the order of their names.
pub fn differences(before: &Pinned, after: &Pinned) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", Some(before.definition.clone()), Some(after.definition.clone()), &mut changes);
    changes
}

fn compare(path: &str, before: Option<Raw>, after: Option<Raw>, changes: &mut Vec<Change>) {
    if before == after || changes.len() >= MAX_CHANGES {
        return;
    }
    if let (Some(one), Some(other)) = (&before, &after)
        && let (Some(one), Some(other)) = (parts(one), parts(other))
        && one.0 == other.0
    {
        let names: BTreeSet<&String> = one.1.iter().chain(&other.1).map(|(name, _)| name).collect();
        let find =
            |parts: &[(String, Raw)], name| parts.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        for name in names {
            let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            compare(&path, find(&one.1, name), find(&other.1, name), changes);
        }
        return;
    }
    changes.push(Change { path: path.to_owned(), before, after });
}

/// The members or elements of a value that has some, and its kind.
fn parts(value: &Raw) -> Option<(Kind, Vec<(String, Raw)>)> {
    let kind = value.kind();
    let parts = match kind {
        Kind::Object => value.object().ok()?.iter().map(|(name, value)| (name.to_owned(), compact(&value))).collect(),
        Kind::Array => {
            let elements = value.elements()?.into_iter().enumerate();
            elements.map(|(place, value)| (place.to_string(), compact(&value))).collect()
        }
        _ => return None,
    };
    Some((kind, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_smallest_parts_that_differ() {
        let before = Pinned::of(
            super::super::kind::Kind::Tool,
            &Raw::literal(
                r#"{"name":"a","description":"reads","inputSchema":{"properties":{"path":{"type":"string"},"x/y":{}},"required":["path"]}}"#,
            ),
        );
        let after = Pinned::of(
            super::super::kind::Kind::Tool,
            &Raw::literal(
                r#"{"name":"a","description":"reads and sends","inputSchema":{"properties":{"path":{"type":"string"},"to":{}},"required":["path","to"]}}"#,
            ),
        );
        let changes = differences(&before, &after);
        let told: Vec<(&str, Option<&str>, Option<&str>)> = changes
            .iter()
            .map(|change| {
                (&*change.path, change.before.as_ref().map(Raw::as_str), change.after.as_ref().map(Raw::as_str))
            })
            .collect();
        assert_eq!(
            told,
            [
                ("/description", Some("\"reads\""), Some("\"reads and sends\"")),
                ("/inputSchema/properties/to", None, Some("{}")),
                ("/inputSchema/properties/x~1y", Some("{}"), None),
                ("/inputSchema/required/1", None, Some("\"to\"")),
            ]
        );
        assert_eq!(differences(&before, &before), []);
    }
}
