//! What an operator may say about one endpoint: the validated form that `config` builds and the router obeys.

/// One endpoint: a path and the servers behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSettings {
    /// The path, `/mcp` for example; unique, never one of the reserved ones.
    pub path: String,
    /// The names of the servers behind it, in the order in which their lists are joined.
    pub servers: Vec<String>,
    /// How tool and prompt names are made.
    pub names: Names,
}

/// How an endpoint names what its servers offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Names {
    /// `server__tool` when the endpoint has more than one server, the bare name otherwise.
    Auto,
    /// Always `server__tool`.
    Prefixed,
    /// The server's own names; the first server in order wins a collision, and the loser is reported.
    Bare,
}
