//! What Services may say, and what becomes of the rest.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::{
    OfferFault, Service,
    offer::{Offers, offers},
    picture::{Room, Scope},
    service::Raw,
    settings::OfferSettings,
};
use crate::{
    config::{Format, ProcessEnvironment, parse},
    upstream::{
        credential::settings::CredentialSettings,
        settings::{EraHint, HttpSettings, HttpTransport, WireSettings},
    },
};

const FILE: &str = r#"
endpoints: { /mcp: {}, /team: {}, /closed: {} }
signing: {}
auth: { apiKeys: [{ id: a, token: "0123456789012345678901234567890123456789" }] }
defaults: { timeout: 7s }
discovery:
  kubernetes:
    endpoints: [/team]
    maxServers: 3
    templates:
      signed: { namespaces: [tools], timeout: 9s, era: modern, auth: { assertion: {} } }
"#;

fn rules() -> OfferSettings {
    let settings =
        parse(FILE, "test", Format::Yaml, &ProcessEnvironment::new("")).unwrap_or_else(|problems| panic!("{problems}"));
    settings.discovery.unwrap().rules
}

fn raw(change: impl FnOnce(&mut Value)) -> Option<Service> {
    let mut object = json!({
        "metadata": { "name": "search", "namespace": "tools", "creationTimestamp": "2026-01-01T00:00:00Z", "annotations": {} },
        "spec": { "type": "ClusterIP", "clusterIP": "10.0.0.9", "ports": [{ "port": 80, "name": "web" }] },
    });
    change(&mut object);
    serde_json::from_value::<Raw>(object).unwrap().service()
}

fn annotated(annotations: Value) -> Service {
    let annotations: serde_json::Map<String, Value> = annotations
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (format!("myelin.dev/{key}"), value.clone()))
        .collect();
    raw(|object| object["metadata"]["annotations"] = annotations.into()).unwrap()
}

fn of(service: Service) -> Offers {
    offers(&rules(), &[service], &BTreeSet::from(["taken"]))
}

fn fault(service: Service) -> String {
    let offers = of(service);
    assert!(offers.servers.is_empty());
    offers.left_out[0].fault.to_string()
}

fn http(offers: &Offers) -> HttpSettings {
    match &offers.servers[0].settings.wire {
        WireSettings::Http(http) => http.clone(),
        WireSettings::Stdio(_) => panic!("a Service is no program"),
    }
}

#[test]
fn a_service_that_says_nothing_is_a_server_by_its_own_name() {
    let offers = of(annotated(json!({})));
    let (found, http) = (&offers.servers[0], http(&offers));
    assert_eq!((found.settings.name.as_str(), &found.endpoints), ("search", &vec!["/mcp".to_owned()]));
    assert_eq!(http.url.to_string(), "http://search.tools.svc:80/mcp");
    assert_eq!(http.address, Some("10.0.0.9".parse().unwrap()));
    assert_eq!((found.settings.timeout, found.settings.era), (Duration::from_secs(7), EraHint::Probe));
    assert_eq!(found.settings.credential, CredentialSettings::None);
}

#[test]
fn annotations_say_where_and_what_it_is_and_whose_template_it_has() {
    let offers = of(annotated(json!({
        "name": "web", "port": "web", "path": "/x/y", "scheme": "https", "era": "legacy", "transport": "sse",
        "template": "signed", "endpoints": "/team, /mcp",
    })));
    let (found, http) = (&offers.servers[0], http(&offers));
    assert_eq!(http.url.to_string(), "https://search.tools.svc:80/x/y");
    assert_eq!((found.settings.name.as_str(), http.transport), ("web", HttpTransport::Sse));
    assert_eq!((found.settings.era, found.settings.timeout), (EraHint::Legacy, Duration::from_secs(9)));
    assert_eq!(found.endpoints, ["/team", "/mcp"]);
    let CredentialSettings::Assertion(assertion) = &found.settings.credential else { panic!("no assertion") };
    assert_eq!(assertion.audience, "https://search.tools.svc:80/x/y", "what it is shown is for it alone");
}

#[test]
fn a_headless_service_is_looked_up_and_a_named_port_of_several_is_taken() {
    let headless = raw(|object| {
        object["spec"]["clusterIP"] = "None".into();
        object["spec"]["ports"] = json!([{ "port": 9, "name": "x" }, { "port": 443, "name": "https" }]);
    });
    let offers = of(headless.unwrap());
    let http = http(&offers);
    assert_eq!(http.url.to_string(), "https://search.tools.svc:443/mcp");
    assert_eq!((http.address, http.resolve), (None, Some(Duration::from_secs(10))));
}

