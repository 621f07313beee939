//! `kill -9` of the gateway while calls run: nothing that it started is left after two seconds, whatever wraps it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

use crate::kit::{Gateway, Modern, until};

const KIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers/hostile.py");
const LEFT_AT_THE_MOST: Duration = Duration::from_secs(2);

fn shell(script: &str) -> Value {
    json!({ "command": "sh", "args": ["-c", script.replace("SERVER", &format!("python3 {KIT}"))], "era": "legacy" })
}

#[tokio::test]
async fn no_descendant_survives_kill_nine_of_the_gateway_under_load() {
    let mut gateway = Gateway::start(json!({
        "listen": "127.0.0.1:0",
        "admin": { "listen": "127.0.0.1:0" },
        "log": { "format": "json", "level": "info" },
        "mcpServers": {
            "wrapped": shell("SERVER; true"),
            "forking": shell("sleep 1000 & sleep 1000 & SERVER; true"),
            "daemon": shell("(setsid sleep 1000 &); (setsid sh -c 'trap \"\" TERM HUP; (setsid sleep 1000 &); while :; do sleep 1000; done' &); exec SERVER"),
        },
    }))
    .await;
    let (mut load, answered) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for tool in ["wrapped__echo", "forking__echo", "daemon__echo"] {
        let client = Modern::of(&gateway);
        client.call(0, tool, r#"{"nonce":"warm"}"#).await.response().await;
        let members = format!(r#""name":"{tool}","arguments":{{"nonce":"n"}}"#);
        for _ in 0..4 {
            let (address, bytes) = (gateway.address.clone(), client.bytes(1, "tools/call", &members));
            load.spawn(call_until_nobody_is_there(address, bytes, answered.clone()));
        }
    }
    let started = gateway.processes();
    // Guards, shells, servers, and what they left beside them.
    assert!(started.len() >= 1 + 3 + 3 + 5, "{started:#?}");
    until("calls run", || answered.load(Ordering::Relaxed) > 100).await;
    gateway.signal(Signal::KILL);
    let killed = Instant::now();
    assert_eq!(gateway.exited().await, None);
    gateway.leaves_nothing().await;
    let left = killed.elapsed();
    load.join_all().await;
    println!("{answered:?} calls were answered; all {} processes were gone after {left:?}", started.len());
    assert!(left < LEFT_AT_THE_MOST, "{left:?}");
}

async fn call_until_nobody_is_there(address: String, bytes: Vec<u8>, answered: Arc<AtomicUsize>) {
    while let Ok(mut stream) = TcpStream::connect(&address).await {
        let mut answer = [0; 512];
        if stream.write_all(&bytes).await.is_ok() && matches!(stream.read(&mut answer).await, Ok(1..)) {
            assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}
