use cel::{Context, Value};
use proptest::prelude::*;

use super::{Condition, Variable, environment, kind::Kind, vocabulary::FUNCTIONS};

fn faults(text: &str) -> String {
    match Condition::parse(text) {
        Ok(_) => String::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}

#[test]
fn takes_what_people_write() {
    for text in [
        "true",
        r#""research" in principal.groups"#,
        r#"principal.groups.exists(g, g == "research" || g.startsWith("research-"))"#,
        r#"principal["id"] == "a" && principal["groups"].all(g, g != "b")"#,
        r#"has(principal.claims.team) && principal.claims.team == "x""#,
        r#"principal.claims.?team.orValue("") == "x""#,
        r#"principal.claims[?"a/b"].hasValue()"#,
        "tool.annotations.readOnlyHint && !tool.annotations.destructiveHint",
        r#"tool.annotations["custom"] == 1"#,
        r#"size(arguments.paths) < 10 && arguments.paths.all(p, p.matches("^/srv/"))"#,
        "arguments.amount * 2 <= 100",
        r#"client.era == "modern" && client.version != "0""#,
        r#"now.getHours("Europe/Berlin") >= 8 && now < timestamp("2030-01-01T00:00:00Z")"#,
        r#"now - timestamp("2020-01-01T00:00:00Z") > duration("1h")"#,
        r#"resource.uri.startsWith("file:///public/") || server == "docs""#,
        r#"type(arguments.x) == string ? arguments.x == "y" : false"#,
        r#"arguments.exists(name, name == "force")"#,
        r#"["a", "b"].exists(x, x == principal.id)"#,
        r#"principal.groups.filter(g, g != "x").size() > 0"#,
        r#"principal.groups.map(g, g + "!").exists(g, g == "a!")"#,
        "// why\ntrue",
    ] {
        assert_eq!(faults(text), "", "{text}");
    }
}

#[test]
fn says_what_is_wrong_and_what_was_meant() {
    for (text, expected) in [
        (" ", "a condition must not be empty; `true` holds for every call"),
        ("principle.id == \"a\"", "unknown variable `principle`; did you mean `principal`?"),
        ("principal.group == \"a\"", "`principal` has no field `group`; did you mean `groups`?"),
        ("principal[\"gruops\"] == []", "`principal` has no field `gruops`; did you mean `groups`?"),
        (
            "tool.annotations.readonlyHint",
            "`tool.annotations` has no field `readonlyHint`; did you mean `readOnlyHint`?",
        ),
        ("server.startswith(\"a\")", "unknown function `startswith`; did you mean `startsWith`?"),
        ("server.startsWith()", "`startsWith` is written `text.startsWith(start)`"),
        ("startsWith(server, \"a\")", "`startsWith` is written `text.startsWith(start)`"),
        ("principal.groups.exists(g)", "`exists` is written `list.exists(x, condition)`"),
        ("principal.groups.exists(g, h == \"a\")", "unknown variable `h`; did you mean `g`?"),
        ("principal.groups.exists(g, g == 3)", "text and a number are never equal"),
        ("principal.groups == \"research\"", "a list and text are never equal"),
        ("3 in principal.groups", "a number and text are never equal"),
        ("\"a\" in principal.id", "`in` needs a list, and gets text"),
        ("principal.id", "a condition is true or false, and this is text"),
        ("principal.groups.filter(g, g != \"x\")", "a condition is true or false, and this is a list"),
        ("principal.id && true", "`&&` needs true or false, and gets text"),
        ("!server", "`!` needs true or false, and gets text"),
        ("server < 3", "`<` needs text, and gets a number"),
        ("principal.id.name == \"x\"", "`.name` needs a mapping, and gets text"),
        ("server.matches(\"(\")", "`(` is no regular expression"),
        ("server.startsWith(3)", "`startsWith` needs text, and gets a number"),
        ("principal.id.exists(x, true)", "`exists, all, map and filter` needs a list, and gets text"),
        ("X{a: 1} == 1", "`X{…}` is no type that is known here"),
        ("server == \"a", "not CEL, at line 1, column 11 of the condition: unterminated string literal"),
        ("server ==", "not CEL, at line 1, column 10 of the condition: mismatched input '<EOF>' expecting expression"),
        (
            "servr == \"a\" && methd == 1",
            "unknown variable `servr`; did you mean `server`?; unknown variable `methd`; did you mean `method`?",
        ),
    ] {
        assert_eq!(faults(text), expected, "{text}");
    }
    assert_eq!(faults(&"(".repeat(5000)), "a condition has at most 4096 bytes; make several rules of it");
    assert_eq!(faults(&format!("{}1", "1+".repeat(100))), "nested deeper than 24 levels");
}

#[test]
fn knows_what_a_condition_speaks_of() {
    let mentions = |text: &str| Condition::parse(text).unwrap().mentions();
    assert!(mentions("arguments.x == 1").has(Variable::Arguments));
    assert!(!mentions("principal.id == \"a\"").has(Variable::Claims));
    for whole in
        ["principal.claims.a == 1", "principal[\"claims\"] == {}", "principal[server] == 1", "principal == principal"]
    {
        assert!(mentions(whole).has(Variable::Claims), "{whole}");
    }
    // A name that a macro brings along hides the variable.
    assert!(!mentions("principal.groups.exists(tool, tool == \"x\")").has(Variable::Tool));
}

#[test]
fn every_function_of_the_vocabulary_is_one_of_the_interpreter() {
    let sample = |kind: Kind| match kind {
        Kind::Text => r#""UTC""#,
        Kind::Time => r#"timestamp("2026-01-02T03:04:05Z")"#,
        _ => "1",
    };
    for function in FUNCTIONS {
        let arguments: Vec<&str> = function
            .arguments
            .iter()
            .map(|kind| match function.name {
                "timestamp" => r#""2026-01-02T03:04:05Z""#,
                "duration" => r#""1h""#,
                "size" | "bytes" => r#""x""#,
                "bool" => r#""true""#,
                "or" => "optional.of(1)",
                _ => sample(*kind),
            })
            .collect();
        let on = function.on.map(|kind| match function.name {
            "size" => r#""x""#,
            "getHours" | "getMinutes" | "getSeconds" | "getMilliseconds" => sample(Kind::Time),
            "hasValue" | "value" | "orValue" | "or" => "optional.of(1)",
            _ => sample(kind),
        });
        let text = match on {
            Some(on) => format!("{on}.{}({})", function.name, arguments.join(", ")),
            None => format!("{}({})", function.name, arguments.join(", ")),
        };
        let parsed = cel::parser::PrattParser::new().parse(&text).unwrap();
        let context = Context::with_env(environment());
        let value = Value::resolve_val(&parsed, &context);
        assert!(value.is_ok(), "{text}: {}", value.err().unwrap());
    }
}

#[test]
fn a_condition_at_the_limits_is_asked_within_the_stack_of_a_thread() {
    let nested = format!("{}true{}", "[true].all(x, ".repeat(7), " && x)".repeat(7));
    let condition = Condition::parse(&nested).unwrap_or_else(|faults| panic!("{faults:?}"));
    let context = Context::with_env(environment());
    assert!(condition.holds(&context).unwrap());
    assert!(faults(&format!("{}true{}", "[true].all(x, ".repeat(12), " && x)".repeat(12))).contains("nested deeper"));
    let wide = vec!["true"; 300].join(" && ");
    assert!(Condition::parse(&wide).unwrap().holds(&context).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_breaks_the_parser_or_the_check(parts in prop::collection::vec(0usize..PARTS.len(), 1..16), spaced in any::<u16>()) {
        let mut text = String::new();
        for (place, part) in parts.iter().enumerate() {
            text.push_str(PARTS[*part]);
            text.push_str(if spaced >> (place % 16) & 1 == 1 { " " } else { "" });
        }
        if let Ok(condition) = Condition::parse(&text) {
            let _ = condition.holds(&Context::with_env(environment()));
        }
    }
}

const PARTS: [&str; 48] = [
    "principal",
    ".",
    "groups",
    "exists",
    "(",
    ")",
    "g",
    ",",
    "==",
    "!=",
    "\"a\"",
    "'",
    "\"",
    "&&",
    "||",
    "!",
    "-",
    "1",
    "1u",
    "1.5",
    "[",
    "]",
    "{",
    "}",
    "?",
    ":",
    "in",
    "has(",
    "all(x,",
    "true",
    "null",
    "@",
    "\\",
    "b'\\xff'",
    "'\\u12'",
    "\n",
    "//c\n",
    "ü",
    "..",
    ".?",
    "[?",
    "msg{a:1}",
    "{'a':1}",
    "%",
    "optional.of(",
    "map(x,",
    "matches(",
    "arguments",
];
