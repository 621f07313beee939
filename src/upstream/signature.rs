//! Which server asks, said in the question where several stand behind one endpoint.
//!
//! Only a message for a user is signed (a form's, a URL's); what a model or a program reads stays as it is, and so does every question on an
//! endpoint with one server.
//!
//! Source: 2025-11-25 and 2026-07-28 client/elicitation (a client must make clear which server asks); docs/adr/0014.

use crate::{
    era::legacy::back::signed_urls,
    jsonrpc::Raw,
    mcp::{AskKind, Fault, Outcome, signed},
};

/// A question in mid-call.
pub(super) fn question(kind: AskKind, params: Option<Raw>, asker: &str) -> Option<Raw> {
    match kind {
        AskKind::Elicit => params.map(|params| signed(&params, asker)),
        AskKind::Sample | AskKind::Roots => params,
    }
}

/// The questions that a call ends with.
pub(super) fn outcome(outcome: Outcome, asker: &str) -> Outcome {
    match outcome {
        Outcome::InputRequired { requests: Some(requests), state, result } => {
            let requests = self::requests(&requests, asker);
            let signed = |object: crate::jsonrpc::Object| object.edit().set("inputRequests", requests.clone()).finish();
            let result = result.object().map_or(result, signed);
            Outcome::InputRequired { requests: Some(requests), state, result }
        }
        Outcome::Failed(Fault::Upstream(error)) => Outcome::Failed(Fault::Upstream(signed_urls(error, asker))),
        outcome => outcome,
    }
}

fn requests(requests: &Raw, asker: &str) -> Raw {
    let Ok(object) = requests.object() else { return requests.clone() };
    let signed: Vec<(&str, Raw)> = object.iter().map(|(key, request)| (key, self::request(&request, asker))).collect();
    signed.iter().fold(object.edit(), |edit, (key, request)| edit.set(key, request.clone())).finish()
}

fn request(request: &Raw, asker: &str) -> Raw {
    let Ok(object) = request.object() else { return request.clone() };
    let is_elicitation = object.text("method").as_deref() == Some(AskKind::Elicit.method());
    match object.get("params").filter(|_| is_elicitation) {
        Some(params) => object.edit().set("params", signed(&params, asker)).finish(),
        None => request.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_for_users_are_signed_and_the_rest_stays_as_it_was() {
        let asked = Raw::literal(
            r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"N\u0061me?","x":1.10}},"b":{"method":"sampling/createMessage","params":{"message":"m","n":1e2}},"c":{"method":"roots/list"}},"n":1.0}"#,
        );
        let signed = r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"[files] Name?","x":1.10}},"b":{"method":"sampling/createMessage","params":{"message":"m","n":1e2}},"c":{"method":"roots/list"}},"n":1.0}"#;
        let requests = asked.member("inputRequests");
        match outcome(Outcome::InputRequired { requests, state: None, result: asked }, "files") {
            Outcome::InputRequired { result, .. } => assert_eq!(result.as_str(), signed),
            other => panic!("{other:?}"),
        }
    }
}
