//! Sandboxes with real processes: what each of them stops, what goes on without it, and what is refused where the machine cannot give it.
//!
//! Every claim is made twice, so that no test can pass by accident: the same program succeeds without the sandbox. Where this machine
//! lacks what the sandbox needs, the test proves the refusal instead: by what [`Kernel`] says, as `myelin doctor` does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeMap,
    fs,
    net::{TcpListener, UdpSocket},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::Path,
    process,
    sync::Arc,
    time::Duration,
};

use myelin::{
    guard::sandbox::{CgroupLimits, FileRules, Kernel, Lack, Network, ResourceLimits, Sandbox},
    redact::Redacted,
    upstream::{
        settings::StdioSettings,
        wire::stdio::{Child, Launch, Line, StartFault},
    },
};
use tokio::time::timeout;

/// Nobody's, so that its processes can be counted.
const NOBODY: &str = "61234:61234";

/// What a program printed and how it ended; or what the machine lacks.
#[derive(Debug, PartialEq)]
enum Ran {
    Ended(Vec<String>, Option<i32>),
    Lacking(Vec<Lack>),
}

async fn run(sandbox: Option<&Sandbox>, command: &[&str]) -> Ran {
    let (program, arguments) = command.split_first().unwrap();
    let launch = Launch { guard: Some(env!("CARGO_BIN_EXE_myelin").into()), ..Launch::new(1 << 20) };
    let settings = StdioSettings {
        command: (*program).to_owned(),
        args: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        env: BTreeMap::from([("MARK".to_owned(), Redacted::from("mark"))]),
        cwd: Some("/".into()),
        sandbox: sandbox.cloned().map(Box::new),
    };
    let (child, mut lines) = match Child::start(&settings, &launch, &Arc::from("test")).await {
        Ok(started) => started,
        Err(StartFault::Sandbox(lacks)) => return Ran::Lacking(lacks),
        Err(fault) => panic!("{fault}"),
    };
    let mut printed = Vec::new();
    let read = async {
        while let Some(Line::Message(line)) = lines.next().await {
            printed.push(String::from_utf8_lossy(&line).into_owned());
        }
        child.exited().await.code()
    };
    let code = timeout(Duration::from_secs(30), read).await.unwrap();
    printed.extend(child.stderr_tail());
    Ran::Ended(printed, code)
}

/// The first line, or what is missing.
async fn first(sandbox: Option<&Sandbox>, command: &[&str]) -> Result<String, Vec<Lack>> {
    match run(sandbox, command).await {
        Ran::Ended(lines, _) => Ok(lines.join("\n").lines().next().unwrap_or_default().to_owned()),
        Ran::Lacking(lacks) => Err(lacks),
    }
}

/// The program prints `done` by itself and `refused` in the sandbox; where the machine cannot give it, the start is refused.
async fn stops(sandbox: &Sandbox, command: &[&str]) {
    assert_eq!(first(None, command).await.as_deref(), Ok("done"), "without a sandbox: {command:?}");
    expect(sandbox, command, "refused").await;
}

async fn expect(sandbox: &Sandbox, command: &[&str], line: &str) {
    let lacks = Kernel::look().lacks(sandbox);
    let expected = if lacks.is_empty() { Ok(line.to_owned()) } else { Err(lacks) };
    assert_eq!(first(Some(sandbox), command).await, expected, "{sandbox:?} {command:?}");
}

/// A sandbox in which files are as for everybody.
fn open() -> Sandbox {
    Sandbox { inherit: vec!["PATH".to_owned()], ..Sandbox::default() }
}

fn files() -> Sandbox {
    Sandbox { files: Some(FileRules::default()), ..open() }
}

fn says(attempt: &str) -> String {
    format!("if {{ {attempt}; }} >/dev/null 2>&1; then echo done; else echo refused; fi")
}

/// A program in Python, which makes system calls that no shell does.
fn python(attempt: &str) -> String {
    format!(
        "import os, sys, socket, ctypes\ntry:\n    {attempt}\n    print('done')\nexcept Exception as e:\n    print('refused')\n"
    )
}

const PYTHON: &str = "/usr/bin/python3";

