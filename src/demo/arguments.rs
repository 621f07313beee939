//! The arguments of one tool call, read strictly: every refusal says which argument and what would be right.
//!
//! It is not a JSON Schema validator; it checks just what the tools' schemas say, with a limit on each text.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::rpc::Object;

/// Why the arguments do not fit, in words that let the caller repair them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misfit {
    #[error("the argument {argument} is missing: call again with it")]
    Missing { argument: &'static str },
    #[error("the argument {argument} is not {expected}: call again with {expected}")]
    Type { argument: &'static str, expected: &'static str },
    #[error("the argument {argument} is empty: call again with at least one word")]
    Empty { argument: &'static str },
    #[error("the argument {argument} is longer than {limit_bytes} bytes: shorten it")]
    TooLong { argument: &'static str, limit_bytes: usize },
    #[error("the argument {argument} must be between {least} and {most}")]
    Range { argument: &'static str, least: u32, most: u32 },
    #[error("there is no argument {argument}: this tool takes {known}")]
    Unknown { argument: String, known: String },
}

/// The arguments of a call.
#[derive(Debug)]
pub(super) struct Arguments(Object);

impl Arguments {
    /// Takes the arguments of a tool whose input schema is given.
    ///
    /// # Errors
    /// [`Misfit::Unknown`] for a member that the schema does not list.
    pub(super) fn read(given: Object, input_schema: &Value) -> Result<Self, Misfit> {
        let known = input_schema.get("properties").and_then(Value::as_object);
        let stranger = given.keys().find(|name| !known.is_some_and(|known| known.contains_key(*name)));
        if let Some(argument) = stranger {
            let known = known.map(|known| known.keys().cloned().collect::<Vec<_>>().join(", "));
            let known = known.filter(|names| !names.is_empty()).unwrap_or_else(|| "no arguments".to_owned());
            return Err(Misfit::Unknown { argument: argument.clone(), known });
        }
        Ok(Self(given))
    }

    /// A text that must be there and say something.
    pub(super) fn text(&self, argument: &'static str, limit_bytes: usize) -> Result<&str, Misfit> {
        let text = self.optional_text(argument, limit_bytes)?.ok_or(Misfit::Missing { argument })?;
        if text.trim().is_empty() { Err(Misfit::Empty { argument }) } else { Ok(text) }
    }

    /// A text that may be absent.
    pub(super) fn optional_text(&self, argument: &'static str, limit_bytes: usize) -> Result<Option<&str>, Misfit> {
        let Some(value) = self.0.get(argument) else { return Ok(None) };
        let text = value.as_str().ok_or(Misfit::Type { argument, expected: "a string" })?;
        if text.len() > limit_bytes {
            return Err(Misfit::TooLong { argument, limit_bytes });
        }
        Ok(Some(text))
    }

    /// A whole number that may be absent.
    pub(super) fn integer(&self, argument: &'static str, range: RangeInclusive<u32>) -> Result<Option<u32>, Misfit> {
        let Some(value) = self.0.get(argument) else { return Ok(None) };
        let whole = value.as_i64().or_else(|| whole_number(value.as_f64()?));
        let whole = whole.ok_or(Misfit::Type { argument, expected: "an integer" })?;
        let (least, most) = (*range.start(), *range.end());
        let fitting = u32::try_from(whole).ok().filter(|number| range.contains(number));
        fitting.map(Some).ok_or(Misfit::Range { argument, least, most })
    }

    /// An object that may be absent.
    pub(super) fn object(&self, argument: &'static str) -> Result<Option<&Object>, Misfit> {
        let Some(value) = self.0.get(argument) else { return Ok(None) };
        value.as_object().map(Some).ok_or(Misfit::Type { argument, expected: "an object" })
    }

    /// An object that may be absent and will be kept.
    pub(super) fn small_object(&self, argument: &'static str, limit_bytes: usize) -> Result<Option<&Object>, Misfit> {
        let object = self.object(argument)?;
        let size = self.0.get(argument).map_or(0, |value| value.to_string().len());
        if size > limit_bytes { Err(Misfit::TooLong { argument, limit_bytes }) } else { Ok(object) }
    }
}

/// JSON Schema counts 5.0 as an integer.
fn whole_number(number: f64) -> Option<i64> {
    let text = format!("{number:.0}");
    (number.fract() == 0.0).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rpc::object;
    use super::*;

    fn arguments(given: Value) -> Arguments {
        Arguments(object(given))
    }

    #[test]
    fn names_the_arguments_that_exist_when_one_does_not() {
        let schema = json!({"properties": {"query": {}, "limit": {}}});
        let misfit = Arguments::read(object(json!({"q": 1})), &schema).unwrap_err();
        assert_eq!(misfit.to_string(), "there is no argument q: this tool takes query, limit");
    }

    #[test]
    fn accepts_an_integer_in_either_spelling_and_refuses_a_fraction() {
        assert_eq!(arguments(json!({"k": 5})).integer("k", 1..=9), Ok(Some(5)));
        assert_eq!(arguments(json!({"k": 5.0})).integer("k", 1..=9), Ok(Some(5)));
        let misfit = Misfit::Type { argument: "k", expected: "an integer" };
        assert_eq!(arguments(json!({"k": 5.5})).integer("k", 1..=9), Err(misfit));
    }

    #[test]
    fn holds_the_limits_exactly() {
        assert_eq!(arguments(json!({"k": 9})).integer("k", 1..=9), Ok(Some(9)));
        assert!(arguments(json!({"k": 10})).integer("k", 1..=9).is_err());
        assert!(arguments(json!({"k": -1})).integer("k", 1..=9).is_err());
        assert_eq!(arguments(json!({"t": "four"})).text("t", 4), Ok("four"));
        assert_eq!(
            arguments(json!({"t": "five!"})).text("t", 4),
            Err(Misfit::TooLong { argument: "t", limit_bytes: 4 })
        );
    }

    #[test]
    fn tells_missing_from_empty() {
        assert_eq!(arguments(json!({})).text("t", 4), Err(Misfit::Missing { argument: "t" }));
        assert_eq!(arguments(json!({"t": " "})).text("t", 4), Err(Misfit::Empty { argument: "t" }));
    }
}
