//! An engine that an earlier agent started, taken over.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use model::{EngineBuild, EngineKind, EngineVersion};
use runtime::{
    chain,
    durable::{self, FileError},
};
use tokio::time::{Instant, sleep};

use super::Node;
use crate::{
    CommandError, NodeConfig,
    admin::SOCKET,
    process::{self, Process},
    record::Record,
};

/// An engine that answers nothing for this long is not taken over.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const UNTIL_ASKED: EngineVersion = EngineVersion {
    kind: EngineKind::Valkey,
    major: 0,
    minor: 0,
    patch: 0,
};

/// Something runs in the node's directory and was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The directory cannot be read or tidied.
    #[error("take over the engine in {}", directory.display())]
    File {
        /// The node's directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: FileError,
    },
    /// The process may not be watched.
    #[error("take over the engine of pid {pid} in {}", directory.display())]
    Watch {
        /// The process.
        pid: u32,
        /// The node's directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It runs and does not answer, or not to this configuration's password.
    #[error("take over the engine of pid {pid} in {}: it runs and does not answer", directory.display())]
    Silent {
        /// The process: the caller may stop it.
        pid: u32,
        /// The node's directory.
        directory: PathBuf,
        /// The last attempt to get an answer.
        #[source]
        source: CommandError,
    },
}

impl Node {
    /// Takes over the engine that runs in the configuration's directory, whoever started it.
    /// `None`: none runs; what a dead one left is tidied up. Of `config`, the directory and the
    /// internal user count; where the node listens is asked of the engine.
    pub async fn adopt(config: &NodeConfig) -> Result<Option<Self>, AdoptError> {
        let directory =
            std::path::absolute(&config.directory).unwrap_or_else(|_| config.directory.clone());
        let file_error = |source| AdoptError::File {
            directory: directory.clone(),
            source,
        };
        let record = Record::read(&directory).map_err(file_error)?;
        let Some((pid, start_ticks)) = running(&directory, record.as_ref()) else {
            Record::remove(&directory).map_err(file_error)?;
            durable::remove_if_there(&directory.join(SOCKET)).map_err(file_error)?;
            return Ok(None);
        };
        let watched = Process::existing(pid, start_ticks);
        let watched = watched.map_err(|source| AdoptError::Watch {
            pid,
            directory: directory.clone(),
            source,
        })?;
        let Some(process) = watched else {
            return Ok(None);
        };

        let address = record
            .as_ref()
            .map_or(config.address, |record| record.address);
        // Both are asked of the engine once it answers.
        let engine = record.map_or_else(
            || EngineBuild::new(UNTIL_ASKED, ""),
            |record| EngineBuild::new(record.version, &record.build),
        );
        let node = Self::new(&directory, engine, process, address, &config.internal);
        let answered = node.settle().await;
        let node = match answered {
            Ok(node) => node,
            Err(CommandError::Exited { .. }) => return Ok(None),
            Err(source) => {
                return Err(AdoptError::Silent {
                    pid,
                    directory,
                    source,
                });
            }
        };
        node.write_record().map_err(file_error)?;
        Ok(Some(node))
    }

    /// Waits for an answer, then brings the handle in line with the engine.
    async fn settle(self) -> Result<Self, CommandError> {
        let deadline = Instant::now() + ANSWERS_WITHIN;
        let info = loop {
            match self.info().await {
                Ok(info) => break info,
                Err(error @ CommandError::Stranger { .. }) => return Err(error),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(error) => tracing::debug!(error = %chain(&error), "asking again"),
            }
            sleep(LOOK_EVERY).await;
        };
        // An agent that died in a handoff left replicas without pings.
        self.ping_again().await?;
        if let Some(address) = self.ask_address().await? {
            *self.0.address.lock() = address;
        }
        *self.0.engine.lock() = info.engine;
        Ok(self)
    }
}

/// The process that works in `directory`: the recorded one, or one that its agent could not record
/// any more.
fn running(directory: &Path, record: Option<&Record>) -> Option<(u32, u64)> {
    let recorded = record.map(|record| (record.pid, record.start_ticks));
    let lives = |(pid, start_ticks): &(u32, u64)| {
        let standing = process::standing(*pid);
        standing.is_some_and(|now| now.lives && now.start_ticks == *start_ticks)
            && process::works_in(*pid, directory)
    };
    recorded.filter(lives).or_else(|| {
        let found = crate::find_orphans(directory).into_iter();
        let here = found.filter(|orphan| process::works_in(orphan.pid, directory));
        // Children that write a snapshot work here too; the oldest is the engine.
        let oldest = here.min_by_key(|orphan| (orphan.start_ticks(), orphan.pid));
        oldest.map(|orphan| (orphan.pid, orphan.start_ticks()))
    })
}
