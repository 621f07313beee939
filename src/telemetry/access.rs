//! One line in the log for each call.
//!
//! It is written under the target `myelin::access`, so that a filter such as `info,myelin::access=off` switches it off; then it costs a
//! comparison. It names the call and never its content: no arguments, results, headers or tokens.

use std::{io::Write, net::IpAddr, sync::OnceLock, time::Duration};

use super::lines::{Lines, write_time};
use crate::{clock, jsonrpc::quote};

/// The target of the lines.
pub const TARGET: &str = "myelin::access";

/// What there is to say about a call that ended.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// The JSON-RPC method.
    pub method: &'a str,
    /// The trace that it was part of.
    pub trace_id: Option<&'a str>,
    /// The tool, prompt or resource.
    pub target: Option<&'a str>,
    /// The server that was asked.
    pub server: Option<&'a str>,
    /// Whose call it was.
    pub principal: &'a str,
    /// Where the client is.
    pub address: Option<IpAddr>,
    /// `modern` or `legacy`.
    pub era: &'static str,
    /// What the policy said of it.
    pub decision: Option<&'static str>,
    /// The rule that said so.
    pub rule: Option<&'a str>,
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
        match LINES.get() {
            Some(lines) => lines.add(|out| self.write_json(out)),
            None => self.trace(),
        }
    }

    fn trace(&self) {
        tracing::info!(
            target: TARGET,
            method = self.method,
            tool = self.target,
            server = self.server,
            principal = self.principal,
            address = self.address.map(tracing::field::display),
            era = self.era,
            decision = self.decision,
            rule = self.rule,
            outcome = self.outcome,
            trace_id = self.trace_id,
            status = self.status,
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            gateway_us = micros(self.gateway),
            upstream_us = micros(self.upstream),
            "call"
        );
    }

    /// The same members in the same order as the general log writes them.
    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"timestamp\":\"");
        write_time(out, clock::unix_time());
        out.extend_from_slice(b"\",\"level\":\"INFO\",\"message\":\"call\"");
        let words = [
            (",\"method\":", Some(self.method)),
            (",\"tool\":", self.target),
            (",\"server\":", self.server),
            (",\"principal\":", Some(self.principal)),
            (",\"era\":", Some(self.era)),
            (",\"decision\":", self.decision),
            (",\"rule\":", self.rule),
            (",\"outcome\":", Some(self.outcome)),
            (",\"trace_id\":", self.trace_id),
        ];
        for (name, word) in words {
            let Some(word) = word else { continue };
            out.extend_from_slice(name.as_bytes());
            quote(out, word);
        }
        if let Some(address) = self.address {
            out.extend_from_slice(b",\"address\":\"");
            write_address(out, address);
            out.push(b'"');
        }
        let numbers = [
            (",\"status\":", self.status.into()),
            (",\"bytes_in\":", self.bytes_in),
            (",\"bytes_out\":", self.bytes_out),
            (",\"gateway_us\":", micros(self.gateway)),
            (",\"upstream_us\":", micros(self.upstream)),
        ];
        for (name, number) in numbers {
            out.extend_from_slice(name.as_bytes());
            // Writing to a Vec does not fail.
            let _ = serde_json::to_writer(&mut *out, &number);
        }
        out.extend_from_slice(b",\"target\":\"myelin::access\"}");
    }
}

/// Number by number: with `write!` this takes longer than the rest of the line.
fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        // Writing to a Vec does not fail.
        let _ = write!(out, "{address}");
        return;
    };
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        for unit in [100, 10, 1].into_iter().skip_while(|unit| *unit > octet.max(1)) {
            out.push(b'0' + octet / unit % 10);
        }
    }
}

/// Set where the log is for machines.
static LINES: OnceLock<Lines> = OnceLock::new();

/// From now on lines are for machines, and written together.
pub(super) fn gather() {
    if let Some(lines) = Lines::start() {
        // The log is set up once.
        let _ = LINES.set(lines);
    }
}

/// Writes what waits; to be called at the end of the process.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush();
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_is_written_as_everywhere_else(four: [u8; 4], six: u128) {
            for address in [IpAddr::from(four), IpAddr::from(six.to_be_bytes())] {
                let mut out = Vec::new();
                write_address(&mut out, address);
                prop_assert_eq!(String::from_utf8(out).unwrap(), address.to_string());
            }
        }
    }
}
