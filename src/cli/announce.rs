//! What `myelin run` says when it is ready: to a person, what to do next; to a program, one line of JSON.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use myelin::app::Ready;
use serde_json::json;
use tracing::{instrument::WithSubscriber, subscriber::NoSubscriber};

use super::{
    offered::{self, Example},
    reach::url_option,
    terminal::{BOLD, DIM, GOOD, count, is_read_by_a_person},
};

/// Says it on stdout; a person hears as well what the endpoints offer, as soon as their servers are up.
pub(super) fn announce(ready: &Ready, example: Example) {
    let is_person = is_read_by_a_person();
    let said = if is_person {
        anstream::stdout().write_all(for_people(ready).as_bytes())
    } else {
        writeln!(io::stdout(), "{}", for_programs(ready))
    };
    // The gateway serves all the same when nobody reads what it says.
    let _ = said.and_then(|()| io::stdout().flush());
    if let (true, Ok(runtime)) = (is_person, tokio::runtime::Handle::try_current()) {
        // The gateway's own log tells of the servers; this client's would tell the same once more.
        runtime.spawn(offered::tell(ready.endpoints.clone(), example).with_subscriber(NoSubscriber::default()));
    }
}

fn for_programs(ready: &Ready) -> serde_json::Value {
    json!({ "ready": true, "endpoints": ready.endpoints, "admin": ready.admin })
}

fn for_people(ready: &Ready) -> String {
    let mut text = format!("\n{GOOD}Myelin {} is ready.{GOOD:#}\n\n", env!("CARGO_PKG_VERSION"));
    // Writing to a string does not fail.
    for endpoint in &ready.endpoints {
        let _ = writeln!(text, "  {BOLD}{endpoint}{BOLD:#}");
    }
    let _ = writeln!(text, "  {DIM}{}: {}{DIM:#}", count(ready.servers.len(), "server"), ready.servers.join(", "));
    if let Some(admin) = &ready.admin {
        let _ = writeln!(text, "  {DIM}health and metrics: {admin}{DIM:#}");
    }
    if let Some(endpoint) = ready.endpoints.first() {
        let snippet = json!({ "mcpServers": { "myelin": { "type": "http", "url": endpoint } } });
        let _ = write!(
            text,
            "\nGive it to an MCP client, in .mcp.json for example:\n\n  {BOLD}{snippet}{BOLD:#}\n\n\
             See what it offers:\n\n  {BOLD}myelin tools{}{BOLD:#}\n\n{DIM}Ctrl-C stops it.{DIM:#}\n\n",
            url_option(endpoint)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Ready {
        Ready {
            endpoints: vec!["http://127.0.0.1:9000/mcp".to_owned()],
            admin: None,
            servers: vec!["search".to_owned(), "vectors".to_owned()],
        }
    }

    #[test]
    fn a_program_gets_the_addresses() {
        let line = for_programs(&ready()).to_string();
        assert_eq!(line, r#"{"ready":true,"endpoints":["http://127.0.0.1:9000/mcp"],"admin":null}"#);
    }

    #[test]
    fn a_person_gets_what_to_paste_and_what_to_try() {
        let text = for_people(&ready());
        assert!(text.contains(r#"{"mcpServers":{"myelin":{"type":"http","url":"http://127.0.0.1:9000/mcp"}}}"#));
        assert!(text.contains("myelin tools --url http://127.0.0.1:9000/mcp"));
        assert!(text.contains("2 servers: search, vectors"));
    }
}
