//! What a cell stands on: a gateway of its own, the server that the scenario is about, and perhaps another beside it.

use serde_json::json;

use super::{Cell, Servers, client::Peer};
use crate::kit::{Catalog, Era, Gateway, Upstream, Wire, config, tool};

/// The tools of the server, on pages of two.
pub(super) const TOOLS: [&str; 5] = ["echo", "b", "c", "d", "e"];

/// The stage of a scenario.
pub(super) struct Ground {
    pub(super) cell: Cell,
    pub(super) server: Upstream,
    pub(super) other: Option<Upstream>,
    pub(super) gateway: Gateway,
}

impl Ground {
    pub(super) async fn new(cell: Cell) -> Self {
        let own = Catalog { tools: TOOLS.map(tool).to_vec(), page: 2, ..Catalog::default() };
        Self::with(cell, own, "principal").await
    }

    /// The server has the tasks of its era, and a tool that runs as one only.
    pub(super) async fn of_tasks(cell: Cell) -> Self {
        let slow = r#"{"name":"slow","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}"#;
        let capabilities = match cell.server {
            Era::Legacy => r#","tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}"#,
            Era::Modern => r#","extensions":{"io.modelcontextprotocol/tasks":{}}"#,
        };
        Self::with(cell, Catalog { tools: vec![slow.to_owned()], capabilities, ..Catalog::default() }, "principal")
            .await
    }

    /// Sessions and children of the server belong to nobody in particular.
    pub(super) async fn shared(cell: Cell) -> Self {
        let own = Catalog { tools: TOOLS.map(tool).to_vec(), ..Catalog::default() };
        Self::with(cell, own, "shared").await
    }

    async fn with(cell: Cell, own: Catalog, isolation: &str) -> Self {
        let server = Upstream::offering(cell.server, cell.wire, own).await;
        let other = match cell.servers {
            Servers::One => None,
            Servers::Two => Some(Upstream::offering(other_era(cell.server), Wire::Http, others()).await),
        };
        let mut servers = vec![("up", &server)];
        servers.extend(other.as_ref().map(|other| ("other", other)));
        let mut settings = config(&servers);
        settings["endpoints"] = json!({ "/mcp": { "servers": ["*"], "names": "auto" } });
        settings["defaults"] = json!({ "pool": { "isolation": isolation } });
        settings["http"] = json!({ "maxBody": "8MiB" });
        let gateway = Gateway::start(settings).await;
        Self { cell, server, other, gateway }
    }

    /// What the client calls a tool or prompt of the server.
    pub(super) fn name(&self, own: &str) -> String {
        match self.cell.servers {
            Servers::One => own.to_owned(),
            Servers::Two => format!("up__{own}"),
        }
    }

    /// A client with these capabilities.
    pub(super) async fn client(&self, capabilities: &str) -> Peer {
        Peer::open(&self.gateway, self.cell.client, capabilities).await
    }

    /// The other server saw nothing of this method.
    pub(super) fn is_between_two(&self, method: &str) {
        if let Some(other) = &self.other {
            assert_eq!(other.count(method), 0, "{method} belongs to one server and reached the other");
        }
    }
}

fn other_era(era: Era) -> Era {
    match era {
        Era::Legacy => Era::Modern,
        Era::Modern => Era::Legacy,
    }
}

fn others() -> Catalog {
    Catalog {
        tools: vec![tool("echo"), tool("z")],
        prompts: Vec::new(),
        resources: vec![r#"{"uri":"it://other","name":"other"}"#.to_owned()],
        ..Catalog::default()
    }
}
