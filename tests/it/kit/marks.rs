//! Processes that belong to one test, recognised by a variable that only they have in their environment.

use std::fs;

/// The variable's name.
pub(crate) const VARIABLE: &str = "MYELIN_IT_MARK";

/// The processes with this mark; zombies have no environment and do not count.
pub(crate) fn processes(mark: &str) -> Vec<String> {
    let variable = format!("{VARIABLE}={mark}");
    let marked = |folder: &fs::DirEntry| {
        fs::read(folder.path().join("environ"))
            .is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == variable.as_bytes()))
    };
    let found = fs::read_dir("/proc").unwrap().flatten().filter(marked);
    found
        .map(|folder| format!("{:?} {:?}", folder.file_name(), fs::read_to_string(folder.path().join("cmdline"))))
        .collect()
}
