//! Headers of requests, each with one value at the most: several could be read in two ways.

use http::{HeaderMap, HeaderName};

use crate::{era::code, jsonrpc::ErrorObject, mcp::Mirrored};

const VERSION_HEADER: &str = "mcp-protocol-version";
const METHOD_HEADER: &str = "mcp-method";
const NAME_HEADER: &str = "mcp-name";
/// What the names of arguments' headers begin with.
pub(super) const ARGUMENT: &str = "mcp-param-";

/// The revision that a request is of.
pub(in crate::era) static PROTOCOL_VERSION: HeaderName = HeaderName::from_static(VERSION_HEADER);
/// The method in its body.
pub(super) static METHOD: HeaderName = HeaderName::from_static(METHOD_HEADER);
/// What it is about.
pub(super) static NAME: HeaderName = HeaderName::from_static(NAME_HEADER);

/// A header contradicts the body, or is missing.
pub(super) fn mismatch(reason: &str) -> ErrorObject {
    ErrorObject::new(code::HEADER_MISMATCH, reason)
}

/// What a header says.
#[derive(Clone, Copy, Debug, Default)]
enum Said<'a> {
    #[default]
    Nothing,
    Once(&'a [u8]),
    Often,
}

impl<'a> Said<'a> {
    fn add(&mut self, value: &'a [u8]) {
        *self = if let Self::Nothing = self { Self::Once(value) } else { Self::Often };
    }

    fn only(self, name: &HeaderName) -> Result<Option<&'a [u8]>, ErrorObject> {
        match self {
            Self::Nothing => Ok(None),
            // White space around a value is not part of it (RFC 9110, section 5.5).
            Self::Once(value) => Ok(Some(value.trim_ascii())),
            Self::Often => Err(mismatch(&format!("{name} is given more than once"))),
        }
    }
}

/// The headers that repeat what the body says, found in one pass.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mirrors<'a> {
    version: Said<'a>,
    method: Said<'a>,
    name: Said<'a>,
    /// Whether there are headers for arguments.
    has_arguments: bool,
}

impl<'a> Mirrors<'a> {
    pub(super) fn read(headers: &'a HeaderMap) -> Self {
        let mut mirrors = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                VERSION_HEADER => mirrors.version.add(value.as_bytes()),
                METHOD_HEADER => mirrors.method.add(value.as_bytes()),
                NAME_HEADER => mirrors.name.add(value.as_bytes()),
                other => mirrors.has_arguments |= other.starts_with(ARGUMENT),
            }
        }
        mirrors
    }

    pub(super) fn version(&self) -> Result<Option<&'a [u8]>, ErrorObject> {
        self.version.only(&PROTOCOL_VERSION)
    }

    pub(super) fn method(&self) -> Result<Option<&'a [u8]>, ErrorObject> {
        self.method.only(&METHOD)
    }

    pub(super) fn name(&self) -> Result<Option<&'a [u8]>, ErrorObject> {
        self.name.only(&NAME)
    }

    /// Arguments that are mirrored.
    pub(super) fn arguments(&self, headers: &HeaderMap) -> Mirrored {
        let named = headers.iter().filter(|_| self.has_arguments).filter_map(|(name, value)| {
            Some((name.as_str().strip_prefix(ARGUMENT)?.to_owned(), value.as_bytes().to_vec()))
        });
        Mirrored::Headers(named.collect())
    }
}

/// The only value of a header, as text without white space around it.
pub(in crate::era) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ErrorObject> {
    let mut said = Said::Nothing;
    headers.get_all(name).iter().for_each(|value| said.add(value.as_bytes()));
    let text = said.only(name)?.map(std::str::from_utf8).transpose();
    text.map_err(|_| mismatch(&format!("{name} is not text")))
}
