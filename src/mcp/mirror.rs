//! Arguments that are mirrored into headers: the `x-mcp-header` annotation of a tool's input schema.
//!
//! Compiled once per tool, when its list arrives; then it makes the headers of an upstream call and checks those of a client's.
//!
//! Source: 2026-07-28 server/tools (x-mcp-header) and streamable-http (Custom Headers, Schema Extension).

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::jsonrpc::{Kind, Raw};

use super::{decode_value, encode_value};

const ANNOTATION: &str = "x-mcp-header";

/// Keywords whose value is a schema.
const SCHEMA: [&str; 10] = [
    "items",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is an array of schemas.
const SCHEMAS: [&str; 4] = ["prefixItems", "oneOf", "anyOf", "allOf"];
/// Keywords whose value is a map of schemas.
const SCHEMA_MAPS: [&str; 4] = ["$defs", "definitions", "patternProperties", "dependentSchemas"];

/// The largest integer that survives a double: the bound on mirrored integers.
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// The mirrored arguments of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirror(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    header: String,
    path: Vec<String>,
    kind: ValueKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueKind {
    String,
    Integer,
    Boolean,
}

/// Why a tool's annotations are not acceptable. Such a tool must be left out of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMirror {
    /// The name is no RFC 9110 token.
    #[error("a header name that is not a token")]
    Name,
    /// Two properties share a header name.
    #[error("the same header name twice")]
    Duplicate,
    /// The property is no string, integer or boolean.
    #[error("an annotation on a property that is not a string, integer or boolean")]
    Type,
    /// The property cannot be reached by `properties` alone.
    #[error("an annotation on a property that cannot be reached by `properties` alone")]
    Unreachable,
}

impl Mirror {
    /// Reads the annotations of an input schema.
    ///
    /// # Errors
    /// [`InvalidMirror`]: the tool must not be offered.
    pub fn compile(input_schema: &Raw) -> Result<Self, InvalidMirror> {
        if memchr::memmem::find(input_schema.bytes(), ANNOTATION.as_bytes()).is_none() {
            return Ok(Self::default());
        }
        let Ok(Value::Object(schema)) = serde_json::from_str(input_schema.as_str()) else {
            return Ok(Self::default());
        };
        let mut mirror = Self::default();
        if schema.contains_key(ANNOTATION) {
            return Err(InvalidMirror::Unreachable);
        }
        mirror.walk(&schema, &mut Vec::new())?;
        Ok(mirror)
    }

    /// Whether nothing is mirrored.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Follows `properties`; an annotation anywhere else is an error.
    fn walk(&mut self, schema: &Map<String, Value>, path: &mut Vec<String>) -> Result<(), InvalidMirror> {
        refuse_elsewhere(schema)?;
        let Some(Value::Object(properties)) = schema.get("properties") else { return Ok(()) };
        for (name, property) in properties {
            let Value::Object(property) = property else { continue };
            path.push(name.clone());
            if let Some(header) = property.get(ANNOTATION) {
                self.add(header, property, path)?;
            }
            self.walk(property, path)?;
            path.pop();
        }
        Ok(())
    }

    fn add(&mut self, header: &Value, property: &Map<String, Value>, path: &[String]) -> Result<(), InvalidMirror> {
        let header = header.as_str().filter(|name| is_token(name)).ok_or(InvalidMirror::Name)?;
        if self.0.iter().any(|rule| rule.header.eq_ignore_ascii_case(header)) {
            return Err(InvalidMirror::Duplicate);
        }
        let kind = match property.get("type").and_then(Value::as_str) {
            Some("string") => ValueKind::String,
            Some("integer") => ValueKind::Integer,
            Some("boolean") => ValueKind::Boolean,
            _ => return Err(InvalidMirror::Type),
        };
        self.0.push(Rule { header: header.to_owned(), path: path.to_vec(), kind });
        Ok(())
    }

    /// The headers of a call with these arguments: the name's part after `Mcp-Param-`, and the value in header form. Arguments that are
    /// absent or null have none.
    pub fn headers(&self, arguments: Option<&Raw>) -> Vec<(String, String)> {
        let Some(arguments) = arguments else { return Vec::new() };
        self.0.iter().filter_map(|rule| Some((rule.header.clone(), rule.text(arguments)?))).collect()
    }

    /// Whether these headers (lower-case names without `mcp-param-`) say what the arguments say. Headers that no rule knows are ignored.
    ///
    /// # Errors
    /// The sentence for the client.
    pub fn check(&self, arguments: Option<&Raw>, headers: &[(String, Vec<u8>)]) -> Result<(), String> {
        self.0.iter().try_for_each(|rule| rule.check(arguments, headers))
    }
}

impl Rule {
    fn value(&self, arguments: &Raw) -> Option<Raw> {
        let mut value = arguments.clone();
        for name in &self.path {
            value = value.member(name)?;
        }
        // A string that is not Unicode has no header form.
        let is_mirrored = value.kind() != Kind::Null && (value.kind() != Kind::String || value.text().is_some());
        is_mirrored.then_some(value)
    }

    /// The value in header form; a value of another type than the schema says is mirrored as its JSON text.
    fn text(&self, arguments: &Raw) -> Option<String> {
        let value = self.value(arguments)?;
        let text = if value.kind() == Kind::String { value.text()? } else { Cow::Borrowed(value.as_str()) };
        Some(encode_value(&text).into_owned())
    }

