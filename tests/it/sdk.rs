//! The official Rust SDK (rmcp) on both sides: as a client in each of its lifecycles, and as a server behind the stdio wire.
#![expect(deprecated, reason = "sampling is, and servers ask for it until it is gone")]

use std::{borrow::Cow, sync::Arc};

use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};

use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientConfig, ContentBlock,
        CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult, ElicitationAction,
        Implementation, InputRequiredResult, JsonObject, ListToolsResult, PaginatedRequestParams, ProtocolVersion,
        ReadResourceRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::{RequestContext, RunningService, ServiceError},
    transport::{
        StreamableHttpClientTransport, StreamableHttpServerConfig, StreamableHttpService,
        streamable_http_client::StreamableHttpClientTransportConfig,
        streamable_http_server::session::local::LocalSessionManager,
    },
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

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let asked = serde_json::to_value(&params).unwrap();
        let content = match asked["tools"][0]["name"].as_str() {
            Some(tool) => json!([{ "type": "tool_use", "id": "use-1", "name": tool, "input": { "city": "Zürich" } }]),
            None => json!({ "type": "text", "text": "sampled words" }),
        };
        Ok(serde_json::from_value(json!({ "role": "assistant", "content": content, "model": "none" })).unwrap())
    }

    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().enable_sampling().enable_sampling_tools();
        ClientConfig::new(capabilities.build(), Implementation::new("it", "1"))
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

const FORM: &str = r#"{"message":"Name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}"#;
const PROMPT: &str = r#"{"messages":[{"role":"user","content":{"type":"text","text":"Hello"}}],"maxTokens":9}"#;
const PROMPT_WITH_TOOL: &str = r#"{"messages":[{"role":"user","content":{"type":"text","text":"Hello"}}],"maxTokens":9,"tools":[{"name":"weather","inputSchema":{"type":"object"}}],"toolChoice":{"mode":"required"}}"#;

/// What its servers ask: a tool for each question, with its method, its parameters, and a text that the answer must have.
const QUESTIONS: [(&str, &str, &str, &str); 3] = [
    ("elicit", "elicitation/create", FORM, r#""name":"Ada""#),
    ("sample", "sampling/createMessage", PROMPT, r#""text":"sampled words""#),
    ("sample_with_tool", "sampling/createMessage", PROMPT_WITH_TOOL, r#""input":{"city":"Zürich"}"#),
];

/// A server of that era asks who calls, then answers.
async fn ask_for_a_name(upstream: &Upstream, era: Era) -> Value {
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

const LEGACY: &[ProtocolVersion] = &[ProtocolVersion::V_2025_11_25];
const MODERN: &[ProtocolVersion] = &[ProtocolVersion::V_2026_07_28];
const BOTH: &[ProtocolVersion] = &[ProtocolVersion::V_2026_07_28, ProtocolVersion::V_2025_11_25];

/// A server of the SDK with a tool that says again what it was told, and tools that ask.
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
        let mut tools = vec![Tool::new("echo", "Says it again", schema.clone())];
        tools.extend(QUESTIONS.iter().map(|(name, ..)| Tool::new(*name, "Asks its client", schema.clone())));
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let question = QUESTIONS.iter().find(|(tool, ..)| *tool == request.name);
        let said = match question {
            None => serde_json::to_string(&request.arguments).unwrap(),
            Some((_, method, params, _)) if self.0 == LEGACY => ask_now(&context, method, params).await?.to_string(),
            Some((_, method, params, _)) => match request.input_responses {
                None => {
                    let asked = serde_json::from_str(&format!(r#"{{"q":{{"method":"{method}","params":{params}}}}}"#));
                    return Ok(InputRequiredResult::from_input_requests(asked.unwrap()).into());
                }
                Some(responses) => responses["q"].to_string(),
            },
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(said)]).into())
    }
}

/// Asks in the middle of the call.
async fn ask_now(context: &RequestContext<RoleServer>, method: &str, params: &str) -> Result<Value, ErrorData> {
    let failed = |error: ServiceError| ErrorData::internal_error(error.to_string(), None);
    if method == "elicitation/create" {
        let answer = context.peer.create_elicitation(serde_json::from_str(params).unwrap()).await.map_err(failed)?;
        return Ok(serde_json::to_value(answer).unwrap());
    }
    let answer = context.peer.create_message(serde_json::from_str(params).unwrap()).await.map_err(failed)?;
    Ok(serde_json::to_value(answer).unwrap())
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
    for versions in [LEGACY, BOTH] {
        let mut settings = config(&[]);
        settings["mcpServers"]["sdk"] = as_child(Echo(versions)).await;
        let gateway = Gateway::start(settings).await;
        let (modern, legacy) = (Modern::of(&gateway), Legacy::open_with(&gateway, NEWEST_LEGACY, "{}").await);
        for listed in [modern.send(1, "tools/list", "").await, legacy.send(1, "tools/list", "").await] {
            assert_eq!(names(&listed.response().await, "tools")[0], "echo");
        }
        for called in [modern.call(2, "echo", r#"{"a":1}"#).await, legacy.call(2, "echo", r#"{"a":1}"#).await] {
            let response = called.response().await;
            assert_eq!(response["result"]["content"][0]["text"], r#"{"a":1}"#, "{response}");
        }
        gateway.stop().await;
    }
}

/// Serves it over Streamable HTTP; answers with its entry.
async fn over_http(server: Echo) -> Value {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let sessions = Arc::new(LocalSessionManager::default());
    let service =
        StreamableHttpService::new(move || Ok(server.clone()), sessions, StreamableHttpServerConfig::default());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    json!({ "url": url })
}

#[tokio::test]
async fn its_server_asks_its_client_whichever_era_each_of_them_speaks() {
    for versions in [LEGACY, MODERN] {
        asks_in_every_lifecycle(as_child(Echo(versions)).await).await;
        asks_in_every_lifecycle(over_http(Echo(versions)).await).await;
    }
}

async fn asks_in_every_lifecycle(server: Value) {
    let mut settings = config(&[]);
    settings["mcpServers"]["sdk"] = server;
    let gateway = Gateway::start(settings).await;
    for lifecycle in lifecycles() {
        let client = connect(&gateway, lifecycle).await;
        for (tool, _, _, expected) in QUESTIONS {
            let result = soon(tool, client.call_tool(CallToolRequestParams::new(tool))).await.unwrap();
            assert!(text(&result).contains(expected), "{tool}: {}", text(&result));
        }
        client.cancel().await.unwrap();
    }
    gateway.stop().await;
}
