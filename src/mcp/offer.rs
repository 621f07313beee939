//! What a server, or a whole endpoint, offers: the answer to `server/discover` and `initialize`, without the era.

use crate::jsonrpc::{Kind, Object, Raw};

use super::{ListKind, TASKS_EXTENSION, TaskForm, without_tasks};

/// Server capabilities and what goes with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent capabilities of the specification")]
pub struct Offer {
    /// `tools`
    pub tools: bool,
    /// `tools.listChanged`
    pub tools_changed: bool,
    /// `prompts`
    pub prompts: bool,
    /// `prompts.listChanged`
    pub prompts_changed: bool,
    /// `resources`
    pub resources: bool,
    /// `resources.listChanged`
    pub resources_changed: bool,
    /// `resources.subscribe`
    pub subscribe: bool,
    /// `completions`
    pub completions: bool,
    /// `logging`
    pub logging: bool,
    /// `experimental`, as it came
    pub experimental: Option<Raw>,
    /// `extensions`, as they came
    pub extensions: Option<Raw>,
    /// `tasks` of 2025-11-25, for tool calls
    pub tasks: bool,
    /// Hints for the model.
    pub instructions: Option<String>,
}

impl Offer {
    /// Reads a `ServerCapabilities` object of any revision.
    pub fn read(capabilities: &Object, instructions: Option<String>) -> Self {
        let part = |name: &str| {
            capabilities.get(name).filter(|value| value.kind() == Kind::Object).and_then(|value| value.object().ok())
        };
        let says = |object: &Option<Object>, name: &str| {
            object.as_ref().and_then(|object| object.get(name)).and_then(|value| value.boolean()) == Some(true)
        };
        let (tools, prompts, resources) = (part("tools"), part("prompts"), part("resources"));
        let open = |name: &str| part(name).filter(|object| !object.is_empty()).map(|object| object.raw().clone());
        Self {
            tools_changed: says(&tools, "listChanged"),
            tools: tools.is_some(),
            prompts_changed: says(&prompts, "listChanged"),
            prompts: prompts.is_some(),
            resources_changed: says(&resources, "listChanged"),
            subscribe: says(&resources, "subscribe"),
            resources: resources.is_some(),
            completions: part("completions").is_some(),
            logging: part("logging").is_some(),
            experimental: open("experimental"),
            extensions: open("extensions"),
            tasks: part("tasks")
                .and_then(|tasks| tasks.get("requests")?.member("tools")?.member("call"))
                .is_some_and(|call| call.kind() == Kind::Object),
            instructions,
        }
    }

    /// The same without tasks in any other form than this one.
    #[must_use]
    pub fn speaking(self, form: TaskForm) -> Self {
        let extensions = match form {
            TaskForm::Extension => self.extensions,
            TaskForm::Core | TaskForm::Unspoken => self.extensions.and_then(|extensions| without_tasks(&extensions)),
        };
        Self { extensions, tasks: self.tasks && form == TaskForm::Core, ..self }
    }

    /// Whether tasks of that form are offered.
    pub fn offers_tasks(&self, form: TaskForm) -> bool {
        match form {
            TaskForm::Unspoken => false,
            TaskForm::Core => self.tasks,
            TaskForm::Extension => {
                self.extensions.as_ref().is_some_and(|extensions| extensions.member(TASKS_EXTENSION).is_some())
            }
        }
    }

    /// Whether lists of that kind can be asked for.
    pub const fn lists(&self, kind: ListKind) -> bool {
        match kind {
            ListKind::Tools => self.tools,
            ListKind::Prompts => self.prompts,
            ListKind::Resources | ListKind::Templates => self.resources,
        }
    }

    /// Whether changes of that list are announced.
    pub const fn announces(&self, kind: ListKind) -> bool {
        match kind {
            ListKind::Tools => self.tools_changed,
            ListKind::Prompts => self.prompts_changed,
            ListKind::Resources | ListKind::Templates => self.resources_changed,
        }
    }

