use super::{
    super::settings::{RuleSettings, Window},
    kit::*,
};
use crate::mcp::{Fault, Limit, Per, Principal};

#[test]
fn each_name_has_its_own_count_and_only_those_that_match_have_one() {
    let tools = only(rate(Per::Tool, 1, Window::Hour, 1), Per::Tool, "search__*");
    let (limits, _) = limits(vec![tools, rate(Per::Server, 1, Window::Hour, 4)], 10);
    for tool in ["search__web", "search__files", "other", "other"] {
        assert!(routes(&limits, "a", "s", Some(tool)), "{tool}");
    }
    assert!(!routes(&limits, "a", "s", Some("other")), "the server's own limit");
    assert!(!routes(&limits, "a", "t", Some("search__web")), "the tool's own limit, whatever the server");
    assert!(routes(&limits, "a", "t", None));
}

#[test]
fn a_principal_counts_for_each_of_its_groups_once() {
    let (limits, _) = limits(vec![rate(Per::Group, 1, Window::Hour, 1)], 10);
    let enters = |id, groups: &[&str]| now(limits.enter(&member(id, groups), None, "/mcp")).is_ok();
    assert!(enters("a", &["x", "y", "x"]));
    assert!(!enters("b", &["y"]));
    assert!(enters("c", &["z"]));
    assert!(enters("d", &[]), "without a group nothing is counted");
}

#[test]
fn a_combination_has_one_count_for_each_tuple() {
    let both = RuleSettings { per: vec![Per::Principal, Per::Tool], ..rate(Per::Tool, 1, Window::Hour, 1) };
    let (limits, _) = limits(vec![both], 100);
    for (id, tool) in [("a", "x"), ("a", "y"), ("b", "x"), ("ax", ""), ("", "ax")] {
        assert!(routes(&limits, id, "s", Some(tool)), "{id} {tool}");
        assert!(!routes(&limits, id, "t", Some(tool)), "{id} {tool}: whatever the server");
    }
    let refused = now(limits.route(&call(Principal::new("a")), "s", Some("x")));
    let Err(Fault::Limited(Limit::Set(limit), _)) = refused else { panic!("it was let in") };
    assert_eq!(limit.policy(), "principal-tool-1");
    assert_eq!(limit.to_string(), "1 in 3600 s per principal and tool");
}

#[test]
fn a_match_may_look_at_what_is_not_counted_apart() {
    let interns = only(rate(Per::Tool, 1, Window::Hour, 1), Per::Group, "intern*");
    let (limits, _) = limits(vec![interns], 100);
    let routes = |groups| now(limits.route(&call(member("a", groups)), "s", Some("x"))).is_ok();
    assert!(routes(&["staff"]) && routes(&["staff"]));
    assert!(routes(&["staff", "interns"]));
    assert!(!routes(&["interns"]), "all of them share the tool's count");
}

#[test]
fn a_group_that_does_not_match_is_not_counted() {
    let (limits, _) = limits(vec![only(rate(Per::Group, 1, Window::Hour, 1), Per::Group, "x*")], 10);
    let enters = |groups| now(limits.enter(&member("a", groups), None, "/mcp")).is_ok();
    assert!(enters(&["x1", "y"]) && enters(&["y"]) && enters(&["x2"]));
    assert!(!enters(&["y", "x1"]));
}

#[test]
fn addresses_are_counted_before_anybody_is_known_and_ipv6_by_the_site() {
    let (limits, _) = limits(vec![rate(Per::Address, 1, Window::Hour, 1)], 10);
    assert!(arrives(&limits, "192.0.2.1") && arrives(&limits, "192.0.2.2"));
    assert!(!arrives(&limits, "::ffff:192.0.2.1"), "the same address in another form");
    assert!(arrives(&limits, "2001:db8::1") && arrives(&limits, "2001:db8:0:1::1"));
    assert!(!arrives(&limits, "2001:db8::2:3:4:5"), "another host of the same site");
    assert!(enters(&limits, "a") && enters(&limits, "a"), "calls are not counted again");
}

#[test]
fn places_per_address_are_of_calls() {
    let (limits, _) = limits(vec![places(Per::Address, 1)], 10);
    let _held = enter(&limits, "a").unwrap();
    assert!(arrives(&limits, HERE));
    assert!(!enters(&limits, "b"));
}

#[test]
fn an_address_with_something_that_is_known_later_is_counted_later() {
    let both = RuleSettings { per: vec![Per::Address, Per::Principal], ..rate(Per::Address, 1, Window::Hour, 1) };
    let (limits, _) = limits(vec![both], 10);
    assert!(arrives(&limits, HERE) && arrives(&limits, HERE));
    assert!(enters(&limits, "a") && enters(&limits, "b"));
    assert!(!enters(&limits, "a"));
}
