//! Whole conversations with the servers, in both eras: what is sent, and every line that comes back.

use serde_json::{Value, json};

use super::DemoServer::{Documents, Search, Vectors};
use super::kit::{converse, converse_raw, legacy, modern, note, opening};

const SERVERS: [super::DemoServer; 3] = [Search, Vectors, Documents];
const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

fn in_session(server: super::DemoServer, version: &str, messages: &[Value]) -> Vec<Value> {
    let sent: Vec<Value> = opening(version).iter().chain(messages).cloned().collect();
    converse(server, &sent).split_off(1)
}

fn methods(said: &[Value]) -> Vec<&str> {
    said.iter().map(|message| message["method"].as_str().unwrap_or("answer")).collect()
}

#[test]
fn discover_lists_only_the_modern_revision_and_is_cacheable() {
    for server in SERVERS {
        let said = converse(server, &[modern("d", "server/discover", json!({}))]);
        let result = &said[0]["result"];
        assert_eq!(said[0]["id"], "d");
        assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
        assert_eq!(result["resultType"], "complete");
        assert!(result["ttlMs"].is_u64() && result["cacheScope"] == "public");
        assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string());
    }
}

#[test]
fn initialize_agrees_on_each_legacy_revision() {
    for version in REVISIONS {
        for server in SERVERS {
            let said = converse(server, &opening(version));
            assert_eq!(said.len(), 1);
            assert_eq!(said[0]["result"]["protocolVersion"], version);
            assert_eq!(said[0]["result"].get("resultType"), None);
        }
    }
}

#[test]
fn initialize_with_an_unknown_version_offers_the_latest_legacy_one() {
    for version in ["1999-01-01", "2026-07-28"] {
        assert_eq!(converse(Search, &opening(version))[0]["result"]["protocolVersion"], "2025-11-25");
    }
}

