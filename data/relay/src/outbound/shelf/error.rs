//! What can go wrong with a journal, whatever was tried.

use std::{io, path::PathBuf};

use journal::{
    AppendError, BeginError, BeginSnapshotError, CompleteError, DiscardError, ForkError, OpenError,
    ReadError, SpoolAppendError, SpoolReadError, SyncError, TrimError,
};
use psync::Position;

/// A journal, or the snapshot beside it, that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::outbound) enum ShelfError {
    #[error("the journal is not open")]
    Closed,
    #[error("write to the journal behind {place}: it ends at {end}")]
    Elsewhere { place: Position, end: Position },
    #[error("make the journal's directory {}", directory.display())]
    Directory {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the journal is damaged: {why}")]
    Damaged { why: String },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Discard(#[from] DiscardError),
    #[error(transparent)]
    Begin(#[from] BeginError),
    #[error(transparent)]
    Fork(#[from] ForkError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Trim(#[from] TrimError),
    #[error(transparent)]
    Sync(#[from] SyncError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    BeginSnapshot(#[from] BeginSnapshotError),
    #[error(transparent)]
    SnapshotAppend(#[from] SpoolAppendError),
    #[error(transparent)]
    SnapshotComplete(#[from] CompleteError),
    #[error(transparent)]
    SnapshotRead(#[from] SpoolReadError),
}
