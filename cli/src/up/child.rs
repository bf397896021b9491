//! One child process of `godwit up`: started, waited for, asked to stop.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child as Process, Command},
    time::timeout,
};

use crate::serve::Ready;

/// How long a child may take to say that it serves.
const READY_PATIENCE: Duration = Duration::from_secs(60);
/// How much of a child's log an error shows.
const TAIL_LINES: usize = 6;

/// How to run a child.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) log: PathBuf,
}

/// A running child.
pub(super) struct Child {
    pub(super) recipe: Recipe,
    process: Process,
}

impl Child {
    /// Starts it and waits until it says where it serves.
    pub(super) async fn start(recipe: Recipe) -> anyhow::Result<(Self, Ready)> {
        let program = std::env::current_exe().context("find the godwit program")?;
        let log = open_log(&recipe.log)?;
        let mut command = Command::new(program);
        command
            .args(&recipe.arguments)
            .arg("--parent")
            .arg(std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            // Its own group: Ctrl-C reaches this process alone, which stops the others in order.
            .process_group(0);
        let mut process = command
            .spawn()
            .with_context(|| format!("start the {}", recipe.name))?;
        let out = process.stdout.take().context("read what the child says")?;
        let mut lines = BufReader::new(out).lines();
        let said = timeout(READY_PATIENCE, lines.next_line()).await;
        if let Ok(Ok(Some(line))) = &said
            && let Some(ready) = Ready::read(line)
        {
            return Ok((Self { recipe, process }, ready));
        }
        let waited = said.is_err();
        if waited {
            process
                .start_kill()
                .context("stop a child that does not come up")?;
        }
        let status = process.wait().await.context("wait for the child")?;
        let what = if waited {
            "did not come up in time".to_owned()
        } else {
            format!("ended ({status})")
        };
        bail!("the {} {what}\n{}", recipe.name, tail(&recipe.log));
    }

    /// Resolves when it has ended, with how.
    pub(super) async fn ended(&mut self) -> String {
        match self.process.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Asks it to stop and waits; `false` when it had to be killed.
    pub(super) async fn stop(&mut self, patience: Duration) -> bool {
        let pid = self
            .process
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw);
        let Some(pid) = pid else {
            return true;
        };
        // It may have ended by itself just now; the wait below tells.
        let _ended_already = kill_process(pid, Signal::TERM);
        if timeout(patience, self.process.wait()).await.is_ok() {
            return true;
        }
        let _ended_already = kill_process(pid, Signal::KILL);
        let _status = self.process.wait().await;
        false
    }
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("open the log {}", path.display()))
}

/// The last lines of a log, for an error.
pub(super) fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    let lines = lines.get(from..).unwrap_or_default();
    format!("the end of {}:\n  {}", path.display(), lines.join("\n  "))
}
