//! Engines that an earlier agent left running and that nobody wants any more.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    process::{self, Process},
    record::Record,
};

/// An engine process under a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The process.
    pub pid: u32,
    /// Its working directory, which is its node's.
    pub directory: PathBuf,
    start_ticks: u64,
}

impl Orphan {
    pub(crate) fn start_ticks(&self) -> u64 {
        self.start_ticks
    }
}

/// An orphan could not be stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopOrphanError {
    /// The process may not be watched or signalled: it belongs to another user.
    #[error("stop the engine of pid {pid} in {}", directory.display())]
    Refused {
        /// The process.
        pid: u32,
        /// Its directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not even end when it is killed.
    #[error("stop the engine of pid {pid} in {}: it lives after SIGKILL; its disk may hang", directory.display())]
    StillThere {
        /// The process.
        pid: u32,
        /// Its directory.
        directory: PathBuf,
    },
}

/// Finds the engines whose working directory is `data_root` or below it. Zombies and processes of
/// other users are not among them.
#[must_use]
pub fn find_orphans(data_root: &Path) -> Vec<Orphan> {
    let Ok(root) = data_root.canonicalize() else {
        return Vec::new();
    };
    let orphan = |pid: u32| {
        let standing = process::standing(pid).filter(|standing| standing.lives)?;
        let directory = process::cwd(pid).filter(|cwd| cwd.starts_with(&root))?;
        let start_ticks = standing.start_ticks;
        let found = Orphan {
            pid,
            directory,
            start_ticks,
        };
        let recorded = || {
            let record = Record::read(&found.directory).ok().flatten();
            record.is_some_and(|record| (record.pid, record.start_ticks) == (pid, start_ticks))
        };
        (process::runs_engine(pid) || recorded()).then_some(found)
    };
    process::processes()
        .into_iter()
        .filter_map(orphan)
        .collect()
}

/// Ends an orphan without saving: SIGTERM, then SIGKILL when `grace` is over. One that has ended
/// meanwhile is fine.
pub async fn stop_orphan(orphan: &Orphan, grace: Duration) -> Result<(), StopOrphanError> {
    let Orphan {
        pid,
        directory,
        start_ticks,
    } = orphan.clone();
    let ended = async {
        match Process::existing(pid, start_ticks)? {
            Some(process) => process.end(grace).await,
            None => Ok(true),
        }
    };
    match ended.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(StopOrphanError::StillThere { pid, directory }),
        Err(source) => Err(StopOrphanError::Refused {
            pid,
            directory,
            source,
        }),
    }
}
