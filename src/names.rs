//! Which names servers, tools and endpoints may have, and which known name a misspelt one is nearest to.
//!
//! A configuration and whoever finds servers elsewhere go by the same rules.

use thiserror::Error;

/// The longest server name. Clients count 64 characters for a tool's name and put `mcp__gateway__` of their own before it, so a
/// longer prefix would leave nothing for the tool.
pub(crate) const MAX_SERVER_NAME: usize = 40;

/// The longest tool name: 2025-11-25, server/tools, "Tool Names".
const MAX_TOOL_NAME: usize = 128;

/// Paths that no endpoint may have or lie under: probes look for the first ones on any port, OAuth and MCP for the last.
pub const RESERVED_PATHS: [&str; 7] = ["/healthz", "/livez", "/readyz", "/metrics", "/admin", "/oauth", "/.well-known"];

/// What is wrong with a name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameFault {
    /// No name at all.
    #[error("a name must not be empty")]
    Empty,
    /// More characters than allowed.
    #[error("a name has at most {limit} characters")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// A character outside the allowed set.
    #[error("{found:?} is not allowed in a server's name: use letters, digits, `-` and `_`")]
    ServerCharacter {
        /// The first such character.
        found: char,
    },
    /// The separator of server and tool would be ambiguous.
    #[error("a server's name must not contain `__` nor end with `_`, since `__` separates it from its tools' names")]
    Separator,
    /// A character outside the allowed set.
    #[error("{found:?} is not allowed in a tool's name: use letters, digits, `-`, `_` and `.`")]
    ToolCharacter {
        /// The first such character.
        found: char,
    },
    /// A path that does not start at the root.
    #[error("an endpoint is a path such as `/mcp`")]
    NoPath,
    /// A path that means another path to some client or proxy.
    #[error("an endpoint's path has only letters, digits, `-`, `_`, `.`, `~` and single `/` between them")]
    PathForm,
    /// A path that has another meaning.
    #[error("`{reserved}` is reserved: choose another path")]
    Reserved {
        /// The reserved path.
        reserved: &'static str,
    },
}

/// Whether a server may have this name.
pub(crate) fn check_server(name: &str) -> Result<(), NameFault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match name.chars().find(|c| !allowed(*c)) {
        _ if name.is_empty() => Err(NameFault::Empty),
        Some(found) => Err(NameFault::ServerCharacter { found }),
        None if name.len() > MAX_SERVER_NAME => Err(NameFault::TooLong { limit: MAX_SERVER_NAME }),
        None if name.contains("__") || name.ends_with('_') => Err(NameFault::Separator),
        None => Ok(()),
    }
}

/// Whether a tool may be given this name.
pub(crate) fn check_tool(name: &str) -> Result<(), NameFault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match name.chars().find(|c| !allowed(*c)) {
        _ if name.is_empty() => Err(NameFault::Empty),
        Some(found) => Err(NameFault::ToolCharacter { found }),
        None if name.len() > MAX_TOOL_NAME => Err(NameFault::TooLong { limit: MAX_TOOL_NAME }),
        None => Ok(()),
    }
}

/// Whether an endpoint may have this path. One spelling for each path: no empty or dotted segment, no escape, no final slash.
pub(crate) fn check_path(path: &str) -> Result<(), NameFault> {
    let Some(rest) = path.strip_prefix('/') else { return Err(NameFault::NoPath) };
    let unreserved = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    let segment = |s: &str| !s.is_empty() && !matches!(s, "." | "..") && s.chars().all(unreserved);
    if !rest.split('/').all(segment) {
        return Err(NameFault::PathForm);
    }
    let under =
        |reserved: &&&str| path.strip_prefix(**reserved).is_some_and(|tail| tail.is_empty() || tail.starts_with('/'));
    RESERVED_PATHS.iter().find(under).map_or(Ok(()), |reserved| Err(NameFault::Reserved { reserved }))
}

/// `name` in the form that a server's name must have; `server` when nothing of it can stay.
pub(crate) fn fit_server(name: &str) -> String {
    let mut fitted = String::new();
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let repeated = matches!(c, '-' | '_') && fitted.ends_with(['-', '_']);
        if !repeated && fitted.len() < MAX_SERVER_NAME {
            fitted.push(c);
        }
    }
    let fitted = fitted.trim_matches(['-', '_']);
    if fitted.is_empty() { "server".to_owned() } else { fitted.to_owned() }
}

/// The known name nearest to `name`, when it is near enough to be what was meant.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let distance = |known: &str| strsim::osa_distance(&name.to_lowercase(), &known.to_lowercase());
    let near_enough = |(distance, known): &(usize, &str)| *distance <= (known.chars().count() / 3).clamp(1, 3);
    let nearest = known
        .into_iter()
        .map(|known| (distance(known), known))
        .filter(near_enough)
        .min_by_key(|(distance, _)| *distance);
    nearest.map(|(_, known)| known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_name_leaves_the_separator_unambiguous() {
        assert_eq!(check_server("web_search-2"), Ok(()));
        assert_eq!(check_server(&"a".repeat(MAX_SERVER_NAME)), Ok(()));
        assert_eq!(check_server(&"a".repeat(MAX_SERVER_NAME + 1)), Err(NameFault::TooLong { limit: MAX_SERVER_NAME }));
        assert_eq!(check_server("a__b"), Err(NameFault::Separator));
        assert_eq!(check_server("a_"), Err(NameFault::Separator));
        assert_eq!(check_server(""), Err(NameFault::Empty));
        assert_eq!(check_server("a b"), Err(NameFault::ServerCharacter { found: ' ' }));
    }

    #[test]
    fn a_path_has_one_spelling_and_is_not_reserved() {
        for good in ["/mcp", "/research/mcp", "/a.b~c", "/healthzy"] {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        for bad in ["/", "/mcp/", "//mcp", "/a/../b", "/a?b", "/a%2fb", "/ü"] {
            assert_eq!(check_path(bad), Err(NameFault::PathForm), "{bad}");
        }
        assert_eq!(check_path("mcp"), Err(NameFault::NoPath));
        assert_eq!(check_path("/.well-known/x"), Err(NameFault::Reserved { reserved: "/.well-known" }));
    }

    #[test]
    fn a_fitted_name_is_always_allowed() {
        for name in ["Brave Search", "@scope/server", "a__b", "__", "", "ü", &"x ".repeat(90)] {
            assert_eq!(check_server(&fit_server(name)), Ok(()), "{name}");
        }
        assert_eq!(fit_server("@scope/my__server"), "scope-my_server");
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let known = ["timeout", "totalTimeout", "url"];
        assert_eq!(nearest("timeut", known), Some("timeout".to_owned()));
        assert_eq!(nearest("total_timeout", known), Some("totalTimeout".to_owned()));
        assert_eq!(nearest("URL", known), Some("url".to_owned()));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("version", ["sessions"]), None);
    }
}