    /// Adds what another server offers. Open objects are joined by member; the first server's member stays.
    pub fn join(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.tools, other.tools),
            (&mut self.tools_changed, other.tools_changed),
            (&mut self.prompts, other.prompts),
            (&mut self.prompts_changed, other.prompts_changed),
            (&mut self.resources, other.resources),
            (&mut self.resources_changed, other.resources_changed),
            (&mut self.subscribe, other.subscribe),
            (&mut self.completions, other.completions),
            (&mut self.logging, other.logging),
            (&mut self.tasks, other.tasks),
        ] {
            *mine |= theirs;
        }
        join_object(&mut self.experimental, other.experimental.as_ref());
        join_object(&mut self.extensions, other.extensions.as_ref());
    }

    /// The `ServerCapabilities` object.
    pub fn capabilities(&self) -> Raw {
        let mut out = serde_json::Map::new();
        let flags = |flags: &[(&str, bool)]| {
            serde_json::Value::Object(
                flags.iter().filter(|(_, on)| *on).map(|(name, _)| ((*name).to_owned(), true.into())).collect(),
            )
        };
        for (name, has, value) in [
            ("tools", self.tools, flags(&[("listChanged", self.tools_changed)])),
            ("prompts", self.prompts, flags(&[("listChanged", self.prompts_changed)])),
            (
                "resources",
                self.resources,
                flags(&[("subscribe", self.subscribe), ("listChanged", self.resources_changed)]),
            ),
            ("completions", self.completions, flags(&[])),
            ("logging", self.logging, flags(&[])),
        ] {
            if has {
                out.insert(name.to_owned(), value);
            }
        }
        let mut capabilities = Raw::from_value(&out);
        if let (true, Ok(object)) = (self.tasks, capabilities.object()) {
            capabilities = object.edit().set("tasks", TASKS).finish();
        }
        for (name, open) in [("experimental", &self.experimental), ("extensions", &self.extensions)] {
            if let (Some(open), Ok(object)) = (open, capabilities.object()) {
                capabilities = object.edit().set(name, open.clone()).finish();
            }
        }
        capabilities
    }
}

/// The gateway lists its callers' tasks itself; whether one can be cancelled is its server's to say.
const TASKS: Raw = Raw::literal(r#"{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}"#);

fn join_object(mine: &mut Option<Raw>, theirs: Option<&Raw>) {
    let Some(theirs) = theirs else { return };
    let Some(object) = mine.as_ref().and_then(|mine| mine.object().ok()) else {
        *mine = Some(theirs.clone());
        return;
    };
    let Ok(added) = theirs.object() else { return };
    let names: Vec<(String, Raw)> = added.iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let joined = names.iter().fold(object.edit(), |edit, (name, value)| edit.set_default(name, value.clone())).finish();
    *mine = Some(joined);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(text: &'static str) -> Offer {
        Offer::read(&Raw::literal(text).object().unwrap(), None)
    }

    #[test]
    fn joins_what_servers_offer() {
        let mut joined = offer(r#"{"tools":{"listChanged":true},"extensions":{"a/x":{"v":1.0}}}"#);
        joined.join(&offer(r#"{"resources":{"subscribe":true},"logging":{},"extensions":{"a/x":{},"b/y":{}}}"#));
        let expected = r#"{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{},"extensions":{"a/x":{"v":1.0},"b/y":{}}}"#;
        assert_eq!(joined.capabilities().as_str(), expected);
    }

    #[test]
    fn speaks_of_tasks_in_one_form_only() {
        let both = offer(
            r#"{"tasks":{"requests":{"tools":{"call":{}}}},"extensions":{"io.modelcontextprotocol/tasks":{},"a/x":{}}}"#,
        );
        assert_eq!(
            both.clone().speaking(TaskForm::Core).capabilities().as_str(),
            r#"{"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}},"extensions":{"a/x":{}}}"#
        );
        assert_eq!(
            both.clone().speaking(TaskForm::Extension).capabilities().as_str(),
            r#"{"extensions":{"io.modelcontextprotocol/tasks":{},"a/x":{}}}"#
        );
        assert_eq!(both.speaking(TaskForm::Unspoken).capabilities().as_str(), r#"{"extensions":{"a/x":{}}}"#);
        // What makes no task of a tool call is of no use here.
        assert!(!offer(r#"{"tasks":{"list":{}}}"#).tasks);
    }
}
