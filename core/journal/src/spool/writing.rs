//! Writing a snapshot's payload.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use model::Timestamp;
use parking_lot::Mutex;
use psync::{Framing, Position};

use super::{Inner, Meta, Progress, SnapshotId, Spool, remove_names};
use crate::{
    Disk, Failure, FsDisk, Lack, Room, Stopped,
    blocks::{BlockWriter, Blocks, Recovered},
    failure::{Attempted as _, Poison},
    file_name::{DIRECTORY, FileName},
    limits::{Gauge, Usage},
    record::RECORD_BYTES,
};

/// No spool could be made.
#[derive(Debug, Clone, thiserror::Error)]
#[error("make a spool for a snapshot")]
pub struct CreateError(#[source] Arc<Failure>);

impl CreateError {
    /// Tells whether the disk or a quota is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.0.is_disk_full()
    }
}

/// Nothing more could be appended to the snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SpoolAppendError {
    /// There is no room. Nothing was written.
    #[error("append {wanted} bytes to the snapshot: {lack}")]
    Full {
        /// Bytes that were to be appended.
        wanted: u64,
        /// What there is too little of.
        lack: Lack,
    },
    /// It would be longer than was announced.
    #[error("append {wanted} bytes to a snapshot that has {have} of {announced}")]
    TooLong {
        /// Bytes that were to be appended.
        wanted: u64,
        /// Bytes that were.
        have: u64,
        /// Bytes of the whole.
        announced: u64,
    },
    /// It was removed.
    #[error("append to a snapshot that was removed")]
    Removed,
    /// A write failed, now or before.
    #[error("append to the snapshot")]
    Stopped(#[from] Stopped),
}

impl SpoolAppendError {
    /// Tells whether there is too little room.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::TooLong { .. } | Self::Removed => false,
            Self::Stopped(stopped) => stopped.failure().is_disk_full(),
        }
    }
}

/// The snapshot could not be made durable.
#[derive(Debug, thiserror::Error)]
pub enum SpoolSyncError {
    /// The disk failed, now or before.
    #[error("sync the snapshot")]
    Stopped(#[from] Stopped),
}

/// The snapshot could not be completed.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// It is shorter than was announced.
    #[error("complete a snapshot that has {have} of {announced} bytes")]
    TooShort {
        /// Bytes that were appended.
        have: u64,
        /// Bytes of the whole.
        announced: u64,
    },
    /// It was removed.
    #[error("complete a snapshot that was removed")]
    Removed,
    /// The disk failed, now or before.
    #[error("complete the snapshot")]
    Stopped(#[from] Stopped),
}

impl CompleteError {
    /// Tells whether there is too little room.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::TooShort { .. } | Self::Removed => false,
            Self::Stopped(stopped) => stopped.failure().is_disk_full(),
        }
    }
}

/// The one who writes a snapshot. Dropped before the end, it leaves a part of one.
pub struct SpoolWriter<D: Disk = FsDisk> {
    spool: Spool<D>,
    writer: BlockWriter<D::File>,
    gauge: Gauge,
    poison: Poison,
}

/// What a new spool is made of.
pub(crate) struct NewSpool<D> {
    pub(crate) disk: Arc<D>,
    pub(crate) room: Room,
    pub(crate) usage: Arc<Usage>,
    pub(crate) owner: u64,
    pub(crate) id: SnapshotId,
    pub(crate) position: Position,
    pub(crate) framing: Framing,
}

impl<D: Disk> Spool<D> {
    /// Begins a snapshot in a directory without a journal, in place of any other.
    pub fn create(
        disk: Arc<D>,
        room: Room,
        id: SnapshotId,
        position: Position,
        framing: Framing,
    ) -> Result<SpoolWriter<D>, CreateError> {
        let others = remove_all(&*disk, None);
        others.map_err(|failure| CreateError(Arc::new(failure)))?;
        let made = SpoolWriter::make(NewSpool {
            disk,
            room,
            usage: Arc::default(),
            owner: 0,
            id,
            position,
            framing,
        });
        made.map_err(|failure| CreateError(Arc::new(failure)))
    }
}

impl<D: Disk> SpoolWriter<D> {
    /// Makes the files. None of that name may be there.
    pub(crate) fn make(new: NewSpool<D>) -> Result<Self, Failure> {
        let meta = Meta {
            id: new.id,
            owner: new.owner,
            position: new.position,
            framing: new.framing,
            whole: None,
        };
        let disk = &*new.disk;
        let payload = FileName::Payload(new.id.0).text();
        let index = FileName::Blocks(new.id.0).text();
        let payload_file = disk.create_new(&payload).attempted("create", &payload)?;
        let index_file = disk.create_new(&index).attempted("create", &index)?;
        let blocks = Blocks::new(meta.shape(), (payload_file, payload), (index_file, index));
        blocks.sync()?;
        meta.write(disk)?;
        let nothing = Recovered::empty(0);
        Ok(Self::resume(
            new.disk, new.room, new.usage, meta, blocks, &nothing,
        ))
    }

