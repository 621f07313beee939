//! A call's arguments as they are written on a command line: a JSON object, `key=value` pairs, a file, or stdin.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use bytes::Bytes;
use myelin::jsonrpc::{Kind, MAX_DEPTH, Raw};
use serde_json::{Map, Value};

use super::{failure::Failure, signature::Signature};

/// The longest arguments that are read: what the gateway takes by default.
const MAX_BYTES: u64 = 4 << 20;

/// The arguments as a JSON object, the pairs typed by the tool's schema.
pub(super) fn read(words: &[String], signature: &Signature) -> Result<Raw, Failure> {
    match words {
        [] => Ok(Raw::empty_object()),
        [only] if only == "-" => object(text(Path::new("stdin"), io::stdin())?),
        [only] if only.starts_with('@') => from_file(Path::new(only.trim_start_matches('@'))),
        [only] if only.trim_start().starts_with(['{', '[', '"']) => object(only.clone()),
        pairs => from_pairs(pairs, signature),
    }
}

fn from_file(path: &Path) -> Result<Raw, Failure> {
    let file = fs::File::open(path).map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
    object(text(path, file)?)
}

fn text(path: &Path, source: impl Read) -> Result<String, Failure> {
    let mut text = String::new();
    let unreadable = |source| Failure::Unreadable { path: path.to_owned(), source };
    let length = source.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(length).is_ok_and(|length| length <= MAX_BYTES) {
        Ok(text)
    } else {
        Err(unreadable(io::ErrorKind::FileTooLarge.into()))
    }
}

/// The text as it was written: numbers keep their digits.
fn object(text: String) -> Result<Raw, Failure> {
    serde_json::from_str::<serde::de::IgnoredAny>(&text).map_err(Failure::NotJson)?;
    let raw = Raw::parse(Bytes::from(text), MAX_DEPTH).map_err(|_| Failure::NotAnObject)?;
    if raw.kind() == Kind::Object { Ok(raw) } else { Err(Failure::NotAnObject) }
}

fn from_pairs(pairs: &[String], signature: &Signature) -> Result<Raw, Failure> {
    let mut object = Map::new();
    for pair in pairs {
        let (key, text) = pair.split_once('=').ok_or_else(|| Failure::NotAPair(pair.clone()))?;
        let value = value(text, signature.property(key)).map_err(|wanted| Failure::WrongType {
            key: key.to_owned(),
            wanted,
            value: text.to_owned(),
        })?;
        object.insert(key.to_owned(), value);
    }
    Ok(Raw::from_value(&object))
}

/// What a text means where the schema wants this; the error is what is wanted.
pub(super) fn value(text: &str, property: Option<&Value>) -> Result<Value, &'static str> {
    let kind = property.and_then(|property| property.get("type")).and_then(Value::as_str);
    let json = || serde_json::from_str::<Value>(text).ok();
    match kind {
        Some("string") => Ok(text.into()),
        Some("integer") => json().filter(|value| value.is_i64() || value.is_u64()).ok_or("an integer"),
        Some("number") => json().filter(Value::is_number).ok_or("a number"),
        Some("boolean") => json().filter(Value::is_boolean).ok_or("true or false"),
        Some("object") => json().filter(Value::is_object).ok_or("a JSON object"),
        Some("array") => list(text, property).ok_or("a JSON array, or items with commas between them"),
        // A choice of types, or none said: what looks like JSON is JSON.
        _ => Ok(json().unwrap_or_else(|| text.into())),
    }
}

fn list(text: &str, property: Option<&Value>) -> Option<Value> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).ok().filter(Value::is_array);
    }
    let items = property.and_then(|property| property.get("items"));
    text.split(',').map(|item| value(item.trim(), items).ok()).collect::<Option<Vec<_>>>().map(Value::Array)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: &str = r#"{"inputSchema":{"properties":{"q":{"type":"string"},"n":{"type":"integer"},"on":{"type":"boolean"},
        "ids":{"type":"array","items":{"type":"integer"}}}}}"#;

    fn arguments(words: &[&str]) -> Result<String, Failure> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        read(&words, &Signature::read(TOOL)).map(|raw| raw.as_str().to_owned())
    }

    #[test]
    fn pairs_have_the_types_that_the_schema_wants() {
        let typed = arguments(&["q=42", "n=42", "on=true", "ids=1,2", "free=[1]", "word=a=b"]).unwrap();
        assert_eq!(typed, r#"{"q":"42","n":42,"on":true,"ids":[1,2],"free":[1],"word":"a=b"}"#);
    }

    #[test]
    fn json_stays_as_it_was_written() {
        assert_eq!(
            arguments(&[r#"{"n":12345678901234567890123, "x":1.0}"#]).unwrap(),
            r#"{"n":12345678901234567890123, "x":1.0}"#
        );
    }

    #[test]
    fn says_what_is_wanted_instead() {
        assert!(matches!(arguments(&["n=many"]), Err(Failure::WrongType { wanted: "an integer", .. })));
        assert!(matches!(arguments(&["nonsense"]), Err(Failure::NotAPair(_))));
        assert!(matches!(arguments(&["[1]"]), Err(Failure::NotAnObject)));
        assert!(matches!(arguments(&["{"]), Err(Failure::NotJson(_))));
    }
}