#[tokio::test]
async fn a_file_outside_of_the_rules_is_not_read_changed_emptied_made_listed_or_executed() {
    let folder = tempfile::tempdir().unwrap();
    let mut attempts: Vec<&str> = vec![
        "cat secret",
        "echo more >> secret",
        "true > secret",
        "echo new > new",
        "mkdir folder",
        "ls .",
        "./program",
        "ln secret link",
        "mv secret moved",
        "rm secret",
    ];
    if rustix::process::geteuid().is_root() {
        attempts.push("cat /etc/shadow");
    }
    for attempt in attempts {
        let script = says(&format!("cd {} && {attempt}", folder.path().display()));
        for sandbox in [None, Some(files())] {
            fill(folder.path());
            match sandbox {
                None => assert_eq!(first(None, &["sh", "-c", &script]).await.as_deref(), Ok("done"), "{attempt}"),
                Some(sandbox) => expect(&sandbox, &["sh", "-c", &script], "refused").await,
            }
        }
    }
}

/// A secret and a program, and nothing that an earlier attempt left.
fn fill(folder: &Path) {
    fs::remove_dir_all(folder).unwrap();
    fs::create_dir(folder).unwrap();
    fs::write(folder.join("secret"), "secret").unwrap();
    fs::copy("/bin/true", folder.join("program")).unwrap();
}

#[tokio::test]
async fn each_rule_allows_what_it_says_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let (read, write, execute) = (folder.path().join("r"), folder.path().join("w"), folder.path().join("x"));
    for own in [&read, &write, &execute] {
        fs::create_dir(own).unwrap();
        fs::write(own.join("file"), "text").unwrap();
        fs::copy("/bin/true", own.join("program")).unwrap();
    }
    let rules = FileRules { read: vec![read.clone()], write: vec![write.clone()], execute: vec![execute.clone()] };
    let sandbox = Sandbox { files: Some(rules), ..open() };
    let attempts = |own: &Path| {
        let own = own.display();
        [
            format!("cat {own}/file"),
            format!("echo x > {own}/file && rm {own}/file && mkdir {own}/new"),
            format!("{own}/program"),
        ]
    };
    for (own, allowed) in
        [(&read, [true, false, false]), (&write, [true, true, false]), (&execute, [true, false, true])]
    {
        for (attempt, is_allowed) in attempts(own).iter().zip(allowed) {
            let line = if is_allowed { "done" } else { "refused" };
            expect(&sandbox, &["sh", "-c", &says(attempt)], line).await;
        }
    }
}

#[tokio::test]
async fn no_socket_is_made_where_the_network_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let path = folder.path().join("socket");
    let _unix = UnixListener::bind(&path).unwrap();
    let off = Sandbox { network: Network::Off, ..open() };
    for attempt in [
        format!("socket.create_connection(('127.0.0.1', {}))", tcp.local_addr().unwrap().port()),
        format!(
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {}))",
            udp.local_addr().unwrap().port()
        ),
        format!("socket.socket(socket.AF_UNIX).connect('{}')", path.display()),
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)".to_owned(),
        "socket.socket(socket.AF_INET6).bind(('::', 0)) if socket.has_ipv6 else 0".to_owned(),
    ] {
        stops(&off, &[PYTHON, "-c", &python(&attempt)]).await;
    }
    // io_uring could make sockets without a system call for it; refused is EACCES, whether this kernel has it or not.
    let ring = "c = ctypes.CDLL(None, use_errno=True); c.syscall(425, 1, 0); sys.exit(ctypes.get_errno() == 13 and print('refused') or 0)";
    expect(&off, &[PYTHON, "-c", &python(ring)], "refused").await;
    let pair = "a, b = socket.socketpair(); a.send(b'x'); b.recv(1)";
    expect(&off, &[PYTHON, "-c", &python(pair)], "done").await;
}

