//! Configuration files as an operator meets them: what is read, what is refused and in which words, the examples and the schema.
//!
//! Expected texts stand beside their files. `UPDATE_EXPECTED=1 cargo test --test config` writes them anew for review.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking, its helpers too")]

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use myelin::{
    config::{self, Environment, Format, Imported, settings::Settings},
    policy::settings::PolicySettings,
    upstream::settings::{HttpSettings, StdioSettings, UpstreamSettings, WireSettings},
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// The secret that no message may show.
const SECRET: &str = "hunter2";

/// An environment in which a variable's value tells its name, except for those that are meant to be unset or unfit.
struct Named;

impl Environment for Named {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "SECRET" => Some(SECRET.to_owned()),
            "LISTEN_HERE" => Some("127.0.0.1:7000".to_owned()),
            _ if name.starts_with("UNSET") => None,
            _ => Some(format!("value-of-{name}")),
        }
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        match path.to_str() {
            Some("/run/secrets/token") => Ok(format!("{SECRET}\n")),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn directory(&self) -> &Path {
        Path::new("")
    }

    fn log_is_terminal(&self) -> bool {
        true
    }
}

/// An environment in which there is nothing.
struct Bare;

impl Environment for Bare {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn directory(&self) -> &Path {
        Path::new("")
    }

    fn log_is_terminal(&self) -> bool {
        false
    }
}

fn import_file(path: &Path) -> Imported {
    let text = fs::read_to_string(path).unwrap();
    let imported = config::import_text(&text, "a client's file", Format::detect(path, &text), &Bare);
    imported.unwrap_or_else(|problems| panic!("{}: {problems}", path.display()))
}

fn parse(text: &str, format: Format) -> Result<Settings, config::Problems> {
    config::parse(text, "myelin.yaml", format, &Named)
}

fn parse_file(path: &Path) -> Result<Settings, config::Problems> {
    let text = fs::read_to_string(path).unwrap();
    config::parse(&text, path.file_name().unwrap().to_str().unwrap(), Format::detect(path, &text), &Named)
}

/// The files below `folder` that are no expected texts.
fn inputs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<PathBuf> =
        paths.filter(|path| path.is_file() && path.extension().is_none_or(|e| e != "txt")).collect();
    inputs.sort();
    assert!(!inputs.is_empty());
    inputs
}

/// Compares `actual` with the text in `path`, or writes it there when asked to.
fn assert_expected(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(path, actual).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(actual, expected, "{}", path.display());
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension(format!("{}.txt", path.extension().unwrap().to_str().unwrap()))
}

#[test]
fn every_problem_of_a_file_is_reported_at_once_in_these_words() {
    for path in inputs("tests/config/invalid") {
        let problems = parse_file(&path).map(|_| ()).expect_err(path.to_str().unwrap());
        let text = format!("{problems}\n");
        assert!(!text.contains(SECRET), "{}: {text}", path.display());
        assert!(!format!("{problems:?} {}", problems.to_json()).contains(SECRET), "{}", path.display());
        assert_expected(&beside(&path), &text);
    }
}

#[test]
fn valid_files_become_these_settings() {
    for path in inputs("tests/config/valid") {
        let settings = parse_file(&path).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(!format!("{settings:?}").contains(SECRET), "{}", path.display());
        assert_expected(&beside(&path), &summary(&settings));
    }
}

#[test]
fn clients_files_are_imported_like_this() {
    for path in inputs("tests/config/valid/clients") {
        assert_expected(&beside(&path), &imported_text(&import_file(&path)));
    }
}

#[test]
fn an_imported_file_means_what_the_clients_file_meant() {
    for path in inputs("tests/config/valid/clients") {
        let original = parse_file(&path).unwrap_or_else(|problems| panic!("{problems}"));
        let imported = import_file(&path);
        let again =
            parse(&imported.yaml, Format::Yaml).unwrap_or_else(|problems| panic!("{problems}\n{}", imported.yaml));
        assert_eq!(again, original, "{}", path.display());
    }
}

