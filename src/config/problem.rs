//! What is wrong with a configuration, for people and for machines.
//!
//! No problem carries a secret: a value is quoted as it was written, so a reference prints as `${env:NAME}` and not as what it
//! stands for, and places that hold secrets are never quoted at all.

use std::{fmt, io, path::PathBuf};

use serde_json::{Value as Json, json};
use thiserror::Error;

use super::{
    names::NameFault,
    place::{Place, Position},
};

/// All that is wrong with one file.
#[derive(Debug, Error)]
pub struct Problems {
    /// The file's name as the operator gave it.
    pub origin: String,
    /// The problems in the order of their lines.
    pub list: Vec<Problem>,
}

/// One problem.
#[derive(Debug)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub kind: ProblemKind,
}

/// Something that is worth saying and stops nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where.
    pub place: Place,
    /// What.
    pub remark: Remark,
}

/// What was found instead of what was expected.
#[derive(Debug)]
pub enum Got {
    /// A value of another kind.
    Kind(&'static str),
    /// A text, as it was written.
    Written(String),
    /// What a reference stands for, which may be a secret.
    Hidden,
}

/// What can be wrong.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each variant's message says what it is")]
pub enum ProblemKind {
    #[error("cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    #[error("is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("is not UTF-8 text")]
    NotUtf8,
    /// The parser's own words.
    #[error("{0}")]
    Syntax(Box<str>),
    #[error("a second document begins here; a configuration is one document")]
    SecondDocument,
    #[error("a key must be text")]
    KeyIsNoText,
    #[error("tags mean nothing here; write the value without it")]
    Tag,
    #[error("an alias inside the value that it names")]
    AliasOfItself,
    #[error("nested deeper than {limit} levels")]
    TooDeep { limit: usize },
    #[error("more than {limit} values")]
    TooManyValues { limit: usize },
    #[error("the key is there twice, first at {first}")]
    Duplicate { first: Position },
    #[error("no client's configuration: {0}")]
    NotAClient(&'static str),

    #[error("unknown key{}", did_you_mean(.near.as_deref()))]
    UnknownKey { near: Option<String> },
    #[error("expected {wanted}, not {got}")]
    Expected { wanted: &'static str, got: Got },
    #[error("expected {}, not {got}{}", one_of(.words), did_you_mean(.near.as_deref()))]
    NoSuchWord { words: Vec<&'static str>, got: Got, near: Option<String> },
    #[error("must be at least {least}")]
    TooSmall { least: String },
    #[error("must be at most {most}")]
    TooGreat { most: String },

    #[error("the variable {name} is not set; set it, or write ${{{name}:-default}}")]
    Unset { name: String },
    #[error("the file {} cannot be read: {kind}", path.display())]
    UnreadableSecret { path: PathBuf, kind: io::ErrorKind },
    #[error(
        "${{input:{id}}} is asked by an editor, and nobody is here to answer; use ${{env:NAME}} or ${{file:/path}}"
    )]
    Input { id: String },
    #[error("not a reference: write ${{env:NAME}}, ${{file:/path}} or ${{NAME:-default}}, or $${{ for a plain ${{")]
    BadReference,

    #[error("{0}")]
    Name(#[from] NameFault),
    #[error("has neither `command` nor `url`: give the program to start or the address to call")]
    NoWire,
    #[error("has both `command` and `url`: keep one of them")]
    TwoWires,
    #[error("has both `url` and `urls`: keep one of them")]
    UrlAndUrls,
    #[error("there is the same address twice")]
    UrlTwice,
    #[error("`cert` and `key` belong together: give both")]
    HalfIdentity,
    #[error("means something only for https:// addresses")]
    WithoutTls,
    #[error("`type: {kind}` needs `{needed}`")]
    TypeNeeds { kind: &'static str, needed: &'static str },
    #[error("means something only beside `{beside}`")]
    OfTheOtherWire { beside: &'static str },
    #[error("is longer than `totalTimeout`; make that longer too, or this shorter")]
    TimeoutExceedsTotal,
    #[error("not an http:// or https:// address with a host")]
    BadUrl,
    #[error("credentials in an address end up in logs; put them into `headers`")]
    CredentialsInUrl,
    #[error("not a header name")]
    HeaderName,
    #[error("the value is not header text: printable ASCII on one line")]
    HeaderValue,
    #[error("the header is there twice; names are compared without case")]
    HeaderTwice,
    #[error("not the name of a variable: it must not be empty nor contain `=` or NUL")]
    VariableName,
    #[error("contains a NUL character, which no program can be given")]
    Nul,
    #[error("not a pattern: {0}")]
    BadGlob(globset::ErrorKind),
    #[error("`{other}` is renamed to the same name")]
    RenameCollision { other: String },

    #[error("there is no server {name} in this file{}", did_you_mean(.near.as_deref()))]
    UnknownServer { name: Got, near: Option<String> },
    #[error("the pattern {pattern} matches no server of this file")]
    MatchesNothing { pattern: Got },
    #[error("lists no server; leave `servers` out to have all of them")]
    NoServers,
    #[error(
        "anybody who reaches this address could use every tool, since nothing authenticates clients: listen on a loopback address \
         such as 127.0.0.1:8808, say in `auth` who may come in, or add `anonymous: allow` if that is what you want"
    )]
    OpenToAll,
    #[error("`listen` and `admin` have the same address; give one of them another port")]
    SameAddress,
    #[error("too short to seal anything: take at least {least} characters, `openssl rand -base64 32` makes them")]
    WeakSealingKey { least: usize },
    #[error("{0}")]
    KeyHash(crate::auth::KeyFault),
    #[error("too short not to be guessed: take at least {least} characters, `myelin key new` makes a key")]
    WeakToken { least: usize },
    #[error("is there twice; a token stands for one principal")]
    TokenTwice,
    #[error("`hash` and `token` say the same; keep one of them")]
    HashAndToken,
    #[error("what comes over plain HTTP could come from anybody: take https, or an address of this machine")]
    PlainHttp,
    #[error("nobody is known by this: `auth` says nothing about it")]
    NoSuchWay,
    #[error("say one kind of credential: `passthrough`, `clientCredentials`, `tokenExchange`, `assertion` or `oauth`")]
    OneCredential,
    #[error("takes `basic` or `post`")]
    NoPrivateKey,
    #[error("`issuer` finds where tokens are asked for; keep one of them")]
    TokenUrlAndIssuer,
    #[error("not a private key: PEM of a P-256, Ed25519 or RSA key")]
    SigningKey,
    #[error("`headers` has the header already that this credential goes into; keep one of them")]
    TwoAuthorizations,
    #[error("each caller has a credential of its own: that needs `pool.isolation: principal`")]
    SharedCredential,
    #[error("depends on who calls, but nothing in `auth` asks callers for a token")]
    NobodyAsked,
    #[error("{0}")]
    Redis(#[from] crate::limit::redis::BadAddress),
    #[error("is there twice")]
    Twice,
    #[error("several things are counted apart: say which of them is meant, such as `{{ tool: \"web_*\" }}`")]
    WhichIsMeant,
    #[error("{0}")]
    Condition(crate::policy::ConditionFault),
    #[error("a rule allows or denies: make two rules of it")]
    AllowAndDeny,
    #[error("lists nothing; leave it out to mean all")]
    EmptyList,
    #[error("the pattern {pattern} matches no endpoint of this file")]
    MatchesNoEndpoint { pattern: Got },
    #[error(
        "follows what it is about: write `{followed}`, which is also seen, completed and followed by whom that allows"
    )]
    FollowsMethod { followed: &'static str },
    #[error("is there twice; logs could not tell the rules apart")]
    RuleNameTwice,
    #[error("the lock {} {fault}", path.display())]
    Lock { path: PathBuf, fault: Box<crate::pin::LockFault> },
    #[error("the lock {} cannot be read: {kind}", path.display())]
    UnreadableLock { path: PathBuf, kind: io::ErrorKind },
    #[error("needs `{needed}` beside it")]
    Incomplete { needed: &'static str },
}

/// What a [`Note`] says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each variant's message says what it is")]
pub enum Remark {
    #[error("is a client's key and means nothing here: ignored")]
    Ignored,
    #[error("`disabled: true`: this server is left out")]
    Disabled,
    #[error("`{name}` is disabled: left out of this endpoint")]
    DisabledInEndpoint { name: String },
    #[error("no server is configured: clients will find no tools")]
    NoServers,
    #[error("no rule in force allows anything: nobody will see or call anything")]
    NothingAllowed,
    #[error("is set by the gateway itself: ignored")]
    OwnHeader,
    #[error("is called `{name}` here, since the name is part of each tool's name")]
    Renamed { name: String },
    #[error(
        "a value stood here in clear: the new file says ${{env:{variable}}} instead, so set {variable} where Myelin runs"
    )]
    SecretReplaced { variable: String },
    #[error("${{input:{id}}} became ${{env:{variable}}}: set {variable} where Myelin runs")]
    InputReplaced { id: String, variable: String },
    #[error(
        "there is no lock {}: all tools of servers with `pin: enforce` are withheld until `myelin pin approve` makes one",
        path.display()
    )]
    NoLock { path: PathBuf },
    #[error("the variable {name} is not set here: set it where Myelin runs")]
    VariableUnset { name: String },
    #[error("the file {} is not readable here: provide it where Myelin runs", path.display())]
    FileUnreadable { path: PathBuf },
    #[error("the servers of this project are left out: move them to the top-level `mcpServers` to have them")]
    ProjectServers,
    #[error("is not an MCP server of its own: left out")]
    BuiltIn,
}

