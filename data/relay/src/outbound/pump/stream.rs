//! The stream's way over the WAN, up to a barrier.

use std::{convert::Infallible, sync::Arc};

use model::EventKind;
use psync::Offset;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use wire::{DataKind, RefusalCode, ToInbound};

use super::{Begin, DATA_BYTES, LAST_BYTES, Pump, SHOW, elsewhere, outrun, refused};
use crate::{
    Fence,
    outbound::{session::SessionEnd, shelf::ReadBack},
    stream::Behind,
};

impl Pump<'_> {
    /// Moves the stream for as long as the session lasts, and stands at a barrier.
    pub(super) async fn stream(&mut self, begin: Begin) -> Result<Infallible, SessionEnd> {
        let shard = Arc::clone(&self.session.shard);
        let mut moved = shard.stream.subscribe();
        let mut at = begin.position.offset;
        let mut declared: Option<Instant> = None;
        loop {
            moved.mark_unchanged();
            self.buffer.clear();
            let history = begin.history;
            let copied = shard.stream.copy(history, at, &mut self.buffer, DATA_BYTES);
            match copied {
                Behind::Bytes => {}
                Behind::Older => {
                    self.read_back(history, at).await?;
                    if self.buffer.is_empty() {
                        continue;
                    }
                }
                Behind::Nothing => {
                    self.flush().await?;
                    self.stand(&mut moved, &mut declared).await?;
                    continue;
                }
                Behind::OtherHistory => return Err(other_history()),
            }
            let count = self.buffer.len() as u64;
            let until = self.send_data(DataKind::Stream, at.0).await?;
            at = at.advanced(count);
            self.session.stream_sent(count);
            self.maybe_show();
            self.wait(until).await?;
        }
    }

    /// Everything is sent: waits for more, and says where the barrier is when this is it.
    async fn stand(
        &mut self,
        moved: &mut watch::Receiver<u64>,
        declared: &mut Option<Instant>,
    ) -> Result<(), SessionEnd> {
        let fence = self.wanted.borrow_and_update().fence;
        match fence {
            Fence::Open | Fence::Expected => *declared = None,
            Fence::Declared(barrier) => {
                let since = *declared.get_or_insert_with(Instant::now);
                let sent = self.session.sent();
                if sent == Some(barrier.position) {
                    if self.session.barrier() != Some(barrier) {
                        self.send(&ToInbound::Barrier(barrier)).await?;
                        self.session.barrier_sent(barrier);
                    }
                } else if since.elapsed() >= LAST_BYTES {
                    return Err(elsewhere(&barrier, sent));
                }
            }
        }
        let show = self.shown + SHOW;
        let last_bytes = declared.map(|at| at + LAST_BYTES);
        let at_barrier = self.session.barrier().is_some();
        tokio::select! {
            _ = moved.changed() => {}
            _changed_or_gone = self.wanted.changed() => {}
            _ = self.ticks.tick() => self.beat().await?,
            () = sleep_until(show), if self.unshown => self.show(),
            () = sleep_until(last_bytes.unwrap_or(show)), if last_bytes.is_some() && !at_barrier => {}
        }
        Ok(())
    }

    /// Reads from the journal what memory has no more.
    async fn read_back(&mut self, history: u64, after: Offset) -> Result<(), SessionEnd> {
        let shard = &self.session.shard;
        let buffer = std::mem::take(&mut self.buffer);
        let read = shard.shelf.read(after, buffer, DATA_BYTES).await?;
        // A journal is begun anew only after the stream was: these bytes are of this history, or
        // it is over by now.
        if shard.stream.reach().history != history {
            return Err(other_history());
        }
        match read {
            ReadBack::Bytes(bytes) => {
                self.buffer = bytes;
                Ok(())
            }
            ReadBack::Gone { start } => {
                let text = format!(
                    "the geo-secondary stands at {after}, and the journal begins at {start}; raise the link's journal size"
                );
                shard.tell(EventKind::JournalOutrun, text);
                Err(outrun())
            }
        }
    }
}

fn other_history() -> SessionEnd {
    let why = "the geo-primary's history goes on under another ID, or anew";
    refused(RefusalCode::Withdrawn, why)
}