#[test]
fn an_import_copies_no_value_that_may_be_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcp.json");
    let entries = [
        r#""a": {"command": "x", "env": {"K": "hunter2", "L": "${L:-hunter2}", "M": "hunter2${M}"}}"#,
        r#""b": {"url": "https://b.example/?key=hunter2", "headers": {"A": "Bearer hunter2", "B": "hunter2"}}"#,
        r#""c": {"command": "x", "args": ["--api-key", "hunter2", "--token=hunter2", "--Password", "hunter2"], "env": {"K": "other"}}"#,
    ];
    fs::write(&path, format!(r#"{{"mcpServers": {{{}}}}}"#, entries.join(","))).unwrap();
    let imported = config::import(&path).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(!imported.yaml.contains(SECRET), "{}", imported.yaml);
    assert!(imported.yaml.contains("Bearer ${env:B_A}"), "{}", imported.yaml);
    assert!(imported.yaml.contains("${env:K}") && imported.yaml.contains("${env:C_K}"), "{}", imported.yaml);
}

#[test]
fn what_is_no_clients_file_is_not_imported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("myelin.yaml");
    fs::write(&path, "mcpServers: {}\nlisten: 127.0.0.1:1\n").unwrap();
    assert!(config::import(&path).unwrap_err().to_string().contains("no client's configuration"));
}

#[test]
fn each_example_loads() {
    for path in inputs("config/examples") {
        let loaded = config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(!loaded.settings.upstreams.is_empty());
        assert_eq!(loaded.notes, [], "{}", path.display());
    }
}

#[test]
fn each_client_example_leads_to_the_default_endpoint() {
    let defaults = Settings::default_with(Vec::new());
    let url = format!("http://{}{}", defaults.listener.address, defaults.endpoints[0].path);
    for path in inputs("config/examples/clients") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(&url), "{}", path.display());
        if path.extension().is_some_and(|extension| extension == "json") {
            let loaded = config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(loaded.settings.upstreams.len(), 1, "{}", path.display());
        }
    }
}

#[test]
fn each_yaml_example_names_the_schema_for_editors() {
    for path in
        inputs("config/examples").iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
    {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with("# yaml-language-server: $schema=../schema.json\n"), "{}", path.display());
    }
}

#[test]
fn the_schema_in_the_repository_is_the_programs() {
    let text = format!("{}\n", serde_json::to_string_pretty(&config::schema()).unwrap());
    assert_expected(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schema.json"), &text);
}

#[test]
fn the_chart_takes_the_configuration_that_the_program_takes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/values.schema.json");
    let mut values: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let mut config = config::schema();
    // The draft is said at the root; Helm 3 knows no later one than the chart's, and no keyword here is younger.
    config.as_object_mut().unwrap().shift_remove("$schema").unwrap();
    values["properties"]["config"] = config;
    assert_expected(&path, &format!("{}\n", serde_json::to_string_pretty(&values).unwrap()));
}

#[test]
fn a_loaded_file_knows_the_files_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let [path, secret] = ["myelin.yaml", "token"].map(|name| folder.path().join(name));
    fs::write(&secret, "first\n").unwrap();
    fs::write(&path, "mcpServers: { a: { command: x, env: { T: '${file:token}' }, cwd: data } }").unwrap();
    let loaded = config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.sources.paths().collect::<Vec<_>>(), [path.as_path(), secret.as_path()]);
    let WireSettings::Stdio(stdio) = &loaded.settings.upstreams[0].wire else { panic!("a child is wanted") };
    assert_eq!(stdio.env["T"].expose(), "first");
    assert_eq!(stdio.cwd.as_deref(), Some(folder.path().join("data").as_path()));
    fs::write(&secret, "second\n").unwrap();
    assert!(loaded.sources.changed());
}

#[test]
fn a_file_that_is_missing_or_no_text_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("myelin.yaml");
    assert!(config::load(&path).unwrap_err().to_string().ends_with("myelin.yaml: cannot be read: entity not found"));
    fs::write(&path, b"listen: \xff").unwrap();
    assert!(config::load(&path).unwrap_err().to_string().ends_with("myelin.yaml: is not UTF-8 text"));
}

