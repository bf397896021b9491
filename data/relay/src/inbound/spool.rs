//! Keeps a snapshot that arrives on disk, so that an engine which has to begin again, or an agent
//! that was restarted, need not have its bytes sent again.
//!
//! It is a help and nothing more: when the disk fails, the full sync goes on without it.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use journal::{Found, FsDisk, SnapshotId, Spool, SpoolReader, SpoolWriter, Unfinished};
use parking_lot::Mutex;
use psync::Position;
use runtime::chain;
use tokio::task::spawn_blocking;
use wire::{Partial, SnapshotHead};

use crate::room::room;

/// Bytes that are read at a time.
const PIECE: u64 = 256 * 1024;

/// The directory, and what is in use of it.
pub(super) struct Keeping {
    directory: PathBuf,
    writer: Option<Arc<Mutex<SpoolWriter>>>,
    reader: Option<SpoolReader>,
}

impl Keeping {
    pub(super) fn of(directory: PathBuf) -> Self {
        Self {
            directory,
            writer: None,
            reader: None,
        }
    }

    /// What an earlier session kept, for an engine that stands at `have`. An engine that is in the
    /// snapshot's history has had it.
    pub(super) async fn found(&mut self, have: Option<Position>) -> Option<Partial> {
        let directory = self.directory.clone();
        if !directory.exists() {
            return None;
        }
        self.reader = None;
        self.writer = None;
        let found = blocking("look for a kept snapshot", move || {
            let disk = FsDisk::new(&directory)?;
            let (disk, room) = (Arc::new(disk), room(&directory));
            let found = Spool::reopen(disk, room, Unfinished::Keep)?.found;
            Ok(found)
        });
        let spool = match found.await?? {
            Found::Whole(spool) => spool,
            Found::Part(writer) => {
                let spool = writer.spool();
                self.writer = Some(Arc::new(Mutex::new(writer)));
                spool
            }
        };
        let info = spool.info();
        self.reader = Some(spool.reader());
        let had = have.is_some_and(|have| have.replid == info.position.replid);
        (info.bytes > 0 && !had).then_some(Partial {
            snapshot: info.id.0,
            bytes: info.bytes,
        })
    }

    /// A snapshot begins to arrive.
    pub(super) async fn begin(&mut self, head: &SnapshotHead) {
        self.reader = None;
        self.writer = None;
        let directory = self.directory.clone();
        let (id, position, framing) = (SnapshotId(head.id), head.position, head.framing);
        let created = blocking("keep a snapshot", move || {
            let disk = FsDisk::new(&directory)?;
            let (disk, room) = (Arc::new(disk), room(&directory));
            Ok(Spool::create(disk, room, id, position, framing)?)
        });
        self.writer = created.await.map(|writer| Arc::new(Mutex::new(writer)));
    }

    /// What is kept was handed over up to `from`, and more arrives behind it.
    pub(super) fn go_on(&mut self, from: u64) {
        let ends_there = self
            .writer
            .as_ref()
            .is_some_and(|writer| writer.lock().written() == from);
        if !ends_there {
            self.writer = None;
        }
    }

    /// Bytes from index `at`, at most up to `end`; `None` when they cannot be read.
    pub(super) async fn read(&mut self, at: u64, end: u64) -> Option<Vec<u8>> {
        let mut reader = self.reader.clone()?;
        blocking("read a kept snapshot", move || {
            let wanted = end.saturating_sub(at).min(PIECE);
            let mut buffer = vec![0; usize::try_from(wanted).unwrap_or(0)];
            let count = reader.read(at, &mut buffer)?;
            buffer.truncate(count);
            Ok(buffer)
        })
        .await
    }

    /// Bytes that were handed over.
    pub(super) async fn append(&mut self, bytes: Bytes) {
        let Some(writer) = self.writer.clone() else {
            return;
        };
        let written = blocking("keep a snapshot", move || {
            Ok(writer.lock().append(&bytes)?)
        });
        if written.await.is_none() {
            self.writer = None;
        }
    }

    /// It is loaded, or of no use.
    pub(super) async fn discard(&mut self) {
        self.reader = None;
        self.writer = None;
        let directory = self.directory.clone();
        let removed = blocking(
            "remove a kept snapshot",
            move || match std::fs::remove_dir_all(&directory) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
                Ok(()) | Err(_) => Ok(()),
            },
        );
        removed.await;
    }
}

/// Anything that keeps the spool from working.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

async fn blocking<T: Send + 'static>(
    what: &'static str,
    act: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Option<T> {
    match spawn_blocking(act).await.ok()? {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::warn!(error = %chain(&*error), "could not {what}; a restart would have it sent again");
            None
        }
    }
}
