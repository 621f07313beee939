//! The official Rust SDK (rmcp) on both sides: as a client in each of its lifecycles, and as a server behind the stdio wire.

use std::borrow::Cow;

use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientConfig, ContentBlock,
        ElicitRequestParams, ElicitResult, ElicitationAction, Implementation, JsonObject, ListToolsResult,
        PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::{RequestContext, RunningService},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::kit::{Era, Gateway, Legacy, Modern, NEWEST_LEGACY, Upstream, Wire, config, names, soon};

/// A client whose person answers every form alike.
#[derive(Clone)]
struct Person;

impl ClientHandler for Person {
    async fn create_elicitation(
        &self,
        _request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "name": "Ada" })))
    }

    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::builder().enable_elicitation().build(), Implementation::new("it", "1"))
    }
}

fn lifecycles() -> [ClientLifecycleMode; 3] {
    let modern = vec![ProtocolVersion::V_2026_07_28];
    [
        ClientLifecycleMode::Initialize,
        ClientLifecycleMode::Discover { preferred_versions: modern.clone() },
        ClientLifecycleMode::Auto { preferred_versions: modern, legacy_version: None },
    ]
}

async fn connect(gateway: &Gateway, lifecycle: ClientLifecycleMode) -> RunningService<RoleClient, Person> {
    // The SDK's HTTP client takes the process' provider; a second call finds the first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let url = format!("http://{}/mcp", gateway.address);
    let transport = StreamableHttpClientTransport::from_config(StreamableHttpClientTransportConfig::with_uri(url));
    soon("the client connects", Person.serve_with_lifecycle(transport, lifecycle)).await.unwrap()
}

fn arguments(arguments: Value) -> JsonObject {
    serde_json::from_value(arguments).unwrap()
}

#[tokio::test]
async fn its_client_uses_the_demo_servers_in_every_lifecycle() {
    let mut settings = config(&[]);
    for name in ["search", "vectors", "documents"] {
        settings["mcpServers"][name] = json!({ "command": env!("CARGO_BIN_EXE_myelin"), "args": ["demo", name] });
    }
    settings["endpoints"]["/mcp"]["names"] = json!("prefixed");
    let gateway = Gateway::start(settings).await;
    for lifecycle in lifecycles() {
        let client = connect(&gateway, lifecycle).await;
        let tools = client.list_all_tools().await.unwrap();
        for tool in ["search__web_search", "vectors__upsert_vector", "documents__read_pages"] {
            assert!(tools.iter().any(|offered| offered.name == tool), "{tool}");
        }
        let listed = client.call_tool(CallToolRequestParams::new("documents__list_documents")).await.unwrap();
        assert_ne!(listed.is_error, Some(true));
        let resources = client.list_all_resources().await.unwrap();
        let uri = resources.first().unwrap().uri.clone();
        let read = client.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap();
        assert!(!read.contents.is_empty());
        assert!(!client.list_all_prompts().await.unwrap().is_empty());
        let unknown = client.call_tool(CallToolRequestParams::new("nobody__nothing")).await;
        assert!(unknown.is_err());
        client.cancel().await.unwrap();
    }
    gateway.stop().await;
}

#[tokio::test]
async fn its_client_is_asked_by_servers_of_both_eras() {
    for (era, wire) in [(Era::Legacy, Wire::Stdio), (Era::Legacy, Wire::Http), (Era::Modern, Wire::Http)] {
        let upstream = Upstream::new(era, wire).await;
        let gateway = Gateway::over(&upstream).await;
        for lifecycle in lifecycles() {
            let client = connect(&gateway, lifecycle).await;
            let calling =
                client.call_tool(CallToolRequestParams::new("echo").with_arguments(arguments(json!({ "n": 1 }))));
            let answering = ask_for_a_name(&upstream, era);
            let (result, name) = tokio::join!(soon("the result", calling), answering);
            assert_eq!(name, "Ada");
            assert_eq!(text(&result.unwrap()), "thanks");
            client.cancel().await.unwrap();
        }
    }
}

/// A server of that era asks who calls, then answers.
async fn ask_for_a_name(upstream: &Upstream, era: Era) -> Value {
    const FORM: &str =
        r#"{"message":"Name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}"#;
    let mut arrived = upstream.take("tools/call").await;
    let answer = if era == Era::Legacy {
        arrived.ask(&json!("q"), "elicitation/create", FORM).await;
        upstream.answer(&json!("q")).await.json["result"].clone()
    } else {
        let requests = format!(r#"{{"who":{{"method":"elicitation/create","params":{FORM}}}}}"#);
        let needs = format!(r#"{{"resultType":"input_required","inputRequests":{requests},"requestState":"s"}}"#);
        arrived.result(&needs).await;
        arrived = upstream.take("tools/call").await;
        arrived.params()["inputResponses"]["who"].clone()
    };
    arrived.text_result("thanks").await;
    answer["content"]["name"].clone()
}

fn text(result: &CallToolResult) -> String {
    let content = serde_json::to_value(&result.content).unwrap();
    content[0]["text"].as_str().unwrap_or_default().to_owned()
}

/// A server of the SDK with one tool, which says again what it was told.
#[derive(Clone)]
struct Echo(&'static [ProtocolVersion]);

impl ServerHandler for Echo {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(self.0)
    }

    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("echo", "1"))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = arguments(json!({ "type": "object" }));
        Ok(ListToolsResult::with_all_items(vec![Tool::new("echo", "Says it again", schema)]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let said = serde_json::to_string(&request.arguments).unwrap();
        Ok(CallToolResult::success(vec![ContentBlock::text(said)]).into())
    }
}

/// Serves it over the stdio of whatever child connects; answers with the child's entry.
async fn as_child(server: Echo) -> Value {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                if let Ok(running) = server.serve(stream.into_split()).await {
                    let _ = running.waiting().await;
                }
            });
        }
    });
    json!({
        "command": "python3",
        "args": [concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers/relay.py")],
        "env": { "RELAY_PORT": port.to_string() },
    })
}

#[tokio::test]
async fn its_server_is_a_child_for_clients_of_both_eras() {
    const LEGACY: &[ProtocolVersion] = &[ProtocolVersion::V_2025_11_25];
    const BOTH: &[ProtocolVersion] = &[ProtocolVersion::V_2026_07_28, ProtocolVersion::V_2025_11_25];
    for versions in [LEGACY, BOTH] {
        let mut settings = config(&[]);
        settings["mcpServers"]["sdk"] = as_child(Echo(versions)).await;
        let gateway = Gateway::start(settings).await;
        let (modern, legacy) = (Modern::of(&gateway), Legacy::open_with(&gateway, NEWEST_LEGACY, "{}").await);
        for listed in [modern.send(1, "tools/list", "").await, legacy.send(1, "tools/list", "").await] {
            assert_eq!(names(&listed.response().await, "tools"), ["echo"]);
        }
        for called in [modern.call(2, "echo", r#"{"a":1}"#).await, legacy.call(2, "echo", r#"{"a":1}"#).await] {
            let response = called.response().await;
            assert_eq!(response["result"]["content"][0]["text"], r#"{"a":1}"#, "{response}");
        }
        gateway.stop().await;
    }
}