#[test]
fn problems_are_told_to_machines_too() {
    let problems = parse("mcpServers:\n  a: { comand: x }\n", Format::Yaml).unwrap_err();
    assert_eq!(
        problems.to_json()[1],
        json!({
            "file": "myelin.yaml", "line": 2, "column": 8, "key": "mcpServers.a.comand",
            "message": "unknown key; did you mean `command`?",
        })
    );
}

#[test]
fn without_a_file_the_given_servers_stand_behind_mcp() {
    let names = ["search", "vectors", "documents"];
    let upstreams = names.map(|name| config::stdio_upstream(name, "myelin", &["demo", name])).to_vec();
    let settings = Settings::default_with(upstreams);
    assert_eq!(settings.endpoints[0].path, "/mcp");
    assert_eq!(settings.endpoints[0].servers, names);
    let written = "mcpServers:\n  search: { command: myelin, args: [demo, search] }\n  \
                   vectors: { command: myelin, args: [demo, vectors] }\n  documents: { command: myelin, args: [demo, documents] }\n\
                   log: { format: json }\n";
    let parsed = parse(written, Format::Yaml).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(Settings { log: parsed.log.clone(), ..settings }, parsed);
}

/// A key of the schema: the keys that lead to it, itself included, and what the schema says of it.
struct SchemaKey {
    path: Vec<String>,
    schema: Json,
}

/// All keys of the schema; where the operator chooses names, the given one stands for them.
fn schema_keys(schema: &Json, path: &[String], keys: &mut Vec<SchemaKey>) {
    for schema in schema["anyOf"].as_array().into_iter().flatten() {
        schema_keys(schema, path, keys);
    }
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = [path, std::slice::from_ref(key)].concat();
        schema_keys(schema, &path, keys);
        keys.push(SchemaKey { path, schema: schema.clone() });
    }
    let chosen = match path.last().map(String::as_str) {
        Some("mcpServers") => "name",
        Some("endpoints") => "/path",
        _ => return,
    };
    schema_keys(&schema["additionalProperties"], &[path, &[chosen.to_owned()]].concat(), keys);
}

fn all_schema_keys() -> Vec<SchemaKey> {
    let mut keys = Vec::new();
    schema_keys(&config::schema(), &[], &mut keys);
    assert!(keys.len() > 100, "{}", keys.len());
    keys
}

/// The keys that mean something beside `url` only.
const OF_URL: [&str; 13] = [
    "url",
    "auth",
    "headers",
    "ca",
    "connectTimeout",
    "maxIdleConnections",
    "maxConnections",
    "resolve",
    "firstByteTimeout",
    "tls",
    "health",
    "ejection",
    "breaker",
];

/// A file with `value` at `path`, and nothing else but what makes a server whole.
fn file_with(path: &[String], value: &Json) -> String {
    let document = path.iter().rev().fold(value.clone(), |value, key| json!({ key.as_str(): value }));
    let mut document = if document.is_object() { document } else { json!({}) };
    if path.len() > 2 && path[0] == "mcpServers" {
        let (wire, value) =
            if OF_URL.contains(&path[2].as_str()) { ("url", "http://a.example/mcp") } else { ("command", "x") };
        document["mcpServers"]["name"][wire] = json!(value);
    }
    if path.len() > 1 && path[0] == "tls" {
        for (key, value) in [("cert", "c.pem"), ("key", "k.pem"), ("clientCa", "ca.pem")] {
            if path.get(1).is_none_or(|own| own != key) {
                document["tls"][key] = json!(value);
            }
        }
    }
    if path.len() > 2 && path[0] == "auth" && path[1] == "kubernetes" && path[2] != "audience" {
        document["auth"]["kubernetes"]["audience"] = json!("myelin");
    }
    if path.len() > 1 && path[0] == "audit" && path[1] != "file" {
        document["audit"]["file"] = json!("audit.jsonl");
    }
    if path.len() > 1 && path[0] == "redis" && path[1] != "url" {
        document["redis"]["url"] = json!("redis://127.0.0.1");
    }
    if path.len() > 1 && path[0] == "replicas" {
        document["sealing"]["keys"] = json!(["a key that is long enough to be one"]);
        if path[1] != "listen" {
            document["replicas"]["listen"] = json!("127.0.0.1:8810");
        }
    }
    document.to_string()
}

