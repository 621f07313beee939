//! The two protocol eras: how a request shows which one it speaks, and what it says about how it wants to be served.
//!
//! Each request is judged alone; the only memory is the revision and the log level of a legacy session.
//! Source: MCP 2026-07-28 basic (`_meta`), versioning; 2025-11-25 lifecycle.

use serde_json::Value;

use super::fault::Fault;
use super::rpc::{Object, Request, is_id};

/// The one modern revision these servers speak.
pub(super) const MODERN_VERSION: &str = "2026-07-28";
/// `_meta` key: the version claim of a request.
pub(super) const PROTOCOL_VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";
/// `_meta` key: the listen request a notification belongs to.
pub(super) const SUBSCRIPTION_ID_KEY: &str = "io.modelcontextprotocol/subscriptionId";

/// A legacy revision; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Revision {
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
}

impl Revision {
    /// The revision to answer `initialize` with: the one asked for, else the latest legacy one.
    pub(super) fn negotiate(asked: &str) -> Self {
        let all = [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18];
        all.into_iter().find(|revision| revision.version() == asked).unwrap_or(Self::V2025_11_25)
    }

    pub(super) fn version(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
        }
    }

    /// 2025-03-26 must accept batches; for 2024-11-05 the base JSON-RPC has them; later revisions removed them.
    pub(super) fn has_batches(self) -> bool {
        self <= Self::V2025_03_26
    }
}

/// The era a request is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Legacy(Revision),
    Modern,
}

impl Era {
    /// Judges each request alone: a version claim is modern, everything else belongs to the legacy session, if any.
    pub(super) fn of(request: &Request, session: Option<Revision>) -> Option<Self> {
        let claims = meta(&request.params).is_some_and(|meta| meta.contains_key(PROTOCOL_VERSION_KEY));
        match request.method.as_str() {
            _ if claims => Some(Self::Modern),
            "server/discover" | "subscriptions/listen" => Some(Self::Modern),
            "initialize" | "ping" => Some(Self::Legacy(session.unwrap_or(Revision::V2025_11_25))),
            _ => session.map(Self::Legacy),
        }
    }
}

/// The severity of a log notice (RFC 5424 names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

const LEVELS: [(&str, Level); 8] = [
    ("debug", Level::Debug),
    ("info", Level::Info),
    ("notice", Level::Notice),
    ("warning", Level::Warning),
    ("error", Level::Error),
    ("critical", Level::Critical),
    ("alert", Level::Alert),
    ("emergency", Level::Emergency),
];

impl Level {
    pub(super) fn parse(value: &Value) -> Result<Self, Fault> {
        let name = value.as_str().ok_or(Fault::LogLevel)?;
        LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level).ok_or(Fault::LogLevel)
    }

    pub(super) fn name(self) -> &'static str {
        LEVELS.iter().find(|(_, level)| *level == self).map_or("info", |(name, _)| *name)
    }
}

/// What a request says about how it wants to be served.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) era: Era,
    pub(super) progress_token: Option<Value>,
    /// The lowest level of log notices that may be sent; none at all when absent.
    pub(super) log_level: Option<Level>,
}

impl Asking {
    /// Reads the context of a request of a known era. A legacy request takes its log level from the session.
    ///
    /// # Errors
    /// [`Fault::Envelope`], [`Fault::UnsupportedVersion`], [`Fault::LogLevel`], [`Fault::Param`].
    pub(super) fn read(params: &Object, era: Era, session_level: Option<Level>) -> Result<Self, Fault> {
        let progress_token = progress_token(params)?;
        let log_level = match era {
            Era::Legacy(_) => session_level,
            Era::Modern => envelope_level(params)?,
        };
        Ok(Self { era, progress_token, log_level })
    }
}

fn meta(params: &Object) -> Option<&Object> {
    params.get("_meta").and_then(Value::as_object)
}

fn progress_token(params: &Object) -> Result<Option<Value>, Fault> {
    match meta(params).and_then(|meta| meta.get("progressToken")) {
        None => Ok(None),
        Some(token) if is_id(token) => Ok(Some(token.clone())),
        Some(_) => Err(Fault::Param { member: "_meta.progressToken", expected: "a string or an integer" }),
    }
}

fn envelope_level(params: &Object) -> Result<Option<Level>, Fault> {
    let meta = meta(params).ok_or(Fault::Envelope)?;
    let version = meta.get(PROTOCOL_VERSION_KEY).and_then(Value::as_str).ok_or(Fault::Envelope)?;
    if !meta.get(CLIENT_CAPABILITIES_KEY).is_some_and(Value::is_object) {
        return Err(Fault::Envelope);
    }
    if version != MODERN_VERSION {
        return Err(Fault::UnsupportedVersion { requested: version.to_owned() });
    }
    meta.get(LOG_LEVEL_KEY).map(Level::parse).transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rpc::object;
    use super::*;

    fn request(method: &str, params: Value) -> Request {
        Request { id: json!(1), method: method.to_owned(), params: object(params) }
    }

    fn asking(meta: Value) -> Result<Asking, Fault> {
        Asking::read(&object(json!({"_meta": meta})), Era::Modern, None)
    }

    #[test]
    fn a_claim_is_modern_even_inside_a_legacy_session() {
        let claim = request("tools/list", json!({"_meta": {PROTOCOL_VERSION_KEY: MODERN_VERSION}}));
        assert_eq!(Era::of(&claim, Some(Revision::V2025_06_18)), Some(Era::Modern));
        let bare = request("tools/list", json!({}));
        assert_eq!(Era::of(&bare, Some(Revision::V2025_06_18)), Some(Era::Legacy(Revision::V2025_06_18)));
        assert_eq!(Era::of(&bare, None), None);
    }

    #[test]
    fn an_unknown_version_is_answered_with_the_latest_legacy_one() {
        assert_eq!(Revision::negotiate("2024-11-05"), Revision::V2024_11_05);
        assert_eq!(Revision::negotiate("1999-01-01"), Revision::V2025_11_25);
        assert_eq!(Revision::negotiate(MODERN_VERSION), Revision::V2025_11_25);
    }

    #[test]
    fn the_envelope_is_checked_before_the_version() {
        let capabilities = json!({});
        assert_eq!(asking(json!({PROTOCOL_VERSION_KEY: "v999"})).unwrap_err(), Fault::Envelope);
        let fault = asking(json!({PROTOCOL_VERSION_KEY: "v999", CLIENT_CAPABILITIES_KEY: capabilities})).unwrap_err();
        assert_eq!(fault, Fault::UnsupportedVersion { requested: "v999".to_owned() });
    }

    #[test]
    fn an_unknown_log_level_is_refused() {
        let meta = json!({PROTOCOL_VERSION_KEY: MODERN_VERSION, CLIENT_CAPABILITIES_KEY: {}, LOG_LEVEL_KEY: "loud"});
        assert_eq!(asking(meta).unwrap_err(), Fault::LogLevel);
    }
}
