//! Who may see and call what, through the whole gateway and in both eras.

use serde_json::{Value, json};

use crate::kit::{Answer, Catalog, Client, Era, Gateway, Legacy, Modern, Upstream, Wire, config, names, tool};

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
