//! Who calls, and what their client can do.

use std::{
    fmt,
    hash::{Hash, Hasher},
    net::IpAddr,
    str::FromStr,
    sync::Arc,
};

use crate::jsonrpc::{Kind, Object, Raw};

use super::{Principal, TASKS_EXTENSION, TaskForm, without_tasks};

/// Everything about the caller that a call depends on; modern clients say it with each request, legacy ones once per session.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who they are.
    pub principal: Principal,
    /// The legacy session they speak in.
    pub session: Option<Arc<str>>,
    /// What their client calls itself: for display only.
    pub client_info: Option<Raw>,
    /// What their client can be asked.
    pub capabilities: Capabilities,
    /// Which log messages they want.
    pub log: LogInterest,
    /// Where the request came from, behind the proxies that are trusted; nothing for what the gateway does itself.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// Somebody of whom no more is known, with a client that can be asked nothing.
    pub fn of(principal: Principal) -> Self {
        let (capabilities, log) = (Capabilities::none(), LogInterest::Off);
        Self { principal, session: None, client_info: None, capabilities, log, address: None }
    }
}

/// A client's capabilities as it declared them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The object as it came.
    pub declared: Raw,
    /// What of it decides which upstream session fits.
    pub profile: Profile,
    /// In which form the client can be told of a task.
    pub tasks: TaskForm,
}

impl Capabilities {
    /// None at all.
    pub fn none() -> Self {
        Self { declared: Raw::empty_object(), profile: Profile::default(), tasks: TaskForm::Unspoken }
    }

    /// Reads a `ClientCapabilities` object of any revision. `None` when it is no object.
    pub fn parse(declared: &Raw) -> Option<Self> {
        if **declared.bytes() == *b"{}" {
            return Some(Self::none());
        }
        let object = declared.object().ok()?;
        let extends = |extensions: Raw| extensions.member(TASKS_EXTENSION).is_some();
        let tasks =
            if object.get("extensions").is_some_and(extends) { TaskForm::Extension } else { TaskForm::Unspoken };
        Some(Self { declared: declared.clone(), profile: Profile::read(&object), tasks })
    }
}

/// The part of a client's capabilities that an upstream session is chosen by: what the client can be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "five independent capabilities of the specification")]
pub struct Profile {
    /// `roots`
    pub roots: bool,
    /// `roots.listChanged`, which only legacy clients have
    pub roots_changed: bool,
    /// `sampling`
    pub sampling: bool,
    /// `sampling.tools`
    pub sampling_tools: bool,
    /// `sampling.context`
    pub sampling_context: bool,
    /// `elicitation`, form mode
    pub form: bool,
    /// `elicitation.url`
    pub url: bool,
    /// `extensions`, as declared, but for tasks: who declares those is asked nothing more
    pub extensions: Option<Raw>,
}

/// In one piece: each call looks up whose upstream session it may use.
impl Hash for Profile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { roots, roots_changed, sampling, sampling_tools, sampling_context, form, url, extensions } = self;
        let all = [roots, roots_changed, sampling, sampling_tools, sampling_context, form, url];
        state.write_u8(all.into_iter().fold(0, |bits, has| bits << 1 | u8::from(*has)));
        if let Some(extensions) = extensions {
            extensions.hash(state);
        }
    }
}

impl Profile {
    /// Extensions beyond this size are not told to upstreams: they are part of a pool key.
    const MAX_EXTENSIONS_BYTES: usize = 4096;

    /// A client that can be asked everything.
    pub const fn everything() -> Self {
        Self {
            roots: true,
            roots_changed: false,
            sampling: true,
            sampling_tools: true,
            sampling_context: true,
            form: true,
            url: true,
            extensions: None,
        }
    }

