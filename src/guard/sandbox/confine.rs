//! `myelin confine`: the process that restricts itself and becomes the command. The guard starts it, and nobody else.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use landlock::{RulesetCreated, RulesetError};
use rustix::fs::{Access, access};

use super::{
    files::{self, Own, RulesFault},
    lack::Lack,
    network,
    places::Places,
    privileges,
    spec::{Network, Sandbox},
    user::Ids,
};

/// What a shell answers with when a command cannot be executed.
const CANNOT_EXECUTE: u8 = 126;

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("this is started by the guard, as confine SANDBOX PLACES COMMAND ARGS…")]
    Orders,
    #[error(transparent)]
    Lack(#[from] Lack),
    #[error("file rules: {0}")]
    Files(#[from] RulesFault),
    #[error("file rules: {0}")]
    Landlock(#[from] RulesetError),
    #[error("network: {0}")]
    Network(#[from] seccompiler::Error),
    #[error("privileges: {0}")]
    Privileges(rustix::io::Errno),
    #[error("limits: {0}")]
    Limits(rustix::io::Errno),
    #[error("cgroup: {0}")]
    Cgroup(io::Error),
    #[error("cannot start {}: {fault}", program.display())]
    Start { program: PathBuf, fault: io::Error },
}

/// Restricts this process as `arguments` say (a [`Sandbox`] and [`Places`] as JSON, then the command) and becomes the command;
/// returns only when that failed. It must be the only thread of its process.
pub fn run(arguments: &[OsString]) -> ExitCode {
    let Err(fault) = become_command(arguments);
    eprintln!("myelin sandbox: {fault}");
    ExitCode::from(CANNOT_EXECUTE)
}

fn become_command(arguments: &[OsString]) -> Result<std::convert::Infallible, Fault> {
    let [sandbox, places, program, rest @ ..] = arguments else { return Err(Fault::Orders) };
    let sandbox: Sandbox = orders(sandbox)?;
    let places: Places = orders(places)?;
    let ids: Option<Ids> = sandbox.user.as_ref().map(super::User::ids).transpose().map_err(Lack::from)?;
    if let Some(group) = &places.cgroup {
        // 0 is whoever writes it.
        fs::write(group.join("cgroup.procs"), "0").map_err(Fault::Cgroup)?;
    }
    // While the paths can still be opened.
    let rules = rules(&sandbox, &places, program)?;
    privileges::give_up(ids).map_err(Fault::Privileges)?;
    if let Some(rules) = rules {
        rules.restrict_self()?;
    }
    if sandbox.network == Network::Off {
        network::switch_off()?;
    }
    let mut command = Command::new(program);
    command.args(rest);
    privileges::limit(&sandbox.limits).map_err(Fault::Limits)?;
    Err(Fault::Start { program: program.into(), fault: command.exec() })
}

fn orders<T: serde::de::DeserializeOwned>(text: &OsStr) -> Result<T, Fault> {
    text.to_str().and_then(|text| serde_json::from_str(text).ok()).ok_or(Fault::Orders)
}

fn rules(sandbox: &Sandbox, places: &Places, program: &OsStr) -> Result<Option<RulesetCreated>, Fault> {
    let Some(rules) = &sandbox.files else {
        let scopes = if files::abi().has_scopes() { Some(files::scopes()?) } else { None };
        return Ok(scopes);
    };
    let (command, folders) = (found(program).into_iter().collect(), places.temporary.iter().cloned().collect());
    Ok(Some(files::rules(rules, &Own { command: &command, folders: &folders })?))
}

/// The file that execvp(3) will take, if there is one.
fn found(program: &OsStr) -> Option<PathBuf> {
    let is_command = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    if Path::new(program).components().count() > 1 {
        return Some(PathBuf::from(program)).filter(|path| is_command(path));
    }
    let path = env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    env::split_paths(&path).map(|folder| folder.join(program)).find(|path| is_command(path))
}
