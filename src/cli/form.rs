//! The fields of a form that a server wants filled in: flat primitives, choices and lists of choices.
//!
//! Source: 2026-07-28 client/elicitation (requested schema); 2025-06-18 for `enumNames`.

use serde_json::Value;

use super::{input, terminal::plain_line};

/// One field.
pub(super) struct Field {
    /// Its name in the answer.
    pub(super) name: String,
    need: Need,
    property: Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

/// The fields of a requested schema, in its order.
pub(super) fn fields(schema: &Value) -> Vec<Field> {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let field = |(name, property): (&String, &Value)| Field {
        name: name.clone(),
        need: if required.contains(&name.as_str()) { Need::Required } else { Need::Optional },
        property: property.clone(),
    };
    properties.map(field).collect()
}

impl Field {
    /// What stands before the answer: `Size (S|M|L) [M]`.
    pub(super) fn prompt(&self) -> String {
        let text = |member: &str| self.property.get(member).and_then(Value::as_str).map(plain_line);
        let label = text("title").or_else(|| text("description")).unwrap_or_else(|| plain_line(&self.name));
        let choices = self.choices();
        let form = match self.kind() {
            _ if !choices.is_empty() => {
                format!(" ({})", choices.iter().map(Choice::label).collect::<Vec<_>>().join("|"))
            }
            Some("boolean") => " (yes|no)".to_owned(),
            _ => String::new(),
        };
        let default = match (self.property.get("default"), self.need) {
            (Some(default), _) => {
                format!(" [{}]", plain_line(&default.as_str().map_or_else(|| default.to_string(), str::to_owned)))
            }
            (None, Need::Optional) => " [none]".to_owned(),
            (None, Need::Required) => String::new(),
        };
        format!("{label}{form}{default}")
    }

    /// What an answer means: nothing where nothing was said and nothing is needed. The error is what is wanted.
    pub(super) fn read(&self, text: &str) -> Result<Option<Value>, &'static str> {
        if text.is_empty() {
            return match (self.property.get("default"), self.need) {
                (Some(default), _) => Ok(Some(default.clone())),
                (None, Need::Optional) => Ok(None),
                (None, Need::Required) => Err("something: this is required"),
            };
        }
        let choices = self.choices();
        match self.kind() {
            Some("array") if !choices.is_empty() => text
                .split(',')
                .map(|word| choose(&choices, word.trim()))
                .collect::<Result<Vec<_>, _>>()
                .map(|all| Some(Value::Array(all))),
            _ if !choices.is_empty() => choose(&choices, text).map(Some),
            Some("boolean") => boolean(text).map(|answer| Some(answer.into())),
            _ => input::value(text, Some(&self.property)).map(Some),
        }
    }

    fn kind(&self) -> Option<&str> {
        self.property.get("type").and_then(Value::as_str)
    }

    fn choices(&self) -> Vec<Choice> {
        let property = self.property.get("items").unwrap_or(&self.property);
        let list = |member: &str| property.get(member).and_then(Value::as_array);
        if let Some(titled) = list("oneOf").or_else(|| list("anyOf")) {
            return titled.iter().filter_map(|choice| Choice::new(choice.get("const")?, choice.get("title"))).collect();
        }
        let names = list("enumNames");
        let named = |(place, value): (usize, &Value)| Choice::new(value, names.and_then(|names| names.get(place)));
        list("enum").into_iter().flatten().enumerate().filter_map(named).collect()
    }
}

struct Choice {
    value: String,
    title: Option<String>,
}

impl Choice {
    fn new(value: &Value, title: Option<&Value>) -> Option<Self> {
        Some(Self { value: value.as_str()?.to_owned(), title: title.and_then(Value::as_str).map(str::to_owned) })
    }

    fn label(&self) -> String {
        plain_line(self.title.as_deref().unwrap_or(&self.value))
    }
}

fn choose(choices: &[Choice], word: &str) -> Result<Value, &'static str> {
    let is_meant =
        |choice: &&Choice| choice.value.eq_ignore_ascii_case(word) || choice.label().eq_ignore_ascii_case(word);
    choices.iter().find(is_meant).map(|choice| choice.value.as_str().into()).ok_or("one of the choices")
}

fn boolean(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" => Ok(true),
        "n" | "no" | "false" => Ok(false),
        _ => Err("yes or no"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(property: Value) -> Field {
        fields(&json!({ "properties": { "size": property } })).remove(0)
    }

    #[test]
    fn choices_are_made_by_title_or_value() {
        let titled = field(
            json!({"type": "string", "oneOf": [{"const": "s", "title": "Small"}, {"const": "l", "title": "Large"}]}),
        );
        assert_eq!(titled.prompt(), "size (Small|Large) [none]");
        assert_eq!(titled.read("large"), Ok(Some("l".into())));
        assert_eq!(titled.read("s"), Ok(Some("s".into())));
        assert_eq!(titled.read("huge"), Err("one of the choices"));
        let named =
            field(json!({"type": "string", "enum": ["a", "b"], "enumNames": ["First", "Second"], "default": "a"}));
        assert_eq!(named.prompt(), "size (First|Second) [a]");
        assert_eq!(named.read(""), Ok(Some("a".into())));
    }

    #[test]
    fn several_choices_are_a_list() {
        let several = field(json!({"type": "array", "items": {"type": "string", "enum": ["x", "y", "z"]}}));
        assert_eq!(several.read("x, Z"), Ok(Some(json!(["x", "z"]))));
    }
}
