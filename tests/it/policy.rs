//! Who may see and call what, through the whole gateway and in both eras.

use serde_json::{Value, json};

use crate::kit::{
    Answer, Catalog, Client, Era, Gateway, Legacy, MODERN, Modern, NEWEST_LEGACY, Upstream, Wire, config, names,
    request, soon, tool, until,
};

mod things;

const RESEARCH: &str = "key-of-a-researcher-0123456789";
const SALES: &str = "key-of-a-seller-0123456789abcd";

/// `up` under these rules, with a researcher and a seller.
async fn under(catalog: Catalog, rules: Value) -> (Upstream, Gateway) {
    let upstream = Upstream::offering(Era::Modern, Wire::Http, catalog).await;
    let gateway = Gateway::start(ruled(&[("up", &upstream)], rules)).await;
    (upstream, gateway)
}

fn ruled(servers: &[(&str, &Upstream)], rules: Value) -> Value {
    let mut settings = config(servers);
    settings["auth"] = json!({ "apiKeys": [
        { "id": "rita", "token": RESEARCH, "groups": ["research"] },
        { "id": "sam", "token": SALES, "groups": ["sales"] },
    ] });
    settings["policies"] = rules;
    settings
}

fn tools(names: &[&str]) -> Catalog {
    Catalog { tools: names.iter().map(|name| tool(name)).collect(), ..Catalog::default() }
}

fn as_modern(gateway: &Gateway, token: &str) -> Modern {
    Modern::of(gateway).bearing(token)
}

async fn as_legacy(gateway: &Gateway, token: &str) -> Legacy {
    Legacy::open_bearing(gateway, token, "{}").await
}

async fn answered(upstream: &Upstream, call: Client) {
    upstream.take("tools/call").await.text_result("done").await;
    assert_eq!(call.answer().await.status, 200);
}

/// The error with the name that was asked for taken out.
async fn refusal(answer: Answer, name: &str) -> String {
    let status = answer.status;
    let headers =
        ["content-type", "www-authenticate", "retry-after"].map(|name| answer.header(name).map(str::to_owned));
    format!("{status} {headers:?} {}", answer.text().await.replace(name, "NAME"))
}

#[tokio::test]
async fn each_sees_and_calls_what_it_may_and_the_rest_answers_as_if_it_were_not_there() {
    let rules = json!([{ "allow": "\"research\" in principal.groups", "tools": ["search_*"] },
                       { "allow": "true", "tools": ["status"] }]);
    let (upstream, gateway) = under(tools(&["search_web", "search_files", "status", "admin"]), rules).await;

    let (rita, sam) = (as_modern(&gateway, RESEARCH), as_modern(&gateway, SALES));
    let listed = rita.send(1, "tools/list", "").await.response().await;
    assert_eq!(names(&listed, "tools"), ["search_web", "search_files", "status"]);
    assert_eq!(listed["result"]["cacheScope"], "private");
    assert_eq!(names(&sam.send(2, "tools/list", "").await.response().await, "tools"), ["status"]);
    answered(&upstream, rita.begin_call(3, "search_web", "{}").await).await;
    answered(&upstream, sam.begin_call(4, "status", "{}").await).await;
    for hidden in ["search_web", "admin"] {
        let told = refusal(sam.call(5, hidden, "{}").await, hidden).await;
        assert_eq!(told, refusal(sam.call(5, "no_such_tool", "{}").await, "no_such_tool").await);
    }

    let (rita, sam) = (as_legacy(&gateway, RESEARCH).await, as_legacy(&gateway, SALES).await);
    let listed = rita.send(1, "tools/list", "").await.response().await;
    assert_eq!(names(&listed, "tools"), ["search_web", "search_files", "status"]);
    assert_eq!(names(&sam.send(2, "tools/list", "").await.response().await, "tools"), ["status"]);
    answered(&upstream, rita.begin_call(3, "search_web", "{}").await).await;
    for hidden in ["search_web", "admin"] {
        let told = refusal(sam.call(5, hidden, "{}").await, hidden).await;
        assert_eq!(told, refusal(sam.call(5, "no_such_tool", "{}").await, "no_such_tool").await);
    }
    assert_eq!(upstream.count("tools/call"), 3, "the server heard of nothing else");
    gateway.metric("myelin_policy_decisions_total{decision=\"allowed\"}", "3").await;
}

