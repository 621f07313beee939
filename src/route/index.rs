//! The joined list of one kind on one endpoint: what is offered, in order, and whose it is.

use std::{collections::HashMap, sync::Arc};

use smallvec::SmallVec;

use crate::{
    jsonrpc::Raw,
    mcp::{Catalog, Entry, ListKind, Mirror, TaskSupport, exposed_name},
    policy::ToolFilter,
};

use super::template;

/// One server's part of an endpoint.
#[derive(Clone, Debug)]
pub struct Part {
    /// The server.
    pub server: Arc<str>,
    /// Its list, if it is there.
    pub catalog: Option<Arc<Catalog>>,
    /// Which of its tools are offered.
    pub filter: Arc<ToolFilter>,
}

/// One thing offered.
#[derive(Clone, Debug)]
pub struct Exposed {
    /// The place of its server among the parts.
    pub part: usize,
    /// Its own name, or URI.
    pub own: Arc<str>,
    /// The name under which it is offered.
    pub name: Box<str>,
    /// The entry with that name.
    pub raw: Raw,
    /// For a tool: the arguments that are mirrored into headers.
    pub mirror: Mirror,
    /// For a tool: whether it runs as a task only.
    pub support: TaskSupport,
}

/// The joined list.
#[derive(Debug, Default)]
pub struct Index {
    entries: Vec<Exposed>,
    by_name: HashMap<Box<str>, usize>,
    /// What has a name that an earlier server has, too: for callers who do not see that one.
    rivals: Vec<Exposed>,
    rivals_by_name: HashMap<Box<str>, SmallVec<[usize; 1]>>,
    /// Places of tools by the URIs by which they show themselves (MCP Apps).
    by_ui: HashMap<Box<str>, SmallVec<[usize; 1]>>,
    /// Names that two servers wanted, and the server that did not get it.
    pub collisions: Vec<(Box<str>, Arc<str>)>,
}

impl Index {
    /// Joins the parts in their order; of two equal names the first stays. Names get the server's prefix where `prefixed`.
    pub fn build(kind: ListKind, parts: &[Part], prefixed: bool) -> Self {
        let mut index = Self::default();
        for (place, part) in parts.iter().enumerate() {
            for entry in part.catalog.iter().flat_map(|catalog| catalog.entries()) {
                if kind != ListKind::Tools || part.filter.offers(&entry.key) {
                    index.add(part, expose(kind, place, part, entry, prefixed));
                }
            }
        }
        index
    }

    fn add(&mut self, part: &Part, exposed: Exposed) {
        if self.by_name.contains_key(&exposed.name) {
            self.collisions.push((exposed.name.clone(), part.server.clone()));
            self.rivals_by_name.entry(exposed.name.clone()).or_default().push(self.rivals.len());
            self.rivals.push(exposed);
            return;
        }
        if let Some(uri) = ui(&exposed.raw) {
            self.by_ui.entry(uri).or_default().push(self.entries.len());
        }
        self.by_name.insert(exposed.name.clone(), self.entries.len());
        self.entries.push(exposed);
    }

    /// What is offered, in order.
    pub fn entries(&self) -> &[Exposed] {
        &self.entries
    }

    /// What is offered under that name.
    pub fn find(&self, name: &str) -> Option<&Exposed> {
        self.entries.get(*self.by_name.get(name)?)
    }

    /// All that has that name, in the order of the servers: who does not see the first finds the next.
    pub fn candidates(&self, name: &str) -> impl Iterator<Item = (usize, &Exposed)> {
        let rivals = self.rivals_by_name.get(name).into_iter().flatten();
        let rivals = rivals.filter_map(|place| Some((self.entries.len() + place, self.rivals.get(*place)?)));
        let first = self.by_name.get(name).and_then(|place| Some((*place, self.entries.get(*place)?)));
        first.into_iter().chain(rivals)
    }

    /// All there is, in the order of the servers, with its place for [`Index::at`]; of one name there may be several.
    pub fn all(&self) -> Vec<(usize, &Exposed)> {
        let mut all: Vec<(usize, &Exposed)> = self.entries.iter().chain(&self.rivals).enumerate().collect();
        if !self.rivals.is_empty() {
            all.sort_by_key(|(_, exposed)| exposed.part);
        }
        all
    }

    /// What is at a place.
    pub fn at(&self, place: usize) -> Option<&Exposed> {
        self.entries.get(place).or_else(|| self.rivals.get(place.checked_sub(self.entries.len())?))
    }

