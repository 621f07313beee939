//! Scopes, and the broader ones that include them.

use std::collections::{BTreeMap, BTreeSet};

use crate::mcp::Principal;

/// Which scopes include which.
#[derive(Clone, Debug, Default)]
pub(super) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// By the scopes that each includes at once; what those include, it includes, too.
    pub(super) fn new(included: &BTreeMap<String, Vec<String>>) -> Self {
        let all = |broad: &String| {
            let mut found = BTreeSet::new();
            let mut rest: Vec<&String> = included.get(broad).into_iter().flatten().collect();
            while let Some(scope) = rest.pop() {
                if found.insert(scope.clone()) {
                    rest.extend(included.get(scope).into_iter().flatten());
                }
            }
            found
        };
        Self(included.keys().map(|broad| (broad.clone(), all(broad))).collect())
    }

    /// Whether the principal has all of them, by themselves or within broader ones.
    pub(super) fn all(&self, principal: &Principal, needed: &[String]) -> bool {
        let within = |own: &String, scope: &String| self.0.get(own).is_some_and(|included| included.contains(scope));
        needed
            .iter()
            .all(|scope| principal.has_scope(scope) || principal.identity().scopes.iter().any(|own| within(own, scope)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::Identity;

    #[test]
    fn a_broader_scope_includes_what_those_within_it_include_and_a_circle_ends() {
        let list = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>();
        let scopes = Scopes::new(&BTreeMap::from([
            ("admin".to_owned(), list(&["write"])),
            ("write".to_owned(), list(&["read", "admin"])),
        ]));
        let with = |own: &[&str]| Principal::known(Identity { scopes: list(own), ..Identity::default() }, None);
        assert!(scopes.all(&with(&["admin"]), &list(&["read", "write"])));
        assert!(!scopes.all(&with(&["read"]), &list(&["write"])));
        assert!(scopes.all(&with(&[]), &[]));
        assert!(scopes.all(&with(&["other", "x"]), &list(&["x"])));
    }
}
