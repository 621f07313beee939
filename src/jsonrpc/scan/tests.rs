//! The grammar, held to that of `serde_json`.

use proptest::prelude::*;

use super::*;

fn accepts(text: &str) -> bool {
    Scanner::new(text.as_bytes(), MAX_DEPTH).document().is_ok()
}

#[test]
fn agrees_with_serde_json_on_the_corners_of_the_grammar() {
    let corners = [
        "0",
        "-0",
        "01",
        "1.",
        "1.0",
        ".5",
        "1e",
        "1e+9",
        "-",
        "+1",
        "\"\"",
        "\"\\u12\"",
        "\"\\u1234\"",
        "\"\\x\"",
        "\"a\nb\"",
        "[]",
        "[1,]",
        "[,1]",
        "{}",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "nul",
        "null",
        "true false",
        " [ 1 , 2 ] ",
        "",
        " ",
        "\u{7f}",
        "\"\u{7f}\"",
        "[1 2]",
    ];
    for text in corners {
        let reference = serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
        assert_eq!(accepts(text), reference, "{text:?}");
    }
}

#[test]
fn counts_depth_at_the_limit_and_one_past_it() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Scanner::new(nested(4).as_bytes(), 4).document().is_ok());
    assert_eq!(Scanner::new(nested(5).as_bytes(), 4).document(), Err(SyntaxError::TooDeep(4)));
    assert!(Scanner::new(b"[[],[],[],{},{}]", 2).document().is_ok(), "siblings are not deeper");
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        "[a-z\\[\\]{}\"\\\\,:é]{0,12}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let name = "[a-c\\[\\]{}\"\\\\]{0,9}";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            proptest::collection::hash_map(name, inner, 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn spans(scanner: Scanner<'_>) -> (Result<(), SyntaxError>, Vec<Span>) {
    let mut spans = Vec::new();
    (scanner.members(|span| spans.push(span)), spans)
}

proptest! {
    #[test]
    fn of_a_valid_text_both_passes_find_the_same_members(value in json(), pretty in any::<bool>()) {
        let value = serde_json::json!({ "a": value.clone(), "]": [value] });
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.unwrap();
        prop_assert_eq!(spans(Scanner::over_valid(text.as_bytes())), spans(Scanner::new(text.as_bytes(), MAX_DEPTH)));
    }

    #[test]
    fn a_run_of_plain_bytes_ends_where_a_look_at_each_says(text in proptest::collection::vec(any::<u8>(), 0..40)) {
        let is_special = |byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\');
        for from in 0..text.len() {
            let rest = &text[from..];
            prop_assert_eq!(plain(rest), rest.iter().position(is_special).unwrap_or(rest.len()));
        }
    }

    #[test]
    fn a_run_of_mostly_plain_bytes_ends_where_a_look_at_each_says(text in "[a-z !#\\[\\]\u{1f}\u{7f}é\"\\\\]{0,40}") {
        let is_special = |byte: u8| matches!(byte, 0..0x20 | b'"' | b'\\');
        prop_assert_eq!(plain(text.as_bytes()), text.bytes().position(is_special).unwrap_or(text.len()));
    }

    #[test]
    fn agrees_with_serde_json_on_any_text(text in "[\\[\\]{}:,\"\\\\0-9eE+. a-fnrtuls\n-]{0,24}") {
        let reference = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        prop_assert_eq!(accepts(&text), reference, "{:?}", text);
    }
}
