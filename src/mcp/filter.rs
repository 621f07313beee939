//! What a subscription asks for.

use crate::jsonrpc::{Object, Raw};

use super::ListKind;

/// The filter of a subscription (2026-07-28 basic/patterns/subscriptions).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `toolsListChanged`
    pub tools: bool,
    /// `promptsListChanged`
    pub prompts: bool,
    /// `resourcesListChanged`
    pub resources: bool,
    /// `resourceSubscriptions`
    pub uris: Vec<String>,
    /// `taskIds` of the extension for tasks
    pub task_ids: Vec<String>,
}

impl Filter {
    /// URIs, and tasks, in one filter at the most.
    pub const MAX_URIS: usize = 256;

    /// All lists, no single resource.
    pub const fn lists() -> Self {
        Self { tools: true, prompts: true, resources: true, uris: Vec::new(), task_ids: Vec::new() }
    }

    /// One resource.
    pub fn resource(uri: &str) -> Self {
        Self { uris: vec![uri.to_owned()], ..Self::default() }
    }

    /// Reads the `notifications` object. `None` when a member has the wrong type or there are too many URIs or tasks.
    pub fn parse(notifications: &Object) -> Option<Self> {
        let flag = |name: &str| notifications.get(name).map_or(Some(false), |value| value.boolean());
        let texts = |name: &str| match notifications.get(name) {
            Some(texts) => texts.elements()?.iter().map(|text| Some(text.text()?.into_owned())).collect(),
            None => Some(Vec::new()),
        };
        let filter = Self {
            tools: flag("toolsListChanged")?,
            prompts: flag("promptsListChanged")?,
            resources: flag("resourcesListChanged")?,
            uris: texts("resourceSubscriptions")?,
            task_ids: texts("taskIds")?,
        };
        (filter.uris.len().max(filter.task_ids.len()) <= Self::MAX_URIS).then_some(filter)
    }

    /// The `notifications` object.
    pub fn to_raw(&self) -> Raw {
        let mut out = serde_json::Map::new();
        for (name, wanted) in [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ] {
            if wanted {
                out.insert(name.to_owned(), true.into());
            }
        }
        for (name, texts) in [("resourceSubscriptions", &self.uris), ("taskIds", &self.task_ids)] {
            if !texts.is_empty() {
                out.insert(name.to_owned(), texts.clone().into());
            }
        }
        Raw::from_value(&out)
    }

    /// Whether changes of that list are asked for. Templates change with the resources.
    pub const fn wants(&self, kind: ListKind) -> bool {
        match kind {
            ListKind::Tools => self.tools,
            ListKind::Prompts => self.prompts,
            ListKind::Resources | ListKind::Templates => self.resources,
        }
    }

    /// Whether changes of that resource are asked for; a subscription covers what lies below its URI.
    pub fn wants_resource(&self, uri: &str) -> bool {
        self.uris.iter().any(|subscribed| covers(subscribed, uri))
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `resources/updated` may name a sub-resource of the subscribed one.
fn covers(subscribed: &str, uri: &str) -> bool {
    uri.strip_prefix(subscribed)
        .is_some_and(|rest| rest.is_empty() || subscribed.ends_with('/') || rest.starts_with(['/', '?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_covers_sub_resources_and_no_neighbours() {
        let filter = Filter::resource("file:///a");
        assert!(filter.wants_resource("file:///a") && filter.wants_resource("file:///a/b"));
        assert!(!filter.wants_resource("file:///ab"));
    }

    #[test]
    fn reads_back_what_it_writes() {
        let filter = Filter { uris: vec!["x://y".into()], task_ids: vec!["t".into()], ..Filter::lists() };
        assert_eq!(Filter::parse(&filter.to_raw().object().unwrap()), Some(filter));
        assert_eq!(Filter::parse(&Raw::literal(r#"{"toolsListChanged":1}"#).object().unwrap()), None);
    }
}
