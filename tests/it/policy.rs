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
