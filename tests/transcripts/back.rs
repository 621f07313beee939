//! Plays a server.

use bytes::Bytes;
use myelin::{
    era::{Era, Incoming, Outgoing, legacy, modern},
    jsonrpc::{self, Id, Message, Raw},
    mcp::{
        Caller, Capabilities, Filter, Level, LogInterest, Mirror, Outcome, Params, Principal, ProgressInterest, Verb,
    },
};

use super::{Player, waist::raw};

/// The gateway's back, between lines.
pub(crate) struct Back {
    era: Era,
    caller: Caller,
    verb: Option<Verb>,
}

impl Default for Back {
    fn default() -> Self {
        let caller = Caller {
            principal: Principal::anonymous(),
            session: None,
            client_info: Some(raw(r#"{"name":"client","version":"1"}"#)),
            capabilities: Capabilities::none(),
            log: LogInterest::Off,
            address: None,
        };
        Self { era: Era::Modern, caller, verb: None }
    }
}

impl Player for Back {
    const GIVEN: &'static [char] = &['|', '<'];

    fn play(&mut self, mark: char, line: &str) -> Vec<String> {
        match mark {
            '@' => self.scene(line),
            '|' => self.send(line),
            _ => vec![self.hear(line)],
        }
    }
}

impl Back {
    /// The server's era, who calls (`modern` or `session`), and their capabilities.
    fn scene(&mut self, line: &str) -> Vec<String> {
        let [era, caller, capabilities] = line.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
        self.era = if era == "modern" { Era::Modern } else { Era::Legacy };
        self.caller.session = (caller == "session").then(|| "s".into());
        self.caller.log =
            if caller == "session" { LogInterest::ServersChoice } else { LogInterest::AtLeast(Level::Warning) };
        self.caller.capabilities = Capabilities::parse(&raw(capabilities)).unwrap();
        Vec::new()
    }

    fn send(&mut self, line: &str) -> Vec<String> {
        let (method, params) = line.split_once(' ').unwrap_or((line, ""));
        let params = (!params.is_empty()).then(|| raw(params));
        self.verb =
            [Verb::CallTool, Verb::GetPrompt, Verb::ReadResource].into_iter().find(|verb| verb.method() == method);
        let outgoing = match self.era {
            Era::Modern => self.modern(method, params.as_ref()),
            Era::Legacy => self.legacy(method, params.as_ref()),
        };
        let headers = outgoing.headers.iter().map(|(name, value)| format!("> {name}: {}", value.to_str().unwrap()));
        let message = jsonrpc::request(&Id::from(7), &outgoing.method, outgoing.params.as_ref());
        headers.chain([format!("> {}", text(&message))]).collect()
    }

    fn modern(&self, method: &str, params: Option<&Raw>) -> Outgoing {
        let encode = modern::back::Encode { caller: &self.caller, progress: ProgressInterest::Wanted, token: 7 };
        match method {
            "server/discover" => encode.discover(),
            "subscriptions/listen" => encode.listen(&Filter::parse(&params.unwrap().object().unwrap()).unwrap()),
            _ => {
                let schema =
                    raw(r#"{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}"#);
                encode.request(method.to_owned().into(), &Params::of(params), &[], &Mirror::compile(&schema).unwrap())
            }
        }
    }

    fn legacy(&self, method: &str, params: Option<&Raw>) -> Outgoing {
        let member = |name| params.and_then(|params| params.object().ok()?.text(name)).unwrap();
        match method {
            "initialize" => legacy::back::initialize(&self.caller.capabilities.profile),
            "logging/setLevel" => legacy::back::set_level(member("level").parse().unwrap()),
            "resources/subscribe" => legacy::back::subscribe(&member("uri")),
            "resources/unsubscribe" => legacy::back::unsubscribe(&member("uri")),
            _ => legacy::back::request(method.to_owned().into(), &Params::of(params), &[], ProgressInterest::Wanted, 7),
        }
    }

    fn hear(&self, line: &str) -> String {
        let message = match Message::parse(Bytes::from(line.to_owned()), 128) {
            Ok(message) => message,
            Err(error) => return format!("= {error}"),
        };
        let incoming = match self.era {
            Era::Modern => modern::back::decode(message),
            Era::Legacy => legacy::back::decode(message),
        };
        match incoming {
            Some(Incoming::Answer(_, answer)) if line.contains("\"supportedVersions\"") || line.contains("-3202") => {
                format!("= {:?}", modern::back::probe(&answer))
            }
            Some(Incoming::Answer(_, Ok(result))) if line.contains("\"protocolVersion\"") => {
                format!("= {:?}", legacy::back::handshake(&result))
            }
            Some(Incoming::Answer(_, answer)) => self.outcome(answer),
            Some(Incoming::Ping(id)) => format!("= ping\n> {}", text(&legacy::back::pong(&id))),
            Some(Incoming::Unknown(id)) => format!("= unknown\n> {}", text(&legacy::back::unknown(&id))),
            Some(Incoming::Ask(id, kind, params)) => {
                let late = legacy::back::answer(&id, &legacy::back::unattributable(kind));
                let undeclared = legacy::back::answer(&id, &legacy::back::undeclared(kind));
                format!("= ask {kind:?} {params:?}\n> (no call) {}\n> (undeclared) {}", text(&late), text(&undeclared))
            }
            Some(other) => format!("= {other:?}"),
            None => "= (nothing)".to_owned(),
        }
    }

    fn outcome(&self, answer: Result<Raw, jsonrpc::ErrorObject>) -> String {
        let outcome: Result<Outcome, _> = match self.era {
            Era::Modern => modern::back::outcome(self.verb, &self.caller, answer),
            Era::Legacy => Ok(legacy::back::outcome(self.verb, answer)),
        };
        outcome.map_or_else(|error| format!("= {error:?}"), |outcome| format!("= {outcome:?}"))
    }
}

fn text(bytes: &Bytes) -> String {
    without_version(std::str::from_utf8(bytes).unwrap())
}

/// The gateway's own version changes with each release.
pub(crate) fn without_version(text: &str) -> String {
    text.replace(concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\""), "\"version\":\"…\"")
}
