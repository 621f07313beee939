//! What older clients can be asked: questions in the form of their revision, and capabilities that mean something in it.
//!
//! A question for which a revision has no words is not put; what is only spelled differently is respelled.
//!
//! Sources: client/elicitation and client/sampling of 2024-11-05 to 2025-11-25, and the changelogs between them.

use crate::{
    era::Revision,
    jsonrpc::{self, Kind, Raw},
    mcp::{Ask, AskKind, Capabilities, is_url, wants_tools},
};

/// Capabilities as a client of that revision can mean them: what came later is not offered to servers on its behalf.
pub(super) fn meant(mut capabilities: Capabilities, revision: Revision) -> Capabilities {
    let profile = &mut capabilities.profile;
    if revision < Revision::V2025_11_25 {
        // Until then elicitation was forms, whatever stands in the object.
        profile.form |= profile.url;
        (profile.url, profile.sampling_tools, profile.sampling_context) = (false, false, false);
    }
    profile.form &= revision >= Revision::V2025_06_18;
    capabilities
}

/// The parameters of a question for a client of that revision. `None` when it has no form for the question.
pub(super) fn params(ask: &Ask, revision: Revision) -> Option<Option<Raw>> {
    let Some(params) = &ask.params else { return Some(None) };
    if revision >= Revision::V2025_11_25 {
        return Some(Some(params.clone()));
    }
    match ask.kind {
        AskKind::Elicit if revision < Revision::V2025_06_18 || is_url(ask.kind, Some(params)) => None,
        AskKind::Elicit => form(params).map(Some),
        AskKind::Sample => is_plain_sampling(params, revision).then(|| Some(params.clone())),
        AskKind::Roots => Some(Some(params.clone())),
    }
}

/// A form without what came with 2025-11-25: the mode, and titles beside values. Choosing several has no older form.
fn form(params: &Raw) -> Option<Raw> {
    let params = params.object().ok()?;
    let edit = params.edit().remove("mode");
    let Some(schema) = params.get("requestedSchema").and_then(|schema| schema.object().ok()) else {
        return Some(edit.finish());
    };
    let Some(fields) = schema.get("properties").and_then(|fields| fields.object().ok()) else {
        return Some(edit.finish());
    };
    let respelled: Vec<(&str, Raw)> =
        fields.iter().map(|(name, field)| Some((name, self::field(&field)?))).collect::<Option<_>>()?;
    let properties = respelled.iter().fold(fields.edit(), |edit, (name, field)| edit.set(name, field.clone())).finish();
    Some(edit.set("requestedSchema", schema.edit().set("properties", properties).finish()).finish())
}

/// One field of a form. `None` for a choice of several.
fn field(field: &Raw) -> Option<Raw> {
    let Ok(object) = field.object() else { return Some(field.clone()) };
    if object.text("type").as_deref() == Some("array") {
        return None;
    }
    let Some(choices) = object.get("oneOf").and_then(|choices| choices.elements()) else { return Some(field.clone()) };
    let values: Option<Vec<Raw>> = choices.iter().map(|choice| choice.member("const")).collect();
    let titles: Option<Vec<Raw>> = choices.iter().map(|choice| choice.member("title")).collect();
    let edit = object.edit().remove("oneOf").set("enum", jsonrpc::array(values?));
    Some(titles.map_or_else(|| edit.clone(), |titles| edit.clone().set("enumNames", jsonrpc::array(titles))).finish())
}

/// Tools and several blocks in one message came with 2025-11-25, sound with 2025-03-26.
fn is_plain_sampling(params: &Raw, revision: Revision) -> bool {
    let messages = params.member("messages").and_then(|messages| messages.elements()).unwrap_or_default();
    let is_plain = |message: &Raw| {
        let content = message.member("content");
        let kind = content.as_ref().and_then(|content| content.member("type"));
        let is_sound = || kind.and_then(|kind| kind.text().map(|kind| kind == "audio")) == Some(true);
        content.as_ref().is_none_or(|content| content.kind() != Kind::Array)
            && (revision >= Revision::V2025_03_26 || !is_sound())
    };
    !wants_tools(Some(params)) && messages.iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::AskId;

    fn asked(kind: AskKind, text: &'static str, revision: Revision) -> Option<String> {
        let ask = Ask { id: AskId(1), kind, params: Some(Raw::literal(text)) };
        params(&ask, revision).map(|params| params.unwrap().as_str().to_owned())
    }

    fn profile(declared: &'static str, revision: Revision) -> String {
        let declared = Capabilities::parse(&Raw::literal(declared)).unwrap();
        meant(declared, revision).profile.declaration().as_str().to_owned()
    }

    #[test]
    fn a_form_is_respelled_for_2025_06_18() {
        let text = r#"{"mode":"form","message":"m","requestedSchema":{"type":"object","properties":{"c":{"type":"string","title":"C","oneOf":[{"const":"r","title":"Red"},{"const":"g","title":"Green"}],"default":"r"},"n":{"type":"number","minimum":1.0}},"required":["c"]},"x":1.10}"#;
        let respelled = r#"{"message":"m","requestedSchema":{"type":"object","properties":{"c":{"type":"string","title":"C","default":"r","enum":["r","g"],"enumNames":["Red","Green"]},"n":{"type":"number","minimum":1.0}},"required":["c"]},"x":1.10}"#;
        assert_eq!(asked(AskKind::Elicit, text, Revision::V2025_06_18).as_deref(), Some(respelled));
        assert_eq!(asked(AskKind::Elicit, text, Revision::V2025_11_25).as_deref(), Some(text));
        assert_eq!(asked(AskKind::Elicit, text, Revision::V2025_03_26), None);
    }

    #[test]
    fn what_a_revision_has_no_form_for_is_not_put() {
        let several = r#"{"message":"m","requestedSchema":{"type":"object","properties":{"c":{"type":"array","items":{"enum":["a"]}}}}}"#;
        let url = r#"{"mode":"url","message":"m","url":"https://x"}"#;
        assert_eq!(asked(AskKind::Elicit, several, Revision::V2025_06_18), None);
        assert_eq!(asked(AskKind::Elicit, url, Revision::V2025_06_18), None);
        let tools = r#"{"messages":[],"tools":[]}"#;
        let blocks = r#"{"messages":[{"role":"user","content":[]}]}"#;
        let sound = r#"{"messages":[{"role":"user","content":{"type":"audio"}}]}"#;
        for (text, revision) in
            [(tools, Revision::V2025_06_18), (blocks, Revision::V2025_06_18), (sound, Revision::V2024_11_05)]
        {
            assert_eq!(asked(AskKind::Sample, text, revision), None, "{text}");
        }
        assert_eq!(asked(AskKind::Sample, sound, Revision::V2025_03_26).as_deref(), Some(sound));
    }

    #[test]
    fn capabilities_of_later_revisions_are_not_offered_for_an_older_client() {
        let declared = r#"{"sampling":{"tools":{},"context":{}},"elicitation":{"url":{}}}"#;
        assert_eq!(profile(declared, Revision::V2025_11_25), declared);
        assert_eq!(profile(declared, Revision::V2025_06_18), r#"{"sampling":{},"elicitation":{}}"#);
        assert_eq!(profile(declared, Revision::V2025_03_26), r#"{"sampling":{}}"#);
    }
}
