//! Moves snapshots between engines and where their owners keep them: a folder beside the agent,
//! S3-compatible storage, a blob container.
//!
//! [`export`] asks an engine for a snapshot, as a replica that wants nothing else, and writes it
//! where it is to be. [`fetch`] brings one to a private file. Both look at every byte that passes:
//! the header says whether an engine loads it, the checksum whether it is whole.
//!
//! Invariants:
//! - a file has its name, or a blob is there, only when it is whole;
//! - an engine is never slowed by a network: what goes over one is on disk first, and the engine's
//!   child has ended by then;
//! - memory is bounded, whatever the size: a few chunks of a file, a few parts of an upload;
//! - local files are touched only below the directories that the operator allows;
//! - no signature, password or key is in an error, a log line or a name.
//!
//! It does not decide what becomes of a data set, and it never writes to an engine.

#![warn(missing_docs)]

mod allowed;
mod export;
mod fetch;
mod file;
mod progress;
mod room;
mod snapshot;
mod store;

pub use allowed::{Allowed, NotAllowed, S3Settings};
pub use export::{Export, ExportError, Exported, export};
pub use fetch::{FetchError, Fetched, fetch};
pub use file::FileError;
pub use progress::Progress;
pub use snapshot::{EngineSource, SnapshotError};
pub use store::StoreError;
