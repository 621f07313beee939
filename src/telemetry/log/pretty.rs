//! A line for people: `12:00:00.123 WARN  upstream    it failed server=files`.

use std::fmt;

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::clock;

/// Wide enough for the names of the top modules; longer ones push their line to the right.
const TARGET_WIDTH: usize = 10;

/// Formats a line.
pub(super) struct Pretty;

impl<S, N> FormatEvent<S, N> for Pretty
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let ansi = out.has_ansi_escapes();
        let paint = |code: &'static str| if ansi { code } else { "" };
        let (dim, bold, reset) = (paint("\x1b[2m"), paint("\x1b[1m"), paint("\x1b[0m"));
        let (level, colour) = level(*event.metadata().level());
        let mut said = Said::default();
        event.record(&mut said);
        write!(out, "{dim}{}{reset} {}{level}{reset} ", time(clock::unix_time().as_millis()), paint(colour))?;
        write!(out, "{dim}{:TARGET_WIDTH$}{reset} ", module(event.metadata().target()))?;
        write!(out, "{bold}{}{reset}", said.message)?;
        for (name, value) in said.fields {
            write!(out, " {dim}{name}={reset}{value}")?;
        }
        out.write_char('\n')
    }
}

fn level(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::ERROR => ("ERROR", "\x1b[31m"),
        Level::WARN => ("WARN ", "\x1b[33m"),
        Level::INFO => ("INFO ", "\x1b[32m"),
        Level::DEBUG => ("DEBUG", "\x1b[34m"),
        Level::TRACE => ("TRACE", "\x1b[35m"),
    }
}

/// The time of day, UTC.
fn time(unix_ms: u128) -> String {
    let (seconds, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{ms:03}", seconds % 60)
}

/// Our own modules by their first name, others in full.
fn module(target: &str) -> &str {
    let ours = target.strip_prefix("myelin::").map(|path| path.split_once("::").map_or(path, |(first, _)| first));
    ours.unwrap_or(target)
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Said {
    fn note(&mut self, field: &Field, text: String) {
        if field.name() == "message" { self.message = text } else { self.fields.push((field.name(), text)) }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note(field, printable(&format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let plain = !value.is_empty() && !value.contains([' ', '"', '=']);
        self.note(field, if plain { printable(value) } else { format!("{value:?}") });
    }
}

/// The text with control characters escaped: a line stays one line, and a terminal is not told what to do.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() { out.extend(char.escape_default()) } else { out.push(char) }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::{Layer, filter::EnvFilter, layer::SubscriberExt};

    use super::*;
    use crate::{redact::Redacted, telemetry::access::Access};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, act: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer =
            tracing_subscriber::fmt::layer().event_format(Pretty).with_ansi(false).with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(EnvFilter::new(filter)));
        tracing::subscriber::with_default(subscriber, act);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    fn access() -> Access<'static> {
        Access {
            method: "tools/call",
            trace_id: None,
            target: Some("files__read"),
            server: Some("files"),
            principal: "anonymous",
            address: None,
            era: "modern",
            decision: None,
            rule: None,
            outcome: "ok",
            status: 200,
            bytes_in: 1,
            bytes_out: 2,
            gateway: std::time::Duration::from_micros(40),
            upstream: std::time::Duration::from_millis(3),
        }
    }

    #[test]
    fn a_line_has_time_level_module_message_and_fields() {
        let line = logged(
            "info",
            || tracing::warn!(target: "myelin::upstream::pool", server = "files", tries = 3, "it failed"),
        );
        assert_eq!(&line[12..], " WARN  upstream   it failed server=files tries=3\n");
    }

    #[test]
    fn text_from_outside_cannot_start_a_line_or_steer_a_terminal() {
        let line = logged("info", || tracing::info!(name = "a\nINFO forged\x1b[2J", other = %"b\r\nx", "message"));
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains('\x1b'), "{line}");
    }

    #[test]
    fn a_secret_in_a_field_is_not_shown() {
        let line = logged("info", || tracing::info!(token = ?Redacted::from("hunter2"), "message"));
        assert!(line.ends_with("message token=[redacted]\n"), "{line}");
    }

    #[test]
    fn a_call_is_one_line_with_its_fields() {
        let line = logged("info", || access().write());
        let said =
            "call method=tools/call tool=files__read server=files principal=anonymous era=modern outcome=ok status=200";
        assert!(line.contains(said), "{line}");
        assert!(line.ends_with("bytes_in=1 bytes_out=2 gateway_us=40 upstream_us=3000\n"), "{line}");
    }

    #[test]
    fn access_lines_can_be_switched_off_alone() {
        let log = logged("info,myelin::access=off", || {
            assert!(!Access::is_wanted());
            access().write();
            tracing::info!("other");
        });
        assert!(log.ends_with("other\n") && log.lines().count() == 1, "{log}");
    }

    #[test]
    fn the_time_of_day_is_utc() {
        assert_eq!(time(1_700_000_000_007), "22:13:20.007");
    }
}