#[test]
fn the_reader_knows_exactly_the_keys_of_the_schema() {
    // A value that no key takes: what it says is not the question here.
    let unfit = json!([[[]]]);
    for SchemaKey { path, .. } in all_schema_keys() {
        let message = parse(&file_with(&path, &unfit), Format::Json).map_or_else(|p| p.to_string(), |_| String::new());
        assert!(!message.contains("unknown key"), "{path:?}: {message}");
        let unknown = [&path[..path.len() - 1], &["zzzzzzzzzz".to_owned()]].concat();
        let message = parse(&file_with(&unknown, &json!(1)), Format::Json).unwrap_err().to_string();
        assert!(message.contains("unknown key"), "{unknown:?}: {message}");
    }
}

#[test]
fn no_message_shows_what_a_reference_stands_for() {
    let secret = json!("${env:SECRET}");
    for SchemaKey { path, .. } in all_schema_keys() {
        for value in [secret.clone(), json!([secret]), json!({ "x": secret }), json!({ "/x": { "servers": [secret] } })]
        {
            let Err(problems) = parse(&file_with(&path, &value), Format::Json) else { continue };
            assert!(!format!("{problems} {problems:?}").contains(SECRET), "{path:?}: {problems}");
        }
    }
}

#[test]
fn no_message_shows_a_literal_where_secrets_stand() {
    for value in [json!(SECRET), json!([SECRET]), json!([[SECRET]]), json!({ "x": SECRET }), json!({ "x": [SECRET] })] {
        for key in ["args", "env", "headers", "url", "command"] {
            let text = json!({ "mcpServers": { "a": { key: value.clone() } } }).to_string();
            let message = parse(&text, Format::Json).map_or_else(|problems| problems.to_string(), |_| String::new());
            assert!(!message.contains(SECRET), "{message}");
        }
        let message =
            parse(&json!({ "sealing": { "keys": value } }).to_string(), Format::Json).unwrap_err().to_string();
        assert!(!message.contains(SECRET), "{message}");
    }
}

#[test]
fn each_default_in_the_schema_is_what_holds_without_the_key() {
    let mut defaults = 0;
    for SchemaKey { path, schema } in all_schema_keys() {
        let Some(default) = schema.get("default") else { continue };
        if let ["mcpServers", "name", "auth", kind, key] = path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            let [with, without] = [Some((key, default)), None].map(|more| parse(&credential(kind, more), Format::Json));
            assert_eq!(with.unwrap(), without.unwrap(), "{path:?}");
            defaults += 1;
            continue;
        }
        let parent = match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            // The same keys as those of a server, whose defaults are looked at there.
            ["discovery", "kubernetes", "templates", "name", "auth" | "sandbox", ..] => continue,
            ["discovery", "kubernetes", "templates", ..] => {
                let template = ["discovery", "kubernetes", "templates", "name"].map(str::to_owned);
                file_with(&template, &json!({}))
            }
            ["discovery", ..] => file_with(&["discovery", "kubernetes"].map(str::to_owned), &json!({})),
            ["mcpServers", "name", key, ..] if OF_URL.contains(&key) => {
                file_with(&["mcpServers", "name", "url"].map(str::to_owned), &json!("http://a.example/mcp"))
            }
            ["mcpServers", "name", "sandbox", _, ..] => {
                file_with(&["mcpServers", "name", "sandbox"].map(str::to_owned), &json!({}))
            }
            ["defaults", "sandbox", _, ..] => file_with(&["defaults", "sandbox"].map(str::to_owned), &json!({})),
            ["mcpServers", "name", ..] => file_with(&["mcpServers", "name", "command"].map(str::to_owned), &json!("x")),
            ["tls", ..] => file_with(&["tls", "cert"].map(str::to_owned), &json!("c.pem")),
            ["auth", "kubernetes", ..] => json!({ "auth": { "kubernetes": { "audience": "myelin" } } }).to_string(),
            ["audit", ..] => file_with(&["audit", "file"].map(str::to_owned), &json!("audit.jsonl")),
            ["redis", ..] => file_with(&["redis", "url"].map(str::to_owned), &json!("redis://127.0.0.1")),
            ["replicas", ..] => file_with(&["replicas", "listen"].map(str::to_owned), &json!("127.0.0.1:8810")),
            ["endpoints", ..] => file_with(&["endpoints", "/path"].map(str::to_owned), &json!({})),
            _ => "{}".to_owned(),
        };
        let [with, without] = [file_with(&path, default), parent].map(|text| parse(&text, Format::Json));
        let (with, without) = (with.unwrap_or_else(|problems| panic!("{path:?} {problems}")), without.unwrap());
        assert_eq!(with, without, "{path:?}");
        defaults += 1;
    }
    assert!(defaults > 60, "{defaults}");
}

