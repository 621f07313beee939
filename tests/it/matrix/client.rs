//! A client of either era: what both can do, each in its shape.

use serde_json::Value;

use crate::kit::{Answer, Client, Era, Gateway, Legacy, Modern, NEWEST_LEGACY, raw_member};

/// A client.
pub(super) enum Peer {
    Modern(Modern),
    Legacy(Legacy),
}

/// What a client saw of a call in which it was asked.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// Each question: its method and its params as they came.
    pub(super) asked: Vec<(String, String)>,
    /// The response at the end.
    pub(super) response: Value,
}

impl Talk {
    /// The text of the tool's result.
    pub(super) fn text(&self) -> &str {
        self.response["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{self:?}"))
    }
}

impl Peer {
    pub(super) async fn open(gateway: &Gateway, era: Era, capabilities: &str) -> Self {
        match era {
            Era::Modern => Self::Modern(Modern::of(gateway).capable(capabilities)),
            Era::Legacy => Self::Legacy(Legacy::open_with(gateway, NEWEST_LEGACY, capabilities).await),
        }
    }

    /// Sends a request; `members` are those of `params`, `meta` those of `_meta`, without braces.
    pub(super) async fn begin_with(&self, id: u32, method: &str, members: &str, meta: &str) -> Client {
        match self {
            Self::Modern(client) if meta.is_empty() => client.begin(id, method, members).await,
            Self::Modern(client) => client.clone().meta(meta).begin(id, method, members).await,
            Self::Legacy(client) => {
                let comma = if members.is_empty() { "" } else { "," };
                let meta = if meta.is_empty() { String::new() } else { format!(r#"{comma}"_meta":{{{meta}}}"#) };
                client.begin_post(&Legacy::body(id, method, &format!("{members}{meta}"))).await
            }
        }
    }

    pub(super) async fn begin(&self, id: u32, method: &str, members: &str) -> Client {
        self.begin_with(id, method, members, "").await
    }

    pub(super) async fn send(&self, id: u32, method: &str, members: &str) -> Answer {
        self.begin(id, method, members).await.answer().await
    }

    /// Sends a request and answers the questions that come of it, until the response.
    pub(super) async fn converse(&self, method: &str, members: &str, reply: impl Fn(&str) -> String) -> Talk {
        match self {
            Self::Modern(client) => in_rounds(client, method, members, reply).await,
            Self::Legacy(client) => on_the_stream(client, method, members, reply).await,
        }
    }
}

/// The question is the answer, and the call is sent again with what it asked for.
async fn in_rounds(client: &Modern, method: &str, members: &str, reply: impl Fn(&str) -> String) -> Talk {
    let (mut talk, mut more, mut id) = (Talk::default(), String::new(), 100);
    loop {
        let text = client.send(id, method, &format!("{members}{more}")).await.response_text().await;
        talk.response = serde_json::from_str(&text).unwrap();
        let result = &talk.response["result"];
        if result["resultType"] != "input_required" {
            return talk;
        }
        let mut answers = Vec::new();
        for (key, request) in result["inputRequests"].as_object().expect("questions") {
            let method = request["method"].as_str().expect("a method").to_owned();
            answers.push(format!(r#""{key}":{}"#, reply(&method)));
            let params = request.get("params").map(|_| raw_member(&text, &["result", "inputRequests", key, "params"]));
            talk.asked.push((method, params.unwrap_or_default()));
        }
        more = format!(r#","inputResponses":{{{}}},"requestState":{}"#, answers.join(","), result["requestState"]);
        id += 1;
    }
}

/// The question is a request on the stream of the call, and its answer is posted.
async fn on_the_stream(client: &Legacy, method: &str, members: &str, reply: impl Fn(&str) -> String) -> Talk {
    let mut talk = Talk::default();
    let mut stream = client.begin_post(&Legacy::body(100, method, members)).await.answer().await;
    loop {
        let text = stream.message_text().await.expect("a response at the end");
        let message: Value = serde_json::from_str(&text).unwrap();
        let Some(method) = message["method"].as_str().filter(|_| !message["id"].is_null()) else {
            if message["method"].is_null() {
                talk.response = message;
                return talk;
            }
            continue;
        };
        let params = message.get("params").map(|_| raw_member(&text, &["params"]));
        client.reply(&message["id"], &reply(method)).await;
        talk.asked.push((method.to_owned(), params.unwrap_or_default()));
    }
}
