//! What a tool is: a card that describes it and a call over its server's state.
//!
//! Source: MCP 2026-07-28 tools; the result texts follow "Error Handling" there: a misuse is told to the model so that
//! it can try again.

use serde_json::{Value, json};

use super::arguments::{Arguments, Misfit};
use super::era::{Asking, Era, Level, Revision};
use super::line::Outlet;
use super::rpc::{Object, notification, object};

/// A tool over the state `S`.
pub(super) trait Tool<S> {
    /// The name it is called by.
    fn name(&self) -> &'static str;
    /// Its entry in `tools/list`.
    fn card(&self) -> Value;
    /// Does the work.
    ///
    /// # Errors
    /// [`Misuse`] when the caller can do better; it becomes an `isError` result.
    fn call(&self, state: &mut S, arguments: &Arguments, exchange: &mut Exchange<'_>) -> Result<Answer, Misuse>;
}

/// A tool's answer.
#[derive(Debug)]
pub(super) struct Answer {
    structured: Value,
    links: Vec<Value>,
}

impl Answer {
    pub(super) fn new(structured: Value) -> Self {
        Self { structured, links: Vec::new() }
    }

    /// Adds `resource_link` blocks to the resources the answer speaks of.
    pub(super) fn with_links(structured: Value, links: Vec<Value>) -> Self {
        Self { structured, links }
    }

    /// The `tools/call` result: the structure, and the same as text for clients that read only text.
    pub(super) fn into_body(self) -> Object {
        let text = self.structured.to_string();
        let mut content = vec![json!({"type": "text", "text": text})];
        content.extend(self.links);
        object(json!({"content": content, "structuredContent": self.structured}))
    }
}

/// A call that made no sense to the tool. The text says what to do next.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misuse {
    #[error(transparent)]
    Arguments(#[from] Misfit),
    #[error("nothing is known at {url}: take a url from the results of web_search")]
    UnknownArticle { url: String },
    #[error("there is no document {slug}: use one of {known}")]
    UnknownDocument { slug: String, known: String },
    #[error("the pages {from} to {to} are not all there: {slug} has the pages 1 to {pages}")]
    Pages { slug: String, from: u32, to: u32, pages: u32 },
    #[error("there is no collection {collection}: use articles or notes")]
    UnknownCollection { collection: String },
    #[error("notes has no vector {id}: query_vectors with collection notes shows what is there")]
    UnknownVector { id: String },
    #[error("notes already has {limit} vectors: delete one with delete_vector first")]
    Full { limit: usize },
    #[error("the text has no words that could be compared: use other words")]
    NoWords,
}

impl Misuse {
    /// The `isError` result.
    pub(super) fn into_body(self) -> Object {
        object(json!({"content": [{"type": "text", "text": self.to_string()}], "isError": true}))
    }
}

/// Something that other callers may want to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// `resources/list` would now answer differently.
    ResourceList,
    /// The resource at this URI would now read differently.
    Resource(String),
}

/// A call under way: what its caller asked for, and the way to tell them things before the result.
pub(super) struct Exchange<'a> {
    asking: &'a Asking,
    outlet: &'a mut dyn Outlet,
    changes: &'a mut Vec<Change>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(asking: &'a Asking, outlet: &'a mut dyn Outlet, changes: &'a mut Vec<Change>) -> Self {
        Self { asking, outlet, changes }
    }

    /// Reports progress if the caller gave a token. `progress` must grow from call to call.
    pub(super) fn progress(&mut self, progress: u32, total: u32, message: &str) {
        let Some(token) = &self.asking.progress_token else { return };
        let mut params = object(json!({"progressToken": token, "progress": progress, "total": total}));
        if self.asking.era != Era::Legacy(Revision::V2024_11_05) {
            params.insert("message".to_owned(), json!(message));
        }
        self.outlet.send(&notification("notifications/progress", params));
    }

    /// Logs if the caller asked for this level or a lower one.
    pub(super) fn log(&mut self, level: Level, logger: &str, data: &Value) {
        if self.asking.log_level.is_some_and(|least| level >= least) {
            let params = json!({"level": level.name(), "logger": logger, "data": data});
            self.outlet.send(&notification("notifications/message", object(params)));
        }
    }

    /// Notes a change; it is published after the result is sent.
    pub(super) fn changed(&mut self, change: Change) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }
}
