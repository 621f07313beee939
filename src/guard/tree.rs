//! All descendants of a process, as the kernel lists them.
//!
//! A list is a snapshot: processes fork and end while it is read. Whoever wants them all gone kills in rounds until nothing is
//! left to wait for. Empty where there is no `/proc`.
//!
//! Source: proc_pid_children(5), proc_pid_stat(5).

use std::{collections::HashMap, fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};

/// The most descendants in one snapshot: Linux' default `pid_max` on small machines, and an end to any loop that a process id
/// used anew could make.
const MOST: usize = 32_768;

/// Sends `signal` to every descendant of `root`, not to `root` itself.
///
/// An id could end and be used anew between the look and the signal; the kernel hands out ids in turn, so all of them would
/// have to be used up within microseconds.
pub(crate) fn signal_descendants(root: Pid, signal: Signal) {
    for pid in descendants(root) {
        // It may have ended, or run as somebody else: neither can be mended here.
        let _ = kill_process(pid, signal);
    }
}

/// The descendants of `root`, parents before their children.
pub(crate) fn descendants(root: Pid) -> Vec<Pid> {
    // Not every kernel is built with lists of children.
    let children_of: Box<dyn Fn(Pid) -> Vec<Pid>> = if Path::new("/proc/thread-self/children").exists() {
        Box::new(listed_children)
    } else {
        let table = scanned_children();
        Box::new(move |pid| table.get(&pid).cloned().unwrap_or_default())
    };
    let mut found = children_of(root);
    let mut next = 0;
    while let Some(&pid) = found.get(next).filter(|_| found.len() < MOST) {
        found.extend(children_of(pid));
        next += 1;
    }
    found
}

/// The children of one process, from the list of each of its threads.
fn listed_children(parent: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_ascii_whitespace().filter_map(pid).collect::<Vec<_>>()).collect()
}

/// Every process by its parent.
fn scanned_children() -> HashMap<Pid, Vec<Pid>> {
    let mut table: HashMap<Pid, Vec<Pid>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let child = entry.file_name().to_str().and_then(pid);
        let parent = child.and_then(|_| parent_in(&fs::read_to_string(entry.path().join("stat")).ok()?));
        if let (Some(child), Some(parent)) = (child, parent) {
            table.entry(parent).or_default().push(child);
        }
    }
    table
}

/// The parent in a `stat` file: the second field after the name, which is in parentheses and may hold anything.
fn parent_in(stat: &str) -> Option<Pid> {
    let (_, after_name) = stat.rsplit_once(')')?;
    pid(after_name.split_ascii_whitespace().nth(1)?)
}

fn pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_parent_is_found_behind_a_name_with_parentheses() {
        assert_eq!(parent_in("12 (a) R 1 (x) S 34 12 12 0"), Pid::from_raw(34));
        assert_eq!(parent_in("12 (a) S 0 0"), None);
        assert_eq!(parent_in("garbage"), None);
    }

    #[test]
    fn both_ways_to_list_children_agree() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let this = rustix::process::getpid();
        let cat = Pid::from_child(&child);
        assert!(listed_children(this).contains(&cat));
        assert!(scanned_children().get(&this).unwrap().contains(&cat));
        assert!(descendants(this).contains(&cat));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
