//! Whether the gateway takes calls, and what is wrong although it does.

use std::path::PathBuf;

use serde::Serialize;

/// Whoever knows how the gateway is.
pub trait Status: Send + Sync + 'static {
    /// How it is now.
    fn ready(&self) -> Readiness;
}

/// How the gateway is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// What it is doing.
    pub phase: Phase,
    /// What does not work; the rest does, so that this alone takes no replica out of service.
    pub problems: Vec<Problem>,
}

/// What the gateway is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It is not yet listening for clients.
    Starting,
    /// It takes calls.
    Serving,
    /// It finishes the calls it has and takes no new ones.
    Draining,
}

/// What does not work of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Of what.
    #[serde(flatten)]
    pub part: Part,
    /// What is wrong, in a few words without secrets.
    pub problem: String,
}

/// A part of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// A server, by the operator's name for it.
    Server(String),
    /// The audit log, by its file.
    Audit(PathBuf),
    /// What limits are counted in.
    Limits(&'static str),
    /// What is found: a Service of a cluster, `NAMESPACE/NAME`, or all of them.
    Discovery(String),
}