impl Problems {
    /// The problems of one file, by line.
    pub(super) fn new(origin: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| problem.place.position);
        Self { origin: origin.to_owned(), list }
    }

    /// One problem with the file as a whole.
    pub(super) fn of_file(origin: &str, kind: ProblemKind) -> Self {
        Self::new(origin, vec![Problem { place: Place::file(), kind }])
    }

    /// The same for machines: `[{"file", "line", "column", "key", "message"}]`.
    pub fn to_json(&self) -> Json {
        self.list.iter().map(|problem| entry(&self.origin, &problem.place, &problem.kind)).collect()
    }
}

impl Note {
    /// The note for machines, in the form of [`Problems::to_json`].
    pub fn to_json(&self, origin: &str) -> Json {
        entry(origin, &self.place, &self.remark)
    }
}

fn entry(origin: &str, place: &Place, message: &dyn fmt::Display) -> Json {
    json!({
        "file": origin,
        "line": place.position.map(|position| position.line),
        "column": place.position.map(|position| position.column),
        "key": place.path,
        "message": message.to_string(),
    })
}

impl fmt::Display for Problems {
    /// `file:line:column: key: message`, a line for each, with the keys under each other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locations: Vec<String> = self.list.iter().map(|problem| location(&self.origin, &problem.place)).collect();
        let width = locations.iter().map(|location| location.chars().count()).max().unwrap_or(0);
        for (index, (location, problem)) in locations.iter().zip(&self.list).enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{location:width$} {problem}")?;
        }
        Ok(())
    }
}

fn location(origin: &str, place: &Place) -> String {
    place.position.map_or_else(|| format!("{origin}:"), |position| format!("{origin}:{position}:"))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with_key(f, &self.place, &self.kind)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with_key(f, &self.place, &self.remark)
    }
}

fn write_with_key(f: &mut fmt::Formatter<'_>, place: &Place, message: &dyn fmt::Display) -> fmt::Result {
    if place.path.is_empty() { write!(f, "{message}") } else { write!(f, "{}: {message}", place.path) }
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => f.write_str(kind),
            Self::Written(text) => write!(f, "{:?}", shortened(text)),
            Self::Hidden => f.write_str("what the reference stands for"),
        }
    }
}

/// The start of a text that may be long.
fn shortened(text: &str) -> String {
    /// Enough to recognise a value on one line of a terminal.
    const LONGEST_CHARS: usize = 60;
    match text.char_indices().nth(LONGEST_CHARS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [most @ .., last] => {
            let most: Vec<String> = most.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", most.join(", "))
        }
    }
}
