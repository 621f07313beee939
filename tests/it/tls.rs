//! TLS and HTTP/2 in front of the whole gateway, with a certificate that is replaced while it runs.

use std::{fs, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::kit::{Era, Gateway, MODERN, Modern, Upstream, Wire, config, soon};

/// Writes a new certificate and its key.
fn renew(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // The key first: the pair fits as soon as the certificate is there.
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

async fn connect(gateway: &Gateway, trusted: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(&gateway.address).await?;
    TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
}

type Sender = http2::SendRequest<Full<Bytes>>;

async fn speak(stream: TlsStream<TcpStream>) -> Sender {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A call of `echo` by a modern client.
async fn call(mut sender: Sender, gateway: &Gateway, id: usize) -> Value {
    let body = Modern::of(gateway).body(id, "tools/call", r#""name":"echo","arguments":{}"#);
    let request = Request::post("https://localhost/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", "tools/call")
        .header("mcp-name", "echo")
        .body(Full::from(body))
        .unwrap();
    let answer = soon("an answer", sender.send_request(request)).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

async fn secured() -> (Upstream, Gateway, TempDir, CertificateDer<'static>) {
    let folder = TempDir::new().unwrap();
    let certificate = renew(folder.path());
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let mut settings = config(&[("up", &upstream)]);
    settings["tls"] = json!({ "cert": folder.path().join("cert.pem"), "key": folder.path().join("key.pem") });
    (upstream, Gateway::start(settings).await, folder, certificate)
}

#[tokio::test]
async fn many_calls_share_one_http2_connection() {
    let (upstream, gateway, _folder, certificate) = secured().await;
    let sender = speak(connect(&gateway, &certificate).await.unwrap()).await;
    let answering = async {
        let mut held = Vec::new();
        for _ in 0..20 {
            held.push(upstream.take("tools/call").await);
        }
        for arrived in held.iter_mut().rev() {
            arrived.text_result("over HTTP/2").await;
        }
    };
    let gateway = Arc::new(gateway);
    let mut calling = tokio::task::JoinSet::new();
    for id in 0..20 {
        let (sender, gateway) = (sender.clone(), gateway.clone());
        calling.spawn(async move { (id, call(sender, &gateway, id).await) });
    }
    answering.await;
    while let Some(answered) = calling.join_next().await {
        let (id, answer) = answered.unwrap();
        assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(id), &json!("over HTTP/2")));
    }
}

#[tokio::test]
async fn a_replaced_certificate_is_served_to_new_connections_while_calls_go_on() {
    let (upstream, gateway, folder, old) = secured().await;
    let sender = speak(connect(&gateway, &old).await.unwrap()).await;
    let calling = call(sender, &gateway, 1);
    let replacing = async {
        let mut arrived = upstream.take("tools/call").await;
        let new = renew(folder.path());
        let served = async {
            while connect(&gateway, &new).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        soon("the new certificate is served", served).await;
        assert!(connect(&gateway, &old).await.is_err(), "the old certificate is gone");
        arrived.text_result("undisturbed").await;
    };
    let (answer, ()) = tokio::join!(calling, replacing);
    assert_eq!(answer["result"]["content"][0]["text"], "undisturbed");
}

#[tokio::test]
async fn a_client_that_gives_one_stream_up_cancels_that_call_alone() {
    let (upstream, gateway, _folder, certificate) = secured().await;
    let sender = speak(connect(&gateway, &certificate).await.unwrap()).await;
    let mut first = {
        let given_up = call(sender.clone(), &gateway, 1);
        tokio::select! {
            arrived = upstream.take("tools/call") => arrived,
            _ = given_up => unreachable!("nobody answered it"),
        }
    };
    first.is_given_up().await;
    let answering = async { upstream.take("tools/call").await.text_result("still here").await };
    let (answer, ()) = tokio::join!(call(sender, &gateway, 2), answering);
    assert_eq!(answer["result"]["content"][0]["text"], "still here");
}
