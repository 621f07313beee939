//! What rules say: three-valued, remembered, in shadow, and when they fail.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;

use super::{
    Arguments, Asked, Policies, Request, Subject, Thing,
    settings::{Effect, Mode, PolicySettings, RuleSettings, TargetSettings},
};
use crate::{
    jsonrpc::Raw,
    mcp::{Caller, Fault, Identity, ListKind, Principal, PrincipalKind, Ruling, Trace},
};

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn rule(effect: Effect, condition: &str) -> RuleSettings {
    RuleSettings {
        effect,
        condition: condition.to_owned(),
        name: None,
        mode: Mode::Enforce,
        targets: TargetSettings::default(),
        scopes: Vec::new(),
    }
}

fn allow(condition: &str) -> RuleSettings {
    rule(Effect::Allow, condition)
}

fn deny(condition: &str) -> RuleSettings {
    rule(Effect::Deny, condition)
}

fn about(rule: RuleSettings, tools: &[&str]) -> RuleSettings {
    RuleSettings { targets: TargetSettings { tools: Some(list(tools)), ..TargetSettings::default() }, ..rule }
}

fn policies(rules: Vec<RuleSettings>) -> Policies {
    Policies::new(&PolicySettings { rules, ..PolicySettings::default() }).unwrap_or_else(|fault| panic!("{fault:?}"))
}

fn member(id: &str, groups: &[&str]) -> Principal {
    let identity = Identity { id: id.into(), kind: PrincipalKind::Token, groups: list(groups), ..Identity::default() };
    Principal::known(identity, None)
}

