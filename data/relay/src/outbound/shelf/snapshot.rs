//! The snapshot beside the journal: written by one, read by every session.

use std::sync::Arc;

use journal::{SnapshotId, SpoolReader, SpoolWriter};
use parking_lot::Mutex;
use psync::{Framing, Position};
use runtime::dice::Dice;
use tokio::sync::watch;

use super::{Shelf, ShelfError, blocking};

/// A snapshot that can be read as far as it is written.
#[derive(Debug, Clone)]
pub(in crate::outbound) struct KeptSnapshot {
    /// Its name.
    pub(in crate::outbound) id: u64,
    /// Where it ends.
    pub(in crate::outbound) position: Position,
    /// How its end is told.
    pub(in crate::outbound) framing: Framing,
    reader: SpoolReader,
    writing: watch::Receiver<Writing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// More comes; the count only wakes.
    On(u64),
    Done,
    Failed,
}

/// The one who writes it. Dropped before the end, it has failed.
#[derive(Debug)]
pub(in crate::outbound) struct SnapshotWriter {
    writer: Arc<Mutex<Option<SpoolWriter>>>,
    writing: watch::Sender<Writing>,
}

impl Shelf {
    /// The snapshot of an earlier session, or of an earlier run, if it is whole.
    pub(in crate::outbound) async fn kept_snapshot(
        &self,
    ) -> Result<Option<KeptSnapshot>, ShelfError> {
        self.with(|journal| {
            let whole = journal
                .snapshot_reader()
                .filter(|reader| reader.info().complete);
            Ok(whole.map(|reader| KeptSnapshot::new(reader, watch::channel(Writing::Done).1)))
        })
        .await
    }

    /// Begins a snapshot in the place of any other.
    pub(in crate::outbound) async fn begin_snapshot(
        &self,
        position: Position,
        framing: Framing,
        dice: &Dice,
    ) -> Result<(SnapshotWriter, KeptSnapshot), ShelfError> {
        let id = SnapshotId(dice.number());
        let begun = self.with(move |journal| Ok(journal.begin_snapshot(id, position, framing)?));
        let writer = begun.await?;
        let (sender, receiver) = watch::channel(Writing::On(0));
        let kept = KeptSnapshot::new(writer.spool().reader(), receiver);
        let writer = SnapshotWriter {
            writer: Arc::new(Mutex::new(Some(writer))),
            writing: sender,
        };
        Ok((writer, kept))
    }
}

impl SnapshotWriter {
    pub(in crate::outbound) async fn append(&mut self, bytes: Vec<u8>) -> Result<(), ShelfError> {
        let writer = Arc::clone(&self.writer);
        blocking(move || match &mut *writer.lock() {
            Some(writer) => Ok(writer.append(&bytes)?),
            None => Err(ShelfError::Closed),
        })
        .await?;
        self.writing.send_modify(|writing| {
            if let Writing::On(count) = writing {
                *count = count.wrapping_add(1);
            }
        });
        Ok(())
    }

    /// The payload is whole; it is made durable.
    pub(in crate::outbound) async fn complete(self) -> Result<(), ShelfError> {
        let writer = Arc::clone(&self.writer);
        blocking(move || match writer.lock().take() {
            Some(writer) => {
                writer.complete()?;
                Ok(())
            }
            None => Err(ShelfError::Closed),
        })
        .await?;
        self.writing.send_replace(Writing::Done);
        Ok(())
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        self.writing.send_modify(|writing| {
            if *writing != Writing::Done {
                *writing = Writing::Failed;
            }
        });
    }
}

impl KeptSnapshot {
    fn new(reader: SpoolReader, writing: watch::Receiver<Writing>) -> Self {
        let info = reader.info();
        Self {
            id: info.id.0,
            position: info.position,
            framing: info.framing,
            reader,
            writing,
        }
    }

    /// Bytes that can be read.
    pub(in crate::outbound) fn written(&self) -> u64 {
        self.reader.info().bytes
    }

    /// Tells whether it is whole, and has `at` bytes.
    pub(in crate::outbound) fn is_complete_at(&self, at: u64) -> bool {
        let info = self.reader.info();
        info.complete && info.bytes == at
    }

    /// Tells whether it will never be whole.
    pub(in crate::outbound) fn has_failed(&self) -> bool {
        *self.writing.borrow() == Writing::Failed
    }

    /// Wakes when there is more to read, or nothing more to wait for.
    pub(in crate::outbound) async fn more(&mut self) {
        if self.writing.changed().await.is_err() && !self.reader.info().complete {
            std::future::pending::<()>().await;
        }
    }

    /// What is seen now does not wake again.
    pub(in crate::outbound) fn mark_seen(&mut self) {
        self.writing.mark_unchanged();
    }

    /// Up to `limit` bytes from index `at`; none when they are not written yet.
    pub(in crate::outbound) async fn read(
        &self,
        at: u64,
        buffer: Vec<u8>,
        limit: usize,
    ) -> Result<Vec<u8>, ShelfError> {
        let mut reader = self.reader.clone();
        blocking(move || {
            let mut buffer = buffer;
            buffer.resize(limit, 0);
            let count = reader.read(at, &mut buffer)?;
            buffer.truncate(count);
            Ok(buffer)
        })
        .await
    }
}
