//! `endpoints`: the paths that clients connect to.

use crate::{
    config::{
        shape::section,
        shapes::{Choice, Glob, List, Text, WayWord},
    },
    route::settings::Names,
};

section! {
    /// One endpoint.
    EndpointKeys {
        /// Names of servers, patterns over them, or `*` for all; the order is the order of the joined lists.
        servers "servers": List<Glob>,
        /// How tools are named: `prefixed` with `server__`, `bare`, or `auto`: prefixed when there is more than one server.
        names "names": Choice<Names> = Names::Auto,
        /// By what somebody may be known here: `apiKeys`, `issuers` or the identifier of one, `introspection`, `kubernetes`,
        /// `certificates`, `anonymous`. By everything that `auth` says when absent.
        auth "auth": List<WayWord>,
        /// Scopes that a token of an issuer must carry here, besides `auth.scopes`.
        scopes "scopes": List<Text>,
    }
}