    /// The tools that show themselves by this URI.
    pub fn find_ui(&self, uri: &str) -> impl Iterator<Item = (usize, &Exposed)> {
        self.by_ui.get(uri).into_iter().flatten().filter_map(|place| Some((*place, self.entries.get(*place)?)))
    }

    /// In a list of templates: those that make this URI, or are it.
    pub fn find_templates(&self, uri: &str) -> impl Iterator<Item = &Exposed> {
        let exact = self.candidates(uri).map(|(_, entry)| entry);
        exact.chain(self.entries.iter().filter(move |entry| template::matches(&entry.own, uri)))
    }
}

/// The entry as it is offered. URIs are never rewritten: they stand in texts and links that nobody can find.
fn expose(kind: ListKind, place: usize, part: &Part, entry: &Entry, prefixed: bool) -> Exposed {
    let name = match kind {
        ListKind::Resources | ListKind::Templates => entry.key.to_string(),
        ListKind::Tools => exposed_name(prefixed.then_some(&part.server), part.filter.rename(&entry.key)),
        ListKind::Prompts => exposed_name(prefixed.then_some(&part.server), &entry.key),
    };
    let raw = if *name == *entry.key { entry.raw.clone() } else { renamed(&entry.raw, kind, &name) };
    Exposed {
        part: place,
        own: (&*entry.key).into(),
        name: name.into(),
        raw,
        mirror: entry.mirror.clone(),
        support: entry.support,
    }
}

/// The URI by which a tool shows itself: `_meta.ui.resourceUri`, or the older spelling of it.
fn ui(raw: &Raw) -> Option<Box<str>> {
    memchr::memmem::find(raw.bytes(), b"esourceUri\"")?;
    let own = raw.member("_meta")?;
    let uri = own.member("ui").and_then(|ui| ui.member("resourceUri")).or_else(|| own.member("ui/resourceUri"))?;
    uri.text().map(|uri| (&*uri).into())
}

fn renamed(raw: &Raw, kind: ListKind, name: &str) -> Raw {
    raw.object().map_or_else(|_| raw.clone(), |object| object.edit().set(kind.key(), Raw::string(name)).finish())
}

/// The part whose prefix a name has, and the name without it: for names that no list has.
pub fn owner_by_prefix<'a>(parts: &[Part], name: &'a str) -> Option<(usize, &'a str)> {
    parts.iter().enumerate().find_map(|(place, part)| {
        let own = name.strip_prefix(&*part.server)?.strip_prefix("__")?;
        Some((place, own))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn part(server: &str, names: &[&str]) -> Part {
        let entries = names.iter().map(|name| Entry {
            key: (*name).into(),
            raw: Raw::from_value(&serde_json::json!({ "name": name, "n": 1 })),
            mirror: Mirror::default(),
            support: TaskSupport::default(),
        });
        Part { server: server.into(), catalog: Some(Arc::new(Catalog::new(entries))), filter: Arc::default() }
    }

    #[test]
    fn prefixes_in_the_order_of_the_servers() {
        let index = Index::build(ListKind::Tools, &[part("b", &["x", "y"]), part("a", &["x"])], true);
        let names: Vec<&str> = index.entries().iter().map(|entry| &*entry.name).collect();
        assert_eq!(names, ["b__x", "b__y", "a__x"]);
        assert_eq!(index.find("a__x").unwrap().raw.as_str(), r#"{"name":"a__x","n":1}"#);
    }

    #[test]
    fn the_first_server_keeps_a_bare_name_and_the_loser_is_reported() {
        let index = Index::build(ListKind::Tools, &[part("b", &["x"]), part("a", &["x", "z"])], false);
        assert_eq!(index.find("x").unwrap().part, 0);
        assert_eq!(index.collisions, [("x".into(), "a".into())]);
        assert_eq!(index.entries().len(), 2);
    }

    #[test]
    fn renames_before_prefixing_and_leaves_out_what_is_not_offered() {
        let rename = BTreeMap::from([("x".to_owned(), "found".to_owned())]);
        let filter = ToolFilter::new(&[], &["y".to_owned()], &rename).unwrap();
        let part = Part { filter: Arc::new(filter), ..part("s", &["x", "y"]) };
        let index = Index::build(ListKind::Tools, &[part], true);
        assert_eq!(index.entries().len(), 1);
        assert_eq!(&*index.find("s__found").unwrap().own, "x");
    }
}
