//! The command line as a person or a script meets it: the real program, its output and its exit codes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking, its helpers too")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

const MYELIN: &str = env!("CARGO_BIN_EXE_myelin");
const COMMANDS: [&str; 12] = [
    "run",
    "check",
    "doctor",
    "import",
    "tools",
    "call",
    "health",
    "servers",
    "restart",
    "logs",
    "schema",
    "completions",
];

/// What the program did.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A directory with configurations in it, in which the program runs.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// One that has the built-in servers in `demo.json`.
    fn with_demo() -> Self {
        let server = |name: &str| json!({ "command": MYELIN, "args": ["demo", name] });
        let servers = ["search", "vectors", "documents"].map(|name| (name.to_owned(), server(name)));
        let bench = Self::new();
        bench.write("demo.json", &json!({ "mcpServers": servers.into_iter().collect::<Json>() }).to_string());
        bench
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = Command::new(MYELIN);
        command.args(arguments).current_dir(self.0.path()).env_remove("CLICOLOR_FORCE");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }
}

/// A gateway that runs, and what it said when it was ready.
struct Running {
    child: Child,
    ready: Json,
}

impl Running {
    fn start(bench: &Bench, arguments: &[&str]) -> Self {
        let mut command = Command::new(MYELIN);
        command.args(arguments).current_dir(bench.0.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: json(&line) }
    }

    fn endpoint(&self) -> &str {
        self.ready["endpoints"][0].as_str().unwrap()
    }

