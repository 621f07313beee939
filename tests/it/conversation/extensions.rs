//! Extensions: what a gateway knows nothing of goes to the server that declares it, and comes back to who can read it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::{Catalog, Era, Gateway, Legacy, Modern, Upstream, Wire, config, never, raw_member};

const CLIENT: &str = r#"{"extensions":{"x.example/notes":{"v":1.10}}}"#;

/// A server that declares these extensions.
async fn declaring(era: Era, wire: Wire, extensions: &str) -> Upstream {
    let upstream = Upstream::new(era, wire).await;
    let extensions: Value = serde_json::from_str(extensions).unwrap();
    upstream.change(|catalog| catalog.extensions = extensions);
    upstream
}

async fn gateway(one: &Upstream, two: &Upstream) -> Gateway {
    let mut settings = config(&[("one", one), ("two", two)]);
    settings["endpoints"] = json!({ "/mcp": { "servers": ["*"] } });
    Gateway::start(settings).await
}

#[tokio::test]
async fn a_method_of_an_extension_goes_to_the_server_that_declares_it_in_both_eras() {
    for era in [Era::Modern, Era::Legacy] {
        let one = declaring(era, Wire::Http, r#"{"x.example/other":{}}"#).await;
        let two = declaring(era, Wire::Stdio, r#"{"x.example/notes":{"n":1.5}}"#).await;
        let gateway = gateway(&one, &two).await;
        let params = r#""text":"\u0041","n":1.10"#;
        let call = match era {
            Era::Modern => Modern::of(&gateway).capable(CLIENT).begin(1, "notes/add", params).await,
            Era::Legacy => {
                let client = Legacy::open_with(&gateway, "2025-11-25", CLIENT).await;
                client.begin_post(&Legacy::body(1, "notes/add", params)).await
            }
        };
        let mut arrived = two.take("notes/add").await;
        assert_eq!(raw_member(&arrived.text, &["params", "n"]), "1.10");
        arrived.result(r#"{"resultType":"complete","noted":1.10}"#).await;
        let told = call.answer().await.response_text().await;
        assert_eq!(raw_member(&told, &["result", "noted"]), "1.10");
        assert_eq!(one.count("notes/add"), 0);
        // Nobody's method, and anybody's.
        let nobody = Modern::of(&gateway).capable(CLIENT).send(2, "unheard/of", "").await;
        nobody.refused(404, -32601).await;
        assert_eq!((one.count("unheard/of"), two.count("unheard/of")), (0, 0));
    }
}

#[tokio::test]
async fn extensions_are_declared_in_both_directions() {
    for era in [Era::Modern, Era::Legacy] {
        let upstream =
            declaring(era, Wire::Http, r#"{"io.modelcontextprotocol/ui":{},"x.example/notes":{"n":1.5}}"#).await;
        upstream.takes("initialize");
        let gateway = Gateway::over(&upstream).await;
        let told = match era {
            Era::Modern => Modern::of(&gateway).capable(CLIENT).send(1, "server/discover", "").await.response().await,
            Era::Legacy => {
                let greeting = async {
                    let mut arrived = upstream.take("initialize").await;
                    let declared = raw_member(&arrived.text, &["params", "capabilities", "extensions"]);
                    assert_eq!(declared, r#"{"x.example/notes":{"v":1.10}}"#);
                    let result = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"extensions":{"io.modelcontextprotocol/ui":{},"x.example/notes":{"n":1.5}}},"serverInfo":{"name":"it","version":"1"}}"#;
                    arrived.result(result).await;
                };
                let discovering = Modern::of(&gateway).capable(CLIENT);
                let (told, ()) = tokio::join!(discovering.send(1, "server/discover", ""), greeting);
                told.response().await
            }
        };
        let offered = &told["result"]["capabilities"]["extensions"];
        assert_eq!(*offered, json!({ "io.modelcontextprotocol/ui": {}, "x.example/notes": { "n": 1.5 } }), "{told}");
        if era == Era::Modern {
            let call = Modern::of(&gateway).capable(CLIENT).begin_call(2, "echo", "{}").await;
            let mut arrived = upstream.take("tools/call").await;
            let path = ["params", "_meta", "io.modelcontextprotocol/clientCapabilities"];
            assert_eq!(raw_member(&arrived.text, &path), CLIENT);
            // A kind of result that only the extension knows.
            arrived.result(r#"{"resultType":"x.example/note","n":1.10}"#).await;
            assert_eq!(raw_member(&call.answer().await.response_text().await, &["result", "n"]), "1.10");
        }
    }
}

#[tokio::test]
async fn notifications_of_extensions_reach_who_can_read_them() {
    for wire in [Wire::Http, Wire::Stdio] {
        let upstream = declaring(Era::Legacy, wire, r#"{"x.example/notes":{}}"#).await;
        let gateway = Gateway::over(&upstream).await;
        let client = Legacy::open(&gateway).await;
        let mut stream = client.stream(None).await;
        upstream.is_heard_by(1).await;
        let filter = r#""notifications":{"toolsListChanged":true}"#;
        let mut modern = Modern::of(&gateway).capable(CLIENT).send(1, "subscriptions/listen", filter).await;
        assert_eq!(modern.message().await["method"], "notifications/subscriptions/acknowledged");
        upstream.tell("notifications/notes/added", r#""n":1.10"#).await;
        let told = stream.message_text().await.unwrap();
        assert_eq!(raw_member(&told, &["params"]), r#"{"n":1.10}"#);
        never("it crosses the eras", Duration::from_millis(200), modern.message()).await;
        client.tell("notifications/notes/seen", r#""n":1.10"#).await;
        assert_eq!(raw_member(&upstream.take("notifications/notes/seen").await.text, &["params", "n"]), "1.10");
    }
    let upstream = declaring(Era::Modern, Wire::Http, r#"{"x.example/notes":{}}"#).await;
    let gateway = Gateway::over(&upstream).await;
    for (capabilities, heard) in [(CLIENT, 2), ("{}", 1)] {
        let call = Modern::of(&gateway).capable(capabilities).begin_call(1, "echo", "{}").await;
        let mut arrived = upstream.take("tools/call").await;
        arrived.notice("notifications/notes/added", r#""n":1.10"#).await;
        arrived.text_result("done").await;
        assert_eq!(call.answer().await.all().await.len(), heard, "{capabilities}");
    }
    let client = Legacy::open_with(&gateway, "2025-11-25", CLIENT).await;
    let call = client.begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    arrived.notice("notifications/notes/added", r#""n":1.10"#).await;
    arrived.text_result("done").await;
    assert_eq!(call.answer().await.all().await.len(), 1, "it does not cross the eras");
    client.tell("notifications/notes/seen", "").await;
    let crossed = upstream.take("notifications/notes/seen");
    never("a modern server hears of clients between their requests", Duration::from_millis(200), crossed).await;
}

#[tokio::test]
async fn a_notification_of_an_extension_goes_to_the_server_that_declares_it() {
    let one = declaring(Era::Legacy, Wire::Stdio, "{}").await;
    let two = declaring(Era::Legacy, Wire::Stdio, r#"{"x.example/notes":{}}"#).await;
    let gateway = gateway(&one, &two).await;
    let client = Legacy::open_with(&gateway, "2025-11-25", CLIENT).await;
    client.tell("notifications/notes/seen", "").await;
    two.take("notifications/notes/seen").await;
    client.tell("notifications/roots/list_changed", "").await;
    assert_eq!(one.count("notifications/notes/seen"), 0);
}

#[tokio::test]
async fn the_view_of_a_tool_is_read_by_the_uri_that_the_tool_names_on_an_endpoint_with_several_servers() {
    for era in [Era::Modern, Era::Legacy] {
        let shown =
            |name: &str, meta: &str| format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}},"_meta":{meta}}}"#);
        let one = Upstream::new(era, Wire::Http).await;
        let tools = vec![
            shown("chart", r#"{"ui":{"resourceUri":"ui://chart/view.html"},"n":1.10}"#),
            shown("old", r#"{"ui/resourceUri":"ui://old/view.html"}"#),
        ];
        let two = Upstream::offering(era, Wire::Http, Catalog { tools, ..Catalog::default() }).await;
        let gateway = gateway(&one, &two).await;
        let listed = Modern::of(&gateway).send(1, "tools/list", "").await.response().await;
        let tools = listed["result"]["tools"].as_array().unwrap();
        let chart = tools.iter().find(|tool| tool["name"] == "two__chart").unwrap();
        for uri in [chart["_meta"]["ui"]["resourceUri"].as_str().unwrap(), "ui://old/view.html"] {
            let call = Modern::of(&gateway).begin(2, "resources/read", &format!(r#""uri":"{uri}""#)).await;
            let mut arrived = two.take("resources/read").await;
            assert_eq!(arrived.params()["uri"], uri);
            let html = format!(
                r#"{{"contents":[{{"uri":"{uri}","mimeType":"text/html;profile=mcp-app","text":"<p>","_meta":{{"ui":{{"csp":{{}}}}}}}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}}"#
            );
            arrived.result(&html).await;
            let read = call.answer().await.response().await;
            assert_eq!(read["result"]["contents"][0]["_meta"], json!({ "ui": { "csp": {} } }));
        }
        assert_eq!(one.count("resources/read"), 0);
        let unknown = Modern::of(&gateway).send(3, "resources/read", r#""uri":"ui://nobody/view.html""#).await;
        unknown.refused(200, -32602).await;
    }
}
