//! Plays a conversation between a client and a scripted server, directly or through whatever is between them, and records both sides.

use serde_json::{Value, json};

use super::{
    normal::{Side, line},
    script::{Conversation, End, Exchange, Step},
};
use crate::kit::{Answer, Arrived, Era, Legacy, Modern, NEWEST_LEGACY, Upstream, raw_member};

const ASKABLE: &str = r#"{"elicitation":{},"sampling":{},"roots":{}}"#;
const MARK: &str = "vendor/mark";

#[derive(Clone)]
enum Peer {
    Modern(Modern),
    Legacy(Legacy),
}

/// An exchange with what makes it unique among those of its play.
#[derive(Clone)]
struct Take {
    exchange: Exchange,
    era: Era,
    number: usize,
    mark: String,
}

/// What client and server saw, exchange by exchange. `case` must not have been played with this server before.
pub(super) async fn play(
    conversation: &Conversation,
    era: Era,
    address: &str,
    server: &Upstream,
    case: u64,
) -> Vec<String> {
    let client = match era {
        Era::Legacy => Peer::Legacy(Legacy::open_at(address, NEWEST_LEGACY, ASKABLE).await),
        Era::Modern => Peer::Modern(Modern::of_address(address).capable(ASKABLE)),
    };
    let (mut record, mut number) = (Vec::new(), 0);
    for group in conversation {
        let mut playing = Vec::new();
        for exchange in group {
            number += 1;
            let take = Take { exchange: exchange.clone(), era, number, mark: format!("{case}-{number}") };
            let asking = tokio::spawn(ask(client.clone(), take.clone()));
            playing.push((asking, tokio::spawn(serve(server.clone(), take))));
        }
        for (asking, serving) in playing {
            record.extend(asking.await.unwrap());
            record.extend(serving.await.unwrap());
        }
    }
    record
}

