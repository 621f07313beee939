//! A tool's arguments and purpose in a few words, from its JSON Schema and description.

use serde_json::Value;

use super::terminal::plain_line;

/// A tool as it was listed.
pub(super) struct Signature(Value);

impl Signature {
    /// Reads a tool.
    pub(super) fn read(tool: &str) -> Self {
        Self(serde_json::from_str(tool).unwrap_or_default())
    }

    /// `query: string, limit?: integer`: what is required comes first.
    pub(super) fn arguments(&self) -> String {
        let required = self.required();
        let Some(properties) = self.schema().get("properties").and_then(Value::as_object) else { return String::new() };
        let told = |mark: &str, (name, property): (&String, &Value)| {
            format!("{}{mark}: {}", plain_line(name), plain_line(&type_name(property)))
        };
        let (first, then): (Vec<_>, Vec<_>) = properties.iter().partition(|(name, _)| required.contains(name));
        let first = first.into_iter().map(|one| told("", one));
        first.chain(then.into_iter().map(|one| told("?", one))).collect::<Vec<_>>().join(", ")
    }

    /// The names of the required arguments.
    pub(super) fn required(&self) -> Vec<String> {
        let names = self.schema().get("required").and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The title, or the first sentence of the description.
    pub(super) fn purpose(&self) -> String {
        let text = |member: &str| self.0.get(member).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let title = || text("title").or_else(|| self.0.get("annotations")?.get("title")?.as_str());
        let sentence = text("description").map(|description| first_sentence(&plain_line(description)));
        sentence.or_else(|| title().map(plain_line)).unwrap_or_default()
    }

    /// What the schema says of an argument.
    pub(super) fn property(&self, name: &str) -> Option<&Value> {
        self.schema().get("properties")?.get(name)
    }

    fn schema(&self) -> &Value {
        self.0.get("inputSchema").unwrap_or(&Value::Null)
    }
}

/// The type of a property: `string`, `integer|null`, `"a"|"b"`, `any`.
fn type_name(property: &Value) -> String {
    /// More words than this say less than the type.
    const WORDS: usize = 5;
    let words = |list: &[Value]| {
        list.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect::<Vec<_>>()
    };
    match (property.get("enum").and_then(Value::as_array), property.get("type")) {
        (Some(list), _) if list.len() <= WORDS => words(list).join("|"),
        (_, Some(Value::Array(types))) => words(types).join("|"),
        (_, Some(Value::String(kind))) if kind == "array" => {
            property.get("items").map_or_else(|| "array".to_owned(), |items| format!("{}[]", type_name(items)))
        }
        (_, Some(Value::String(kind))) => kind.clone(),
        _ => "any".to_owned(),
    }
}

fn first_sentence(text: &str) -> String {
    text.find(". ").and_then(|end| text.get(..end)).unwrap_or(text.trim_end_matches('.')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_required_and_of_which_type() {
        let tool = r#"{"name":"t","description":"Finds\n things. And more.","inputSchema":{"type":"object","required":["q"],
            "properties":{"how":{"enum":["a","b"]},"q":{"type":"string"},"ids":{"type":"array","items":{"type":"integer"}},"x":{}}}}"#;
        let signature = Signature::read(tool);
        assert_eq!(signature.arguments(), "q: string, how?: a|b, ids?: integer[], x?: any");
        assert_eq!(signature.purpose(), "Finds things");
    }

    #[test]
    fn a_tool_without_description_is_told_by_its_title() {
        assert_eq!(Signature::read(r#"{"name":"t","annotations":{"title":"Fetch"}}"#).purpose(), "Fetch");
    }
}
