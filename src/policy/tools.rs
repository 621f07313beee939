//! Which tools of a server are offered, and under which names: the operator's `tools: { allow, deny, rename }`.

use std::collections::BTreeMap;

use globset::{Glob, GlobSet, GlobSetBuilder};

/// A compiled filter.
#[derive(Clone, Debug, Default)]
pub struct ToolFilter {
    allow: Option<GlobSet>,
    deny: GlobSet,
    rename: BTreeMap<String, String>,
}

impl ToolFilter {
    /// Compiles patterns: an empty `allow` allows all, `deny` wins over it.
    ///
    /// # Errors
    /// A pattern is no glob; the configuration refuses it before.
    pub fn new(allow: &[String], deny: &[String], rename: &BTreeMap<String, String>) -> Result<Self, globset::Error> {
        let allow = if allow.is_empty() { None } else { Some(compile(allow)?) };
        Ok(Self { allow, deny: compile(deny)?, rename: rename.clone() })
    }

    /// Whether the tool with this name of the server's own is offered.
    pub fn offers(&self, own: &str) -> bool {
        self.allow.as_ref().is_none_or(|allow| allow.is_match(own)) && !self.deny.is_match(own)
    }

    /// The name before any prefix.
    pub fn rename<'a>(&'a self, own: &'a str) -> &'a str {
        self.rename.get(own).map_or(own, String::as_str)
    }
}

fn compile(patterns: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern)?);
    }
    set.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deny_wins_over_allow_and_nothing_allowed_means_all() {
        let patterns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let filter = ToolFilter::new(&patterns(&["web_*"]), &patterns(&["*_admin"]), &BTreeMap::new()).unwrap();
        assert!(filter.offers("web_search") && !filter.offers("web_admin") && !filter.offers("shell"));
        assert!(ToolFilter::default().offers("anything"));
    }
}
