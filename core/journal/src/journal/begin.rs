//! Where histories begin, where they fork, and where a segment follows another.

use std::collections::VecDeque;

use psync::{Offset, Position, ReplicationId};

use super::{Journal, segments};
use crate::{
    Disk, Failure, Stopped,
    failure::Poison,
    segment::{HIGHEST_OFFSET, Header},
    spool,
};

/// No history could be begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The offset is above what the engines count to.
    #[error("begin a journal at offset {offset}: the highest possible one is {HIGHEST_OFFSET}")]
    OffsetTooHigh {
        /// The offset.
        offset: Offset,
    },
    /// The disk failed. On it is the old history or the new one; open it anew, or begin again.
    #[error("begin a journal")]
    Stopped(#[from] Stopped),
}

/// The fork could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum ForkError {
    /// There is no history to fork.
    #[error("fork the history of a journal that was not begun")]
    NotBegun,
    /// The disk failed, now or before.
    #[error("fork the history of the journal")]
    Stopped(#[from] Stopped),
}

impl<D: Disk> Journal<D> {
    /// Forgets everything, the snapshot too, and begins a history at a position. A crash leaves
    /// the old state or the new one. This is also a way on after a failure.
    pub fn begin(&mut self, position: Position) -> Result<(), BeginError> {
        if position.offset > HIGHEST_OFFSET {
            return Err(BeginError::OffsetTooHigh {
                offset: position.offset,
            });
        }
        self.poison = Poison::default();
        let begun = self.begin_durably(position);
        begun.map_err(|failure| self.poison.stop(failure))?;
        Ok(())
    }

    fn begin_durably(&mut self, position: Position) -> Result<(), Failure> {
        let header = Header {
            sequence: self.next_sequence,
            first: self.next_sequence,
            start: position.offset,
            replid: position.replid,
            before: ReplicationId::UNSET,
        };
        // What an earlier attempt left.
        segments::remove_segment(&*self.disk, header.sequence)?;
        let writer = segments::make_segment(&*self.disk, &header)?;
        let forgotten =
            self.history
                .replace(segments::History::new(VecDeque::new(), header, writer));
        let snapshot = self.snapshot.take();
        self.next_sequence = header.sequence.saturating_add(1);
        self.pins.clear();
        self.reading.forget();
        self.gauge.end_lease();
        let gone = forgotten.iter().flat_map(|history| {
            let old = history.old().iter().map(|old| old.header.sequence);
            old.chain([history.header.sequence])
        });
        for sequence in gone {
            segments::remove_segment(&*self.disk, sequence)?;
        }
        spool::remove_all(&*self.disk, snapshot)?;
        self.count_usage();
        Ok(())
    }

    /// Records that the history goes on under another replication ID from [`Journal::end`].
    /// Everything before is durable then. A snapshot that ends beyond the fork, under the older
    /// replication ID, is removed: the stream does not go on from it.
    pub fn fork(&mut self, replid: ReplicationId) -> Result<(), ForkError> {
        self.poison.check()?;
        let history = self.history.as_ref().ok_or(ForkError::NotBegun)?;
        if history.header.replid != replid {
            let forked = self.roll(Some(replid));
            forked.map_err(|failure| self.poison.stop(failure))?;
        }
        Ok(())
    }

    /// Begins the next segment, perhaps under another replication ID, and applies retention.
    pub(super) fn roll(&mut self, replid: Option<ReplicationId>) -> Result<(), Failure> {
        let Some(history) = &mut self.history else {
            return Ok(());
        };
        // The next segment says that this one is whole.
        history.writer.sync()?;
        let header = Header {
            sequence: self.next_sequence,
            first: history.header.first,
            start: Offset(history.writer.end()),
            replid: replid.unwrap_or(history.header.replid),
            before: history.header.replid,
        };
        let writer = segments::make_segment(&*self.disk, &header)?;
        history.advance(header, writer);
        self.next_sequence = header.sequence.saturating_add(1);
        if let Some(spool) = self.take_passed() {
            spool.remove_files()?;
        }
        self.apply_retention()?;
        self.count_usage();
        Ok(())
    }

    pub(super) fn count_usage(&self) {
        let bytes = self
            .history
            .as_ref()
            .map_or(0, segments::History::file_bytes);
        self.gauge.usage().set_stream(bytes);
    }
}
