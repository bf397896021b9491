//! What a deployment takes beyond its engines.

use std::{collections::BTreeMap, thread, time::Duration};

use serde::Serialize;
use tokio::time::Instant;

use crate::{
    processes::Process,
    rig::{self, Rig},
};

/// One process.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Usage {
    /// What it is: `up`, `control`, `agent eastus`.
    pub(crate) name: String,
    pub(crate) resident_mb: f64,
    /// Share of one processor; `None` when it was not watched.
    pub(crate) cpu_percent: Option<f64>,
}

/// Links the rig and watches it while nothing happens.
pub(crate) fn idle(rig: &mut dyn Rig, idle: Duration) -> anyhow::Result<Vec<Usage>> {
    rig.link()?;
    rig.linked()?;
    rig::until_in_step(rig)?;
    thread::sleep(idle);
    let cpu_before: BTreeMap<u32, Duration> = rig
        .yard()
        .beyond_engines()
        .into_iter()
        .map(|process| (process.pid, process.cpu))
        .collect();
    let began = Instant::now();
    thread::sleep(idle);
    let seconds = began.elapsed().as_secs_f64();
    let usage = |process: Process| {
        let before = cpu_before.get(&process.pid);
        let used = before.map(|before| process.cpu.saturating_sub(*before).as_secs_f64());
        Usage {
            cpu_percent: used.map(|used| used / seconds * 100.0),
            ..Usage::of(&process)
        }
    };
    Ok(rig.yard().beyond_engines().into_iter().map(usage).collect())
}

/// What is used at this moment.
pub(crate) fn now(rig: &dyn Rig) -> Vec<Usage> {
    rig.yard().beyond_engines().iter().map(Usage::of).collect()
}

impl Usage {
    fn of(process: &Process) -> Self {
        Self {
            name: name(&process.arguments),
            resident_mb: process.resident_bytes as f64 / 1e6,
            cpu_percent: None,
        }
    }
}

/// What a process of Godwit is, by its arguments.
fn name(arguments: &str) -> String {
    let mut words = arguments.split_whitespace().skip(1);
    let command = words.next().unwrap_or_default().to_owned();
    match words.find_map(|word| word.strip_prefix("--region=")) {
        Some(region) if command == "agent" => format!("{command} {region}"),
        Some(_) | None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_named_by_what_they_do() {
        assert_eq!(name("/x/godwit up --data data"), "up");
        assert_eq!(
            name("/x/godwit agent --region=eastus --parent 7"),
            "agent eastus"
        );
    }
}
