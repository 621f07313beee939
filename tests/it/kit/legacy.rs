//! A client of the revisions up to 2025-11-25: a handshake, then everything in its session.

use std::fmt::Display;

use super::{Answer, Client, Gateway, NEWEST_LEGACY, request};

/// A legacy client.
#[derive(Clone)]
pub(crate) struct Legacy {
    address: String,
    path: String,
    revision: String,
    pub(crate) session: String,
    /// The value of its `Authorization`.
    authorization: Option<String>,
}

impl Legacy {
    /// Shakes hands with no capabilities at the newest revision.
    pub(crate) async fn open(gateway: &Gateway) -> Self {
        Self::open_with(gateway, NEWEST_LEGACY, "{}").await
    }

    pub(crate) async fn open_with(gateway: &Gateway, revision: &str, capabilities: &str) -> Self {
        Self::open_at(&gateway.address, revision, capabilities).await
    }

    /// Shakes hands with whoever is there.
    pub(crate) async fn open_at(address: &str, revision: &str, capabilities: &str) -> Self {
        let unopened = Self::unopened(address, revision);
        let answer = Client::exchange(address, &unopened.initialize(capabilities)).await;
        assert_eq!(answer.status, 200);
        let session = answer.header("mcp-session-id").expect("a session").to_owned();
        let greeting = answer.response().await;
        assert_eq!(greeting["result"]["protocolVersion"], revision, "{greeting}");
        let opened = Self { session, ..unopened };
        assert_eq!(opened.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await.status, 202);
        opened
    }

    /// Shakes hands with a token.
    pub(crate) async fn open_bearing(gateway: &Gateway, token: &str, capabilities: &str) -> Self {
        let unopened = Self::unopened(&gateway.address, NEWEST_LEGACY).bearing(token);
        let answer = Client::exchange(&gateway.address, &unopened.initialize(capabilities)).await;
        assert_eq!(answer.status, 200);
        let session = answer.header("mcp-session-id").expect("a session").to_owned();
        let opened = Self { session, ..unopened };
        assert_eq!(opened.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await.status, 202);
        opened
    }

    /// From now on it sends this token with each request.
    pub(crate) fn bearing(mut self, token: &str) -> Self {
        self.authorization = Some(format!("Bearer {token}"));
        self
    }

    /// Asks for a session, which may be refused.
    pub(crate) async fn try_open(gateway: &Gateway) -> Answer {
        let unopened = Self::unopened(&gateway.address, NEWEST_LEGACY);
        Client::exchange(&gateway.address, &unopened.initialize("{}")).await
    }

    /// The same session at another path.
    pub(crate) fn at(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    /// The same session by way of another gateway.
    pub(crate) fn by(&self, gateway: &Gateway) -> Self {
        Self { address: gateway.address.clone(), ..self.clone() }
    }

    /// The same client with another session id.
    pub(crate) fn with_session(&self, session: String) -> Self {
        Self { session, ..self.clone() }
    }

    fn unopened(address: &str, revision: &str) -> Self {
        Self {
            address: address.to_owned(),
            path: "/mcp".to_owned(),
            revision: revision.to_owned(),
            session: String::new(),
            authorization: None,
        }
    }

    fn initialize(&self, capabilities: &str) -> Vec<u8> {
        let revision = &self.revision;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"open","method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{capabilities},"clientInfo":{{"name":"it","version":"1"}}}}}}"#
        );
        let mut headers = vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        headers.extend(self.authorization.as_deref().map(|value| ("authorization", value)));
        request("POST", &self.path, &headers, body.as_bytes())
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let mut headers = vec![
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-session-id", &*self.session),
        ];
        if *self.revision >= *"2025-06-18" {
            headers.push(("mcp-protocol-version", &self.revision));
        }
        headers.extend(self.authorization.as_deref().map(|value| ("authorization", value)));
        headers
    }

    pub(crate) fn bytes(&self, body: &str) -> Vec<u8> {
        request("POST", &self.path, &self.headers(), body.as_bytes())
    }

    /// Posts a body.
    pub(crate) async fn post(&self, body: &str) -> Answer {
        Client::exchange(&self.address, &self.bytes(body)).await
    }

    /// Posts a request; `members` are those of `params`, without braces.
    pub(crate) async fn send(&self, id: impl Display, method: &str, members: &str) -> Answer {
        self.post(&Self::body(id, method, members)).await
    }

    pub(crate) fn body(id: impl Display, method: &str, members: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{members}}}}}"#)
    }

    pub(crate) async fn call(&self, id: impl Display, tool: &str, arguments: &str) -> Answer {
        self.send(id, "tools/call", &format!(r#""name":"{tool}","arguments":{arguments}"#)).await
    }

    /// Posts a request whose answer is not waited for.
    pub(crate) async fn begin_call(&self, id: impl Display, tool: &str, arguments: &str) -> Client {
        self.begin_post(&Self::body(id, "tools/call", &format!(r#""name":"{tool}","arguments":{arguments}"#))).await
    }

    /// Posts a body whose answer is not waited for.
    pub(crate) async fn begin_post(&self, body: &str) -> Client {
        let mut client = Client::connect(&self.address).await;
        client.send(&self.bytes(body)).await;
        client
    }

    /// Tells the server something.
    pub(crate) async fn tell(&self, method: &str, members: &str) {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{members}}}}}"#);
        assert_eq!(self.post(&body).await.status, 202);
    }

    /// Answers a question.
    pub(crate) async fn reply(&self, id: impl Display, result: &str) {
        let answer = self.post(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)).await;
        assert_eq!(answer.status, 202);
    }

    /// The session's own stream, or the rest of one that broke.
    pub(crate) async fn stream(&self, after: Option<&str>) -> Answer {
        let mut headers = self.headers();
        headers.retain(|(name, _)| !["content-type", "accept"].contains(name));
        headers.push(("accept", "text/event-stream"));
        headers.extend(after.map(|id| ("last-event-id", id)));
        Client::exchange(&self.address, &request("GET", &self.path, &headers, b"")).await
    }

    pub(crate) async fn delete(&self) -> Answer {
        Client::exchange(&self.address, &request("DELETE", &self.path, &self.headers(), b"")).await
    }
}