/// A file with a server's credential of that kind, whole but for one key.
fn credential(kind: &str, more: Option<(&str, &Json)>) -> String {
    let mut keys = match kind {
        "assertion" => json!({}),
        "oauth" => json!({ "issuer": "https://idp.example", "clientId": "a", "clientSecret": "b" }),
        _ => json!({ "tokenUrl": "https://idp.example/token", "clientId": "a", "clientSecret": "b" }),
    };
    if let Some((key, value)) = more {
        keys[key] = value.clone();
    }
    json!({
        "auth": { "issuers": [{ "issuer": "https://idp.example" }] },
        "mcpServers": { "name": { "url": "http://a.example/mcp", "auth": { kind: keys } } },
    })
    .to_string()
}

#[test]
fn each_key_of_the_schema_is_described() {
    for SchemaKey { path, schema } in all_schema_keys() {
        assert!(schema["description"].as_str().is_some_and(|text| text.len() > 10), "{path:?}");
    }
}

#[test]
fn the_file_with_everything_names_each_key() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/valid/everything.yaml")).unwrap();
    for SchemaKey { path, .. } in all_schema_keys() {
        let key = path.last().unwrap();
        assert!(text.contains(&format!("{key}:")), "{key}");
    }
}

#[test]
fn limits_hold_at_the_limit_and_not_one_past_it() {
    for (good, bad) in [
        ("threads: 1024", "threads: 1025"),
        ("drain: 720h", "drain: 2592001s"),
        ("http: { maxBody: 1024 }", "http: { maxBody: 1023 }"),
        ("http: { maxBody: 1GiB }", "http: { maxBody: 1073741825 }"),
        ("http: { maxDepth: 8 }", "http: { maxDepth: 7 }"),
        ("sessions: { max: 10000000 }", "sessions: { max: 10000001 }"),
        ("http: { keepAlive: 1s }", "http: { keepAlive: 999ms }"),
    ] {
        assert!(parse(good, Format::Yaml).is_ok(), "{good}");
        assert!(parse(bad, Format::Yaml).is_err(), "{bad}");
    }
}

#[test]
fn an_alias_bomb_ends_at_the_limit() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", "));
    }
    assert!(parse(&text, Format::Yaml).unwrap_err().to_string().contains("more than 1000000 values"));
}

#[test]
fn nesting_ends_at_the_limit() {
    for format in [Format::Yaml, Format::Json, Format::Toml] {
        let head = if format == Format::Toml { "a = " } else { "" };
        let text = format!("{head}{}", "[".repeat(100_000));
        assert!(parse(&text, format).is_err(), "{format:?}");
    }
    let text = format!("{}1{}", "{\"a\":".repeat(65), "}".repeat(65));
    assert!(parse(&text, Format::Json).unwrap_err().to_string().contains("nested deeper than 64 levels"));
}