    fn check(&self, arguments: Option<&Raw>, headers: &[(String, Vec<u8>)]) -> Result<(), String> {
        let name = format!("Mcp-Param-{}", self.header);
        let mut given =
            headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(&self.header)).map(|(_, value)| value);
        let header = given.next();
        if given.next().is_some() {
            return Err(format!("{name} is given more than once"));
        }
        match (arguments.and_then(|arguments| self.value(arguments)), header) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(format!("{name} is missing, but the arguments have its value")),
            (None, Some(_)) => Err(format!("{name} is given, but the arguments have no value for it")),
            (Some(value), Some(header)) => {
                let header = decode_value(header).map_err(|_| format!("{name} is not a valid encoded value"))?;
                if self.agrees(&value, &header) { Ok(()) } else { Err(format!("{name} is not what the arguments say")) }
            }
        }
    }

    fn agrees(&self, value: &Raw, header: &str) -> bool {
        match (self.kind, value.kind()) {
            // What is no integer of the specification is compared as it is written: so it was mirrored.
            (ValueKind::Integer, Kind::Number) => {
                value.as_str() == header
                    || matches!((integer(value.as_str()), integer(header)), (Some(a), Some(b)) if a == b)
            }
            (_, Kind::String) => value.text().is_some_and(|text| text == header),
            _ => value.as_str() == header,
        }
    }
}

/// `42` and `42.0` are the same integer.
fn integer(text: &str) -> Option<i64> {
    let whole = text
        .split_once('.')
        .map_or(Some(text), |(whole, fraction)| fraction.bytes().all(|byte| byte == b'0').then_some(whole))?;
    whole.parse().ok().filter(|number: &i64| number.abs() <= MAX_SAFE_INTEGER)
}

/// An annotation in a subschema that is not reached by `properties` alone. Values of `default`, `const`, `enum` and `examples` are data.
fn refuse_elsewhere(schema: &Map<String, Value>) -> Result<(), InvalidMirror> {
    let single = SCHEMA.iter().filter_map(|keyword| schema.get(*keyword));
    let listed = SCHEMAS.iter().filter_map(|keyword| schema.get(*keyword)?.as_array()).flatten();
    let mapped = SCHEMA_MAPS.iter().filter_map(|keyword| schema.get(*keyword)?.as_object()).flat_map(Map::values);
    single.chain(listed).chain(mapped).filter_map(Value::as_object).try_for_each(refuse_within)
}

fn refuse_within(schema: &Map<String, Value>) -> Result<(), InvalidMirror> {
    if schema.contains_key(ANNOTATION) {
        return Err(InvalidMirror::Unreachable);
    }
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::values);
    properties.filter_map(Value::as_object).try_for_each(refuse_within)?;
    refuse_elsewhere(schema)
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA_TEXT: &str = r#"{"type":"object","properties":{
        "region":{"type":"string","x-mcp-header":"Region"},
        "limit":{"type":"integer","x-mcp-header":"Limit"},
        "deep":{"type":"object","properties":{"on":{"type":"boolean","x-mcp-header":"On"}}},
        "free":{"type":"string","default":{"x-mcp-header":"no"}}}}"#;

    fn mirror() -> Mirror {
        Mirror::compile(&Raw::literal(SCHEMA_TEXT)).unwrap()
    }

    fn given(headers: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn mirrors_present_values_only() {
        let arguments = Raw::literal(r#"{"region":"Grüße","limit":42,"deep":{"on":true},"free":null}"#);
        let expected = [("Region", "=?base64?R3LDvMOfZQ==?="), ("Limit", "42"), ("On", "true")];
        assert_eq!(
            mirror().headers(Some(&arguments)),
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert!(mirror().headers(Some(&Raw::literal(r#"{"region":null}"#))).is_empty());
    }

    #[test]
    fn accepts_headers_that_say_what_the_arguments_say() {
        let arguments = Raw::literal(r#"{"region":"eu","limit":42.0}"#);
        assert_eq!(
            mirror().check(Some(&arguments), &given(&[("region", "eu"), ("limit", "42"), ("unknown", "x")])),
            Ok(())
        );
        assert_eq!(mirror().check(Some(&arguments), &given(&[("region", "=?base64?ZXU=?="), ("limit", "42")])), Ok(()));
    }

    #[test]
    fn what_it_mirrors_agrees_also_for_values_that_are_not_of_the_schema_s_type() {
        for text in [r#"{"limit":9007199254740993}"#, r#"{"limit":1.5,"region":[1]}"#, r#"{"region":"\ud800"}"#] {
            let arguments = Raw::literal(text);
            let headers = mirror().headers(Some(&arguments));
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(mirror().check(Some(&arguments), &given(&headers)), Ok(()), "{text}");
        }
    }

    #[test]
    fn refuses_missing_extra_different_and_double_headers() {
        let arguments = Raw::literal(r#"{"region":"eu"}"#);
        for headers in [
            &[][..],
            &[("region", "us")],
            &[("region", "eu"), ("limit", "1")],
            &[("region", "eu"), ("region", "eu")],
            &[("region", "=?base64?ZXU?=")],
        ] {
            assert!(mirror().check(Some(&arguments), &given(headers)).is_err(), "{headers:?}");
        }
    }

    #[test]
    fn refuses_schemas_that_the_specification_refuses() {
        let schemas = [
            (r#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#, InvalidMirror::Name),
            (r#"{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}"#, InvalidMirror::Name),
            (r#"{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}"#, InvalidMirror::Type),
            (r#"{"properties":{"a":{"type":["string"],"x-mcp-header":"A"}}}"#, InvalidMirror::Type),
            (
                r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#,
                InvalidMirror::Duplicate,
            ),
            (
                r#"{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}"#,
                InvalidMirror::Unreachable,
            ),
            (r#"{"x-mcp-header":"A"}"#, InvalidMirror::Unreachable),
            (
                r#"{"$defs":{"d":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}}"#,
                InvalidMirror::Unreachable,
            ),
        ];
        for (schema, expected) in schemas {
            assert_eq!(Mirror::compile(&Raw::literal(schema)), Err(expected), "{schema}");
        }
    }
}
