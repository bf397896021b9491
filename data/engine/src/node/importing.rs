//! What an engine does for data sets from outside: it loads several into one, leaves databases out,
//! and begins a history that nobody knows. And the end of all data: `FLUSHALL`.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use redis::Cmd;

use super::{
    Node,
    failure::{Failure, Remains},
    start::{StartError, start_with},
};
use crate::{CommandError, EngineProgram, NodeConfig, snapshot};

/// Lets Godwit's own connection, and whoever else is on this host and knows its password, use
/// `DEBUG RELOAD`: for an engine that no client is ever led to.
const RELOADS: &str = "enable-debug-command local\n";
/// Nobody listens there.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// A snapshot that was not loaded beside what an engine has.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The file cannot be put where the engine reads it.
    #[error("put {} beside the engine of pid {pid}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The engine.
        pid: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The engine did not load it.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl Node {
    /// As [`Node::start`], for an engine that only puts data sets together.
    pub async fn start_to_merge(
        program: &EngineProgram,
        config: &NodeConfig,
    ) -> Result<Self, StartError> {
        start_with(program, config, RELOADS).await
    }

    /// Loads a snapshot beside what it has; a key that both have is the snapshot's then. Takes as long
    /// as it takes: [`Node::info`] tells how far it is.
    pub async fn merge(&self, file: &Path) -> Result<(), MergeError> {
        snapshot::put_for_reload(self.directory(), file).map_err(|source| MergeError::File {
            file: file.to_owned(),
            pid: self.pid(),
            source,
        })?;
        let mut command = Cmd::new();
        for word in ["DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE"] {
            command.arg(word);
        }
        self.0.admin.run_alone("DEBUG RELOAD", &command).await?;
        Ok(())
    }

    /// Removes what is in this database.
    pub async fn empty_database(&self, database: u32) -> Result<(), CommandError> {
        const SCRIPT: &str = "redis.call('SELECT', ARGV[1]) return redis.call('FLUSHDB')";
        let mut command = Cmd::new();
        command.arg("EVAL").arg(SCRIPT).arg(0).arg(database);
        self.0.admin.run_alone("EVAL", &command).await?;
        Ok(())
    }

    /// Removes every key, and tells its replicas to do the same. Memory is given back behind it.
    pub async fn remove_all_keys(&self) -> Result<(), CommandError> {
        self.ask("FLUSHALL", &["ASYNC"]).await?;
        Ok(())
    }

    /// Makes what it holds the beginning of a history of its own. A snapshot says where in whose
    /// history it was taken, and an engine that loads one believes it: a replica could then be told to
    /// go on from there.
    pub async fn begin_history(&self) -> Result<(), CommandError> {
        self.follow(NOBODY).await?;
        self.stand_alone().await
    }

    /// Why it has ended, as far as its files tell, and its last words.
    #[must_use]
    pub fn why_it_ended(&self) -> (Failure, String) {
        let remains = Remains::of(self.directory());
        let failure = remains.failure(self.address(), self.0.process.exit_status());
        (failure, remains.shown())
    }

    /// The data set that it left in its directory when it was stopped with
    /// [`StopHow::SaveSnapshot`](crate::StopHow::SaveSnapshot).
    #[must_use]
    pub fn saved_snapshot(&self) -> PathBuf {
        snapshot::saved(self.directory())
    }
}
