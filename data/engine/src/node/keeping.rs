//! What a node is told of keeping its data on disk while it runs.

use std::path::Path;

use runtime::{chain, durable::FileError};

use super::{Node, failure::Remains};
use crate::{CommandError, append_only, snapshot};

/// A snapshot that an engine has begun to take, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is being taken: [`OnDisk`](crate::OnDisk) tells when it is done, and
    /// [`Node::take_snapshot`] moves it where it belongs.
    Yes,
    /// The engine is writing something else; later.
    Busy,
}

impl Node {
    /// Has the engine write a snapshot beside what it does (`BGSAVE`).
    pub async fn begin_snapshot(&self) -> Result<Begun, CommandError> {
        if let Err(error) = snapshot::make_room(self.directory()) {
            tracing::warn!(node.pid = self.pid(), error = %chain(&error), "a former snapshot is in the way");
            return Ok(Begun::Busy);
        }
        match self.ask("BGSAVE", &[]).await {
            Ok(_started) => Ok(Begun::Yes),
            Err(CommandError::Refused { answer, .. }) => {
                tracing::debug!(node.pid = self.pid(), answer, "no snapshot now");
                Ok(Begun::Busy)
            }
            // It may have begun: it is looked at like one that has.
            Err(error) if error.may_have_happened() => Ok(Begun::Yes),
            Err(error) => Err(error),
        }
    }

    /// Moves the snapshot that is done to `to`, durably. `false`: there is none.
    pub fn take_snapshot(&self, to: &Path) -> Result<bool, FileError> {
        snapshot::take(self.directory(), to)
    }

    /// Has the engine keep an append-only file, or not (`appendonly`). One that it begins is whole
    /// when it is written ([`OnDisk`](crate::OnDisk)); one that it ends is removed.
    pub async fn keep_append_only(&self, yes: bool) -> Result<(), CommandError> {
        let value = if yes { "yes" } else { "no" };
        self.ask("CONFIG SET", &["appendonly", value]).await?;
        if !yes && let Err(error) = append_only::forget(self.directory()) {
            tracing::warn!(node.pid = self.pid(), error = %chain(&error), "an append-only file is left");
        }
        Ok(())
    }

    /// Why the engine, which has ended, could not load its data set; `None`: that was not why.
    #[must_use]
    pub fn failed_load(&self) -> Option<String> {
        Remains::of(self.directory()).failed_load().cloned()
    }
}
