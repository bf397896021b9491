//! What can go wrong with a store, and what to do about it.

use std::{io, path::PathBuf};

use runtime::durable::FileError;

use super::{DecodeError, Key};

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made, entered or written.
    #[error(
        "use {} as the data directory; check that it is a directory on a writable disk and belongs to this user",
        path.display()
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the attempt met.
        #[source]
        source: FileError,
    },
    /// Another process has it.
    #[error(
        "the data directory {} is in use by another control plane; stop that one, or choose another directory",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A newer Godwit wrote it.
    #[error(
        "the store {} has format {found} and this version of Godwit knows formats up to {known}; run the newer version",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format that is known here.
        known: u64,
    },
    /// It is not a sound database.
    #[error(
        "the store {} is damaged ({found}); restore it from a copy, or move it away to start anew (agents keep to their old store until they are told otherwise)",
        path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// A record cannot be read.
    #[error("the store {} holds a record that cannot be read; restore it from a copy", path.display())]
    Record {
        /// The database.
        path: PathBuf,
        /// Which and why.
        #[source]
        source: DecodeError,
    },
    /// Its file cannot be made or opened.
    #[error("open the store {} for writing; check the disk and the file's permissions", path.display())]
    File {
        /// The database.
        path: PathBuf,
        /// What the attempt met.
        #[source]
        source: io::Error,
    },
    /// SQLite fails.
    #[error("{what} the store {}; check the disk and the file's permissions", path.display())]
    Database {
        /// What was attempted.
        what: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The process is ending.
    #[error("the process is stopping")]
    Stopped,
}

/// Why the outbox cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboxError {
    /// SQLite fails.
    #[error("read the outbox of the store {}; check the disk", path.display())]
    Failed {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    /// The process is ending.
    #[error("the process is stopping")]
    Stopped,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// Somebody else changed a record first. Nothing was written.
    #[error("`{key}` was changed by somebody else")]
    Conflict { key: Key },
    /// The disk is full. Nothing was written, and a later change may succeed.
    #[error("write the store {}: the disk is full; free some space", path.display())]
    Full { path: PathBuf },
    /// Writing failed. Whether the change was made is known after a restart.
    #[error("write the store {}; check the disk, then restart the control plane", path.display())]
    Failed {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    /// Writing failed before; what is on the disk is known after a restart.
    #[error(
        "the store {} takes no writes since one failed; check the disk, then restart the control plane",
        path.display()
    )]
    Poisoned { path: PathBuf },
    /// The process is ending.
    #[error("the process is stopping")]
    Stopped,
}
