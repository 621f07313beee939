//! Whether the gateway takes calls, and what is wrong although it does.

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

/// A server that does not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The operator's name for it.
    pub server: String,
    /// What is wrong, in a few words without secrets.
    pub problem: String,
}
