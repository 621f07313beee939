//! What a question needs of the client that is asked, in the words of `ClientCapabilities`. No era, and no asking.
//!
//! Sources: 2025-11-25 and 2026-07-28 client/elicitation (Capabilities) and client/sampling (Tools in Sampling).

use crate::jsonrpc::Raw;

use super::{AskKind, Profile};

impl Profile {
    /// The capability that a client lacks to be asked this, as a `ClientCapabilities` object; `None` when it can be asked.
    ///
    /// `includeContext` needs none: a client may ignore it.
    pub fn lacks(&self, kind: AskKind, params: Option<&Raw>) -> Option<Raw> {
        let (declared, needed) = match kind {
            AskKind::Elicit if is_url(kind, params) => (self.url, r#"{"elicitation":{"url":{}}}"#),
            AskKind::Elicit => (self.form, r#"{"elicitation":{}}"#),
            AskKind::Sample if !self.sampling => (false, r#"{"sampling":{}}"#),
            AskKind::Sample => (self.sampling_tools || !wants_tools(params), r#"{"sampling":{"tools":{}}}"#),
            AskKind::Roots => (self.roots, r#"{"roots":{}}"#),
        };
        (!declared).then(|| Raw::literal(needed))
    }
}

/// Whether a question is that the user visits a URL.
pub fn is_url(kind: AskKind, params: Option<&Raw>) -> bool {
    let mode = || params?.member("mode")?.text().map(|mode| mode == "url");
    kind == AskKind::Elicit && mode() == Some(true)
}

/// Whether a sampling request has members that came with the tools of 2025-11-25.
pub fn wants_tools(params: Option<&Raw>) -> bool {
    let object = params.and_then(|params| params.object().ok());
    object.is_some_and(|object| object.has("tools") || object.has("toolChoice"))
}

/// A form or URL whose message says first which server asks: behind an endpoint with several, a user could not tell.
pub fn signed(params: &Raw, asker: &str) -> Raw {
    let Ok(object) = params.object() else { return params.clone() };
    match object.text("message") {
        Some(message) => object.edit().set("message", Raw::string(&format!("[{asker}] {message}"))).finish(),
        None => params.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::Capabilities;

    fn lacks(declared: &'static str, kind: AskKind, params: &'static str) -> Option<String> {
        let profile = Capabilities::parse(&Raw::literal(declared)).unwrap().profile;
        profile.lacks(kind, Some(&Raw::literal(params))).map(|needed| needed.as_str().to_owned())
    }

    #[test]
    fn names_the_capability_that_is_missing_and_no_other() {
        let url = r#"{"mode":"\u0075rl","url":"https://x"}"#;
        let (form, tools) = (r#"{"mode":"form"}"#, r#"{"messages":[],"tools":[]}"#);
        for (declared, kind, params, needed) in [
            (r#"{"elicitation":{}}"#, AskKind::Elicit, form, None),
            (r#"{"elicitation":{}}"#, AskKind::Elicit, url, Some(r#"{"elicitation":{"url":{}}}"#)),
            (r#"{"elicitation":{"url":{}}}"#, AskKind::Elicit, url, None),
            (r#"{"elicitation":{"url":{}}}"#, AskKind::Elicit, form, Some(r#"{"elicitation":{}}"#)),
            ("{}", AskKind::Sample, tools, Some(r#"{"sampling":{}}"#)),
            (r#"{"sampling":{}}"#, AskKind::Sample, tools, Some(r#"{"sampling":{"tools":{}}}"#)),
            (r#"{"sampling":{}}"#, AskKind::Sample, r#"{"includeContext":"thisServer"}"#, None),
            (r#"{"sampling":{"tools":{}}}"#, AskKind::Sample, tools, None),
            ("{}", AskKind::Roots, "{}", Some(r#"{"roots":{}}"#)),
        ] {
            assert_eq!(lacks(declared, kind, params).as_deref(), needed, "{declared} {params}");
        }
    }
}
