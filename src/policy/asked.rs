//! What is asked of the policy.

use crate::{
    jsonrpc::Raw,
    mcp::{Caller, ListKind, Principal, Verb},
};

/// Whether somebody may do something: what lasts longer than a call.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// The path of the endpoint.
    pub endpoint: &'a str,
    /// The server.
    pub server: &'a str,
    /// What it is about.
    pub subject: Subject<'a>,
}

/// What a call is about. Completions, subscriptions and tasks are about the thing that they belong to.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// To call a tool.
    Tool(Thing<'a>),
    /// To get a prompt.
    Prompt(Thing<'a>),
    /// To read a resource, by its URI.
    Resource(&'a str),
    /// To use something of the kind that nobody has named yet: any tool of a server, any URI that a template makes.
    Some(ListKind),
    /// A method that is none of MCP's own.
    Method(&'a str),
}

/// A tool or prompt.
#[derive(Clone, Copy, Debug)]
pub struct Thing<'a> {
    /// The name that clients use.
    pub name: &'a str,
    /// The server's own name.
    pub own: &'a str,
    /// As its server describes it, for a tool: annotations are found there.
    pub entry: Option<&'a Raw>,
    /// Tells this description from those before: whoever has another one has another number.
    pub version: u64,
}

impl Subject<'_> {
    /// The method that it takes.
    pub const fn method(&self) -> &str {
        match self {
            Self::Tool(_) | Self::Some(ListKind::Tools) => Verb::CallTool.method(),
            Self::Prompt(_) | Self::Some(ListKind::Prompts) => Verb::GetPrompt.method(),
            Self::Resource(_) | Self::Some(ListKind::Resources | ListKind::Templates) => Verb::ReadResource.method(),
            Self::Method(method) => method,
        }
    }

    /// What it is called in the log.
    pub const fn name(&self) -> Option<&str> {
        match self {
            Self::Tool(thing) | Self::Prompt(thing) => Some(thing.name),
            Self::Resource(uri) => Some(uri),
            Self::Some(_) | Self::Method(_) => None,
        }
    }
}

/// How much is known beside that.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known<'a> {
    /// No more.
    Lasting,
    /// The client and the time: what there is when a list is shown.
    Present(&'a Caller),
    /// All there is to a call: its arguments, too. Without any they are empty.
    Whole(&'a Caller, Option<&'a Raw>),
}

impl<'a> Known<'a> {
    pub(super) const fn caller(self) -> Option<&'a Caller> {
        match self {
            Self::Lasting => None,
            Self::Present(caller) | Self::Whole(caller, _) => Some(caller),
        }
    }
}
