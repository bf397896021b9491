//! Processes of a test: found by their directory, signalled by their pid.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::waiting;

/// Sends a signal; a process that is gone is fine.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _gone = kill_process(pid, signal);
    }
}

/// Stops a process, and waits until all of it stands still: the signal alone only asks for that.
pub fn freeze(pid: u32) {
    signal(pid, Signal::STOP);
    waiting::until_true("a process stands still", || {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter();
        let stats = threads
            .flatten()
            .flatten()
            .filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
        stats.into_iter().all(|stat| {
            let after = stat.rsplit(')').next().unwrap_or_default();
            after.trim().starts_with('T')
        })
    });
}

/// Tells whether a process exists and is not a zombie.
pub fn is_alive(pid: u32) -> bool {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let zombie = state
        .rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim().starts_with('Z'));
    test_kill_process(raw).is_ok() && !zombie
}

/// Every process whose working directory is below `root`, with that directory.
pub fn working_below(root: &Path) -> Vec<(u32, PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        if let Ok(directory) = fs::read_link(entry.path().join("cwd"))
            && directory.starts_with(root)
            && is_alive(pid)
        {
            found.push((pid, directory));
        }
    }
    found
}

/// The children of a process whose command line has `word` in it.
pub fn children(parent: u32, word: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let after = stat.rsplit(')').next().unwrap_or_default();
        let is_child = after.split_whitespace().nth(1) == Some(&parent.to_string());
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&command).replace('\0', " ");
        if is_child && words.contains(word) {
            found.push(pid);
        }
    }
    found
}
