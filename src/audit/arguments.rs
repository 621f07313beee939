//! What is kept of arguments.

use globset::{Glob, GlobMatcher};
use serde_json::Value;

use super::{
    chain::sha256,
    settings::{ArgumentRule, Claims, Recording},
};
use crate::jsonrpc::Raw;

/// Members whose names hold one of these are secret where a rule redacts without saying what.
const SECRET: [&str; 9] =
    ["password", "passwd", "secret", "token", "authorization", "apikey", "api_key", "credential", "private_key"];
/// What stands in their place.
const IN_ITS_PLACE: &str = "[redacted]";

/// The rules, compiled, and what is kept of claims.
#[derive(Default)]
pub(super) struct Arguments {
    rules: Vec<(GlobMatcher, ArgumentRule)>,
    pub(super) claims: Claims,
}

/// What is kept of the arguments of one call.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) digest: Option<String>,
    pub(super) text: Text,
}

/// Themselves, as far as they are kept.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Text {
    #[default]
    None,
    /// Without what is secret.
    Part(Value),
    /// As they came.
    Whole,
}

impl Arguments {
    /// # Errors
    /// A pattern is no glob; the configuration refuses it before.
    pub(super) fn new(rules: &[ArgumentRule], claims: Claims) -> Result<Self, globset::Error> {
        let compiled = rules.iter().map(|rule| Ok((Glob::new(&rule.pattern)?.compile_matcher(), rule.clone())));
        Ok(Self { rules: compiled.collect::<Result<_, _>>()?, claims })
    }

    /// What is kept of `arguments` to what clients call `name`.
    pub(super) fn keep(&self, name: &str, arguments: &Raw) -> Kept {
        let rule = self.rules.iter().find(|(pattern, _)| pattern.is_match(name)).map(|(_, rule)| rule);
        let recording = rule.map_or(Recording::Digest, |rule| rule.record);
        let text = match recording {
            Recording::None => return Kept::default(),
            Recording::Digest => Text::None,
            Recording::Full => Text::Whole,
            Recording::Redacted => {
                redacted(arguments, rule.map_or(&[], |rule| &rule.redact)).map_or(Text::None, Text::Part)
            }
        };
        Kept { digest: Some(sha256(arguments.bytes())), text }
    }
}

/// The arguments without some members, named or pointed to.
fn redacted(arguments: &Raw, what: &[String]) -> Option<Value> {
    let mut value: Value = serde_json::from_slice(arguments.bytes()).ok()?;
    let names: Vec<String> =
        what.iter().filter(|name| !name.starts_with('/')).map(|name| name.to_lowercase()).collect();
    for pointer in what.iter().filter(|name| name.starts_with('/')) {
        if let Some(found) = value.pointer_mut(pointer) {
            *found = IN_ITS_PLACE.into();
        }
    }
    let is_secret = |name: &str| {
        let name = name.to_lowercase();
        if what.is_empty() { SECRET.iter().any(|word| name.contains(word)) } else { names.contains(&name) }
    };
    take_out(&mut value, &is_secret);
    Some(value)
}

fn take_out(value: &mut Value, is_secret: &dyn Fn(&str) -> bool) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if is_secret(name) {
                    *member = IN_ITS_PLACE.into();
                } else {
                    take_out(member, is_secret);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| take_out(element, is_secret)),
        _ => (),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(pattern: &str, record: Recording, redact: &[&str]) -> ArgumentRule {
        let redact = redact.iter().map(|name| (*name).to_owned()).collect();
        ArgumentRule { pattern: pattern.to_owned(), record, redact }
    }

    #[test]
    fn the_first_rule_that_fits_decides_how_much_is_kept() {
        let rules = [
            rule("pay__*", Recording::None, &[]),
            rule("mail__*", Recording::Redacted, &["BODY", "/to/0/name"]),
            rule("login__*", Recording::Redacted, &[]),
            rule("search__*", Recording::Full, &[]),
        ];
        let arguments = Arguments::new(&rules, Claims::None).unwrap();
        let raw =
            Raw::literal("{\"to\": [{\"name\":\"Ann\"}],\n\"body\":{\"a\":1}, \"Access_Token\":\"x\", \"n\":1.50}");
        let digest = Some(sha256(raw.bytes()));
        let ann = json!({ "to": [{ "name": "[redacted]" }], "body": "[redacted]", "Access_Token": "x", "n": 1.5 });
        let login = json!({ "to": [{ "name": "Ann" }], "body": { "a": 1 }, "Access_Token": "[redacted]", "n": 1.5 });
        let cases = [
            ("pay__card", None, Text::None),
            ("mail__send", digest.clone(), Text::Part(ann)),
            ("login__now", digest.clone(), Text::Part(login)),
            ("search__web", digest.clone(), Text::Whole),
            ("other", digest, Text::None),
        ];
        for (name, digest, text) in cases {
            let kept = arguments.keep(name, &raw);
            assert_eq!((kept.digest, kept.text), (digest, text), "{name}");
        }
    }
}