#[test]
fn a_legacy_session_can_follow_a_probe_on_the_same_pipe() {
    let mut sent = vec![modern(1, "server/discover", json!({}))];
    sent.extend(opening("2025-06-18"));
    sent.push(legacy(2, "tools/list", json!({})));
    let said = converse(Search, &sent);
    assert_eq!(said[2]["result"]["tools"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_unserved_version_is_refused_with_the_served_ones() {
    let mut request = modern(1, "tools/list", json!({}));
    request["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2027-01-01");
    let error = &converse(Search, &[request])[0]["error"];
    assert_eq!(error["code"], -32022);
    assert_eq!(error["data"], json!({"supported": ["2026-07-28"], "requested": "2027-01-01"}));
}

#[test]
fn a_request_of_no_era_and_one_without_its_envelope_are_refused() {
    let said = converse(Search, &[legacy(1, "tools/list", json!({})), legacy(2, "server/discover", json!({}))]);
    assert_eq!(said[0]["error"]["code"], -32602);
    assert!(said[0]["error"]["message"].as_str().unwrap().contains("initialize"));
    assert_eq!(said[1]["error"]["code"], -32602);
}

#[test]
fn removed_methods_are_not_found_in_the_modern_era() {
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/get"] {
        let said = converse(Documents, &[modern(1, method, json!({}))]);
        assert_eq!(said[0]["error"]["code"], -32601, "{method}");
    }
}

#[test]
fn methods_behind_undeclared_capabilities_are_not_found() {
    for method in ["resources/list", "prompts/list", "completion/complete", "subscriptions/listen"] {
        assert_eq!(converse(Search, &[modern(1, method, json!({}))])[0]["error"]["code"], -32601, "{method}");
    }
    for method in ["logging/setLevel", "resources/subscribe"] {
        let said = in_session(Search, "2025-11-25", &[legacy(1, method, json!({}))]);
        assert_eq!(said[0]["error"]["code"], -32601, "{method}");
    }
}

#[test]
fn both_eras_get_the_same_tool_result() {
    let call = json!({"name": "web_search", "arguments": {"query": "myelin"}});
    let modern = converse(Search, &[modern(1, "tools/call", call.clone())]);
    let legacy = in_session(Search, "2025-11-25", &[legacy(1, "tools/call", call)]);
    assert_eq!(modern[0]["result"]["structuredContent"], legacy[0]["result"]["structuredContent"]);
    assert_eq!(modern[0]["result"]["content"], legacy[0]["result"]["content"]);
    assert_eq!(legacy[0]["result"].get("resultType"), None);
}

#[test]
fn old_revisions_are_not_sent_what_they_do_not_know() {
    let listing = |version| in_session(Documents, version, &[legacy(1, "tools/list", json!({}))]).remove(0);
    assert_eq!(listing("2024-11-05")["result"]["tools"][0].get("annotations"), None);
    assert!(listing("2025-03-26")["result"]["tools"][0]["annotations"].is_object());
    assert_eq!(listing("2025-03-26")["result"]["tools"][0].get("outputSchema"), None);
    assert!(listing("2025-06-18")["result"]["tools"][0]["outputSchema"].is_object());
    let call = legacy(1, "tools/call", json!({"name": "list_documents"}));
    let blocks = |version| in_session(Documents, version, std::slice::from_ref(&call))[0]["result"]["content"].clone();
    assert_eq!(blocks("2025-03-26").as_array().map(Vec::len), Some(1));
    assert_eq!(blocks("2025-06-18")[1]["type"], "resource_link");
}

#[test]
fn an_unknown_tool_is_an_error_and_bad_input_is_a_result() {
    let said = converse(
        Search,
        &[
            modern(1, "tools/call", json!({"name": "nope"})),
            modern(2, "tools/call", json!({"name": "web_search", "arguments": {"q": "x"}})),
            modern(3, "tools/call", json!({"name": "web_search", "arguments": []})),
        ],
    );
    assert_eq!(said[0]["error"]["code"], -32602);
    assert_eq!(said[1]["result"]["isError"], true);
    assert!(said[1]["result"]["content"][0]["text"].as_str().unwrap().contains("query, limit"));
    assert_eq!(said[2]["error"]["code"], -32602);
}

#[test]
fn malformed_lines_are_answered_and_survived() {
    let input = b"{nope\n\xff\xfe\n\n[]\n42\n{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}\n{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\"}\n";
    let said = converse_raw(Search, input);
    let codes: Vec<&Value> = said.iter().map(|message| &message["error"]["code"]).collect();
    assert_eq!(codes[..5], [&json!(-32700), &json!(-32700), &json!(-32600), &json!(-32600), &json!(-32600)]);
    assert!(said[..5].iter().all(|message| message.get("id").is_none()));
    assert_eq!(said[5], json!({"jsonrpc": "2.0", "id": 9, "result": {}}));
}

#[test]
fn nesting_without_end_is_refused_and_survived() {
    let mut input = "[".repeat(100_000).into_bytes();
    input.extend_from_slice(b"\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n");
    let said = converse_raw(Search, &input);
    assert_eq!(said[0]["error"]["code"], -32700);
    assert_eq!(said[1]["id"], 1);
}

#[test]
fn notifications_and_stray_answers_are_never_answered() {
    let said = converse(
        Vectors,
        &[
            note("notifications/initialized", json!({})),
            note("notifications/cancelled", json!({"requestId": 77})),
            note("tools/list", json!({})),
            json!({"jsonrpc": "2.0", "id": 5, "result": {}}),
        ],
    );
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn an_id_keeps_its_type() {
    let said = converse(Search, &[modern("1", "tools/list", json!({})), modern(1, "tools/list", json!({}))]);
    assert_eq!((&said[0]["id"], &said[1]["id"]), (&json!("1"), &json!(1)));
}

#[test]
fn a_batch_is_served_where_the_revision_has_it() {
    let batch =
        json!([legacy(1, "ping", json!({})), note("notifications/x", json!({})), legacy(2, "tools/list", json!({}))]);
    let said = in_session(Search, "2025-03-26", std::slice::from_ref(&batch));
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].as_array().map(Vec::len), Some(2));
    let refused = in_session(Search, "2025-06-18", &[batch]);
    assert_eq!(refused[0]["error"]["code"], -32600);
    assert_eq!(refused[0].get("id"), Some(&Value::Null));
}

#[test]
fn a_batch_over_the_limit_and_an_empty_one_are_refused() {
    let batch = |length: i64| Value::Array((0..length).map(|id| legacy(id, "ping", json!({}))).collect());
    let said = in_session(Search, "2025-03-26", &[batch(50), batch(51), batch(0)]);
    assert_eq!(said[0].as_array().map(Vec::len), Some(50));
    assert_eq!(said[1]["error"]["code"], -32600);
    assert_eq!(said[2]["error"]["code"], -32600);
}

fn upsert(id: i64) -> Value {
    modern(id, "tools/call", json!({"name": "upsert_vector", "arguments": {"id": "n", "text": "nerve"}}))
}

#[test]
fn a_listen_is_acknowledged_told_of_changes_and_ended() {
    let filter = json!({"notifications": {"resourcesListChanged": true, "toolsListChanged": true,
        "resourceSubscriptions": ["demo://vectors/notes", "demo://elsewhere"]}});
    let said = converse(Vectors, &[modern("l", "subscriptions/listen", filter), upsert(2)]);
    assert_eq!(
        methods(&said),
        [
            "notifications/subscriptions/acknowledged",
            "answer",
            "notifications/resources/list_changed",
            "notifications/resources/updated",
            "answer",
        ]
    );
    let honoured = json!({"resourcesListChanged": true, "resourceSubscriptions": ["demo://vectors/notes"]});
    assert_eq!(said[0]["params"]["notifications"], honoured);
    for told in [&said[0], &said[2], &said[3]] {
        assert_eq!(told["params"]["_meta"][SUBSCRIPTION_ID], "l");
    }
    assert_eq!(said[4]["id"], "l");
    assert_eq!(said[4]["result"], json!({"resultType": "complete", "_meta": {SUBSCRIPTION_ID: "l"}}));
}

#[test]
fn a_cancelled_listen_is_silent() {
    let listen = modern(1, "subscriptions/listen", json!({"notifications": {"resourcesListChanged": true}}));
    let said = converse(Vectors, &[listen, note("notifications/cancelled", json!({"requestId": 1})), upsert(2)]);
    assert_eq!(methods(&said), ["notifications/subscriptions/acknowledged", "answer"]);
}

#[test]
fn a_modern_client_that_does_not_listen_is_told_nothing() {
    assert_eq!(methods(&converse(Vectors, &[upsert(1)])), ["answer"]);
}

#[test]
fn a_legacy_session_hears_of_lists_at_once_and_of_resources_when_subscribed() {
    let uri = json!({"uri": "demo://vectors/notes"});
    let call =
        |id| legacy(id, "tools/call", json!({"name": "upsert_vector", "arguments": {"id": "n", "text": "nerve"}}));
    let said = in_session(
        Vectors,
        "2025-06-18",
        &[
            call(1),
            legacy(2, "resources/subscribe", uri.clone()),
            call(3),
            legacy(4, "resources/unsubscribe", uri),
            call(5),
        ],
    );
    let list = "notifications/resources/list_changed";
    let updated = "notifications/resources/updated";
    assert_eq!(methods(&said), ["answer", list, "answer", "answer", list, updated, "answer", "answer", list]);
}

#[test]
fn subscribing_to_nothing_is_a_missing_resource() {
    let said = in_session(Vectors, "2025-11-25", &[legacy(1, "resources/subscribe", json!({"uri": "demo://x"}))]);
    assert_eq!(said[0]["error"]["code"], -32002);
}

fn find(meta: Value) -> Value {
    json!({"name": "find_in_document", "arguments": {"text": "nerve"}, "_meta": meta})
}

#[test]
fn progress_rises_to_its_total_before_the_result() {
    let said = converse(Documents, &[modern(1, "tools/call", find(json!({"progressToken": "p"})))]);
    let (answer, told) = said.split_last().unwrap();
    assert!(answer["result"]["structuredContent"]["total"].as_u64() > Some(0));
    assert!(told.iter().all(|notice| notice["method"] == "notifications/progress"));
    assert!(told.iter().all(|notice| notice["params"]["progressToken"] == "p"));
    let steps: Vec<u64> = told.iter().filter_map(|notice| notice["params"]["progress"].as_u64()).collect();
    assert!(steps.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(steps.last().copied(), told[0]["params"]["total"].as_u64());
}

#[test]
fn a_modern_request_is_logged_to_only_if_it_says_so() {
    let level = |level: &str| find(json!({"io.modelcontextprotocol/logLevel": level}));
    let count = |params| converse(Documents, &[modern(1, "tools/call", params)]).len() - 1;
    assert_eq!(count(find(json!({}))), 0);
    assert_eq!(count(level("error")), 0);
    assert_eq!(count(level("info")), 1);
    assert!(count(level("debug")) > 3);
}

#[test]
fn a_legacy_session_is_logged_to_after_set_level() {
    let call = |id| legacy(id, "tools/call", find(json!({})));
    let said = in_session(
        Documents,
        "2025-11-25",
        &[
            call(1),
            legacy(2, "logging/setLevel", json!({"level": "info"})),
            call(3),
            legacy(4, "logging/setLevel", json!({"level": "loud"})),
        ],
    );
    assert_eq!(methods(&said), ["answer", "answer", "notifications/message", "answer", "answer"]);
    assert_eq!(said[2]["params"]["logger"], "scan");
    assert_eq!(said[4]["error"]["code"], -32602);
}

#[test]
fn a_missing_resource_has_the_code_of_the_era() {
    let read = json!({"uri": "demo://documents/none"});
    let modern = converse(Documents, &[modern(1, "resources/read", read.clone())]);
    assert_eq!(modern[0]["error"]["code"], -32602);
    assert_eq!(modern[0]["error"]["data"], read);
    let legacy = in_session(Documents, "2025-06-18", &[legacy(1, "resources/read", read)]);
    assert_eq!(legacy[0]["error"]["code"], -32002);
}

#[test]
fn every_listed_resource_can_be_read() {
    for server in [Vectors, Documents] {
        let listed = converse(server, &[modern(1, "resources/list", json!({}))]);
        for resource in listed[0]["result"]["resources"].as_array().unwrap() {
            let said = converse(server, &[modern(1, "resources/read", json!({"uri": resource["uri"]}))]);
            assert!(said[0]["result"]["contents"][0]["text"].is_string());
            assert!(said[0]["result"]["ttlMs"].is_u64());
        }
    }
}

#[test]
fn a_prompt_carries_the_document_and_its_argument_can_be_completed() {
    let complete = |argument: &str, value: &str, reference: Value| json!({"ref": reference, "argument": {"name": argument, "value": value}});
    let prompt = json!({"type": "ref/prompt", "name": "summarise_document"});
    let template = json!({"type": "ref/resource", "uri": "demo://documents/{slug}/pages/{page}"});
    let said = converse(
        Documents,
        &[
            modern(1, "completion/complete", complete("document", "field", prompt.clone())),
            modern(2, "completion/complete", complete("page", "", template)),
            modern(3, "completion/complete", complete("colour", "", prompt)),
            modern(
                4,
                "prompts/get",
                json!({"name": "summarise_document", "arguments": {"document": "field-guide-to-overload"}}),
            ),
            modern(5, "prompts/get", json!({"name": "summarise_document", "arguments": {"document": "none"}})),
            modern(6, "prompts/get", json!({"name": "none"})),
        ],
    );
    assert_eq!(said[0]["result"]["completion"]["values"], json!(["field-guide-to-overload"]));
    assert_eq!(said[1]["result"]["completion"]["values"][0], "1");
    assert_eq!(said[2]["error"]["code"], -32602);
    assert_eq!(said[3]["result"]["messages"][1]["content"]["type"], "resource");
    assert_eq!(said[4]["error"]["code"], -32602);
    assert_eq!(said[5]["error"]["code"], -32602);
}

#[test]
fn a_cursor_nobody_gave_out_is_refused() {
    let said = converse(Search, &[modern(1, "tools/list", json!({"cursor": "from-9"}))]);
    assert_eq!(said[0]["error"]["code"], -32602);
}

#[test]
fn tools_have_all_that_a_client_shows_and_come_in_order() {
    for server in SERVERS {
        let said = converse(server, &[modern(1, "tools/list", json!({}))]);
        let tools = said[0]["result"]["tools"].as_array().unwrap();
        for tool in tools {
            for member in ["name", "title", "description"] {
                assert!(tool[member].is_string(), "{tool}");
            }
            for member in ["inputSchema", "outputSchema"] {
                assert_eq!(tool[member]["type"], "object", "{tool}");
            }
            assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{tool}");
        }
        assert!(tools.is_sorted_by_key(|tool| tool["name"].as_str()));
    }
}
