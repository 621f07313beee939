//! Which paths are served, and what each of them is.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arc_swap::ArcSwap;

/// What a path serves.
#[derive(Clone, Debug)]
pub(super) enum Serves {
    Endpoint(Arc<str>),
    Sse(Arc<str>),
    Messages(Arc<str>),
}

/// What becomes of callers' tokens behind an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// They go no further than the door.
    Dropped,
    /// They are kept with the call, for a server that is called with them.
    Kept,
}

/// The paths that are served: swapped whole when the configuration changes.
#[derive(Debug, Default)]
pub struct Paths(ArcSwap<Table>);

#[derive(Debug, Default)]
struct Table {
    serves: HashMap<Box<str>, Serves>,
    keep_tokens: HashSet<Box<str>>,
}

impl Paths {
    /// Serves these endpoints from now on; the HTTP+SSE transport of each lies beside it, where an endpoint does not take its place.
    pub fn set<'a>(&self, endpoints: impl IntoIterator<Item = (&'a str, Tokens)> + Clone) {
        let kept = endpoints.clone().into_iter().filter(|(_, tokens)| *tokens == Tokens::Kept);
        let keep_tokens = kept.map(|(path, _)| path.into()).collect();
        let mut paths: HashMap<Box<str>, Serves> = HashMap::new();
        for (path, _) in endpoints.clone() {
            paths.insert(path.into(), Serves::Endpoint(path.into()));
        }
        for (path, _) in endpoints {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            paths.entry(format!("{folder}/sse").into()).or_insert_with(|| Serves::Sse(path.into()));
            paths.entry(format!("{folder}/messages").into()).or_insert_with(|| Serves::Messages(path.into()));
        }
        self.0.store(Arc::new(Table { serves: paths, keep_tokens }));
    }

    pub(super) fn find(&self, path: &str) -> Option<Serves> {
        self.0.load().serves.get(path).cloned()
    }

    /// What becomes of callers' tokens behind an endpoint.
    pub(super) fn tokens(&self, endpoint: &str) -> Tokens {
        if self.0.load().keep_tokens.contains(endpoint) { Tokens::Kept } else { Tokens::Dropped }
    }

    /// The endpoint at a path.
    pub(super) fn endpoint(&self, path: &str) -> Option<Arc<str>> {
        match self.find(path)? {
            Serves::Endpoint(endpoint) => Some(endpoint),
            Serves::Sse(_) | Serves::Messages(_) => None,
        }
    }

    /// The endpoint, where there is one only.
    pub(super) fn only_endpoint(&self) -> Option<Arc<str>> {
        let paths = self.0.load();
        let mut endpoints = paths.serves.values().filter_map(|serves| match serves {
            Serves::Endpoint(endpoint) => Some(endpoint.clone()),
            Serves::Sse(_) | Serves::Messages(_) => None,
        });
        endpoints.next().filter(|_| endpoints.next().is_none())
    }
}

impl Serves {
    /// The endpoint that is meant.
    pub(super) const fn endpoint(&self) -> &Arc<str> {
        match self {
            Self::Endpoint(endpoint) | Self::Sse(endpoint) | Self::Messages(endpoint) => endpoint,
        }
    }
}