    fn read(object: &Object) -> Self {
        let part = |name: &str| object.get(name).filter(|value| value.kind() == Kind::Object);
        let has = |value: &Option<Raw>, name: &str| value.as_ref().is_some_and(|value| value.member(name).is_some());
        let (roots, sampling, elicitation) = (part("roots"), part("sampling"), part("elicitation"));
        let url = has(&elicitation, "url");
        Self {
            roots_changed: roots.as_ref().and_then(|roots| roots.member("listChanged")?.boolean()) == Some(true),
            roots: roots.is_some(),
            sampling_tools: has(&sampling, "tools"),
            sampling_context: has(&sampling, "context"),
            sampling: sampling.is_some(),
            // `{}` means form only (2025-06-18; 2025-11-25 client/elicitation, Capabilities).
            form: elicitation.is_some() && (has(&elicitation, "form") || !url),
            url,
            extensions: part("extensions")
                .and_then(|extensions| without_tasks(&extensions))
                .filter(|value| value.bytes().len() <= Self::MAX_EXTENSIONS_BYTES && value.as_str() != "{}"),
        }
    }

    /// Whether a server may ask this client anything.
    pub const fn is_interactive(&self) -> bool {
        self.roots || self.sampling || self.form || self.url
    }

    /// The capabilities object for an upstream: what the client can be asked, in a form that every revision reads.
    pub fn declaration(&self) -> Raw {
        let mut out = serde_json::Map::new();
        let empty = || serde_json::Value::Object(serde_json::Map::new());
        let parts = |names: &[(&str, bool)]| {
            serde_json::Value::Object(
                names.iter().filter(|(_, has)| *has).map(|(name, _)| ((*name).to_owned(), empty())).collect(),
            )
        };
        if self.roots {
            out.insert("roots".into(), empty());
        }
        if self.sampling {
            out.insert("sampling".into(), parts(&[("tools", self.sampling_tools), ("context", self.sampling_context)]));
        }
        if self.form || self.url {
            out.insert(
                "elicitation".into(),
                if self.url { parts(&[("form", self.form), ("url", true)]) } else { empty() },
            );
        }
        let declaration = Raw::from_value(&out);
        match (&self.extensions, declaration.object()) {
            (Some(extensions), Ok(object)) => object.edit().set("extensions", extensions.clone()).finish(),
            _ => declaration,
        }
    }
}

/// Which log messages a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogInterest {
    /// None: a modern request without `logLevel`.
    Off,
    /// What the server likes to send: a legacy session that never set a level.
    ServersChoice,
    /// This level and those above.
    AtLeast(Level),
}

impl LogInterest {
    /// Whether a message of that level is wanted.
    pub fn wants(self, level: Level) -> bool {
        match self {
            Self::Off => false,
            Self::ServersChoice => true,
            Self::AtLeast(least) => level >= least,
        }
    }
}

/// The eight levels of RFC 5424, least severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of RFC 5424")]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Level {
    /// All, least severe first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|level| level.name() == name).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(text: &'static str) -> Profile {
        Capabilities::parse(&Raw::literal(text)).unwrap().profile
    }

    #[test]
    fn an_empty_elicitation_means_form_only() {
        assert!(profile(r#"{"elicitation":{}}"#).form);
        let url_only = profile(r#"{"elicitation":{"url":{}}}"#);
        assert!(url_only.url && !url_only.form);
    }

    #[test]
    fn declares_upstream_what_the_client_declared_and_can_be_asked() {
        let declared = profile(
            r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"experimental":{"x":1},"extensions":{"a/b":{"n":1.0}}}"#,
        );
        let expected =
            r#"{"roots":{},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"extensions":{"a/b":{"n":1.0}}}"#;
        assert_eq!(declared.declaration().as_str(), expected);
        assert_eq!(Profile::default().declaration().as_str(), "{}");
        assert_eq!(profile(r#"{"elicitation":{}}"#).declaration().as_str(), r#"{"elicitation":{}}"#);
    }

    #[test]
    fn a_declaration_of_tasks_is_known_and_is_no_part_of_the_profile() {
        let text = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
        let capabilities = Capabilities::parse(&Raw::literal(text)).unwrap();
        assert_eq!((capabilities.tasks, &capabilities.profile), (TaskForm::Extension, &Profile::default()));
        assert_eq!(capabilities.declared.as_str(), text);
    }
}
