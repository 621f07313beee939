//! Traces: one hop longer behind the gateway, in whichever place each wire has for them.

use serde_json::{Value, json};

use crate::kit::{Arrived, Client, Era, Gateway, Legacy, Modern, Upstream, Wire};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn parent() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

/// A request with more headers.
fn headed(bytes: Vec<u8>, headers: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes).unwrap();
    let (line, rest) = text.split_once("\r\n").unwrap();
    format!("{line}\r\n{headers}{rest}").into_bytes()
}

/// A call of a client of that era, with these headers and these members of `_meta`.
async fn call(gateway: &Gateway, era: Era, headers: &str, meta: &str) -> Client {
    let bytes = match era {
        Era::Modern if meta.is_empty() => Modern::of(gateway).bytes(1, "tools/call", r#""name":"echo""#),
        Era::Modern => Modern::of(gateway).meta(meta).bytes(1, "tools/call", r#""name":"echo""#),
        Era::Legacy => {
            let client = Legacy::open(gateway).await;
            client.bytes(&Legacy::body(1, "tools/call", &format!(r#""name":"echo","_meta":{{{meta}}}"#)))
        }
    };
    let mut client = Client::connect(&gateway.address).await;
    client.send(&headed(bytes, headers)).await;
    client
}

/// The span that stands in the place of the parent; the rest of it is as it came.
fn span(value: &str) -> String {
    let parts: Vec<&str> = value.split('-').collect();
    assert_eq!((parts[0], parts[1], parts[3], parts.len()), ("00", TRACE, "01", 4), "{value}");
    assert!(parts[2].len() == 16 && parts[2] != SPAN, "{value}");
    parts[2].to_owned()
}

fn own<'a>(arrived: &'a Arrived, name: &str) -> &'a Value {
    &arrived.params()["_meta"][name]
}

#[tokio::test]
async fn a_trace_goes_on_under_a_span_of_the_gateway_over_every_wire_and_era() {
    for (server, wire) in [Era::Modern, Era::Legacy].into_iter().flat_map(|era| [(era, Wire::Http), (era, Wire::Stdio)])
    {
        let upstream = Upstream::new(server, wire).await;
        let gateway = Gateway::over(&upstream).await;
        let parent = parent();
        for client in [Era::Modern, Era::Legacy] {
            let headers = format!("traceparent: {parent}\r\ntracestate: a=1\r\ntracestate: b=2\r\nbaggage: u=1\r\n");
            let meta = format!(r#""traceparent":"{parent}","tracestate":"a=1,b=2","baggage":"u=1""#);
            let mut spans = Vec::new();
            for (headers, meta) in [(headers.as_str(), ""), ("", meta.as_str())] {
                let call = call(&gateway, client, headers, meta).await;
                let mut arrived = upstream.take("tools/call").await;
                let told = own(&arrived, "traceparent").as_str().unwrap().to_owned();
                spans.push(span(&told));
                assert_eq!((own(&arrived, "tracestate"), own(&arrived, "baggage")), (&json!("a=1,b=2"), &json!("u=1")));
                if wire == Wire::Http {
                    let headers = ["traceparent", "tracestate", "baggage"].map(|name| arrived.header(name));
                    assert_eq!(headers, [Some(&*told), Some("a=1,b=2"), Some("u=1")]);
                }
                arrived.text_result("traced").await;
                assert_eq!(super::text(call.answer().await).await, "traced");
            }
            assert_ne!(spans[0], spans[1], "each call has a span of its own");
        }
        crate::kit::until("the log names the trace", || {
            gateway.log().matches(&format!(r#""trace_id":"{TRACE}""#)).count() == 4
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_no_trace_is_dropped_and_what_is_none_stays_none() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let twice = format!("traceparent: {0}\r\ntraceparent: {0}\r\ntracestate: a=1\r\n", parent());
    for (headers, meta) in [
        ("", ""),
        ("", r#""traceparent":"00-zz-b7ad6b7169203331-01","tracestate":"a=1","baggage":"a\nb""#),
        ("", r#""traceparent":7,"tracestate":{},"baggage":[]"#),
        ("traceparent: nonsense\r\ntracestate: a=1\r\nbaggage: \"\r\n", ""),
        (twice.as_str(), ""),
    ] {
        for client in [Era::Modern, Era::Legacy] {
            let call = call(&gateway, client, headers, meta).await;
            let mut arrived = upstream.take("tools/call").await;
            for name in ["traceparent", "tracestate", "baggage"] {
                assert!(own(&arrived, name).is_null() && arrived.header(name).is_none(), "{name}: {}", arrived.text);
            }
            arrived.text_result("untraced").await;
            assert_eq!(super::text(call.answer().await).await, "untraced");
        }
    }
    assert!(!gateway.log().contains("trace_id"));
}

#[tokio::test]
async fn what_the_message_says_of_its_trace_comes_before_the_headers() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let gateway = Gateway::over(&upstream).await;
    let headers = "traceparent: 00-11111111111111111111111111111111-2222222222222222-00\r\ntracestate: of=headers\r\nbaggage: of=headers\r\n";
    let call = call(&gateway, Era::Modern, headers, &format!(r#""traceparent":"{}""#, parent())).await;
    let mut arrived = upstream.take("tools/call").await;
    span(arrived.header("traceparent").unwrap());
    assert!(arrived.header("tracestate").is_none(), "a state belongs to its parent");
    assert_eq!(arrived.header("baggage"), Some("of=headers"));
    arrived.text_result("traced").await;
    assert_eq!(super::text(call.answer().await).await, "traced");
}