impl Take {
    /// The id of its first request, or of a later round.
    fn id(&self, round: usize) -> String {
        let number = self.number * 10 + round;
        match self.exchange.id.strip_suffix('"') {
            Some(text) => format!(r#"{text}{number}""#),
            None => format!("{}{number:03}", self.exchange.id),
        }
    }

    /// Members of `_meta`.
    fn meta(&self) -> String {
        let mut meta = format!(r#""{MARK}":"{}""#, self.mark);
        if self.exchange.wants_progress {
            meta.push_str(&format!(r#","progressToken":"token {}""#, self.number));
        }
        if self.era == Era::Modern {
            meta.push_str(r#","io.modelcontextprotocol/logLevel":"debug""#);
        }
        meta
    }

    fn answers(&self) -> impl Iterator<Item = &str> {
        self.exchange.steps.iter().filter_map(|step| match step {
            Step::Question(_, _, answer) => Some(&**answer),
            _ => None,
        })
    }
}

async fn ask(client: Peer, take: Take) -> Vec<String> {
    match client {
        Peer::Modern(client) => ask_in_rounds(client.meta(&take.meta()), &take).await,
        Peer::Legacy(client) => ask_on_a_stream(client, &take).await,
    }
}

async fn ask_in_rounds(client: Modern, take: &Take) -> Vec<String> {
    let (mut record, mut more, mut answers) = (Vec::new(), String::new(), take.answers());
    for round in 0.. {
        let members = format!("{}{more}", take.exchange.request.members);
        let texts = all(client.send(take.id(round), take.exchange.request.method, &members).await).await;
        record.extend(texts.iter().map(|text| line(Side::Client, text)));
        let last: Value = serde_json::from_str(texts.last().expect("a response")).unwrap();
        if last["result"]["resultType"] != "input_required" {
            break;
        }
        let (answer, state) = (answers.next().expect("a question of the script"), &last["result"]["requestState"]);
        more = format!(r#","inputResponses":{{"q":{answer}}},"requestState":{state}"#);
    }
    record
}

async fn all(mut answer: Answer) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(text) = answer.message_text().await {
        texts.push(text);
    }
    texts
}

async fn ask_on_a_stream(client: Legacy, take: &Take) -> Vec<String> {
    let request = &take.exchange.request;
    let comma = if request.members.is_empty() { "" } else { "," };
    let members = format!(r#"{}{comma}"_meta":{{{}}}"#, request.members, take.meta());
    let mut stream = client.send(take.id(0), request.method, &members).await;
    let (mut record, mut answers) = (Vec::new(), take.answers());
    while let Some(text) = stream.message_text().await {
        record.push(line(Side::Client, &text));
        let message: Value = serde_json::from_str(&text).unwrap();
        if message["method"].is_string() && !message["id"].is_null() {
            client.reply(raw_member(&text, &["id"]), answers.next().expect("a question of the script")).await;
        }
    }
    record
}

async fn serve(server: Upstream, take: Take) -> Vec<String> {
    let Exchange { request, steps, end, .. } = &take.exchange;
    if request.method.ends_with("/list") {
        return Vec::new();
    }
    let mut record = Vec::new();
    let mut arrived = next(&server, &take, &mut record).await;
    let (mut progress, mut questions) = (0, 0);
    for step in steps {
        match step {
            Step::Progress(_) if !take.exchange.wants_progress => (),
            Step::Progress(more) => {
                progress += more;
                arrived.progress(f64::from(progress) / 4.0).await;
            }
            Step::Log(level, data) => {
                let members = format!(r#""level":"{level}","logger":"é","data":{data}"#);
                arrived.notice("notifications/message", &members).await;
            }
            Step::Question(method, params, _) => {
                questions += 1;
                question(&server, &take, &mut arrived, (method, params, questions), &mut record).await;
                // The reports of each request count from zero.
                progress = if take.era == Era::Modern { 0 } else { progress };
            }
        }
    }
    answer(&mut arrived, end, &take).await;
    record
}

async fn next(server: &Upstream, take: &Take, record: &mut Vec<String>) -> Arrived {
    let method = take.exchange.request.method;
    let is_ours = |arrived: &Arrived| arrived.method() == method && arrived.params()["_meta"][MARK] == *take.mark;
    let arrived = server.take_if(method, is_ours).await;
    record.push(line(Side::Server, &arrived.text));
    arrived
}

async fn question(
    server: &Upstream,
    take: &Take,
    arrived: &mut Arrived,
    (method, params, number): (&str, &str, u32),
    record: &mut Vec<String>,
) {
    let id = json!(format!("{}-{number}", take.mark));
    match take.era {
        Era::Legacy => {
            arrived.ask(&id, method, params).await;
            record.push(line(Side::Server, &server.answer(&id).await.text));
        }
        Era::Modern => {
            let request = format!(r#""q":{{"method":"{method}","params":{params}}}"#);
            let members = format!(r#""inputRequests":{{{request}}},"requestState":{id}"#);
            arrived.result(&format!(r#"{{"resultType":"input_required",{members}}}"#)).await;
            *arrived = next(server, take, record).await;
        }
    }
}

async fn answer(arrived: &mut Arrived, end: &End, take: &Take) {
    let of_era = match (take.era, take.exchange.request.method) {
        (Era::Legacy, _) => "",
        (Era::Modern, "resources/read") => r#""resultType":"complete","ttlMs":7,"cacheScope":"private","#,
        (Era::Modern, _) => r#""resultType":"complete","#,
    };
    match end {
        End::Result(members) => arrived.result(&format!("{{{of_era}{members}}}")).await,
        End::Error(code, message, data) => {
            let data = data.as_ref().map_or_else(String::new, |data| format!(r#","data":{data}"#));
            let error = format!(r#"{{"code":{code},"message":{message}{data}}}"#);
            let text = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, arrived.id());
            arrived.finish(&text).await;
        }
    }
}
