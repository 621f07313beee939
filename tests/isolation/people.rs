//! The principals, what belongs to each, and the configuration that says so.

use memchr::memmem;
use serde_json::{Value, json};

use crate::Era;

/// A principal that does not exist and owns nothing.
pub(crate) const NOBODY: u32 = 99;
const TOOLS: u32 = 2;

/// One principal.
pub(crate) struct Person {
    pub(crate) number: u32,
    /// Its id, which is the mark in the names of all that it owns.
    pub(crate) mark: String,
    pub(crate) token: String,
}

/// A kind of list, and the member that it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    pub(crate) const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// What tells entries apart.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}

/// The mark of principal `number`: `own07x`.
pub(crate) fn mark(number: u32) -> String {
    format!("own{number:02}x")
}

/// The letter of a server in names, so that no two servers offer the same one.
const fn letter(era: Era) -> char {
    match era {
        Era::Modern => 'm',
        Era::Legacy => 'l',
    }
}

/// The number in the first mark from `at` on, and where to go on.
fn mark_from(text: &[u8], at: usize) -> Option<(u32, usize)> {
    let found = at + memmem::find(text.get(at..)?, b"own")?;
    let digits = text.get(found + 3..found + 5).and_then(|digits| std::str::from_utf8(digits).ok());
    let number = digits.and_then(|digits| digits.parse().ok()).filter(|_| text.get(found + 5) == Some(&b'x'));
    match number {
        Some(number) => Some((number, found + 6)),
        None => mark_from(text, found + 3),
    }
}

/// Every mark in a text.
pub(crate) fn marks(text: &[u8]) -> impl Iterator<Item = u32> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (number, end) = mark_from(text, at)?;
        at = end;
        Some(number)
    })
}

impl Person {
    pub(crate) fn new(number: u32) -> Self {
        let mark = mark(number);
        // As long as a key of `myelin key`, so that nothing about it is special.
        Self { token: format!("secret-{number:02}-{}", "0123456789abcdef".repeat(2)), number, mark }
    }

    /// What belongs to it on the server of that era: what `kind` lists.
    pub(crate) fn owns(&self, kind: Kind, era: Era) -> Vec<String> {
        let (mark, letter) = (&self.mark, letter(era));
        match kind {
            Kind::Tools => (0..TOOLS).map(|number| format!("{mark}_{letter}_tool{number}")).collect(),
            Kind::Prompts => vec![format!("{mark}_{letter}_prompt")],
            Kind::Resources => vec![format!("mem://{mark}/{letter}/doc")],
            Kind::Templates => vec![format!("mem://{mark}/{letter}/by-id/{{id}}")],
        }
    }

    /// The same on both servers, sorted.
    pub(crate) fn owns_in_all(&self, kind: Kind) -> Vec<String> {
        let mut all = [self.owns(kind, Era::Modern), self.owns(kind, Era::Legacy)].concat();
        all.sort();
        all
    }

    /// Its rules. Every second principal has them by name, the others by what they are.
    fn rules(&self) -> Vec<Value> {
        let (mark, only) = (&self.mark, format!("principal.id == \"{}\"", self.mark));
        let own = format!("{mark}_*");
        vec![
            json!({ "allow": only, "tools": [own] }),
            json!({ "allow": only, "prompts": [own] }),
            json!({ "allow": only, "resources": [format!("mem://{mark}/**")] }),
        ]
    }

    fn key(&self) -> Value {
        json!({ "id": self.mark, "token": self.token, "groups": [if self.is_by_name() { "even" } else { "odd" }] })
    }

    const fn is_by_name(&self) -> bool {
        self.number.is_multiple_of(2)
    }
}

/// The rules of those who have none by name.
fn rules_by_nature() -> Vec<Value> {
    let of_group = |condition: &str| json!({ "allow": format!("\"odd\" in principal.groups && {condition}") });
    vec![
        of_group("tool.name.startsWith(principal.id + \"_\")"),
        of_group("prompt.name.startsWith(principal.id + \"_\")"),
        of_group("resource.uri.startsWith(\"mem://\" + principal.id + \"/\")"),
    ]
}

/// The gateway's configuration: both servers at one endpoint, and each principal sees and does only what it owns.
pub(crate) fn configuration(people: &[Person], modern: &str, legacy: &str) -> Value {
    let rules = people.iter().filter(|person| person.is_by_name()).flat_map(Person::rules);
    json!({
        "listen": "127.0.0.1:0",
        "admin": { "listen": "127.0.0.1:0" },
        "log": { "level": "warn", "format": "json" },
        "mcpServers": { "modern": { "url": modern }, "legacy": { "url": legacy } },
        "endpoints": { "/mcp": { "servers": ["*"], "names": "bare" } },
        "auth": { "apiKeys": people.iter().map(Person::key).collect::<Vec<_>>() },
        "policies": rules.chain(rules_by_nature()).collect::<Vec<_>>(),
    })
}
