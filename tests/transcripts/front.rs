//! Plays a client.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use myelin::{
    era::{
        Revision,
        classify::{Arrival, Limits, classify},
        legacy, modern,
    },
    jsonrpc::{Id, Message},
    mcp::Capabilities,
};

use super::{
    Player,
    waist::{Said, describe, raw, say},
};

/// The gateway's front, between lines.
pub(crate) struct Front {
    headers: HeaderMap,
    session: legacy::front::Session,
    asked: Option<Asked>,
}

/// The request that waits for its answer.
enum Asked {
    Modern(modern::front::Ticket),
    Legacy(legacy::front::Ticket),
    Opening(Id, Revision),
}

impl Default for Front {
    fn default() -> Self {
        let session = legacy::front::Session { revision: Revision::NEWEST_LEGACY, capabilities: Capabilities::none() };
        Self { headers: HeaderMap::new(), session, asked: None }
    }
}

impl Player for Front {
    const GIVEN: &'static [char] = &['>', '|'];

    fn play(&mut self, mark: char, line: &str) -> Vec<String> {
        match mark {
            '@' => self.scene(line),
            '|' => self.answer(line),
            _ => self.receive(line),
        }
    }
}

impl Front {
    /// A revision, and the client's capabilities.
    fn scene(&mut self, line: &str) -> Vec<String> {
        let (revision, capabilities) = line.split_once(' ').unwrap();
        let capabilities = Capabilities::parse(&raw(capabilities)).unwrap();
        self.session = legacy::front::Session { revision: Revision::parse(revision).unwrap(), capabilities };
        Vec::new()
    }

    fn receive(&mut self, line: &str) -> Vec<String> {
        match line.split_once(": ").filter(|_| !line.starts_with(['{', '['])) {
            Some((name, value)) => {
                let name: HeaderName = name.parse().unwrap();
                self.headers.append(name, HeaderValue::from_str(value).unwrap());
                Vec::new()
            }
            None => self.post(line),
        }
    }

    fn post(&mut self, body: &str) -> Vec<String> {
        let headers = std::mem::take(&mut self.headers);
        match classify(&headers, Bytes::from(body.to_owned()), Limits { depth: 128, batch: 4 }) {
            Err(refusal) => vec![format!("< {} {}", refusal.status, text(&refusal.body))],
            Ok(Arrival::ModernNotification) => vec!["= modern notification".to_owned()],
            Ok(Arrival::Legacy(message)) => vec![self.legacy(message)],
            Ok(Arrival::LegacyBatch(messages)) => messages
                .into_iter()
                .map(|message| message.map_or_else(|error| format!("= {error}"), |message| self.legacy(message)))
                .collect(),
            Ok(Arrival::Modern(request)) => {
                let said = format!(
                    "= modern {}, log {:?}, progress {:?}, {:?}",
                    describe(&request.op),
                    request.log,
                    request.progress,
                    request.mirrored
                );
                self.asked = Some(Asked::Modern(request.ticket));
                vec![said]
            }
        }
    }

    fn legacy(&mut self, message: Message) -> String {
        use legacy::front::Inbound;
        match legacy::front::decode(message) {
            Inbound::Initialize(opening) => {
                let said = format!("= legacy initialize {} {:?}", opening.revision, opening.capabilities.declared);
                self.asked = Some(Asked::Opening(opening.id, opening.revision));
                said
            }
            Inbound::Request(request) => {
                let said = format!("= legacy {}, progress {:?}", describe(&request.op), request.progress);
                self.asked = Some(Asked::Legacy(request.ticket));
                said
            }
            Inbound::Local(id, local) => format!("= legacy {local:?}\n< {}", text(&legacy::front::done(&id))),
            Inbound::Refused(id, error) => format!("< {}", text(&legacy::front::refusal(id.as_ref(), &error))),
            other => format!("= legacy {other:?}"),
        }
    }

    fn answer(&self, line: &str) -> Vec<String> {
        let told = match (self.asked.as_ref().unwrap(), say(line)) {
            (Asked::Modern(ticket), Said::Outcome(outcome)) => {
                let encoded = modern::front::outcome(ticket, &outcome);
                let retry = encoded.retry_after.map_or_else(String::new, |after| format!(" (Retry-After {after:?})"));
                Some(format!("{}{retry} {}", encoded.status, text(&encoded.body)))
            }
            (Asked::Modern(ticket), Said::Notice(notice)) => modern::front::notice(ticket, &notice).as_ref().map(text),
            (Asked::Legacy(ticket), Said::Outcome(outcome)) => {
                Some(text(&legacy::front::outcome(ticket, &self.session, &outcome)))
            }
            (Asked::Legacy(ticket), Said::Notice(notice)) => {
                legacy::front::notice(Some(ticket), &notice).as_ref().map(text)
            }
            (Asked::Legacy(_), Said::Ask(ask)) => {
                let asked = legacy::front::ask(&Id::from("ask-1"), &ask, &self.session);
                Some(asked.map_or_else(|error| format!("({error})"), |asked| text(&asked)))
            }
            (Asked::Opening(id, revision), Said::Outcome(myelin::mcp::Outcome::Discovered(offer))) => {
                Some(text(&legacy::front::initialized(id, *revision, &offer)))
            }
            _ => panic!("{line}: not an answer to this"),
        };
        vec![told.map_or_else(|| "< (nothing)".to_owned(), |told| format!("< {told}"))]
    }
}

/// A message, with the gateway's version taken out: it changes with each release.
fn text(bytes: &Bytes) -> String {
    super::back::without_version(std::str::from_utf8(bytes).unwrap())
}
