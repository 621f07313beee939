//! Every feature over every way through the gateway: the client's era, the server's era, the wire to the server, one server or several.
//!
//! A feature is one scenario, written once for all cells. Where the eras have different shapes for the same thing, [`client`] and
//! [`server`] speak the shape of theirs, so that a scenario says what crosses and not how. A scenario answers what it saw: carried, or
//! the refusal word for word. [`table`] says which of both is right, and the documentation prints that table.

mod client;
mod exchanges;
mod foreign;
mod ground;
mod notices;
mod questions;
mod server;
mod table;
mod tasks;

use crate::kit::{Era, Wire};
use ground::Ground;

/// How many servers are behind the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Servers {
    /// Only the one that the scenario is about.
    One,
    /// Another one beside it, of the other era, and names are prefixed.
    Two,
}

/// One way through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    client: Era,
    server: Era,
    wire: Wire,
    servers: Servers,
}

/// What a scenario saw: that the feature was carried, or who was told what instead.
pub(super) type Seen = Result<(), String>;

macro_rules! matrix {
    ($($feature:ident: $scenario:path;)*) => {
        /// The features in the order of the table.
        pub(super) const FEATURES: &[&str] = &[$(stringify!($feature)),*];
        $(mod $feature {
            use super::{Cell, Era::{Legacy, Modern}, Ground, Servers::{One, Two}, Wire::{Http, Stdio}, table};
            matrix! { @cells $scenario, stringify!($feature);
                modern_client_modern_server_over_http: Modern Modern Http One;
                modern_client_modern_server_over_http_among_others: Modern Modern Http Two;
                modern_client_modern_server_over_stdio: Modern Modern Stdio One;
                modern_client_modern_server_over_stdio_among_others: Modern Modern Stdio Two;
                modern_client_legacy_server_over_http: Modern Legacy Http One;
                modern_client_legacy_server_over_http_among_others: Modern Legacy Http Two;
                modern_client_legacy_server_over_stdio: Modern Legacy Stdio One;
                modern_client_legacy_server_over_stdio_among_others: Modern Legacy Stdio Two;
                legacy_client_modern_server_over_http: Legacy Modern Http One;
                legacy_client_modern_server_over_http_among_others: Legacy Modern Http Two;
                legacy_client_modern_server_over_stdio: Legacy Modern Stdio One;
                legacy_client_modern_server_over_stdio_among_others: Legacy Modern Stdio Two;
                legacy_client_legacy_server_over_http: Legacy Legacy Http One;
                legacy_client_legacy_server_over_http_among_others: Legacy Legacy Http Two;
                legacy_client_legacy_server_over_stdio: Legacy Legacy Stdio One;
                legacy_client_legacy_server_over_stdio_among_others: Legacy Legacy Stdio Two;
            }
        })*
    };
    (@cells $scenario:path, $feature:expr; $($name:ident: $client:ident $server:ident $wire:ident $servers:ident;)*) => {
        $(#[tokio::test]
        async fn $name() {
            let cell = Cell { client: $client, server: $server, wire: $wire, servers: $servers };
            let seen = $scenario(&Ground::new(cell).await).await;
            assert_eq!(seen, table::right($feature, cell), "seen, and what the table says");
        })*
    };
}

matrix! {
    call: super::exchanges::call;
    paging: super::exchanges::paging;
    errors: super::exchanges::errors;
    huge_payload: super::exchanges::huge_payload;
    progress: super::notices::progress;
    log: super::notices::log;
    cancel: super::notices::cancel;
    listen: super::notices::listen;
    list_changed: super::notices::list_changed;
    elicitation_form: super::questions::elicitation_form;
    elicitation_url: super::questions::elicitation_url;
    sampling: super::questions::sampling;
    sampling_with_tools: super::questions::sampling_with_tools;
    roots: super::questions::roots;
    multi_round: super::questions::multi_round;
    task: super::tasks::tasks;
    undeclared_question: super::questions::undeclared;
    missing_capability: super::foreign::missing_capability;
    question_of_no_call: super::foreign::question_of_no_call;
    taking_up_a_stream: super::foreign::taking_up_a_stream;
    other_form_of_tasks: super::tasks::other_form;
    unknown_task: super::tasks::unknown_task;
    unknown_method: super::foreign::unknown_method;
    ping: super::foreign::ping;
    set_level: super::foreign::set_level;
    subscribe_to_a_resource: super::foreign::subscribe;
    listen_request: super::foreign::listen_request;
}
