//! The outbound's journal: a shard's stream in segment files, and the snapshot of a full sync in a
//! spool beside them. `docs/format/journal.md` has every byte.
//!
//! In: stream bytes as they come from the primary, the forks of its replication ID, snapshot
//! bytes. Out: the same bytes again, from any position that is held, also after a restart or a
//! power cut. Files are reached through [`Disk`] alone; time comes in as a parameter.
//!
//! Invariants: what is read is what was appended at that place, byte for byte, or an error: every
//! block carries a checksum over its history, its place and its bytes. After a crash a journal
//! holds a prefix of what was appended, with at least what was durable; a torn tail is cut off,
//! damage anywhere else is an error. Histories meet only at a recorded fork. After a write or a
//! sync that failed a journal or spool takes nothing more until it is opened anew.
//!
//! It does not decide when to sync, when to read, or what to do about a damaged journal; it knows
//! nothing of commands, of snapshots' contents, and of who reads; and it locks nothing: one
//! process has its directory.

#![warn(missing_docs)]
#![deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod blocks;
mod disk;
mod failure;
mod file_name;
mod journal;
mod limits;
mod record;
mod segment;
mod spool;

pub use disk::{Disk, DiskFile, FsDisk};
pub use failure::{Failure, Stopped};
pub use journal::{
    AppendError, BeginError, DiscardError, Dropped, ForkError, Journal, OpenError, ReadError,
    ReaderId, Recovery, Stats, SyncDone, SyncError, SyncWork, TrimError, Trimmed,
};
pub use limits::{Lack, Limits, Room};
pub use spool::{
    BeginSnapshotError, CompleteError, CreateError, Found, RemoveSnapshotError, ReopenError,
    Reopened, SnapshotId, SnapshotInfo, Spool, SpoolAppendError, SpoolReadError, SpoolReader,
    SpoolSyncError, SpoolWriter, Unfinished,
};
