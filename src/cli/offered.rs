//! What the endpoints of a gateway that just started offer, as a client sees it: told to a person when the servers are up.

use std::io::Write;

use myelin::{mcp::LogInterest, route::Exposed};

use super::{
    failure::Failure,
    reach::{Reach, caller, url_option},
    signature::Signature,
    terminal::{BOLD, DIM, GOOD, count, plain_line},
};

/// Which call a person is shown, to try.
#[derive(Clone, Copy, Debug)]
pub(super) enum Example {
    /// This one.
    Known(&'static str),
    /// The first tool's, with its required arguments left to fill in.
    FirstTool,
}

/// Asks each endpoint for its tools and tells how many there are, and how one is called.
pub(super) async fn tell(endpoints: Vec<String>, example: Example) {
    for endpoint in endpoints {
        // Why an endpoint has nothing to offer stands in the log; that nobody reads stdout any more is not this one's to tell.
        let Ok(tools) = ask(&endpoint).await else { continue };
        let _ = anstream::stdout().write_all(text(&endpoint, &tools, example).as_bytes());
    }
}

async fn ask(endpoint: &str) -> Result<Vec<Exposed>, Failure> {
    let reach = Reach::of_endpoint_of_ours(endpoint)?;
    let listing = reach.tools(&caller(LogInterest::Off)).await;
    reach.close().await;
    match listing.missing.into_iter().next() {
        Some((server, fault)) => Err(reach.failure(&server, fault)),
        None => Ok(listing.index.entries().to_vec()),
    }
}

fn text(endpoint: &str, tools: &[Exposed], example: Example) -> String {
    let head = format!("{GOOD}{endpoint}{GOOD:#} offers {}{}\n", count(tools.len(), "tool"), by_server(tools));
    let call = match example {
        Example::Known(call) => (!tools.is_empty()).then(|| call.to_owned()),
        Example::FirstTool => tools.first().map(call),
    };
    let example =
        call.map(|call| format!("  {DIM}try:{DIM:#} {BOLD}myelin call {call}{}{BOLD:#}\n\n", url_option(endpoint)));
    head + &example.unwrap_or_default()
}

/// `: search 2, vectors 3`, where names tell their servers.
fn by_server(tools: &[Exposed]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for tool in tools {
        let Some((server, _)) = tool.name.split_once("__") else { return String::new() };
        match counts.last_mut() {
            Some((last, count)) if *last == server => *count += 1,
            _ => counts.push((server, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(server, count)| format!("{} {count}", plain_line(server))).collect();
    if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) }
}

fn call(tool: &Exposed) -> String {
    let required =
        Signature::read(tool.raw.as_str()).required().into_iter().map(|name| format!(" {}=…", plain_line(&name)));
    format!("{}{}", plain_line(&tool.name), required.collect::<String>())
}

#[cfg(test)]
mod tests {
    use myelin::{
        jsonrpc::Raw,
        mcp::{Mirror, TaskSupport},
    };

    use super::*;

    fn tool(name: &str) -> Exposed {
        let raw = Raw::literal(r#"{"inputSchema":{"properties":{"query":{},"limit":{}},"required":["query"]}}"#);
        Exposed {
            part: 0,
            own: name.into(),
            name: name.into(),
            raw,
            mirror: Mirror::default(),
            support: TaskSupport::default(),
        }
    }

    fn told(names: &[&str]) -> String {
        let tools: Vec<Exposed> = names.iter().map(|name| tool(name)).collect();
        anstream::adapter::strip_str(&text("http://127.0.0.1:8808/mcp", &tools, Example::FirstTool)).to_string()
    }

    #[test]
    fn counts_by_server_and_shows_how_to_call_the_first() {
        let expected = "http://127.0.0.1:8808/mcp offers 3 tools: a 2, b 1\n  try: myelin call a__x query=…\n\n";
        assert_eq!(told(&["a__x", "a__y", "b__x"]), expected);
        assert!(told(&["x"]).starts_with("http://127.0.0.1:8808/mcp offers 1 tool\n"));
        assert_eq!(told(&[]), "http://127.0.0.1:8808/mcp offers 0 tools\n");
    }
}