fn caller(principal: Principal) -> Caller {
    let client_info = Some(Raw::literal(r#"{"name":"agent","version":"2"}"#));
    Caller { client_info, ..Caller::of(principal) }
}

fn tool(name: &str) -> Subject<'_> {
    Subject::Tool(Thing { name, own: name, entry: None, version: 1 })
}

struct Verdict {
    shown: bool,
    outcome: Result<(), Fault>,
    ruling: Option<Ruling>,
    rule: Option<Arc<str>>,
}

fn ask_with(policies: &Policies, principal: &Principal, subject: Subject<'_>, params: Option<&Raw>) -> Verdict {
    let caller = caller(principal.clone());
    let asked = Asked { principal, endpoint: "/mcp", server: "up", subject };
    let trace = Trace::default();
    let arguments = params.and_then(|params| params.member("arguments"));
    let request = Request { caller: &caller, arguments: Arguments::Said(arguments.as_ref()), trace: &trace };
    let outcome = policies.permit(&asked, request, || Fault::UnknownTarget("tool", "x".to_owned()), ());
    let decision = trace.decision().cloned();
    Verdict {
        shown: policies.show(&asked, &caller),
        outcome: outcome.map(drop),
        ruling: decision.as_ref().map(|decision| decision.ruling),
        rule: decision.and_then(|decision| decision.rule),
    }
}

fn ask(policies: &Policies, principal: &Principal, name: &str) -> Verdict {
    ask_with(policies, principal, tool(name), None)
}

fn params(arguments: &str) -> Raw {
    Raw::from_value(
        &serde_json::json!({ "name": "x", "arguments": serde_json::from_str::<serde_json::Value>(arguments).unwrap() }),
    )
}

fn is_absent(verdict: &Verdict) -> bool {
    !verdict.shown && matches!(verdict.outcome, Err(Fault::UnknownTarget(..)))
}

#[test]
fn without_rules_everything_is_allowed_and_nothing_is_noted() {
    let verdict = ask(&policies(Vec::new()), &member("a", &[]), "t");
    assert!(verdict.shown && verdict.outcome.is_ok());
    assert_eq!(verdict.ruling, None);
}

#[test]
fn with_rules_what_none_allows_is_not_there_and_deny_wins() {
    let rules = policies(vec![
        about(allow(r#""research" in principal.groups"#), &["search__*", "vectors__*"]),
        deny(r#"tool.name.endsWith("_admin")"#),
    ]);
    let (inside, outside) = (member("a", &["research"]), member("b", &["sales"]));
    assert!(ask(&rules, &inside, "search__web").outcome.is_ok());
    for (principal, name) in [(&inside, "files__read"), (&inside, "search__web_admin"), (&outside, "search__web")] {
        assert!(is_absent(&ask(&rules, principal, name)), "{name}");
    }
    let denied = ask(&rules, &inside, "search__web_admin");
    assert_eq!((denied.ruling, denied.rule.as_deref()), (Some(Ruling::Denied), Some("#2")));
    assert_eq!(ask(&rules, &inside, "search__web").rule.as_deref(), Some("#1"));
}

#[test]
fn an_allow_that_may_hold_shows_and_so_does_a_deny_that_may_not() {
    let rules =
        policies(vec![allow("arguments.amount <= 100"), deny(r#"has(arguments.force) && principal.id != "root""#)]);
    let someone = member("a", &[]);
    let with = |arguments: &str| ask_with(&rules, &someone, tool("pay"), Some(&params(arguments)));
    assert!(with("{}").shown);
    assert!(with(r#"{"amount":100}"#).outcome.is_ok());
    assert!(matches!(with(r#"{"amount":101}"#).outcome, Err(Fault::Denied)), "visible, and refused for its arguments");
    assert!(matches!(with(r#"{"amount":1,"force":true}"#).outcome, Err(Fault::Denied)));
    assert!(matches!(with("{}").outcome, Err(Fault::Denied)), "an allow that fails allows nothing");
    // Where the rest of the condition already says no, the arguments change nothing.
    let rules = policies(vec![allow(r#"principal.id == "b" && arguments.amount <= 100"#)]);
    assert!(is_absent(&ask_with(&rules, &someone, tool("pay"), Some(&params(r#"{"amount":1}"#)))));
    let rules = policies(vec![allow("true"), deny(r#"principal.id == "a" || arguments.x == 1"#)]);
    assert!(is_absent(&ask(&rules, &someone, "pay")));
    // In every way in which one can be written.
    let rules = policies(vec![allow(r#"["b"].exists(x, x == principal.id && arguments.team == x)"#)]);
    assert!(is_absent(&ask(&rules, &someone, "pay")));
    let rules = policies(vec![allow(r#"["a"].exists(x, x == principal.id && arguments.team == x)"#)]);
    assert!(ask(&rules, &someone, "pay").shown);
}

#[test]
fn a_rule_that_fails_denies_whatever_it_was_meant_to_do() {
    let claims = serde_json::json!({ "level": "high" });
    let identity = Identity { claims: claims.as_object().unwrap().clone(), ..Identity::default() };
    let someone = Principal::known(identity, None);
    for (rules, allowed) in [
        (vec![allow("principal.claims.level > 3")], false),
        (vec![allow("principal.claims.missing == 1")], false),
        (vec![allow("true"), deny("principal.claims.missing == 1")], false),
        (vec![allow("true"), deny("principal.claims.level > 3")], false),
        (vec![allow(r#"principal.claims.missing == 1 || principal.claims.level == "high""#)], true),
        (vec![allow("true"), deny("has(principal.claims.missing) && principal.claims.missing == 1")], true),
    ] {
        let condition = rules.last().unwrap().condition.clone();
        let verdict = ask(&policies(rules), &someone, "t");
        assert_eq!((verdict.outcome.is_ok(), verdict.shown), (allowed, allowed), "{condition}");
    }
}

#[test]
fn arguments_beyond_the_limit_are_not_looked_at_and_deny() {
    let settings = PolicySettings {
        rules: vec![allow("true"), deny(r#"has(arguments.text) && arguments.text == "x""#)],
        max_arguments_bytes: 20,
        ..PolicySettings::default()
    };
    let rules = Policies::new(&settings).unwrap_or_else(|fault| panic!("{fault:?}"));
    let with = |text: usize| {
        let params = params(&format!(r#"{{"text":"{}"}}"#, "y".repeat(text)));
        ask_with(&rules, &member("a", &[]), tool("t"), Some(&params)).outcome
    };
    assert!(with(9).is_ok(), "20 bytes");
    assert!(matches!(with(10), Err(Fault::Denied)), "21 bytes");
}

#[test]
fn a_rule_is_about_what_it_speaks_of_and_nothing_else() {
    let rules = policies(vec![allow("true"), deny("tool.annotations.destructiveHint")]);
    let someone = member("a", &[]);
    assert!(is_absent(&ask(&rules, &someone, "t")), "what a tool does not say is assumed");
    for subject in [
        Subject::Resource("x://y"),
        Subject::Method("a/b"),
        Subject::Prompt(Thing { name: "p", own: "p", entry: None, version: 1 }),
    ] {
        assert!(ask_with(&rules, &someone, subject, None).outcome.is_ok(), "{subject:?}");
    }
    let entry = Raw::literal(r#"{"name":"t","annotations":{"destructiveHint":false}}"#);
    let harmless = Subject::Tool(Thing { name: "t", own: "t", entry: Some(&entry), version: 2 });
    assert!(ask_with(&rules, &someone, harmless, None).outcome.is_ok());
    let rules = policies(vec![allow("arguments.x == 1")]);
    assert!(
        ask_with(&rules, &someone, Subject::Resource("x://y"), None).outcome.is_err(),
        "resources have no arguments"
    );
}

#[test]
fn things_that_nobody_named_yet_are_seen_where_one_of_them_may_be() {
    let rules = policies(vec![about(allow(r#"principal.id == "a""#), &["search__*"]), {
        let targets = TargetSettings { resources: Some(list(&["file:///public/*"])), ..TargetSettings::default() };
        RuleSettings { targets, ..allow(r#"principal.id == "b""#) }
    }]);
    let sees = |id: &str, kind| ask_with(&rules, &member(id, &[]), Subject::Some(kind), None).shown;
    assert!(sees("a", ListKind::Tools) && !sees("a", ListKind::Resources) && !sees("a", ListKind::Prompts));
    assert!(!sees("b", ListKind::Tools) && sees("b", ListKind::Resources) && sees("b", ListKind::Templates));
    assert!(!sees("c", ListKind::Tools));
}

#[test]
fn who_lacks_a_scope_sees_the_tool_and_is_told_all_that_it_takes() {
    let scoped = RuleSettings { scopes: list(&["files:read", "files:write"]), ..allow("true") };
    let settings = PolicySettings {
        rules: vec![scoped],
        scopes: BTreeMap::from([("files:write".to_owned(), list(&["files:read"]))]),
        ..PolicySettings::default()
    };
    let rules = Policies::new(&settings).unwrap_or_else(|fault| panic!("{fault:?}"));
    let with = |kind, scopes: &[&str]| {
        let principal = Principal::known(Identity { kind, scopes: list(scopes), ..Identity::default() }, None);
        ask(&rules, &principal, "t")
    };
    let lacking = with(PrincipalKind::Token, &["files:read"]);
    assert!(lacking.shown);
    assert!(matches!(&lacking.outcome, Err(Fault::Scope(needed)) if **needed == *list(&["files:read", "files:write"])));
    assert_eq!(lacking.ruling, Some(Ruling::ScopeNeeded));
    assert!(with(PrincipalKind::Token, &["files:write"]).outcome.is_ok(), "the broader one is enough");
    assert!(is_absent(&with(PrincipalKind::ApiKey, &[])), "a key cannot come back with more scopes");
}

#[test]
fn rules_in_shadow_deny_nothing_and_what_they_would_is_noted() {
    let shadow = RuleSettings { mode: Mode::Shadow, name: Some("no pay".to_owned()), ..deny(r#"tool.name == "pay""#) };
    let rules = policies(vec![allow("true"), shadow]);
    let someone = member("a", &[]);
    let verdict = ask(&rules, &someone, "pay");
    assert!(verdict.shown && verdict.outcome.is_ok());
    assert_eq!((verdict.ruling, verdict.rule.as_deref()), (Some(Ruling::ShadowDenied), Some("no pay")));
    assert_eq!(ask(&rules, &someone, "other").ruling, Some(Ruling::Allowed));

    let settings = PolicySettings { rules: vec![allow("false")], mode: Mode::Shadow, ..PolicySettings::default() };
    let rules = Policies::new(&settings).unwrap_or_else(|fault| panic!("{fault:?}"));
    let verdict = ask(&rules, &someone, "t");
    assert!(verdict.shown && verdict.outcome.is_ok());
    assert_eq!((verdict.ruling, verdict.rule), (Some(Ruling::ShadowDenied), None));
}

#[test]
fn two_credentials_of_one_principal_share_no_decision() {
    let rules = policies(vec![allow(r#""x" in principal.groups"#)]);
    assert!(ask(&rules, &member("a", &["x"]), "t").outcome.is_ok());
    assert!(is_absent(&ask(&rules, &member("a", &[]), "t")));
    assert!(ask(&rules, &member("a", &["x"]), "t").outcome.is_ok());
}

#[test]
fn what_is_remembered_is_bounded_and_is_not_what_depends_on_the_client_or_the_time() {
    let settings = PolicySettings {
        rules: vec![allow(r#"client.name == "agent" && now > timestamp("2020-01-01T00:00:00Z") && arguments.x == 1"#)],
        max_remembered: 64,
        ..PolicySettings::default()
    };
    let rules = Policies::new(&settings).unwrap_or_else(|fault| panic!("{fault:?}"));
    let someone = member("a", &[]);
    assert!(rules.change_with_time());
    for number in 0..1000 {
        let name = format!("t{number}");
        for (arguments, allowed) in [(r#"{"x":1}"#, true), (r#"{"x":2}"#, false)] {
            let verdict = ask_with(&rules, &someone, tool(&name), Some(&params(arguments)));
            assert_eq!((verdict.shown, verdict.outcome.is_ok()), (true, allowed));
        }
    }
    assert!(rules.remembered() <= 64, "{}", rules.remembered());
    let other = Caller { client_info: None, ..caller(someone.clone()) };
    let asked = Asked { principal: &someone, endpoint: "/mcp", server: "up", subject: tool("t1") };
    assert!(!rules.show(&asked, &other), "another client of the same principal");
}

#[test]
fn rules_are_about_the_servers_endpoints_and_methods_that_they_name() {
    let targets = TargetSettings {
        methods: Some(list(&["tools/*", "x/y"])),
        servers: Some(list(&["u*"])),
        endpoints: Some(list(&["/mcp"])),
        ..TargetSettings::default()
    };
    let rules = policies(vec![RuleSettings { targets, ..allow("true") }]);
    let someone = member("a", &[]);
    let caller = caller(someone.clone());
    let shows =
        |endpoint, server, subject| rules.show(&Asked { principal: &someone, endpoint, server, subject }, &caller);
    assert!(shows("/mcp", "up", tool("t")) && shows("/mcp", "up", Subject::Method("x/y")));
    assert!(!shows("/mcp", "other", tool("t")) && !shows("/other", "up", tool("t")));
    assert!(!shows("/mcp", "up", Subject::Resource("x://y")) && !shows("/mcp", "up", Subject::Method("x/z")));
}

const CONDITIONS: [&str; 12] = [
    "true",
    "false",
    r#"principal.id == "a""#,
    r#""x" in principal.groups"#,
    r#"principal.groups.all(g, g != "y")"#,
    r#"tool.name.startsWith("t")"#,
    r#"server == "up" && principal.id != "b""#,
    "principal.claims.n > 1",
    r#"has(principal.claims.n) || principal.id == "b""#,
    "tool.annotations.readOnlyHint",
    r#"method == "tools/call" ? principal.id == "a" : false"#,
    r#"now > timestamp("2020-01-01T00:00:00Z") && client.name == "agent""#,
];

fn some_rule() -> impl Strategy<Value = RuleSettings> {
    (any::<bool>(), 0usize..CONDITIONS.len(), 0usize..3, 0usize..4).prop_map(|(denies, condition, tools, shadow)| {
        let effect = if denies { Effect::Deny } else { Effect::Allow };
        let rule = rule(effect, CONDITIONS[condition]);
        let rule = match tools {
            0 => rule,
            1 => about(rule, &["t*"]),
            _ => about(rule, &["u", "t1"]),
        };
        RuleSettings { mode: if shadow == 0 { Mode::Shadow } else { Mode::Enforce }, ..rule }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Asked twice, so that what is remembered is asked, too.
    #[test]
    fn what_is_listed_is_what_may_be_called_where_no_rule_looks_at_arguments(
        rules in prop::collection::vec(some_rule(), 0..5),
        callers in prop::collection::vec((0usize..2, 0usize..3, 0i64..4), 1..4),
        names in prop::collection::vec(0usize..3, 1..4),
    ) {
        let policies = policies(rules);
        for _ in 0..2 {
            for (id, groups, n) in &callers {
                let mut claims = serde_json::Map::new();
                if *n > 0 {
                    claims.insert("n".to_owned(), (*n).into());
                }
                let groups = list([&[][..], &["x"], &["x", "y"]][*groups]);
                let principal = Principal::known(Identity { id: ["a", "b"][*id].into(), groups, claims, ..Identity::default() }, None);
                for name in &names {
                    let verdict = ask(&policies, &principal, ["t1", "t2", "u"][*name]);
                    prop_assert_eq!(verdict.shown, verdict.outcome.is_ok());
                    let is_absent = matches!(verdict.outcome, Err(Fault::UnknownTarget(..)));
                    prop_assert!(verdict.outcome.is_ok() || is_absent, "{:?}", verdict.outcome);
                }
            }
        }
    }

    /// What the arguments turn out to be never allows what was not shown, and never hides what was sure.
    #[test]
    fn nothing_that_is_hidden_can_be_called_with_any_arguments(
        rules in prop::collection::vec((any::<bool>(), 0usize..ARGUED.len()), 1..5),
        arguments in prop::collection::vec(0usize..GIVEN.len(), 1..4),
        id in 0usize..2,
    ) {
        let rules = rules.iter().map(|(denies, condition)| rule(if *denies { Effect::Deny } else { Effect::Allow }, ARGUED[*condition]));
        let policies = policies(rules.collect());
        let principal = member(["a", "b"][id], &[]);
        for given in arguments {
            let verdict = ask_with(&policies, &principal, tool("t"), Some(&params(GIVEN[given])));
            match verdict.outcome {
                Ok(()) | Err(Fault::Denied) => prop_assert!(verdict.shown),
                Err(Fault::UnknownTarget(..)) => prop_assert!(!verdict.shown),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}

const ARGUED: [&str; 9] = [
    "true",
    r#"principal.id == "a""#,
    "arguments.n == 1",
    r#"arguments.n == 1 && principal.id == "a""#,
    r#"arguments.n == 1 || principal.id == "a""#,
    "has(arguments.list) && arguments.list.exists(x, x == principal.id)",
    r#"!(arguments.n == 1 || principal.id == "b")"#,
    r#"principal.id == "a" ? arguments.n == 2 : arguments.?n.orValue(0) == 0"#,
    r#"[principal.id].all(x, x == "b" || arguments.n == 1)"#,
];
const GIVEN: [&str; 6] = ["{}", r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":"x"}"#, r#"{"list":["a"]}"#, r#"{"list":3,"n":1}"#];