#[tokio::test]
async fn no_process_beyond_the_limit_is_started() {
    let fork = "pids = []\nfor i in range(40):\n    pid = os.fork()\n    if pid == 0:\n        import time; time.sleep(60)\n    pids.append(pid)";
    let script = python(&fork.replace('\n', "\n    "));
    let script = script.replace("time.sleep(60)", "os.read(0, 1); os._exit(0)");
    let limits = ResourceLimits { processes: Some(20), ..ResourceLimits::default() };
    let user = Some(NOBODY.parse().unwrap());
    expect(&Sandbox { user: user.clone(), ..open() }, &[PYTHON, "-c", &script], "done").await;
    expect(&Sandbox { user, limits, ..open() }, &[PYTHON, "-c", &script], "refused").await;
    if Kernel::look().uid == 0 {
        let unheeded = Sandbox { limits, ..open() };
        assert_eq!(first(Some(&unheeded), &["true"]).await, Err(vec![Lack::ProcessesOfRoot]));
    }
}

#[tokio::test]
async fn limits_of_a_process_hold() {
    let limited = |limits| Sandbox { limits, ..files() };
    let limits = ResourceLimits { address_space: Some(300 << 20), ..ResourceLimits::default() };
    stops(&limited(limits), &[PYTHON, "-c", &python("bytearray(400 << 20)")]).await;
    let limits = ResourceLimits { open_files: Some(16), ..ResourceLimits::default() };
    stops(&limited(limits), &[PYTHON, "-c", &python("[os.open('/dev/null', 0) for _ in range(30)]")]).await;
    let limits = ResourceLimits { file_size: Some(8192), ..ResourceLimits::default() };
    let large =
        "open(os.path.join(os.environ.get('TMPDIR', '/tmp'), f'large-{os.getpid()}'), 'wb').write(bytes(20000))";
    stops(&limited(limits), &[PYTHON, "-c", &python(large)]).await;
    let limits = ResourceLimits { cpu_seconds: Some(1), ..ResourceLimits::default() };
    let busy = Ran::Ended(Vec::new(), Some(128 + 9));
    let expected = match Kernel::look().lacks(&limited(limits)) {
        lacks if lacks.is_empty() => busy,
        lacks => Ran::Lacking(lacks),
    };
    assert_eq!(run(Some(&limited(limits)), &["sh", "-c", "while :; do :; done"]).await, expected);
    assert_eq!(first(Some(&open()), &["sh", "-c", "ulimit -c; ulimit -Hc"]).await.as_deref(), Ok("0"));
}

#[tokio::test]
async fn all_processes_together_are_limited_where_a_group_can_be_made_and_refused_elsewhere() {
    let cgroup = CgroupLimits { memory: Some(64 << 20), processes: Some(8), parent: None };
    let sandbox = Sandbox { cgroup, ..open() };
    let fork = "[os.fork() or os.read(0, 1) for _ in range(12)]";
    for attempt in ["b = bytearray(128 << 20); b[::4096] = bytes(len(b[::4096]))", fork] {
        match Kernel::look().lacks(&sandbox) {
            lacks if lacks.is_empty() => {
                let Ran::Ended(lines, _) = run(Some(&sandbox), &[PYTHON, "-c", &python(attempt)]).await else {
                    panic!()
                };
                assert_ne!(lines.first().map(String::as_str), Some("done"), "{attempt}");
            }
            lacks => {
                assert!(
                    matches!(&*lacks, [Lack::NoCgroup | Lack::Controllers { .. } | Lack::CgroupDenied(_)]),
                    "{lacks:?}"
                );
                assert_eq!(first(Some(&sandbox), &[PYTHON, "-c", &python(attempt)]).await, Err(lacks));
            }
        }
    }
}

