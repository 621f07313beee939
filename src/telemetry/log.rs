//! The log: lines for people, or one JSON object a line for machines, on standard error.
//!
//! Standard output belongs to whoever speaks MCP over it. A line names events and sizes, never content: what is secret is
//! [`Redacted`](crate::redact::Redacted) and does not print. Control characters from outside are escaped, so that no client can write
//! lines of its own.

mod pretty;

use std::{io, str::FromStr};

use tracing_subscriber::{EnvFilter, filter::ParseError, layer::SubscriberExt, util::SubscriberInitExt};

use self::pretty::Pretty;
use super::access;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people at a terminal.
    Coloured,
    /// For people who read a file.
    Plain,
    /// For machines.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter makes no sense.
    #[error("the log filter is malformed")]
    Filter(#[from] ParseError),
    /// The process already has a log.
    #[error("the log is already set up")]
    Taken,
}

/// Starts the process's log.
///
/// # Errors
/// [`LogError::Filter`] for a filter that cannot be parsed, [`LogError::Taken`] at the second call.
pub fn init(form: Form, filter: &str) -> Result<(), LogError> {
    let filter = EnvFilter::from_str(filter)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let done = match form {
        Form::Coloured => registry.with(lines.with_ansi(true).event_format(Pretty)).try_init(),
        Form::Plain => registry.with(lines.with_ansi(false).event_format(Pretty)).try_init(),
        Form::Json => {
            registry.with(lines.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
        }
    };
    done.map_err(|_| LogError::Taken)?;
    if form == Form::Json {
        access::gather();
    }
    Ok(())
}
