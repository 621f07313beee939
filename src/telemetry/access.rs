//! One line in the log for each call.
//!
//! It is written under the target `myelin::access`, so that a filter such as `info,myelin::access=off` switches it off; then it costs a
//! comparison. It names the call and never its content: no arguments, results, headers or tokens.

use std::time::Duration;

/// The target of the lines.
pub const TARGET: &str = "myelin::access";

/// What there is to say about a call that ended.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// The JSON-RPC method.
    pub method: &'a str,
    /// The tool, prompt or resource.
    pub target: Option<&'a str>,
    /// The server that was asked.
    pub server: Option<&'a str>,
    /// Whose call it was.
    pub principal: &'a str,
    /// `modern` or `legacy`.
    pub era: &'static str,
    /// How it ended, in the words of the metrics.
    pub outcome: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// What the gateway itself took.
    pub gateway: Duration,
    /// What the server took.
    pub upstream: Duration,
}

impl Access<'_> {
    /// Whether somebody reads the lines: ask before gathering what goes into one.
    pub fn is_wanted() -> bool {
        tracing::enabled!(target: TARGET, tracing::Level::INFO)
    }

    /// Writes the line.
    pub fn write(&self) {
        tracing::info!(
            target: TARGET,
            method = self.method,
            tool = self.target,
            server = self.server,
            principal = self.principal,
            era = self.era,
            outcome = self.outcome,
            status = self.status,
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            gateway_us = micros(self.gateway),
            upstream_us = micros(self.upstream),
            "call"
        );
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
