//! Processes of the bench, found by their directory: what they use, and their end.

use std::{fs, path::Path, time::Duration};

use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Pid, Signal, kill_process},
};

/// A process and what it uses.
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// The program's name.
    pub(crate) program: String,
    /// Its arguments.
    pub(crate) arguments: String,
    /// Resident memory.
    pub(crate) resident_bytes: u64,
    /// Processor time so far, with that of children that ended.
    pub(crate) cpu: Duration,
}

/// Every live process whose working directory is `root` or below it.
pub(crate) fn below(root: &Path) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let inside = |pid: &u32| {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|directory| directory.starts_with(root))
    };
    let mut found: Vec<Process> = pids.filter(inside).filter_map(look).collect();
    found.sort_by_key(|process| process.pid);
    found
}

/// Kills every process that works below `root`, and whatever they started meanwhile.
pub(crate) fn kill_below(root: &Path) {
    for _ in 0..200 {
        let found = below(root);
        if found.is_empty() {
            return;
        }
        for process in found {
            let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
            // It may have ended by itself.
            let _gone = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a process uses; `None` when it has ended.
pub(crate) fn look(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    if *fields.first()? == "Z" {
        return None;
    }
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    // Children that ended count: an engine forks to make a snapshot.
    let ticks = (11..=14).filter_map(number).sum();
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(Process {
        pid,
        program: head.split_once('(')?.1.to_owned(),
        arguments: String::from_utf8_lossy(&arguments).replace('\0', " "),
        resident_bytes: number(21)? * page_size() as u64,
        cpu: duration(ticks),
    })
}

/// Processor time of this process and the children that it waited for.
pub(crate) fn own_cpu() -> Duration {
    look(std::process::id()).map_or(Duration::ZERO, |process| process.cpu)
}

/// Processor time of everybody on the machine, and what its host took away.
pub(crate) fn machine_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let mut words = stat.lines().next().unwrap_or_default().split_whitespace();
    // cpu user nice system idle iowait irq softirq steal
    let busy = [1, 1, 1, 0, 0, 1, 1, 1];
    words.next();
    let ticks = words
        .zip(busy)
        .map(|(text, counts)| text.parse().unwrap_or(0) * counts);
    duration(ticks.sum())
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / clock_ticks_per_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_where_it_works() {
        let here = std::env::current_dir().unwrap();
        let own = std::process::id();
        let found = below(&here);
        let process = found.iter().find(|process| process.pid == own).unwrap();
        assert!(process.resident_bytes > 1 << 20);
        assert!(process.arguments.contains("bench"));
        let nowhere = tempfile::tempdir().unwrap();
        assert!(below(nowhere.path()).is_empty());
    }
}