fn formats() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Yaml), Just(Format::Json), Just(Format::Toml)]
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, format in formats()) {
        let _ = parse(&String::from_utf8_lossy(&bytes), format);
    }

    #[test]
    fn no_structure_makes_the_reader_panic(text in r#"([a-c${}\[\]:,"'&*!|>#%@ \n\t-]|mcpServers|\$\{env:|command|\{\}|<<|\\u)*"#, format in formats()) {
        let _ = parse(&text, format);
    }

    #[test]
    fn no_damage_to_a_file_makes_the_reader_panic(file in 0_usize..18, at: prop::sample::Index, length in 0_usize..40, new in ".{0,8}") {
        let files: Vec<PathBuf> =
            ["tests/config/valid", "tests/config/valid/clients"].into_iter().flat_map(inputs).collect();
        let path = &files[file % files.len()];
        let mut characters: Vec<char> = fs::read_to_string(path).unwrap().chars().collect();
        let start = at.index(characters.len() + 1);
        characters.splice(start..(start + length).min(characters.len()), new.chars());
        let text: String = characters.into_iter().collect();
        let _ = parse(&text, Format::detect(path, &text));
    }
}

/// What of the settings depends on a file's own lines, in a few words.
fn summary(settings: &Settings) -> String {
    let Settings { listener, admin, http, sessions, lists, log, drain, threads, .. } = settings;
    let mut text = format!("{listener:?}\nadmin {admin:?}\n{log:?} drain {drain:?} threads {threads:?}\n");
    text += &format!("{http:?}\n{sessions:?}\n{lists:?}\nsealing keys {}\n", settings.sealing_keys.len());
    for rule in &settings.policy.rules {
        text += &format!("{rule:?}\n");
    }
    if settings.policy != PolicySettings::default() {
        let PolicySettings { mode, scopes, max_arguments_bytes, max_remembered, .. } = &settings.policy;
        text += &format!("policy {mode:?} {scopes:?} arguments {max_arguments_bytes} remembered {max_remembered}\n");
    }
    for rule in &settings.limits.rules {
        text += &format!("{rule:?} keys {}\n", settings.limits.max_keys);
    }
    if let Some(hops) = &settings.hops {
        text += &format!("{hops:?}\n");
    }
    if let Some(redis) = &settings.redis {
        text += &format!("{redis:?}\n");
    }
    for endpoint in &settings.endpoints {
        text += &format!("{} {:?} {:?}\n", endpoint.path, endpoint.servers, endpoint.names);
    }
    for upstream in &settings.upstreams {
        let UpstreamSettings { name, wire, era, pool, tools, breaker, .. } = upstream;
        text +=
            &format!("\n{name}: {}\n  {era:?} {:?}/{:?}", wire_summary(wire), upstream.timeout, upstream.total_timeout);
        text += &format!(" probe {:?} start {:?}", upstream.probe_timeout, upstream.start_timeout);
        text += &format!(" message {}\n  {pool:?}\n  {tools:?}\n  {breaker:?}\n", upstream.max_message_bytes);
    }
    text
}

fn wire_summary(wire: &WireSettings) -> String {
    match wire {
        WireSettings::Stdio(StdioSettings { command, args, env, cwd, sandbox }) => {
            let sandbox = sandbox.as_ref().map(|sandbox| format!("\n  {sandbox:?}")).unwrap_or_default();
            format!("{command} {args:?} {env:?} in {cwd:?}{sandbox}")
        }
        WireSettings::Http(http) => {
            let HttpSettings { url, headers, transport, ca, connect_timeout, .. } = http;
            let (idle, most) = (http.max_idle_connections, http.max_connections);
            let (others, resolve, identity) = (&http.others, &http.resolve, &http.identity);
            let (first, health, ejection) = (&http.first_byte_timeout, &http.health, &http.ejection);
            let wire = format!("{url} {headers:?} {transport:?} {ca:?} {connect_timeout:?} {idle}/{most}");
            format!("{wire}\n  {others:?} {resolve:?} {identity:?} {first:?}\n  {health:?}\n  {ejection:?}")
        }
    }
}

fn imported_text(imported: &Imported) -> String {
    let notes: Vec<String> = imported.notes.iter().map(|note| format!("{note}\n")).collect();
    format!("{}--- notes\n{}", imported.yaml, notes.concat())
}
