//! Secrets of files: picked up when the file changes, while calls in flight finish with what they began with.

use std::{fs, os::unix::fs::symlink, path::Path};

use serde_json::json;
use tempfile::TempDir;

use crate::kit::{Era, Gateway, Modern, Upstream, Wire, config, text, until};

/// A folder as Kubernetes mounts a Secret: `name` leads through `..data` to the folder of one version.
struct Mounted(TempDir);

impl Mounted {
    fn new(value: &str) -> Self {
        let mounted = Self(TempDir::new().unwrap());
        mounted.publish("..v1", value);
        symlink("..data/key", mounted.0.path().join("key")).unwrap();
        mounted
    }

    /// Writes a version beside the others and swaps the link to it, as the kubelet does.
    fn publish(&self, version: &str, value: &str) {
        let folder = self.0.path();
        fs::create_dir(folder.join(version)).unwrap();
        fs::write(folder.join(version).join("key"), format!("{value}\n")).unwrap();
        symlink(version, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("key")
    }
}

fn reference(path: &Path) -> String {
    format!("${{file:{}}}", path.display())
}

#[tokio::test]
async fn a_changed_secret_is_in_the_next_request_and_the_call_in_flight_finishes() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let secret = Mounted::new("canary-old");
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["headers"] = json!({ "x-key": reference(&secret.path()) });
    let gateway = Gateway::start(settings).await;
    let client = Modern::of(&gateway);
    let begun = client.begin_call(1, "echo", "{}").await;
    let mut old = upstream.take("tools/call").await;
    assert_eq!(old.header("x-key"), Some("canary-old"));
    secret.publish("..v2", "canary-new");
    gateway.metric("myelin_config_reloads_total{result=\"ok\"}", "1").await;
    let next = client.begin_call(2, "echo", "{}").await;
    let mut new = upstream.take("tools/call").await;
    assert_eq!(new.header("x-key"), Some("canary-new"));
    new.text_result("new").await;
    old.text_result("old").await;
    assert_eq!((text(begun.answer().await).await, text(next.answer().await).await), ("old".into(), "new".into()));
    assert!(!gateway.log().contains("canary"), "a secret is never written");
}

#[tokio::test]
async fn a_changed_secret_is_in_the_environment_of_the_next_child_and_the_old_one_ends_after_its_call() {
    let upstream = Upstream::new(Era::Modern, Wire::Stdio).await;
    let secret = TempDir::new().unwrap();
    let path = secret.path().join("exit");
    fs::write(&path, "3").unwrap();
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["env"]["RELAY_EXIT"] = reference(&path).into();
    let gateway = Gateway::start(settings).await;
    let client = Modern::of(&gateway);
    let begun = client.begin_call(1, "echo", "{}").await;
    let mut old = upstream.take("tools/call").await;
    fs::write(secret.path().join("next"), "4").unwrap();
    fs::rename(secret.path().join("next"), &path).unwrap();
    gateway.metric("myelin_config_reloads_total{result=\"ok\"}", "1").await;
    let next = client.begin_call(2, "echo", "{}").await;
    let mut new = upstream.take("tools/call").await;
    assert_ne!(old.connection(), new.connection(), "another child");
    new.text_result("new").await;
    assert_eq!(text(next.answer().await).await, "new");
    assert!(!old.is_gone());
    old.text_result("old").await;
    assert_eq!(text(begun.answer().await).await, "old");
    until("the old child ends", || old.is_gone()).await;
}

#[tokio::test]
async fn a_secret_that_is_gone_leaves_the_old_one_in_force() {
    let upstream = Upstream::new(Era::Modern, Wire::Http).await;
    let secret = TempDir::new().unwrap();
    let path = secret.path().join("key");
    fs::write(&path, "canary-kept").unwrap();
    let mut settings = config(&[("up", &upstream)]);
    settings["mcpServers"]["up"]["headers"] = json!({ "x-key": reference(&path) });
    let gateway = Gateway::start(settings).await;
    fs::remove_file(&path).unwrap();
    gateway.metric("myelin_config_reloads_total{result=\"failed\"}", "1").await;
    let begun = Modern::of(&gateway).begin_call(1, "echo", "{}").await;
    let mut arrived = upstream.take("tools/call").await;
    assert_eq!(arrived.header("x-key"), Some("canary-kept"));
    arrived.text_result("ok").await;
    assert_eq!(text(begun.answer().await).await, "ok");
    fs::write(&path, "canary-back").unwrap();
    gateway.metric("myelin_config_reloads_total{result=\"ok\"}", "1").await;
    let _waits = Modern::of(&gateway).begin_call(2, "echo", "{}").await;
    assert_eq!(upstream.take("tools/call").await.header("x-key"), Some("canary-back"));
}
