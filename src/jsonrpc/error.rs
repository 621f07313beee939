//! JSON-RPC error objects.

use bytes::Bytes;

use super::{Kind, Raw, quote};

/// A JSON-RPC error: what it says, and the object it was read from, so that members nobody knows pass through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorObject {
    /// The code.
    pub code: i64,
    /// The message.
    pub message: String,
    /// The `data` member.
    pub data: Option<Raw>,
    /// The whole object as it arrived, if it arrived.
    source: Option<Raw>,
}

impl ErrorObject {
    /// An error made here.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None, source: None }
    }

    /// The same with `data`.
    #[must_use]
    pub fn with_data(mut self, data: Raw) -> Self {
        self.data = Some(data);
        self.source = None;
        self
    }

    /// The same with another code.
    #[must_use]
    pub fn with_code(mut self, code: i64) -> Self {
        if self.code != code {
            self.code = code;
            self.source = self
                .source
                .and_then(|source| Some(source.object().ok()?.edit().set("code", Raw::from_value(&code)).finish()));
        }
        self
    }

    /// The same with another message.
    #[must_use]
    pub fn with_message(mut self, message: String) -> Self {
        if self.message != message {
            self.source = self
                .source
                .and_then(|source| Some(source.object().ok()?.edit().set("message", Raw::string(&message)).finish()));
            self.message = message;
        }
        self
    }

    /// Reads an error object. `None` when `code` is no 32-bit integer or `message` no string: the peer broke the protocol.
    pub fn parse(raw: &Raw) -> Option<Self> {
        let object = raw.object().ok()?;
        let code: i32 = object.get("code")?.as_str().parse().ok()?;
        let message = object.text("message")?;
        let data = object.get("data").filter(|data| data.kind() != Kind::Null);
        Some(Self { code: code.into(), message, data, source: Some(raw.clone()) })
    }

    /// The JSON object.
    pub fn raw(&self) -> Raw {
        if let Some(source) = &self.source {
            return source.clone();
        }
        let mut out = Vec::with_capacity(64 + self.message.len());
        out.extend_from_slice(b"{\"code\":");
        out.extend_from_slice(self.code.to_string().as_bytes());
        out.extend_from_slice(b",\"message\":");
        quote(&mut out, &self.message);
        if let Some(data) = &self.data {
            out.extend_from_slice(b",\"data\":");
            out.extend_from_slice(data.bytes());
        }
        out.push(b'}');
        Raw::trusted(Bytes::from(out))
    }
}