#[tokio::test]
async fn no_privilege_is_kept_or_gained() {
    // The usual folder may be this user's alone.
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = folder.path().join("id");
    fs::copy("/usr/bin/id", &program).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    let program = program.display().to_string();
    let as_nobody = Sandbox { user: Some(NOBODY.parse().unwrap()), ..open() };
    // A program that its owner lends to everybody: root's, if root runs this.
    expect(&as_nobody, &[&program, "-u"], "61234").await;
    expect(&as_nobody, &["sh", "-c", "id -G"], "61234").await;
    if rustix::process::geteuid().is_root() {
        let lent = ["setpriv", "--reuid=61234", "--regid=61234", "--clear-groups", &program, "-u"];
        assert_eq!(first(None, &lent).await.as_deref(), Ok("0"), "or this test shows nothing");
        let own = "grep CapEff /proc/self/status";
        assert_ne!(first(None, &["sh", "-c", own]).await.as_deref(), Ok("CapEff:\t0000000000000000"));
        assert_eq!(first(Some(&open()), &["sh", "-c", own]).await.as_deref(), Ok("CapEff:\t0000000000000000"));
        assert_eq!(
            first(Some(&open()), &["sh", "-c", "grep CapBnd /proc/self/status"]).await.as_deref(),
            Ok("CapBnd:\t0000000000000000")
        );
    }
    assert_eq!(first(None, &["sh", "-c", "grep NoNewPrivs /proc/self/status"]).await.as_deref(), Ok("NoNewPrivs:\t0"));
    assert_eq!(
        first(Some(&open()), &["sh", "-c", "grep NoNewPrivs /proc/self/status"]).await.as_deref(),
        Ok("NoNewPrivs:\t1")
    );
}

#[tokio::test]
async fn the_gateway_is_neither_read_nor_signalled() {
    let own = process::id();
    stops(&files(), &["sh", "-c", &says(&format!("cat /proc/{own}/environ"))]).await;
    stops(&files(), &["sh", "-c", &says(&format!("cat /proc/{own}/cmdline"))]).await;
    let signal = ["sh", "-c", &says("kill -0 $PPID")];
    assert_eq!(first(None, &signal).await.as_deref(), Ok("done"));
    if Kernel::look().landlock.has_scopes() {
        expect(&files(), &signal, "refused").await;
        expect(&open(), &signal, "refused").await;
    }
}

#[tokio::test]
async fn the_environment_is_empty_but_for_what_is_listed() {
    let Ran::Ended(mut names, _) =
        run(Some(&open()), &["sh", "-c", "env | cut -d= -f1 | grep -v -e ^PWD$ -e ^_$ -e ^SHLVL$"]).await
    else {
        panic!()
    };
    names.sort();
    assert_eq!(names, ["MARK", "PATH"]);
}

#[tokio::test]
async fn the_folder_for_temporary_files_is_its_own_and_goes_with_it() {
    let lacks = Kernel::look().lacks(&files());
    if !lacks.is_empty() {
        assert_eq!(first(Some(&files()), &["true"]).await, Err(lacks));
        return;
    }
    let script =
        r#"echo x > "$TMPDIR/file" && cat "$TMPDIR/file" >/dev/null && echo "$TMPDIR" && stat -c %a "$TMPDIR""#;
    let Ran::Ended(lines, Some(0)) = run(Some(&files()), &["sh", "-c", script]).await else { panic!() };
    let [folder, mode] = &*lines else { panic!("{lines:?}") };
    assert_eq!(mode, "700");
    assert!(Path::new(folder).starts_with(std::env::temp_dir()) && !Path::new(folder).exists(), "{folder}");
}

#[tokio::test]
async fn runtimes_start_with_the_rules_that_nobody_wrote() {
    let sandbox = Sandbox { network: Network::Off, ..files() };
    expect(
        &sandbox,
        &[PYTHON, "-c", "import json, ssl, asyncio; asyncio.run(asyncio.sleep(0)); print('done')"],
        "done",
    )
    .await;
    expect(&sandbox, &["bash", "-c", "cat < <(echo done)"], "done").await;
    if Path::new("/usr/bin/node").exists() {
        let script =
            "require('child_process').execFile('echo', ['done'], (e, out) => process.stdout.write(out || String(e)))";
        expect(&sandbox, &["node", "-e", script], "done").await;
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_is_told_and_nothing_is_started() {
    let files = FileRules { write: vec!["/no/such/path".into()], ..FileRules::default() };
    let sandbox = Sandbox { files: Some(files), ..open() };
    let Err(lacks) = first(Some(&sandbox), &["true"]).await else { panic!() };
    assert!(lacks.contains(&Lack::Path("/no/such/path".into())), "{lacks:?}");
    let user = Sandbox { user: Some("nobody-of-that-name".parse().unwrap()), ..open() };
    let Err(lacks) = first(Some(&user), &["true"]).await else { panic!() };
    assert_eq!(lacks[0].to_string(), "`user`: there is no user `nobody-of-that-name` in /etc/passwd");
}
