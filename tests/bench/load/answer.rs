//! What the fake upstream says: one JSON-RPC message in, one answer out, in the era the message was asked in.
//!
//! No I/O here, so that HTTP and stdio give the same answers. It checks the modern envelope, so that a gateway that
//! leaves it out fails the benchmark instead of winning it. Source: MCP 2026-07-28 and 2025-11-25.
use crate::tools;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The modern revision served.
pub(crate) const MODERN: &str = "2026-07-28";
/// The legacy revision served.
pub(crate) const LEGACY: &str = "2025-11-25";

#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Number of tools in the catalog; the first one is `echo`.
    #[arg(long, default_value_t = 50)]
    tools: usize,
    /// The eras this upstream answers in.
    #[arg(long, value_enum, default_value_t = Eras::Both)]
    eras: Eras,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Eras {
    Both,
    Modern,
    Legacy,
}

/// The era of one message: modern messages carry their revision.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    Modern,
    Legacy,
}

#[derive(Deserialize)]
pub(crate) struct Question<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) method: Option<&'a str>,
    #[serde(borrow, default)]
    params: Params<'a>,
}

#[derive(Deserialize, Default)]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<&'a str>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Meta<'a>,
}

#[derive(Deserialize, Default)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<&'a str>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<&'a RawValue>,
    #[serde(borrow, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct EchoArguments<'a> {
    #[serde(borrow)]
    nonce: &'a RawValue,
}

impl<'a> Question<'a> {
    pub(crate) fn era(&self) -> Era {
        if self.params.meta.version.is_some() { Era::Modern } else { Era::Legacy }
    }

    pub(crate) fn version(&self) -> Option<&'a str> {
        self.params.meta.version
    }

    pub(crate) fn name(&self) -> Option<&'a str> {
        self.params.name
    }

    pub(crate) fn progress_token(&self) -> Option<&'a str> {
        self.params.meta.progress_token.map(RawValue::get)
    }
}

/// A refusal by JSON-RPC code; the texts are fixed.
#[derive(Clone, Copy)]
pub(crate) enum Refusal {
    InvalidRequest,
    MethodNotFound,
    InvalidParams,
    HeaderMismatch,
}

impl Refusal {
    fn code_and_text(self) -> (i32, &'static str) {
        match self {
            Self::InvalidRequest => (-32600, "invalid request"),
            Self::MethodNotFound => (-32601, "method not found"),
            Self::InvalidParams => (-32602, "invalid params"),
            Self::HeaderMismatch => (-32020, "header mismatch"),
        }
    }

    /// The HTTP status of the refusal in an era (2026-07-28, streamable-http).
    pub(crate) fn status(self, era: Era) -> &'static str {
        match (era, self) {
            (Era::Modern, Self::MethodNotFound) => "404 Not Found",
            (Era::Legacy, Self::MethodNotFound | Self::InvalidParams) => "200 OK",
            _ => "400 Bad Request",
        }
    }
}

/// The fake upstream's voice: prepared texts and the eras it speaks.
pub(crate) struct Voice {
    eras: Eras,
    modern_list: String,
    legacy_list: String,
}

impl Voice {
    pub(crate) fn new(options: &Options) -> Self {
        let tools = tools::catalog(options.tools);
        Self {
            eras: options.eras,
            modern_list: format!(r#"{{"resultType":"complete","ttlMs":60000,"cacheScope":"public","tools":{tools}}}"#),
            legacy_list: format!(r#"{{"tools":{tools}}}"#),
        }
    }

    /// Appends the response to `question` to `out`; a refusal is appended as well, and returned.
    pub(crate) fn respond(&self, question: &Question<'_>, out: &mut Vec<u8>) -> Option<Refusal> {
        let start = out.len();
        let id = question.id.map_or("null", RawValue::get);
        out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(br#","result":"#);
        match self.result(question, out) {
            Ok(()) => {
                out.push(b'}');
                None
            }
            Err(refusal) => {
                out.truncate(start);
                refuse(refusal, id, out);
                Some(refusal)
            }
        }
    }

    fn result(&self, question: &Question<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let era = question.era();
        if (era == Era::Modern && self.eras == Eras::Legacy) || (era == Era::Legacy && self.eras == Eras::Modern) {
            return Err(Refusal::InvalidRequest);
        }
        if era == Era::Modern && (question.version() != Some(MODERN) || question.params.meta.capabilities.is_none()) {
            return Err(Refusal::InvalidParams);
        }
        match (era, question.method.unwrap_or_default()) {
            (_, "tools/call") => echo_result(&question.params, era, out),
            (Era::Modern, "tools/list") => put(out, &self.modern_list),
            (Era::Legacy, "tools/list") => put(out, &self.legacy_list),
            (Era::Modern, "server/discover") => put(out, DISCOVERED),
            (Era::Legacy, "initialize") => put(out, INITIALIZED),
            (Era::Legacy, "ping") => put(out, "{}"),
            _ => Err(Refusal::MethodNotFound),
        }
    }
}

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":60000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"bench-upstream","version":"1.0.0"}}}"#;
const INITIALIZED: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bench-upstream","version":"1.0.0"}}"#;

#[expect(clippy::unnecessary_wraps, reason = "the last `put` of an answer is its result")]
fn put(out: &mut Vec<u8>, text: &str) -> Result<(), Refusal> {
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn echo_result(params: &Params<'_>, era: Era, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if params.name != Some("echo") {
        return Err(Refusal::InvalidParams);
    }
    let arguments = params.arguments.ok_or(Refusal::InvalidParams)?.get();
    let echo: EchoArguments<'_> = serde_json::from_str(arguments).map_err(|_| Refusal::InvalidParams)?;
    put(out, if era == Era::Modern { r#"{"resultType":"complete","content":"# } else { r#"{"content":"# })?;
    put(out, r#"[{"type":"text","text":"#)?;
    put(out, echo.nonce.get())?;
    put(out, r#"}],"structuredContent":"#)?;
    put(out, arguments)?;
    put(out, r#","isError":false}"#)
}

/// Appends an error response.
pub(crate) fn refuse(refusal: Refusal, id: &str, out: &mut Vec<u8>) {
    let (code, text) = refusal.code_and_text();
    let response = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{text}"}}}}"#);
    out.extend_from_slice(response.as_bytes());
}

/// Appends one progress notification.
pub(crate) fn progress(token: &str, step: u32, total: u32, out: &mut Vec<u8>) {
    let notification = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{step},"total":{total}}}}}"#
    );
    out.extend_from_slice(notification.as_bytes());
}
