//! The state of a round as it passes through a client's hands: sealed, and bound to who may bring it back with what.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    clock,
    mcp::{Caller, Fault, Invoke},
    seal::{KeyRing, Purpose},
};

/// What a client carries from one round to the next.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Token {
    /// Who may bring it back.
    principal: String,
    /// The call it belongs to, without answers and state.
    call: String,
    /// Until when, in seconds since 1970.
    expires: u64,
    /// Which round of the call this one was, from one.
    pub(super) round: u32,
    /// Where the call stands.
    pub(super) place: Place,
}

/// Where a call stands between rounds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Place {
    /// Nowhere: the upstream's own state says it all.
    State(String),
    /// Held open here, under this id.
    Parked(String),
    /// Nowhere: URLs are to be visited, then the call is made again.
    Urls,
}

impl Token {
    pub(super) fn new(caller: &Caller, invoke: &Invoke, lifetime: Duration, round: u32, place: Place) -> Self {
        let expires = clock::expiry(lifetime);
        Self { principal: caller.principal.id().to_owned(), call: call_digest(invoke), expires, round, place }
    }

    pub(super) fn seal(&self, ring: &KeyRing) -> Option<String> {
        let content = serde_json::to_vec(self).ok()?;
        match self.place {
            // Only this gateway can take it up.
            Place::Parked(_) => ring.seal_here(Purpose::Resume, &content).ok(),
            Place::State(_) | Place::Urls => ring.seal(Purpose::Resume, &content).ok(),
        }
    }

    /// Opens what a client brought back.
    ///
    /// # Errors
    /// [`Fault::BadState`]: forged, expired, of another principal, or of another call.
    pub(super) fn open(ring: &KeyRing, sealed: &str, caller: &Caller, invoke: &Invoke) -> Result<Self, Fault> {
        let content = ring.open(Purpose::Resume, sealed).map_err(|_| Fault::BadState("request_state_invalid"))?;
        let token: Self = serde_json::from_slice(&content).map_err(|_| Fault::BadState("request_state_invalid"))?;
        if token.principal != caller.principal.id() || token.call != call_digest(invoke) {
            return Err(Fault::BadState("request_state_invalid"));
        }
        if clock::unix_time().as_secs() >= token.expires {
            return Err(Fault::BadState("request_state_expired"));
        }
        Ok(token)
    }
}

/// A digest of what is called with what. Clients may write the same arguments differently the second time, so it is taken of the
/// values with sorted names.
fn call_digest(invoke: &Invoke) -> String {
    let mut params: Value = serde_json::from_str(invoke.params.raw().as_str()).unwrap_or_default();
    if let Value::Object(members) = &mut params {
        for name in ["_meta", "inputResponses", "requestState"] {
            members.shift_remove(name);
        }
    }
    let mut text = format!("{}\n{}\n", invoke.verb.method(), invoke.target);
    write_sorted(&params, &mut text);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            out.push('{');
            for name in names {
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                write_sorted(&members[name.as_str()], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for element in elements {
                write_sorted(element, out);
                out.push(',');
            }
            out.push(']');
        }
        // `1.0` and `1` are one number to many writers of JSON.
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => out.push_str(&format!("{float:.0}")),
            _ => out.push_str(&number.to_string()),
        },
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        jsonrpc::Raw,
        mcp::{Params, Principal, Verb},
    };

    fn caller(id: &str) -> Caller {
        Caller::of(Principal::new(id))
    }

    fn invoke(params: &'static str) -> Invoke {
        Invoke {
            verb: Verb::CallTool,
            target: "t".into(),
            arguments: Raw::literal(params).member("arguments"),
            params: Params::of(Some(&Raw::literal(params))),
            answers: None,
            state: None,
            task: None,
        }
    }

    fn token(lifetime: Duration) -> Token {
        let call = invoke(r#"{"name":"t","arguments":{"a":1,"b":[2.0]},"_meta":{"x":1}}"#);
        Token::new(&caller("alice"), &call, lifetime, 1, Place::State("s".into()))
    }

    fn sealed(ring: &KeyRing, lifetime: Duration) -> String {
        token(lifetime).seal(ring).unwrap()
    }

    #[test]
    fn opens_for_the_same_call_however_it_is_written() {
        let ring = KeyRing::new([]).unwrap();
        let again = invoke(r#"{ "arguments":{"b":[2],"a":1.0}, "name":"t", "requestState":"x", "inputResponses":{} }"#);
        assert!(Token::open(&ring, &sealed(&ring, Duration::from_secs(60)), &caller("alice"), &again).is_ok());
    }

    #[test]
    fn refuses_another_principal_another_call_an_expired_and_a_changed_token() {
        let ring = KeyRing::new([]).unwrap();
        let same = invoke(r#"{"name":"t","arguments":{"a":1,"b":[2.0]}}"#);
        let expired = Token { expires: clock::unix_time().as_secs(), ..token(Duration::ZERO) };
        let token = sealed(&ring, Duration::from_secs(60));
        let other = invoke(r#"{"name":"t","arguments":{"a":2,"b":[2.0]}}"#);
        assert!(Token::open(&ring, &token, &caller("bob"), &same).is_err());
        assert!(Token::open(&ring, &token, &caller("alice"), &other).is_err());
        assert!(Token::open(&ring, &expired.seal(&ring).unwrap(), &caller("alice"), &same).is_err());
        assert!(Token::open(&ring, &format!("{token}-TAMPERED"), &caller("alice"), &same).is_err());
    }
}