#[tokio::test]
async fn a_template_is_seen_and_completed_where_its_text_could_be_read_and_each_uri_is_judged_by_itself() {
    let rules = json!([{ "allow": "\"research\" in principal.groups", "resources": ["note://research/**"] },
                       { "allow": "\"sales\" in principal.groups && resource.uri.startsWith(\"note://sales/\")" }]);
    let template = |whose: &str| json!({ "uriTemplate": format!("note://{whose}/{{id}}"), "name": whose }).to_string();
    let templates = ["research", "sales"].map(template).to_vec();
    let (upstream, gateway) = under(Catalog { templates, ..Catalog::default() }, rules).await;
    for (token, own, other) in [(RESEARCH, "research", "sales"), (SALES, "sales", "research")] {
        let client = as_modern(&gateway, token);
        let listed = client.send(1, "resources/templates/list", "").await.response().await;
        let seen: Vec<_> = listed["result"]["resourceTemplates"].as_array().unwrap().iter().collect();
        assert_eq!(seen.len(), 1, "{listed}");
        assert_eq!(seen[0]["uriTemplate"], format!("note://{own}/{{id}}"));
        let read = async |whose: &str| client.begin(2, "resources/read", &format!(r#""uri":"note://{whose}/1""#)).await;
        let call = read(own).await;
        upstream.take("resources/read").await.result(r#"{"contents":[]}"#).await;
        assert_eq!(call.answer().await.status, 200);
        let told = refusal(read(other).await.answer().await, other).await;
        assert_eq!(told, refusal(read("nobody").await.answer().await, "nobody").await);
        let complete = async |whose: &str| {
            let members = format!(
                r#""ref":{{"type":"ref/resource","uri":"note://{whose}/{{id}}"}},"argument":{{"name":"id","value":"1"}}"#
            );
            refusal(client.begin(3, "completion/complete", &members).await.answer().await, whose).await
        };
        assert_eq!(complete(other).await, complete("nobody").await);
    }
    assert_eq!(upstream.count("completion/complete"), 0);
}

#[tokio::test]
async fn what_is_refused_for_its_arguments_alone_is_listed_and_said_to_be_refused() {
    let rules = json!([{ "allow": "true" }, { "deny": "arguments.amount > 100", "tools": ["pay"] }]);
    let (upstream, gateway) = under(tools(&["pay", "echo"]), rules).await;
    let (modern, legacy) = (as_modern(&gateway, SALES), as_legacy(&gateway, SALES).await);
    assert_eq!(names(&modern.send(1, "tools/list", "").await.response().await, "tools"), ["pay", "echo"]);
    answered(&upstream, modern.begin_call(2, "pay", r#"{"amount":100}"#).await).await;
    modern.call(3, "pay", r#"{"amount":101}"#).await.refused(200, 1003).await;
    legacy.call(3, "pay", r#"{"amount":101}"#).await.refused(200, 1003).await;
    // A rule that fails denies, and says so once, without what the caller sent.
    modern.call(4, "pay", r#"{"amount":"hunter2"}"#).await.refused(200, 1003).await;
    modern.call(5, "pay", "{}").await.refused(200, 1003).await;
    answered(&upstream, modern.begin_call(6, "echo", r#"{"amount":"x"}"#).await).await;
    gateway.metric("myelin_policy_failures_total", "2").await;
    gateway.metric("myelin_policy_decisions_total{decision=\"denied\"}", "4").await;
    let is_told = || gateway.log().lines().any(|line| line.contains(r##""decision":"denied","rule":"#2""##));
    until("the access log says so", is_told).await;
    let log = gateway.log();
    assert_eq!(log.matches("a rule fails, and denies").count(), 1);
    assert!(!log.contains("hunter2"));
}

#[tokio::test]
async fn rules_in_shadow_deny_nothing_and_say_what_they_would() {
    let rules = json!([
        { "allow": "true" },
        { "deny": "!(\"research\" in principal.groups)", "tools": ["echo"], "mode": "shadow", "name": "researchers only" },
    ]);
    let (upstream, gateway) = under(tools(&["echo"]), rules).await;
    for token in [RESEARCH, SALES] {
        answered(&upstream, as_modern(&gateway, token).begin_call(1, "echo", "{}").await).await;
        answered(&upstream, as_legacy(&gateway, token).await.begin_call(1, "echo", "{}").await).await;
    }
    gateway.metric("myelin_policy_decisions_total{decision=\"shadow_denied\"}", "2").await;
    gateway.metric("myelin_policy_decisions_total{decision=\"allowed\"}", "2").await;
    let log = gateway.log();
    let told = log.lines().find(|line| line.contains("would be denied")).unwrap();
    for said in ["researchers only", "\"principal\":\"sam\"", "tools/call", "\"server\":\"up\"", "\"tool\":\"echo\""] {
        assert!(told.contains(said), "{told}");
    }
}

#[tokio::test]
async fn a_reload_swaps_all_rules_and_a_bad_rule_keeps_the_old_ones() {
    let (upstream, gateway) = under(tools(&["a", "b"]), json!([{ "allow": "true", "tools": ["a"] }])).await;
    let client = as_modern(&gateway, SALES);
    let seen = || async { names(&client.send(1, "tools/list", "").await.response().await, "tools") };
    assert_eq!(seen().await, ["a"]);
    gateway.rewrite(ruled(&[("up", &upstream)], json!([{ "allow": "principal.group == 1", "tools": ["b"] }])));
    let refused = async {
        while !gateway.log().contains("has no field `group`") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    soon("the file is refused", refused).await;
    assert_eq!(seen().await, ["a"]);
    gateway.rewrite(ruled(&[("up", &upstream)], json!([{ "allow": "true", "tools": ["b"] }])));
    let taken = async {
        while seen().await != ["b"] {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    soon("the rules hold", taken).await;
}

#[tokio::test]
async fn of_a_server_from_which_a_caller_may_see_nothing_nothing_is_told() {
    let (open, closed) = (
        Upstream::offering(Era::Modern, Wire::Http, tools(&["x", "y"])).await,
        Upstream::offering(Era::Modern, Wire::Http, tools(&["x", "z"])).await,
    );
    closed.takes("tools/list");
    let rules = json!([
        { "allow": "\"research\" in principal.groups" },
        { "allow": "true", "servers": ["open"] },
    ]);
    let mut settings = ruled(&[("closed", &closed), ("open", &open)], rules);
    settings["lists"] = json!({ "deadline": "300ms" });
    let gateway = Gateway::start(settings).await;
    let of = |token| {
        let client = as_modern(&gateway, token);
        async move { client.send(1, "tools/list", "").await.response().await }
    };
    // The silent server is missing for her who would see it, and is not there for him.
    let rita = of(RESEARCH).await;
    assert_eq!(rita["result"]["_meta"]["myelin/missing"], json!(["closed"]));
    let sam = of(SALES).await;
    assert!(!sam.to_string().contains("closed"), "{sam}");
    let page = format!(
        r#"{{"resultType":"complete","tools":[{},{}],"ttlMs":60000,"cacheScope":"public"}}"#,
        tool("x"),
        tool("z")
    );
    closed.take("tools/list").await.result(&page).await;
    let come = async { while !names(&of(RESEARCH).await, "tools").contains(&"z".to_owned()) {} };
    soon("her list is whole", come).await;
    // Names are bare: of two equal ones each gets the first that they see.
    assert_eq!(names(&of(RESEARCH).await, "tools"), ["x", "z", "y"]);
    assert_eq!(names(&of(SALES).await, "tools"), ["x", "y"]);
    answered(&closed, as_modern(&gateway, RESEARCH).begin_call(2, "x", "{}").await).await;
    answered(&open, as_modern(&gateway, SALES).begin_call(2, "x", "{}").await).await;
    let offered = as_modern(&gateway, SALES).send(3, "server/discover", "").await.text().await;
    assert!(!offered.contains("closed"), "{offered}");
}

#[tokio::test]
async fn pages_are_of_what_is_seen_and_say_nothing_of_the_rest() {
    let all: Vec<String> =
        (0..9).map(|number| format!("{}{number}", if number % 3 == 0 { "seen" } else { "hidden" })).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let upstream = Upstream::offering(Era::Modern, Wire::Http, tools(&all)).await;
    let rules = json!([{ "allow": "true", "tools": ["seen*"] }, { "allow": "\"research\" in principal.groups" }]);
    let mut settings = ruled(&[("up", &upstream)], rules);
    settings["lists"] = json!({ "pageSize": 2 });
    let gateway = Gateway::start(settings).await;
    let (rita, sam) = (as_modern(&gateway, RESEARCH), as_modern(&gateway, SALES));
    let first = sam.send(1, "tools/list", "").await.response().await;
    assert_eq!(names(&first, "tools"), ["seen0", "seen3"]);
    let cursor = format!(r#""cursor":{}"#, first["result"]["nextCursor"]);
    let second = sam.send(2, "tools/list", &cursor).await.response().await;
    assert_eq!(names(&second, "tools"), ["seen6"]);
    assert!(second["result"]["nextCursor"].is_null());
    // A cursor of somebody else shows no more than one's own list.
    let hers = rita.send(3, "tools/list", "").await.response().await;
    assert_eq!(names(&hers, "tools"), ["seen0", "hidden1"]);
    let cursor = format!(r#""cursor":{}"#, hers["result"]["nextCursor"]);
    let shown = names(&sam.send(4, "tools/list", &cursor).await.response().await, "tools");
    assert!(shown.iter().all(|name| name.starts_with("seen")), "{shown:?}");
}

#[tokio::test]
async fn two_tokens_of_one_person_in_one_session_are_two_sets_of_rights() {
    let upstream = Upstream::offering(Era::Modern, Wire::Http, tools(&["echo"])).await;
    let mut settings = ruled(&[("up", &upstream)], json!([{ "allow": "\"research\" in principal.groups" }]));
    settings["auth"]["apiKeys"][1]["id"] = "rita".into();
    let gateway = Gateway::start(settings).await;
    let session = as_legacy(&gateway, RESEARCH).await;
    answered(&upstream, session.begin_call(1, "echo", "{}").await).await;
    let narrower = session.clone().bearing(SALES);
    narrower.call(2, "echo", "{}").await.refused(200, -32602).await;
    answered(&upstream, session.begin_call(3, "echo", "{}").await).await;
}

/// The answer to `tools/list` that came through a proxy for a client at this address; in a session where there is one.
async fn listed_from(gateway: &Gateway, address: &str, session: Option<&str>) -> Value {
    let bearer = format!("Bearer {RESEARCH}");
    let mut headers = vec![
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("authorization", &bearer),
        ("x-forwarded-for", address),
    ];
    let body = match session {
        Some(session) => {
            headers.extend([("mcp-session-id", session), ("mcp-protocol-version", NEWEST_LEGACY)]);
            Legacy::body(2, "tools/list", "")
        }
        None => {
            headers.extend([("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")]);
            Modern::of(gateway).body(1, "tools/list", "")
        }
    };
    Client::exchange(&gateway.address, &request("POST", "/mcp", &headers, body.as_bytes())).await.response().await
}

#[tokio::test]
async fn a_rule_may_look_at_where_a_request_comes_from_also_within_one_session() {
    let upstream = Upstream::offering(Era::Modern, Wire::Http, tools(&["inside", "anywhere"])).await;
    let rules = json!([
        { "allow": "request.address.startsWith('10.')", "tools": ["inside"] },
        { "allow": "true", "tools": ["anywhere"] },
    ]);
    let mut settings = ruled(&[("up", &upstream)], rules);
    settings["http"] = json!({ "trustedProxies": ["127.0.0.0/8"], "forwardedHeader": "x-forwarded-for" });
    let gateway = Gateway::start(settings).await;
    let session = as_legacy(&gateway, RESEARCH).await;
    for session in [None, Some(&*session.session)] {
        for (address, seen) in [("10.1.2.3", &["inside", "anywhere"][..]), ("192.0.2.1", &["anywhere"])] {
            assert_eq!(names(&listed_from(&gateway, address, session).await, "tools"), seen, "{address} {session:?}");
        }
    }
    let called = as_modern(&gateway, RESEARCH).call(1, "inside", "{}").await;
    called.refused(200, -32602).await;
}
