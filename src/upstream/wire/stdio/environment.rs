//! The environment of a child: a short list from the gateway's own, and what the operator configured.
//!
//! The gateway's other variables stay here; among them are keys and tokens that no upstream may see.

use std::{collections::BTreeMap, ffi::OsString};

use crate::{guard::sandbox::Sandbox, redact::Redacted};

/// Where temporary files are.
const TEMPORARY: &str = "TMPDIR";

/// What programs need to find themselves, their user, their language, the network's proxies and its authorities.
const INHERITED: [&str; 18] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TZ",
    TEMPORARY,
    "TERM",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    // Most programs read proxies in lower case as well, some only so (curl: http_proxy).
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "NODE_EXTRA_CA_CERTS",
];

const INHERITED_PREFIXES: [&str; 2] = ["LC_", "XDG_"];

/// Which of the gateway's own variables a child gets.
#[derive(Clone, Copy)]
pub(super) enum Inherited<'a> {
    /// The usual short list.
    Usual,
    /// Those that the sandbox lists.
    Listed(&'a Sandbox),
}

impl<'a> Inherited<'a> {
    /// In a sandbox there is nothing but what is listed.
    pub(super) fn by(sandbox: Option<&'a Sandbox>) -> Self {
        sandbox.map_or(Self::Usual, Self::Listed)
    }

    fn has(self, name: &str) -> bool {
        match self {
            Self::Usual => is_inherited(name),
            // The guard makes the folder for temporary files where the gateway has its own, and tells the child of that folder alone.
            Self::Listed(sandbox) if name == TEMPORARY => sandbox.files.is_some() || lists(sandbox, name),
            Self::Listed(sandbox) => lists(sandbox, name),
        }
    }
}

/// The variables of a child: those inherited from `own`, overridden by `configured`.
pub(super) fn environment(
    own: impl Iterator<Item = (OsString, OsString)>,
    inherited: Inherited<'_>,
    configured: &BTreeMap<String, Redacted<String>>,
) -> BTreeMap<OsString, OsString> {
    let configured = configured.iter().map(|(name, value)| (name.into(), value.expose().into()));
    own.filter(|(name, _)| name.to_str().is_some_and(|name| inherited.has(name))).chain(configured).collect()
}

fn lists(sandbox: &Sandbox, name: &str) -> bool {
    sandbox.inherit.iter().any(|listed| listed == name)
}

fn is_inherited(name: &str) -> bool {
    INHERITED.contains(&name) || INHERITED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::sandbox::FileRules;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn secrets_of_the_gateway_stay_and_configured_variables_win() {
        let own = [
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("XDG_CACHE_HOME", "/c"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("LANG", "de"),
            ("TMPDIR", "/t"),
        ];
        let configured =
            BTreeMap::from([("LANG".to_owned(), Redacted::from("en")), ("API_KEY".to_owned(), Redacted::from("k"))]);
        let expected = [
            ("API_KEY", "k"),
            ("LANG", "en"),
            ("LC_ALL", "C"),
            ("PATH", "/bin"),
            ("TMPDIR", "/t"),
            ("XDG_CACHE_HOME", "/c"),
        ];
        let environment = |inherited| environment(variables(&own).into_iter(), inherited, &configured);
        assert_eq!(environment(Inherited::Usual), variables(&expected));
        let sandbox = Sandbox { inherit: vec!["PATH".to_owned()], ..Sandbox::default() };
        let expected = [("API_KEY", "k"), ("LANG", "en"), ("PATH", "/bin")];
        assert_eq!(environment(Inherited::Listed(&sandbox)), variables(&expected));
        let sandbox = Sandbox { files: Some(FileRules::default()), ..sandbox.clone() };
        let expected = [("API_KEY", "k"), ("LANG", "en"), ("PATH", "/bin"), ("TMPDIR", "/t")];
        assert_eq!(environment(Inherited::Listed(&sandbox)), variables(&expected));
    }
}
