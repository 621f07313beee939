//! Values that are one of a few words.

use std::marker::PhantomData;

use serde_json::{Value as Json, json};

use super::text::REFERENCE_PATTERN;
use crate::{
    audit::settings::{Calls, Claims, OnLoss, Recording},
    auth::settings::{CertificateName, Via},
    config::{
        names::nearest,
        place::Place,
        problem::ProblemKind,
        settings::LogFormat,
        shape::{Reader, Shape, got},
        tree::Node,
    },
    downstream::{
        proxies::{ForwardedHeader, ProxyProtocol},
        settings::ClientAuth,
    },
    guard::sandbox::Network,
    mcp::Per,
    pin,
    policy::settings::Mode,
    route::settings::Names,
    upstream::settings::{EraHint, Isolation, Overlong, RetryCalls, Start, Watched},
};

/// A type whose values are words.
pub(in crate::config) trait Words: Copy + PartialEq + 'static {
    /// Each word and what it stands for. The first word of a value is the one that documentation uses.
    const WORDS: &'static [(&'static str, Self)];
}

/// One of the words of `W`.
pub(in crate::config) struct Choice<W>(PhantomData<W>);

impl<W: Words> Shape for Choice<W> {
    type Value = W;

    fn read(node: &Node, place: &Place, reader: &mut Reader<'_>) -> Option<W> {
        let text = reader.text(node, place, "a word")?;
        let value = W::WORDS.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if value.is_none() {
            let words: Vec<&str> = W::WORDS.iter().map(|(word, _)| *word).collect();
            let near = nearest(node.scalar().unwrap_or_default(), words.iter().copied());
            reader.report(place, ProblemKind::NoSuchWord { words, got: got(node), near });
        }
        value
    }

    fn schema() -> Json {
        let words: Vec<&str> = W::WORDS.iter().map(|(word, _)| *word).collect();
        json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": REFERENCE_PATTERN }] })
    }

    fn show(value: &W) -> Json {
        W::WORDS.iter().find(|(_, meaning)| meaning == value).map_or(Json::Null, |(word, _)| (*word).into())
    }
}

impl Words for EraHint {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Probe), ("modern", Self::Modern), ("legacy", Self::Legacy)];
}

impl Words for RetryCalls {
    const WORDS: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("unsent", Self::Unsent), ("safe", Self::Safe), ("false", Self::Off)];
}

impl Words for Overlong {
    const WORDS: &'static [(&'static str, Self)] = &[("refuse", Self::Refuse), ("cut", Self::Cut)];
}

impl Words for Start {
    const WORDS: &'static [(&'static str, Self)] = &[("eager", Self::Eager), ("lazy", Self::Lazy)];
}

impl Words for Isolation {
    const WORDS: &'static [(&'static str, Self)] =
        &[("shared", Self::Shared), ("principal", Self::Principal), ("session", Self::Session)];
}

impl Words for Watched {
    /// `true` and `false` are what a YAML 1.1 reader, Helm's for one, makes of `on` and `off`.
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", Self::WhereSeveral),
        ("on", Self::Always),
        ("off", Self::Never),
        ("true", Self::Always),
        ("false", Self::Never),
    ];
}

impl Words for ForwardedHeader {
    const WORDS: &'static [(&'static str, Self)] =
        &[("x-forwarded-for", Self::XForwardedFor), ("forwarded", Self::Forwarded)];
}

impl Words for ProxyProtocol {
    /// `true` and `false` are what a YAML 1.1 reader, Helm's for one, makes of `on` and `off`.
    const WORDS: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("on", Self::On), ("false", Self::Off), ("true", Self::On)];
}

impl Words for Network {
    /// `true` and `false` are what a YAML 1.1 reader makes of `on` and `off`.
    const WORDS: &'static [(&'static str, Self)] =
        &[("on", Self::On), ("off", Self::Off), ("true", Self::On), ("false", Self::Off)];
}

impl Words for ClientAuth {
    const WORDS: &'static [(&'static str, Self)] = &[("optional", Self::Optional), ("required", Self::Required)];
}

impl Words for CertificateName {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("san-uri", Self::SanUri),
        ("san-dns", Self::SanDns),
        ("subject", Self::Subject),
        ("common-name", Self::CommonName),
    ];
}

impl Words for Via {
    const WORDS: &'static [(&'static str, Self)] = &[("review", Self::Review), ("keys", Self::Keys)];
}

impl Words for Mode {
    const WORDS: &'static [(&'static str, Self)] =
        &[(Self::Enforce.name(), Self::Enforce), (Self::Shadow.name(), Self::Shadow)];
}

impl Words for Per {
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::Address.name(), Self::Address),
        (Self::Principal.name(), Self::Principal),
        (Self::Group.name(), Self::Group),
        (Self::Endpoint.name(), Self::Endpoint),
        (Self::Server.name(), Self::Server),
        (Self::Tool.name(), Self::Tool),
    ];
}

impl Words for Names {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("prefixed", Self::Prefixed), ("bare", Self::Bare)];
}

impl Words for Calls {
    const WORDS: &'static [(&'static str, Self)] = &[("acts", Self::Acts), ("all", Self::All)];
}

impl Words for Claims {
    const WORDS: &'static [(&'static str, Self)] = &[("none", Self::None), ("full", Self::Full)];
}

impl Words for OnLoss {
    const WORDS: &'static [(&'static str, Self)] = &[("count", Self::Count), ("refuse", Self::Refuse)];
}

impl Words for pin::Mode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("warn", Self::Warn), ("enforce", Self::Enforce), ("false", Self::Off)];
}

impl Words for Recording {
    const WORDS: &'static [(&'static str, Self)] =
        &[("none", Self::None), ("digest", Self::Digest), ("redacted", Self::Redacted), ("full", Self::Full)];
}

/// A log format as written.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::config) enum LogWord {
    /// Whatever suits where the log goes.
    Auto,
    /// This one.
    Fixed(LogFormat),
}

impl Words for LogWord {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("pretty", Self::Fixed(LogFormat::Pretty)), ("json", Self::Fixed(LogFormat::Json))];
}

/// How a client proves who it is, as written.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::config) enum ProofWord {
    /// Its secret in a header.
    Basic,
    /// Its secret in the form.
    Post,
    /// A statement signed with its private key.
    PrivateKeyJwt,
}

impl Words for ProofWord {
    const WORDS: &'static [(&'static str, Self)] =
        &[("basic", Self::Basic), ("post", Self::Post), ("privateKeyJwt", Self::PrivateKeyJwt)];
}

/// A server's `type` as clients write it.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::config) enum WireWord {
    /// A child process.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE.
    Sse,
}

impl Words for WireWord {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("stdio", Self::Stdio),
        ("http", Self::Http),
        ("sse", Self::Sse),
        ("streamable-http", Self::Http),
        ("streamableHttp", Self::Http),
    ];
}