#[test]
fn each_thing_that_is_wrong_is_named_with_what_is_right() {
    for (annotations, expected) in [
        (json!({ "pth": "/" }), "`myelin.dev/pth` is no annotation; did you mean `myelin.dev/path`?"),
        (json!({ "command": "sh" }), "`myelin.dev/command` is no annotation"),
        (json!({ "era": "old" }), "`myelin.dev/era` must be `auto`, `modern` or `legacy`"),
        (json!({ "scheme": "ftp" }), "`myelin.dev/scheme` must be `http` or `https`"),
        (json!({ "transport": "stdio" }), "`myelin.dev/transport` must be `http` or `sse`"),
        (json!({ "port": "81" }), "`myelin.dev/port` must be the number or the name of a TCP port of the Service"),
        (json!({ "path": "mcp" }), "`myelin.dev/path` must be a path such as `/mcp`, without a query"),
        (json!({ "path": "//evil/" }), "`myelin.dev/path` must be a path such as `/mcp`, without a query"),
        (json!({ "path": "/a?b" }), "`myelin.dev/path` must be a path such as `/mcp`, without a query"),
        (
            json!({ "path": format!("/{}", "x".repeat(1024)) }),
            "`myelin.dev/path` must be a path such as `/mcp`, without a query",
        ),
        (
            json!({ "template": "sined" }),
            "`myelin.dev/template` names no template of `discovery`; did you mean `signed`?",
        ),
        (json!({ "endpoints": "/closed" }), "`myelin.dev/endpoints` names an endpoint that `discovery` does not offer"),
        (json!({ "name": "taken" }), "another server has its name, give it another with `myelin.dev/name`"),
        (
            json!({ "name": "a__b" }),
            "its name is none for a server, give it another with `myelin.dev/name`: a server's name must not contain `__` nor end \
             with `_`, since `__` separates it from its tools' names",
        ),
    ] {
        assert_eq!(fault(annotated(annotations.clone())), expected, "{annotations}");
    }
    // The longest path that may be.
    let offers = of(annotated(json!({ "path": format!("/{}", "x".repeat(1023)) })));
    assert_eq!(http(&offers).url.path().len(), 1024);
}

#[test]
fn what_leads_out_of_the_cluster_or_nowhere_is_no_server() {
    let spec = |spec: Value| raw(|object| object["spec"] = spec).unwrap();
    let ports = json!([{ "port": 80 }]);
    let external = spec(json!({ "type": "ExternalName", "externalName": "evil.example", "ports": ports }));
    assert!(fault(external).contains("leads out of the cluster"));
    assert_eq!(fault(spec(json!({ "clusterIP": "", "ports": ports }))), "it has no address");
    for ports in [json!([]), json!([{ "port": 1 }, { "port": 2 }]), json!([{ "port": 80, "protocol": "UDP" }])] {
        assert!(fault(spec(json!({ "clusterIP": "10.0.0.1", "ports": ports }))).contains("say which"), "{ports}");
    }
    for name in ["a.b", "a/b", "", "-a", "A"] {
        assert_eq!(raw(|object| object["metadata"]["name"] = name.into()), None, "{name:?} would be another host");
    }
    let foreign = raw(|object| {
        object["metadata"]["namespace"] = "other".into();
        object["metadata"]["annotations"] = json!({ "myelin.dev/template": "signed" });
    });
    assert_eq!(fault(foreign.unwrap()), "`myelin.dev/template` names a template that is not for this namespace");
}

fn aged(name: &str, day: u8) -> Service {
    raw(|object| {
        object["metadata"]["name"] = name.into();
        object["metadata"]["creationTimestamp"] = format!("2026-01-{day:02}T00:00:00Z").into();
    })
    .unwrap()
}

#[test]
fn of_two_that_want_a_name_or_a_place_the_older_has_it() {
    let older = aged("zebra", 1);
    let mut younger = aged("ant", 2);
    younger.annotations.insert("name".to_owned(), "zebra".to_owned());
    let made = offers(&rules(), &[younger.clone(), older], &BTreeSet::new());
    assert_eq!(made.servers[0].service.name, "zebra");
    assert_eq!((&made.left_out[0].service, &made.left_out[0].fault), (&younger.id, &OfferFault::NameTaken));
    let all = |count: u8| (1..=count).map(|day| aged(&format!("s{}", 100 - day), day)).collect::<Vec<_>>();
    assert!(offers(&rules(), &all(3), &BTreeSet::new()).left_out.is_empty(), "as many as may be");
    let four = offers(&rules(), &all(4), &BTreeSet::new());
    assert_eq!((four.servers.len(), &four.left_out[0].fault), (3, &OfferFault::TooMany { limit: 3 }));
    assert_eq!(four.left_out[0].service.name, "s96", "the youngest");
}

#[test]
fn a_scope_remembers_the_oldest_and_says_that_there_were_more() {
    let mut scope = Scope::of([aged("a", 3), aged("b", 2)], 2);
    assert_eq!(scope.room, Room::Enough);
    scope.put(aged("c", 1), 2);
    let names = |scope: &Scope| scope.services().map(|service| service.id.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(&scope), scope.room), (vec!["c".to_owned(), "b".to_owned()], Room::Exceeded));
    // The same one again, changed, takes no other's place.
    scope.put(aged("b", 2), 2);
    assert_eq!(names(&scope), ["c", "b"]);
    scope.remove(&aged("c", 1).id);
    assert_eq!(names(&scope), ["b"]);
}

proptest::proptest! {
    #[test]
    fn nothing_that_a_service_says_leads_to_another_host(key in "name|path|port|scheme|endpoints|template|era", value in ".{0,40}") {
        for found in of(annotated(json!({ key: value }))).servers {
            let WireSettings::Http(http) = found.settings.wire else { panic!("a program") };
            assert_eq!(http.url.host(), Some("search.tools.svc"));
            assert!(http.headers.is_empty());
        }
    }
}
