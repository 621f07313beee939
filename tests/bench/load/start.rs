//! From `exec` to the first answer: starts a command and asks in a tight loop until it lists a tool.
use crate::answer::MODERN;
use crate::clock::now;
use anyhow::{Context, bail};
use clap::Args;
use memchr::memmem;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A command that has not answered by then does not start.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Args)]
pub(crate) struct Options {
    /// Where the command will listen.
    #[arg(long, default_value = "127.0.0.1:8808")]
    address: SocketAddr,
    #[arg(long, default_value = "/mcp")]
    path: String,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Prints the milliseconds to the first connection, to the first answer and to the first list with a tool in it.
#[expect(clippy::print_stdout, reason = "the times are what the command prints")]
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if TcpStream::connect(options.address).is_ok() {
        bail!("{} is taken", options.address);
    }
    let (program, arguments) = options.command.split_first().context("no command")?;
    let begun = now();
    let mut child = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let outcome = watch(options, begun, &mut child);
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        kill_process(pid, Signal::TERM)?;
    }
    child.wait()?;
    println!("{}", outcome?);
    Ok(())
}

fn watch(options: &Options, begun: Instant, child: &mut Child) -> anyhow::Result<String> {
    let (mut connected, mut answered) = (None, None);
    while begun.elapsed() < PATIENCE {
        let Ok(stream) = TcpStream::connect(options.address) else {
            if let Some(status) = child.try_wait()? {
                bail!("the command ended: {status}");
            }
            continue;
        };
        let connected = *connected.get_or_insert_with(|| begun.elapsed());
        let answer = ask(stream, options)?;
        let answered = *answered.get_or_insert_with(|| begun.elapsed());
        if memmem::find(&answer, b"\"inputSchema\"").is_some() {
            return Ok(format!(
                r#"{{"connected_ms":{:.2},"first_answer_ms":{:.2},"first_tools_ms":{:.2}}}"#,
                milliseconds(connected),
                milliseconds(answered),
                milliseconds(begun.elapsed())
            ));
        }
    }
    bail!("no list with a tool in it within {} s", PATIENCE.as_secs())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn ask(mut stream: TcpStream, options: &Options) -> anyhow::Result<Vec<u8>> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/list\r\nContent-Length: {}\r\n\r\n{body}",
        options.path,
        options.address,
        body.len()
    );
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
