//! The handle to one live engine process.

mod adopt;
mod commands;
mod failure;
mod importing;
mod listen;
mod start;
mod stop;
mod users;

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use model::EngineVersion;
use parking_lot::Mutex;
use redis::{Cmd, Value};
use runtime::{chain, durable::FileError};
use tokio::time::Instant;

pub use adopt::AdoptError;
pub use failure::Failure;
pub use importing::MergeError;
pub use listen::ListenError;
pub use start::StartError;
pub use stop::{StopError, StopHow, Stopped};
pub use users::RefusedUser;

use crate::{
    CommandError, InfoError, admin::Admin, config::Credentials, process::Process, record::Record,
    snapshot,
};

/// How long a command may take. The engine answers in microseconds unless something is wrong.
const COMMAND_WITHIN: Duration = Duration::from_secs(1);

/// A live engine process. Clones are handles to the same one. Dropping them all leaves the process
/// running: it serves its clients without Godwit until it is adopted or stopped.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    process: Process,
    admin: Admin,
    /// Where it listens.
    address: Mutex<SocketAddr>,
    version: Mutex<EngineVersion>,
    /// A saved data set is being loaded and is removed once that has finished.
    loads_saved: AtomicBool,
    /// Until when replicas are not pinged, when a write pause asked for that.
    no_pings_until: Mutex<Option<Instant>>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Node");
        shown
            .field("pid", &self.pid())
            .field("directory", &self.0.directory);
        shown.finish_non_exhaustive()
    }
}

impl Node {
    fn new(
        directory: &Path,
        version: EngineVersion,
        process: Process,
        address: SocketAddr,
        internal: &Credentials,
    ) -> Self {
        Self(Arc::new(Inner {
            directory: directory.to_owned(),
            version: Mutex::new(version),
            admin: Admin::new(process.pid(), directory, internal),
            process,
            address: Mutex::new(address),
            loads_saved: AtomicBool::new(snapshot::is_pending(directory)),
            no_pings_until: Mutex::default(),
        }))
    }

    /// The process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.process.pid()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        *self.0.address.lock()
    }

    /// What it runs.
    #[must_use]
    pub fn version(&self) -> EngineVersion {
        *self.0.version.lock()
    }

    /// Its private directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Tells, without waiting, whether the process has ended.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        self.0.process.has_exited()
    }

    /// Resolves when the process has ended, whoever started it.
    pub async fn exited(&self) {
        self.0.process.exited().await;
    }

    fn record(&self) -> Record {
        Record {
            pid: self.pid(),
            start_ticks: self.0.process.start_ticks(),
            address: self.address(),
            version: self.version(),
        }
    }

    fn write_record(&self) -> Result<(), FileError> {
        self.record().write(&self.0.directory)
    }

    /// Sends the words of `name` and then `arguments`, which errors do not show.
    async fn ask(&self, name: &'static str, arguments: &[&str]) -> Result<Value, CommandError> {
        let mut command = Cmd::new();
        for word in name.split(' ').chain(arguments.iter().copied()) {
            command.arg(word);
        }
        let answer = self.0.admin.run(name, &command, COMMAND_WITHIN).await;
        match answer {
            Err(CommandError::Unreachable { command, pid, .. }) if self.has_exited() => {
                Err(CommandError::Exited { command, pid })
            }
            other => other,
        }
    }

    async fn ask_text(
        &self,
        name: &'static str,
        arguments: &[&str],
    ) -> Result<String, CommandError> {
        let answer = self.ask(name, arguments).await?;
        let text = redis::from_redis_value::<String>(answer);
        text.map_err(|_not_text| self.unexpected(name, InfoError::NotText))
    }

    fn unexpected(&self, command: &'static str, source: InfoError) -> CommandError {
        CommandError::Unexpected {
            command,
            pid: self.pid(),
            source,
        }
    }

    /// Removes the saved data set as soon as an answer shows that it is loaded.
    fn note_loading(&self, loading: bool) {
        if loading || !self.0.loads_saved.load(Ordering::Acquire) {
            return;
        }
        match snapshot::forget(&self.0.directory) {
            Ok(()) => self.0.loads_saved.store(false, Ordering::Release),
            Err(error) => tracing::warn!(
                node.pid = self.pid(),
                error = %chain(&error),
                "the loaded data set cannot be removed yet"
            ),
        }
    }
}