    /// Goes on behind what was recovered.
    pub(super) fn resume(
        disk: Arc<D>,
        room: Room,
        usage: Arc<Usage>,
        meta: Meta,
        blocks: Blocks<D::File>,
        recovered: &Recovered,
    ) -> Self {
        let writer = BlockWriter::new(blocks, recovered);
        let inner = Inner {
            disk,
            meta,
            blocks: Arc::clone(writer.blocks()),
            usage: Arc::clone(&usage),
            progress: Mutex::new(Progress {
                records: recovered.records,
                end: recovered.end,
                complete: meta.whole.is_some(),
            }),
            names: Mutex::new(()),
            removed: AtomicBool::new(false),
        };
        let this = Self {
            spool: Spool(Arc::new(inner)),
            writer,
            gauge: Gauge::new(room, usage),
            poison: Poison::default(),
        };
        this.publish();
        this
    }

    /// The snapshot, for others.
    #[must_use]
    pub fn spool(&self) -> Spool<D> {
        self.spool.clone()
    }

    /// Bytes that were appended. Readers see them in whole blocks.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.writer.end()
    }

    /// Appends bytes of the payload.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), SpoolAppendError> {
        self.poison.check()?;
        if self.spool.0.is_removed() {
            return Err(SpoolAppendError::Removed);
        }
        let (wanted, have) = (bytes.len() as u64, self.written());
        if let Some(announced) = self.spool.0.meta.framing.total_bytes()
            && have.saturating_add(wanted) > announced
        {
            return Err(SpoolAppendError::TooLong {
                wanted,
                have,
                announced,
            });
        }
        let taken = self.gauge.take(&*self.spool.0.disk, files_grow_by(wanted));
        if let Some(lack) = taken.map_err(|failure| self.poison.stop(failure))? {
            return Err(SpoolAppendError::Full { wanted, lack });
        }
        // Nobody asks how old a snapshot's bytes are.
        let pushed = self.writer.push(bytes, Timestamp(0));
        self.publish();
        pushed.map_err(|failure| self.poison.stop(failure))?;
        Ok(())
    }

    /// Makes what was appended durable, and tells how much it is.
    pub fn sync(&mut self) -> Result<u64, SpoolSyncError> {
        self.poison.check()?;
        let synced = self.writer.sync();
        self.publish();
        synced.map_err(|failure| self.poison.stop(failure))?;
        Ok(self.writer.synced())
    }

    /// Ends the snapshot: it is whole and durable. A length that was announced must be reached.
    pub fn complete(mut self) -> Result<Spool<D>, CompleteError> {
        self.poison.check()?;
        let have = self.written();
        if let Some(announced) = self.spool.0.meta.framing.total_bytes()
            && have != announced
        {
            return Err(CompleteError::TooShort { have, announced });
        }
        let synced = self.writer.sync();
        synced.map_err(|failure| self.poison.stop(failure))?;
        self.publish();
        let inner = &self.spool.0;
        let names = inner.names.lock();
        if inner.is_removed() {
            return Err(CompleteError::Removed);
        }
        let meta = Meta {
            whole: Some(have),
            ..inner.meta
        };
        let written = meta.write(&*inner.disk);
        written.map_err(|failure| self.poison.stop(failure))?;
        drop(names);
        inner.progress.lock().complete = true;
        Ok(self.spool)
    }

    /// Tells readers how far they may read, and others how much there is.
    fn publish(&self) {
        self.spool
            .0
            .advance(self.writer.records(), self.writer.sealed());
    }
}

impl<D: Disk> fmt::Debug for SpoolWriter<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpoolWriter")
            .field("spool", &self.spool)
            .field("written", &self.written())
            .finish_non_exhaustive()
    }
}

fn files_grow_by(bytes: u64) -> u64 {
    let records = bytes / (64 << 10) + 2;
    bytes.saturating_add(records.saturating_mul(RECORD_BYTES as u64))
}

/// Removes every snapshot in the directory: the one that is known, and what a failure left.
pub(crate) fn remove_all<D: Disk>(disk: &D, known: Option<Spool<D>>) -> Result<(), Failure> {
    let _names = known.as_ref().map(|spool| {
        let names = spool.0.names.lock();
        spool.0.mark_removed();
        names
    });
    for name in disk.list().attempted("list", DIRECTORY)? {
        match FileName::parse(&name) {
            Some(
                FileName::Payload(id)
                | FileName::Blocks(id)
                | FileName::Meta(id)
                | FileName::NewMeta(id),
            ) => remove_names(disk, SnapshotId(id))?,
            Some(FileName::Stream(_) | FileName::Index(_)) | None => {}
        }
    }
    disk.sync_directory().attempted("sync", DIRECTORY)?;
    Ok(())
}
