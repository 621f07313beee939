//! What a principal does once: a request, and what may come back.

use serde_json::{Value, json};

use crate::{
    Era,
    people::{self, Kind, NOBODY, Person},
    random::Random,
    shelf::{NONCE, OWNER},
};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// To ask for a list.
    List(Kind),
    /// To use something by its name or URI.
    Use(Use, String),
}

/// How something is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Call,
    CallWithProgress,
    Read,
    Prompt,
    Complete,
}

impl Use {
    const ALL: [Self; 5] = [Self::Call, Self::CallWithProgress, Self::Read, Self::Prompt, Self::Complete];

    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Call | Self::CallWithProgress => "tools/call",
            Self::Read => "resources/read",
            Self::Prompt => "prompts/get",
            Self::Complete => "completion/complete",
        }
    }
}

impl Errand {
    /// Something that `person` may do: mostly calls, and of everything else some.
    pub(crate) fn any(person: &Person, random: &mut Random) -> Self {
        let list = [Kind::Tools, Kind::Tools, Kind::Prompts, Kind::Resources, Kind::Templates];
        let how = match random.below(20) {
            0..=3 => return Self::List(pick(&list, random)),
            4..=10 => Use::Call,
            11 | 12 => Use::CallWithProgress,
            13..=16 => Use::Read,
            17 | 18 => Use::Prompt,
            _ => Use::Complete,
        };
        Self::Use(how, something(person, how, random))
    }

    /// Something of `owner`'s, who is somebody else.
    pub(crate) fn of_another(owner: &Person, random: &mut Random) -> Self {
        let how = pick(&Use::ALL, random);
        Self::Use(how, something(owner, how, random))
    }

    /// The same with something that nobody has.
    pub(crate) fn of_nobody(&self, owner: u32) -> Self {
        match self {
            Self::List(kind) => Self::List(*kind),
            Self::Use(how, name) => Self::Use(*how, name.replace(&people::mark(owner), &people::mark(NOBODY))),
        }
    }

    pub(crate) const fn method(&self) -> &'static str {
        match self {
            Self::List(kind) => kind.method(),
            Self::Use(how, _) => how.method(),
        }
    }

    /// What a modern request says of it in a header.
    pub(crate) fn named(&self) -> Option<&str> {
        match self {
            Self::Use(Use::Complete, _) | Self::List(_) => None,
            Self::Use(_, name) => Some(name),
        }
    }

    /// The request's params.
    pub(crate) fn params(&self, era: Era, owner: &Person, nonce: &str) -> Value {
        let mut params = match self {
            Self::List(_) => json!({}),
            Self::Use(Use::Call | Use::CallWithProgress, name) => {
                json!({ "name": name, "arguments": { "nonce": nonce } })
            }
            Self::Use(Use::Prompt, name) => json!({ "name": name, "arguments": { "topic": nonce } }),
            Self::Use(Use::Read, uri) => json!({ "uri": uri }),
            Self::Use(Use::Complete, name) => {
                json!({ "ref": { "type": "ref/prompt", "name": name }, "argument": { "name": "topic", "value": nonce } })
            }
        };
        let mut meta = json!({ OWNER: owner.mark, NONCE: nonce });
        if matches!(self, Self::Use(Use::CallWithProgress, _)) {
            meta["progressToken"] = json!(nonce);
        }
        if era == Era::Modern {
            meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
            meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "isolation", "version": "1" });
        }
        params["_meta"] = meta;
        params
    }

    /// Whether a result is what this asks for, and nothing besides.
    pub(crate) fn is_answered_by(&self, result: &Value, person: &Person, nonce: &str) -> bool {
        match self {
            Self::List(kind) => {
                let entries = result[kind.member()].as_array().map(Vec::as_slice).unwrap_or_default();
                let mut names: Vec<_> = entries.iter().filter_map(|entry| entry[kind.key()].as_str()).collect();
                names.sort_unstable();
                // What one principal sees is no other's to keep.
                names == person.owns_in_all(*kind) && result["cacheScope"] != "public"
            }
            Self::Use(how, name) => {
                let said = match how {
                    Use::Call | Use::CallWithProgress => &result["content"][0]["text"],
                    Use::Read => &result["contents"][0]["text"],
                    Use::Prompt => &result["messages"][0]["content"]["text"],
                    Use::Complete => &result["completion"]["values"][0],
                };
                *said == format!("{name} {nonce}")
            }
        }
    }
}

fn pick<T: Copy>(from: &[T], random: &mut Random) -> T {
    let at = usize::try_from(random.below(u64::try_from(from.len()).unwrap_or(1))).unwrap_or_default();
    *from.get(at).or(from.first()).expect("there is something to pick from")
}

/// Something of the owner's that is used in that way.
fn something(owner: &Person, how: Use, random: &mut Random) -> String {
    let era = pick(&[Era::Modern, Era::Legacy], random);
    let kind = match how {
        Use::Call | Use::CallWithProgress => Kind::Tools,
        Use::Prompt | Use::Complete => Kind::Prompts,
        Use::Read => pick(&[Kind::Resources, Kind::Templates], random),
    };
    let names = owner.owns(kind, era);
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    pick(&refs, random).replace("{id}", &random.below(1000).to_string())
}
