//! What a demo server offers: its identity, capabilities, tools, and what else it has.
//!
//! The capabilities are the truth that requests are checked against, so that nothing undeclared is served. It knows
//! no message and no era.

use serde_json::Value;

use super::dress::Freshness;
use super::fault::Fault;
use super::rpc::Object;
use super::tool::Tool;

/// Who a server says it is.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) instructions: &'static str,
}

/// One of the servers. Everything but tools has an empty default.
pub(super) trait Offer: Sized + 'static {
    const IDENTITY: Identity;

    /// The `ServerCapabilities` object.
    fn capabilities() -> Value;

    fn tools() -> &'static [&'static dyn Tool<Self>];

    /// How long what is listed and read under `resources` stays true.
    fn resource_freshness() -> Freshness {
        Freshness::Fixed
    }

    fn resources(&mut self) -> Vec<Value> {
        Vec::new()
    }

    fn resource_templates() -> Vec<Value> {
        Vec::new()
    }

    /// The contents at a URI; `None` if there is nothing.
    fn read_resource(&mut self, _uri: &str) -> Option<Vec<Value>> {
        None
    }

    /// Whether a resource may come to be, and change, at a URI.
    fn watchable(_uri: &str) -> bool {
        false
    }

    fn prompts() -> Vec<Value> {
        Vec::new()
    }

    /// # Errors
    /// [`Fault::UnknownPrompt`], [`Fault::PromptArgument`].
    fn prompt(&mut self, name: &str, _arguments: &Object) -> Result<Object, Fault> {
        Err(Fault::UnknownPrompt { name: name.to_owned() })
    }

    /// All values that complete an argument, best first.
    ///
    /// # Errors
    /// [`Fault::UnknownCompletion`].
    fn complete(&mut self, _wanted: &Completion<'_>) -> Result<Vec<String>, Fault> {
        Err(Fault::UnknownCompletion)
    }
}

/// What `completion/complete` asks for.
#[derive(Debug)]
pub(super) struct Completion<'a> {
    pub(super) reference: Reference<'a>,
    pub(super) argument: &'a str,
    /// What was typed so far.
    pub(super) prefix: &'a str,
    /// Arguments that are already settled.
    pub(super) settled: Option<&'a Object>,
}

/// Where the argument to complete belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    Prompt(&'a str),
    Resource(&'a str),
}