    /// Ends it as an operator would; its exit code and log.
    fn stop(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[test]
fn each_command_has_help_with_an_example() {
    let bench = Bench::new();
    assert!(bench.run(&["--help"]).out.contains("Examples:\n"));
    for command in COMMANDS {
        let ran = bench.run(&[command, "--help"]);
        assert_eq!(ran.code, 0, "{command}");
        assert!(
            ran.out.contains("Example") && ran.out.contains(&format!("\n  myelin {command}")),
            "{command}: {}",
            ran.out
        );
    }
}

#[test]
fn says_its_version() {
    let ran = Bench::new().run(&["--version"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, concat!("myelin ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn what_cannot_be_understood_is_a_usage_error() {
    let bench = Bench::with_demo();
    for arguments in [
        &["frobnicate"][..],
        &["tools", "--frobnicate"],
        &["call"],
        &["run", "--listen", "nowhere"],
        &["run", "--listen", "0.0.0.0:0"],
        &["demo", "frobnicate"],
        &["tools", "--header", "no colon"],
        &["tools", "--url", "ftp://127.0.0.1/"],
        &["tools", "--url", "http://127.0.0.1/", "--config", "demo.json"],
        &["call", "search__web_search", "nonsense", "--config", "demo.json"],
        &["call", "search__web_search", "limit=many", "--config", "demo.json"],
    ] {
        let ran = bench.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{arguments:?}: {}", ran.err);
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_broken_configuration_is_told_with_its_place() {
    let bench = Bench::new();
    bench.write("broken.yaml", "mcpServers:\n  search: { comand: x }\n");
    for command in ["check", "run", "import"] {
        assert_eq!(bench.run(&[command, "broken.yaml"]).code, 78, "{command}");
    }
    let ran = bench.run(&["check", "broken.yaml"]);
    assert!(ran.err.starts_with("broken.yaml:2:"), "{}", ran.err);
    assert!(ran.err.contains("mcpServers.search.comand: unknown key; did you mean `command`?"), "{}", ran.err);
    assert_eq!(ran.out, "");

    let report = json(&bench.run(&["check", "broken.yaml", "--json"]).out);
    assert_eq!((&report["ok"], &report["problems"][0]["line"]), (&json!(false), &json!(2)));
}

#[test]
fn a_missing_configuration_is_told() {
    let ran = Bench::new().run(&["tools", "--config", "none.yaml"]);
    assert_eq!(ran.code, 78);
    assert!(ran.err.contains("none.yaml: cannot be read"), "{}", ran.err);
}

#[test]
fn a_good_configuration_is_summed_up_without_its_secrets() {
    let bench = Bench::new();
    bench.write(
        "good.yaml",
        "mcpServers:\n  files: { command: file-server, args: [--token, hunter2] }\n  web: { url: 'https://mcp.example/hunter2' }\n\
         endpoints:\n  /mcp: { servers: ['*'] }\n  /web: { servers: [web] }\n",
    );
    let ran = bench.run(&["check", "good.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.starts_with("valid: good.yaml has 2 servers at 2 endpoints"), "{}", ran.out);
    assert!(
        ran.out.contains("\nfiles   stdio file-server\n") && ran.out.contains("\nweb     http https://mcp.example\n"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("\n/mcp      files, web  server__tool\n"), "{}", ran.out);
    assert!(!ran.out.contains("hunter2") && !bench.run(&["check", "good.yaml", "--json"]).out.contains("hunter2"));
}

#[test]
fn a_live_check_tells_what_servers_are_and_which_names_clash() {
    let bench = Bench::new();
    let server = json!({ "command": MYELIN, "args": ["demo", "search"] });
    let long = "x".repeat(70);
    let renamed =
        json!({ "command": MYELIN, "args": ["demo", "vectors"], "tools": { "rename": { "delete_vector": long } } });
    let file = json!({
        "mcpServers": { "one": server, "two": server, "three": renamed },
        "endpoints": { "/bare": { "servers": ["one", "two"], "names": "bare" }, "/long": { "servers": ["three"] } },
    });
    bench.write("live.json", &file.to_string());

    let ran = bench.run(&["check", "live.json", "--live"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("modern, 2026-07-28"), "{}", ran.out);
    assert!(ran.out.contains("collision: tool `web_search` of two is hidden"), "{}", ran.out);
    assert!(ran.out.contains(&format!("shortened: `{long}` is offered as `xxx")), "{}", ran.out);

    let report = json(&bench.run(&["check", "live.json", "--live", "--json"]).out);
    assert_eq!((&report["ok"], &report["servers"][0]["tools"]), (&json!(true), &json!(2)));
    assert_eq!(
        report["endpoints"][0]["collisions"][0],
        json!({ "kind": "tool", "name": "fetch_article", "server": "two" })
    );
    assert_eq!(report["endpoints"][1]["shortened"][0]["offered"].as_str().map(str::len), Some(64));
}

#[test]
fn a_live_check_of_a_server_that_does_not_start_fails_and_tells_of_the_others() {
    let bench = Bench::new();
    let file = json!({ "mcpServers": {
        "there": { "command": MYELIN, "args": ["demo", "search"] },
        "gone": { "command": "./there-is-no-such-program" },
    } });
    bench.write("half.json", &file.to_string());
    let ran = bench.run(&["check", "half.json", "--live"]);
    assert_eq!(ran.code, 69);
    assert!(ran.out.contains("cannot be reached") && ran.out.contains("modern, 2026-07-28"), "{}", ran.out);

    let ran = bench.run(&["tools", "--config", "half.json"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.out.contains("there__web_search") && ran.err.contains("left out: gone cannot be reached"),
        "{}",
        ran.err
    );
    assert_eq!(bench.run(&["call", "gone__tool", "--config", "half.json"]).code, 69);
}

/// What `doctor --json` found about something.
fn findings<'a>(report: &'a Json, about: &str) -> Vec<&'a Json> {
    report["findings"].as_array().unwrap().iter().filter(|finding| finding["about"] == about).collect()
}

#[test]
fn the_doctor_says_of_each_server_and_of_the_machine_what_is_good_and_what_to_do() {
    let bench = Bench::with_demo();
    let ran = bench.run(&["doctor", "demo.json", "--json"]);
    let report = json(&ran.out);
    assert_eq!((ran.code, &report["ok"]), (0, &json!(true)), "{}{}", ran.out, ran.err);
    assert!(findings(&report, "search")[0]["what"].as_str().unwrap().starts_with("modern, 2026-07-28, with "));
    assert_eq!(findings(&report, "sealing keys")[0]["grade"], "warning");
    for about in
        ["kernel, Landlock", "kernel, seccomp", "kernel, cgroup v2", "limit, open files", "clock", "/mcp, names"]
    {
        assert_eq!(findings(&report, about).len(), 1, "{about}: {report:#}");
    }
    let told = bench.run(&["doctor", "demo.json"]);
    assert!(told.out.contains("ok       search: modern") && told.out.contains("0 problems, "), "{}", told.out);
}

#[test]
fn the_doctor_finds_what_a_server_and_a_sandbox_lack() {
    let bench = Bench::new();
    let file = json!({
        "stateDir": "/dev/null/state", "sealing": { "keys": ["0123456789abcdef0123456789abcdef"] },
        "mcpServers": {
            "gone": { "command": "/no/such/program" },
            "boxed": { "command": MYELIN, "args": ["demo", "search"], "sandbox": { "files": { "read": ["/no/such/path"] } } },
        },
    });
    bench.write("sick.json", &file.to_string());
    let ran = bench.run(&["doctor", "sick.json", "--json"]);
    let report = json(&ran.out);
    assert_eq!((ran.code, &report["ok"]), (1, &json!(false)), "{}", ran.out);
    for (about, what) in [
        ("gone", "cannot be reached"),
        ("boxed", "is not started, since this machine lacks what its sandbox needs"),
        ("boxed, sandbox", "`files` names /no/such/path, which is not there"),
        ("stateDir", "/dev/null/state cannot be written"),
    ] {
        let found = findings(&report, about);
        assert!(
            found[0]["grade"] == "problem" && found[0]["what"].as_str().unwrap().contains(what),
            "{about}: {report:#}"
        );
        assert!(found[0]["advice"].is_string());
    }
    bench.write("broken.yaml", "mcpServers: { a: { comand: x } }");
    let ran = bench.run(&["doctor", "broken.yaml", "--json"]);
    assert!(ran.code == 78 && ran.out.contains("did you mean `command`?"), "{}", ran.out);
}

#[test]
fn a_clients_configuration_is_imported_without_its_secrets() {
    let bench = Bench::new();
    let file = json!({ "mcpServers": { "web": { "type": "http", "url": "https://mcp.example/mcp", "headers": { "Authorization": "Bearer hunter2" } } } });
    bench.write(".mcp.json", &file.to_string());
    let ran = bench.run(&["import", ".mcp.json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("url: https://mcp.example/mcp") && ran.out.contains("${env:"), "{}", ran.out);
    assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"));
    assert!(ran.err.starts_with("note: mcpServers.web.headers.Authorization: "), "{}", ran.err);
    assert!(json(&bench.run(&["import", ".mcp.json", "--json"]).err)[0]["message"].is_string());
}

#[test]
fn an_import_overwrites_nothing() {
    let bench = Bench::with_demo();
    assert_eq!(bench.run(&["import", "demo.json", "--write", "new.yaml"]).code, 0);
    assert_eq!(bench.run(&["check", "new.yaml"]).code, 0);
    let ran = bench.run(&["import", "demo.json", "--write", "new.yaml"]);
    assert_eq!(ran.code, 64);
    assert!(ran.err.contains("new.yaml is there already"), "{}", ran.err);
}

#[test]
fn the_schema_is_json() {
    let schema = json(&Bench::new().run(&["schema"]).out);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["mcpServers"].is_object());
}

#[test]
fn health_says_whether_a_gateway_takes_calls() {
    let bench = Bench::with_demo();
    let mut demo = json(&fs::read_to_string(bench.0.path().join("demo.json")).unwrap());
    demo["admin"] = json!({ "listen": "127.0.0.1:0" });
    bench.write("admin.json", &demo.to_string());
    let running = Running::start(&bench, &["run", "admin.json", "--listen", "127.0.0.1:0"]);
    let admin = running.ready["admin"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let ran = bench.run(&["health", &admin]);
    assert_eq!((ran.code, &json(&ran.out)["phase"]), (0, &json!("serving")), "{}", ran.err);
    assert_eq!(running.stop().0, Some(0));
    let ran = bench.run(&["health", &admin]);
    assert_eq!((ran.code, ran.out.as_str()), (69, ""));
    assert!(ran.err.contains("no gateway answers"), "{}", ran.err);
}

#[test]
fn bash_completes_the_commands() {
    let ran = Bench::new().run(&["completions", "bash"]);
    assert_eq!(ran.code, 0);
    assert!(COMMANDS.iter().all(|command| ran.out.contains(command)));
}

#[test]
fn lists_the_tools_of_a_files_servers() {
    let bench = Bench::with_demo();
    let ran = bench.run(&["tools", "--config", "demo.json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let search = ran.out.lines().find(|line| line.starts_with("search__web_search ")).unwrap();
    assert!(search.contains("Ranks articles") && search.ends_with("query: string, limit?: integer"), "{search}");
    let heading = ran.out.lines().next().unwrap();
    assert_eq!(heading.find("ARGUMENTS"), search.find("query: "));

    let listed = json(&bench.run(&["tools", "--config", "demo.json", "--json"]).out);
    let names: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"vectors__query_vectors") && names.contains(&"documents__read_pages"), "{names:?}");
}

#[test]
fn calls_a_tool_with_arguments_in_every_form() {
    let bench = Bench::with_demo();
    bench.write("query.json", r#"{"query": "bounded queues", "limit": 1}"#);
    let call = |arguments: &[&str], input: &str| {
        let whole = [&["call", "search__web_search", "--config", "demo.json"], arguments].concat();
        let ran = bench.run_with(&whole, input);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        json(&ran.out)
    };
    let pairs = call(&["query=bounded queues", "limit=1"], "");
    assert_eq!(pairs["results"][0]["title"], "Bounded queues");
    assert_eq!(pairs["results"].as_array().map(Vec::len), Some(1));
    assert_eq!(call(&[r#"{"query": "bounded queues", "limit": 1}"#], ""), pairs);
    assert_eq!(call(&["@query.json"], ""), pairs);
    assert_eq!(call(&["-"], r#"{"query": "bounded queues", "limit": 1}"#), pairs);
    assert_eq!(call(&["query=bounded queues", "limit=1", "--json"], "")["structuredContent"], pairs);
}

#[test]
fn progress_and_log_messages_go_to_stderr() {
    let bench = Bench::with_demo();
    let ran = bench.run(&["call", "documents__find_in_document", "text=signal", "--config", "demo.json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("info: scan: ") && ran.err.contains("[1/"), "{}", ran.err);
    json(&ran.out);
}

#[test]
fn a_tool_that_fails_is_told_on_stderr() {
    let bench = Bench::with_demo();
    let ran = bench.run(&["call", "search__web_search", r#"{"query":"queues","limit":99}"#, "--config", "demo.json"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("between 1 and 20"), "{}", ran.err);
}

#[test]
fn an_unknown_tool_suggests_a_known_one() {
    let bench = Bench::with_demo();
    let ran = bench.run(&["call", "search__web_serch", "--config", "demo.json"]);
    assert_eq!(ran.code, 64);
    assert_eq!(ran.err, "error: there is no tool `search__web_serch`\n  did you mean `search__web_search`?\n");
}

#[test]
fn says_how_to_start_a_gateway_where_none_answers() {
    // Bound and not listened to by any HTTP server: closed again before the call.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = Bench::new().run(&["tools", "--url", &format!("http://{address}/mcp")]);
    assert_eq!(ran.code, 69);
    assert!(ran.err.contains(&format!("no gateway answers at http://{address}/mcp")), "{}", ran.err);
    assert!(ran.err.contains("`myelin run`"), "{}", ran.err);
}

#[test]
fn a_gateway_says_where_it_is_and_offers_its_tools_there() {
    let bench = Bench::with_demo();
    let file = bench.0.path().join("demo.json");
    let mut demo = json(&fs::read_to_string(&file).unwrap());
    demo["admin"] = json!({ "listen": "127.0.0.1:0" });
    bench.write("demo.json", &demo.to_string());

    let running = Running::start(&bench, &["run", "demo.json", "--listen", "0"]);
    assert_eq!(running.ready["ready"], json!(true));
    assert!(running.ready["admin"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    let url = running.endpoint();
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/mcp"), "{url}");

    let ran = bench.run(&["tools", "--url", url]);
    assert!(ran.code == 0 && ran.out.contains("search__web_search"), "{}", ran.err);
    let ran = bench.run(&["call", "documents__find_in_document", "text=signal", "--url", url]);
    assert!(ran.code == 0 && ran.err.contains("[1/"), "{}", ran.err);
    json(&ran.out);
    let ran = bench.run(&["call", "search__web_serch", "--url", url]);
    assert!(ran.code == 64 && ran.err.contains("did you mean `search__web_search`?"), "{}", ran.err);

    let (code, log) = running.stop();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_gateway_whose_port_is_taken_says_what_to_do() {
    let bench = Bench::with_demo();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = bench.run(&["run", "demo.json", "--listen", &address]);
    assert_eq!(ran.code, 69);
    assert!(ran.err.contains(&format!("cannot listen on {address}")) && ran.err.contains("--listen"), "{}", ran.err);
}

#[test]
fn a_log_level_that_is_none_is_a_usage_error() {
    let ran = Bench::with_demo().run(&["run", "demo.json", "--listen", "0", "--log-level", "a=b=c"]);
    assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{}", ran.err);
}

#[test]
fn nothing_is_coloured_in_a_pipe() {
    let bench = Bench::with_demo();
    bench.write("broken.yaml", "nonsense: 1\n");
    for arguments in [
        &["--help"][..],
        &["tools", "--config", "demo.json"],
        &["check", "demo.json", "--live"],
        &["check", "broken.yaml"],
        &["call", "search__none", "--config", "demo.json"],
    ] {
        let ran = bench.run(arguments);
        assert!(!ran.out.contains('\x1b') && !ran.err.contains('\x1b'), "{arguments:?}: {}{}", ran.out, ran.err);
    }
}

/// A server whose one tool asks for a name: of 2025-11-25, which asks while the call is open.
const ASKING_LEGACY: &str = r#"
tool='{"name":"greet","inputSchema":{"type":"object"}}'
form='{"message":"Who are you?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}'
while read -r line; do
  id=${line##*\"id\":}; id=${id%%[,\}]*}
  case $line in
    *'"initialize"'*) result='{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"a","version":"1"}}' ;;
    *'"tools/list"'*) result="{\"tools\":[$tool]}" ;;
    *'"tools/call"'*) call=$id; echo "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"elicitation/create\",\"params\":$form}"; continue ;;
    *'"result"'*) id=$call; result="{\"content\":[],\"structuredContent\":$line}" ;;
    *) continue ;;
  esac
  echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":$result}"
done
"#;

/// The same of 2026-07-28, which ends the call and wants to be called again.
const ASKING_MODERN: &str = r#"
tool='{"name":"greet","inputSchema":{"type":"object"}}'
form='{"mode":"form","message":"Who are you?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}'
while read -r line; do
  id=${line##*\"id\":}; id=${id%%[,\}]*}
  case $line in
    *'"server/discover"'*) result='{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"serverInfo":{"name":"a","version":"1"},"ttlMs":0,"cacheScope":"private"}' ;;
    *'"tools/list"'*) result="{\"resultType\":\"complete\",\"tools\":[$tool],\"ttlMs\":0,\"cacheScope\":\"private\"}" ;;
    *'"inputResponses"'*) result="{\"resultType\":\"complete\",\"content\":[],\"structuredContent\":$line}" ;;
    *'"tools/call"'*) result="{\"resultType\":\"input_required\",\"inputRequests\":{\"who\":{\"method\":\"elicitation/create\",\"params\":$form}},\"requestState\":\"s\"}" ;;
    *) continue ;;
  esac
  echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":$result}"
done
"#;

/// A directory with `asking.json`, whose server is that script.
fn asking(era: &str, script: &str) -> Bench {
    let bench = Bench::new();
    bench.write("asking.sh", script);
    let server = json!({ "command": "sh", "args": ["asking.sh"], "cwd": bench.0.path(), "era": era });
    bench.write("asking.json", &json!({ "mcpServers": { "asking": server } }).to_string());
    bench
}

#[test]
fn a_question_is_declined_where_nobody_can_be_asked() {
    for (era, script, answer) in
        [("legacy", ASKING_LEGACY, "/result"), ("modern", ASKING_MODERN, "/params/inputResponses/who")]
    {
        let ran = asking(era, script).run(&["call", "greet", "--config", "asking.json"]);
        assert_eq!(ran.code, 0, "{era}: {}", ran.err);
        assert!(ran.err.contains("declined: the server asks: Who are you?"), "{era}: {}", ran.err);
        assert_eq!(json(&ran.out).pointer(answer), Some(&json!({ "action": "decline" })), "{era}: {}", ran.out);
    }
}

#[test]
fn a_question_is_asked_on_a_terminal() {
    for (era, script) in [("legacy", ASKING_LEGACY), ("modern", ASKING_MODERN)] {
        let bench = asking(era, script);
        bench.write("answers", "Ada\n");
        let Some(seen) = on_a_terminal(&bench, "call greet --config asking.json", "1") else { return };
        assert!(seen.contains("Who are you?") && seen.contains("  name: "), "{era}: {seen}");
        let answered: String = seen.split_whitespace().collect();
        assert!(answered.contains(r#"{"action":"accept","content":{"name":"Ada"}}"#), "{era}: {seen}");
    }
}

/// What `arguments` print on a terminal of 80 columns at which somebody types the file `answers`; `None` where there is no `script` of util-linux to make one.
fn on_a_terminal(bench: &Bench, arguments: &str, no_color: &str) -> Option<String> {
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{MYELIN} {arguments}"), "/dev/null"]).current_dir(bench.0.path());
    command.env("NO_COLOR", no_color).env("TERM", "xterm").env("COLUMNS", "80");
    let answers = fs::File::open(bench.0.path().join("answers"));
    command.stdin(answers.map_or_else(|_| Stdio::null(), Stdio::from));
    let output = command.output().ok()?;
    let seen = String::from_utf8(output.stdout).unwrap().replace('\r', "");
    assert!(output.status.success(), "{seen}");
    Some(seen)
}

#[test]
fn a_terminal_gets_colours_unless_told_otherwise_and_lines_that_fit() {
    let bench = Bench::with_demo();
    let Some(coloured) = on_a_terminal(&bench, "tools --config demo.json", "") else { return };
    assert!(coloured.contains("\x1b[1mTOOL"), "{coloured}");
    let plain = on_a_terminal(&bench, "tools --config demo.json", "1").unwrap();
    assert!(!plain.contains('\x1b'), "{plain}");
    assert!(plain.lines().all(|line| line.chars().count() <= 80), "{plain}");
}

const RULES: &str = r#"{
    "policies": [
        { "allow": "\"research\" in principal.groups", "tools": ["search__*"], "name": "researchers" },
        { "deny": "arguments.limit > 10", "tools": ["search__*"] },
        { "deny": "tool.annotations.destructiveHint && !(\"admins\" in principal.groups)", "mode": "shadow" }
    ],
    "mcpServers": { "search": { "url": "https://search.example/mcp" }, "other": { "url": "https://other.example/mcp" } }
}"#;

#[test]
fn policy_test_explains_each_rule_and_exits_by_the_decision() {
    let bench = Bench::new();
    bench.write("rules.json", RULES);
    bench.write("rita.json", r#"{ "id": "rita", "groups": ["research"] }"#);
    bench.write("sam.json", r#"{ "id": "sam", "kind": "api_key" }"#);
    bench.write("few.json", r#"{ "tool": { "name": "search__web" }, "arguments": { "limit": 3 } }"#);
    bench.write("many.json", r#"{ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "search__web", "arguments": { "limit": 30 } } }"#);
    bench.write(
        "none.json",
        r#"{ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "search__web" } }"#,
    );
    let ask = |principal: &str, call: &str| {
        bench.run(&["policy", "test", "rules.json", "--as", principal, "--call", call, "--json"])
    };

    let allowed = ask("rita.json", "few.json");
    assert_eq!(allowed.code, 0, "{}", allowed.err);
    let told = json(&allowed.out);
    assert_eq!((&told["allowed"], &told["decision"]), (&json!(true), &json!("shadow_denied")));
    assert_eq!((&told["server"], &told["listed"], &told["rule"]), (&json!("search"), &json!(true), &json!("#3")));
    let says =
        |told: &Json| told["rules"].as_array().unwrap().iter().map(|rule| rule["says"].clone()).collect::<Vec<_>>();
    assert_eq!(says(&told), ["holds", "holds_not", "holds"]);

    let refused = ask("rita.json", "many.json");
    assert_eq!(refused.code, 1);
    let told = json(&refused.out);
    assert_eq!((&told["rule"], &told["listed"]), (&json!("#2"), &json!(true)), "seen, and refused for its arguments");

    let told = json(&ask("rita.json", "none.json").out);
    assert_eq!((&told["allowed"], &says(&told)[1]), (&json!(false), &json!("fails")), "a rule that fails denies");
    assert_eq!(told["rules"][1]["why"], "No such key: limit");

    let hidden = ask("sam.json", "few.json");
    assert_eq!((hidden.code, &json(&hidden.out)["listed"]), (1, &json!(false)));
    let words = bench.run(&["policy", "test", "rules.json", "--as", "sam.json", "--call", "few.json"]);
    assert_eq!(words.code, 1);
    assert!(words.out.starts_with("denied: not there for this caller\n"), "{}", words.out);

    bench.write("vague.json", r#"{ "tool": { "name": "web" } }"#);
    assert_eq!(ask("rita.json", "vague.json").code, 64);
    bench.write("wrong.json", r#"{ "id": "rita", "group": "research" }"#);
    assert!(ask("wrong.json", "few.json").err.contains("unknown field `group`"));
}

#[test]
fn policy_replay_tries_rules_on_recorded_calls() {
    let bench = Bench::new();
    bench.write("rules.json", RULES);
    let line = |seq: u64, group: &str, more: &Json| {
        let mut line = json!({
            "time": "2026-11-28T04:00:00.000Z", "seq": seq, "event": "call",
            "principal": { "id": group, "kind": "token", "groups": [group] },
            "endpoint": "/mcp", "era": "modern", "method": "tools/call", "server": "search", "target": "search__web",
            "own_name": "web", "decision": "allowed", "outcome": "ok", "prev": "", "hash": "",
        });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.to_string()
    };
    // SHA-256 of {"limit":3} and of {"limit":30}.
    let few = json!({ "arguments": { "limit": 3 }, "arguments_sha256": FEW });
    let many = json!({ "arguments": { "limit": 30 }, "arguments_sha256": MANY });
    let lines = [
        line(1, "research", &few),
        line(2, "research", &many),
        line(3, "sales", &few),
        line(4, "research", &json!({ "arguments_sha256": FEW })),
        line(5, "research", &json!({ "arguments": { "limit": "…" }, "arguments_sha256": FEW })),
        line(6, "sales", &json!({ "decision": "denied", "arguments_sha256": FEW })),
        line(7, "research", &json!({ "decision": "denied", "arguments": { "limit": 3 }, "arguments_sha256": FEW })),
        r#"{"time":"2026-11-28T04:00:00.000Z","seq":8,"event":"stop","prev":"","hash":""}"#.to_owned(),
        "no line at all".to_owned(),
    ];
    bench.write("audit.jsonl", &(lines.join("\n") + "\n"));
    let mut rules = json(RULES);
    rules["policies"].as_array_mut().unwrap().pop();
    bench.write("rules.json", &rules.to_string());
    let ran = bench.run(&["policy", "replay", "audit.jsonl", "--config", "rules.json", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let told = json(&ran.out);
    let counts = ["calls", "same", "newlyDenied", "newlyAllowed", "unknown", "otherLines", "unreadableLines"];
    assert_eq!(counts.map(|name| told[name].clone()), [7, 2, 2, 1, 2, 1, 1].map(Json::from), "{told}");
    assert_eq!(told["unknownForWantOf"], json!({ "arguments": 2 }));
    assert_eq!(told["examples"]["newlyDenied"][0]["rule"], "#2");
    let words = bench.run(&["policy", "replay", "audit.jsonl", "--config", "rules.json"]);
    assert!(words.out.contains("2 newly denied\n"), "{}", words.out);
}

#[test]
fn policy_replay_knows_claims_annotations_and_addresses_where_the_log_has_them() {
    let bench = Bench::new();
    let rules = json!({
        "policies": [
            { "allow": "has(principal.claims.tenant) && principal.claims.tenant == 'acme'" },
            { "deny": "tool.annotations.destructiveHint" },
            { "deny": "!request.address.startsWith('10.')" },
        ],
        "mcpServers": { "search": { "url": "https://search.example/mcp" } },
    });
    bench.write("rules.json", &rules.to_string());
    let line = |seq: u64, more: &Json| {
        let mut line = json!({
            "time": "2026-11-28T04:00:00.000Z", "seq": seq, "event": "call", "address": "10.1.2.3",
            "principal": { "id": "rita", "kind": "token", "claims": { "tenant": "acme" } },
            "endpoint": "/mcp", "era": "modern", "method": "tools/call", "server": "search", "target": "web",
            "annotations": { "destructiveHint": false }, "decision": "allowed", "outcome": "ok", "prev": "", "hash": "",
        });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        line.to_string()
    };
    let bare = json!({ "principal": { "id": "rita", "kind": "token" } });
    let lines = [
        line(1, &json!({})),
        line(2, &json!({ "principal": { "id": "bob", "kind": "token", "claims": {} } })),
        line(3, &json!({ "annotations": {} })),
        line(4, &json!({ "address": "192.0.2.1" })),
        line(5, &bare),
        line(6, &json!({ "annotations": null })),
        line(7, &json!({ "address": null })),
        line(8, &json!({ "principal": { "id": "ci", "kind": "api_key" } })),
    ];
    bench.write("audit.jsonl", &(lines.join("\n") + "\n"));
    let ran = bench.run(&["policy", "replay", "audit.jsonl", "--config", "rules.json", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let told = json(&ran.out);
    let counts = ["calls", "same", "newlyDenied", "unknown"].map(|name| told[name].clone());
    assert_eq!(counts, [8, 1, 4, 3].map(Json::from), "{told}");
    assert_eq!(told["unknownForWantOf"], json!({ "principal.claims": 1, "tool.annotations": 1, "request": 1 }));
}

const FEW: &str = "a7175ed78ef07ac44431637962e4f5f94a66ffd04e15d47f6a1547a155491fc3";
const MANY: &str = "1ca058c86dd2414bcc64687b7f5aec84eab34eae4492a6436776e7b17e8eb6e2";
