//! Looking a command up before it is started, so that a mistake in the configuration is told as what it is.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use crate::guard::sandbox::Lack;

/// Where commands are looked up when there is no `PATH`: execvp(3) of glibc.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartFault {
    /// No such command.
    #[error("no command `{}` in `{}`", command.display(), path.display())]
    NotFound {
        /// As configured.
        command: PathBuf,
        /// Where it was looked up: the child's `PATH`, or the working directory.
        path: OsString,
    },
    /// The command is a file that this user must not execute.
    #[error("`{}` is not an executable file", path.display())]
    NotExecutable {
        /// What was found.
        path: PathBuf,
    },
    /// The working directory cannot be used.
    #[error("the working directory `{}` cannot be used", path.display())]
    Cwd {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The machine cannot give the sandbox that it is to run in. All that is missing.
    #[error("its sandbox cannot be had: {}", all(.0))]
    Sandbox(Vec<Lack>),
    /// The system refused a process or a pipe.
    #[error("the process cannot be started")]
    Spawn(#[from] io::Error),
}

fn all(lacks: &[Lack]) -> String {
    lacks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Finds `command` as execvp(3) will in a process with this `PATH` and working directory.
///
/// # Errors
///
/// [`StartFault::NotFound`], [`StartFault::NotExecutable`], [`StartFault::Cwd`].
pub(super) fn locate(command: &str, path: Option<&OsStr>, cwd: Option<&Path>) -> Result<PathBuf, StartFault> {
    let cwd = directory(cwd.unwrap_or(Path::new(".")))?;
    let path = if command.contains('/') { cwd.as_os_str() } else { path.unwrap_or(OsStr::new(DEFAULT_PATH)) };
    let mut refused = None;
    for directory in env::split_paths(path).filter(|_| !command.is_empty()) {
        let candidate = cwd.join(directory).join(command);
        match is_executable(&candidate) {
            Ok(true) => return Ok(candidate),
            Ok(false) => refused = refused.or(Some(candidate)),
            Err(_) => {}
        }
    }
    Err(match refused {
        Some(path) => StartFault::NotExecutable { path },
        None => StartFault::NotFound { command: command.into(), path: path.to_owned() },
    })
}

fn directory(path: &Path) -> Result<&Path, StartFault> {
    let fault = |source| StartFault::Cwd { path: path.to_owned(), source };
    if fs::metadata(path).map_err(fault)?.is_dir() { Ok(path) } else { Err(fault(io::ErrorKind::NotADirectory.into())) }
}

fn is_executable(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.is_file() && access(path, Access::EXEC_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_in_the_path_of_the_child() {
        assert_eq!(locate("sh", Some("/nowhere:/bin".as_ref()), None).unwrap(), Path::new("/bin/sh"));
        assert_eq!(locate("sh", None, None).unwrap(), Path::new("/bin/sh"));
    }

    #[test]
    fn a_path_is_relative_to_the_working_directory() {
        assert_eq!(locate("./bin/sh", None, Some("/usr".as_ref())).unwrap(), Path::new("/usr/./bin/sh"));
        assert_eq!(locate("/bin/sh", None, Some("/usr".as_ref())).unwrap(), Path::new("/bin/sh"));
    }

    #[test]
    fn a_missing_command_names_the_path_searched() {
        let fault = locate("no-such-command", Some("/bin:/usr/bin".as_ref()), None).unwrap_err();
        assert_eq!(fault.to_string(), "no command `no-such-command` in `/bin:/usr/bin`");
        assert!(matches!(locate("", Some("/bin".as_ref()), None), Err(StartFault::NotFound { .. })));
        assert!(matches!(locate("/no/such", None, None), Err(StartFault::NotFound { .. })));
    }

    #[test]
    fn a_file_without_execute_permission_is_refused_as_such() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (folder, name) = (file.path().parent().unwrap(), file.path().file_name().unwrap());
        let fault = locate(name.to_str().unwrap(), Some(folder.as_os_str()), None).unwrap_err();
        assert!(matches!(fault, StartFault::NotExecutable { path } if path == file.path()));
        assert!(matches!(locate("/usr/bin", None, None), Err(StartFault::NotExecutable { .. })));
    }

    #[test]
    fn a_bad_working_directory_is_told() {
        assert!(matches!(locate("sh", None, Some("/no/such".as_ref())), Err(StartFault::Cwd { .. })));
        let fault = locate("sh", None, Some("/bin/sh".as_ref())).unwrap_err();
        assert_eq!(fault.to_string(), "the working directory `/bin/sh` cannot be used");
    }
}
