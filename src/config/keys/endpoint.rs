//! `endpoints`: the paths that clients connect to.

use crate::{
    config::{
        shape::section,
        shapes::{Choice, Glob, List},
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
    }
}
