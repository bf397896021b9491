//! What goes on while an engine is followed: it is read, the journal is written, and what the
//! geo-secondary has applied is acknowledged.

use bytes::Bytes;
use model::EventKind;
use psync::{Event, Offset, Position, ReplicationId, acknowledgement, pause_takeover};
use tokio::{
    io::AsyncWriteExt as _,
    net::tcp::OwnedWriteHalf,
    time::{Duration, Instant, sleep, sleep_until, timeout},
};
use wire::RefusalCode;

use super::End;
use crate::outbound::{
    engine::{Engine, SILENCE},
    shard::Shard,
    shelf::ShelfError,
};

/// Between two acknowledgements to the geo-primary when there is nothing new.
const ACKNOWLEDGE: Duration = Duration::from_secs(1);
/// A pause that was taken over ends by itself after this long.
const TAKEOVER: Duration = Duration::from_secs(15);
/// Between two syncs of the journal.
const SYNC: Duration = Duration::from_secs(1);
/// Bytes that are written to the journal in one call.
const BATCH: usize = 1 << 20;

/// Takes what the engine sends, the bytes behind its answer to begin with. `renamed`: the history
/// has this ID by now, from where it was promoted on.
pub(super) async fn read(shard: &Shard, mut engine: Engine, renamed: Option<Position>) -> End {
    let mut fork = renamed.and_then(|renamed| Fork::of(shard, renamed));
    loop {
        let now = Instant::now();
        loop {
            match engine.next_event() {
                Ok(Some(Event::StreamBytes(bytes))) => {
                    let mut bytes = Bytes::copy_from_slice(bytes);
                    if let Some(before) = fork
                        .as_ref()
                        .and_then(|fork| fork.before(shard, &mut bytes))
                    {
                        shard.stream.push(before);
                        if let Some(fork) = fork.take()
                            && let Err(error) = fork.note(shard).await
                        {
                            return error.into();
                        }
                    }
                    if !bytes.is_empty() {
                        shard.stream.push(bytes);
                    }
                }
                // A connection that goes on has nothing else.
                Ok(Some(
                    Event::Continued(_)
                    | Event::FullSync(_)
                    | Event::SnapshotBegins(_)
                    | Event::SnapshotBytes(_)
                    | Event::SnapshotEnds,
                )) => {}
                Ok(None) => break,
                Err(error) => return error.into(),
            }
        }
        if let Some(end) = shard.stream.reach().end {
            shard.stream_read(end.offset, now);
        }
        shard.stream.room().await;
        let filled = timeout(SILENCE, engine.fill()).await;
        match filled.unwrap_or_else(|_elapsed| Err(engine.silent(SILENCE))) {
            Ok(()) => {}
            Err(error) => return error.into(),
        }
    }
}

/// Where a history goes on under another ID, while it is not there yet.
struct Fork {
    at: Offset,
    replid: ReplicationId,
}

impl Fork {
    fn of(shard: &Shard, renamed: Position) -> Option<Self> {
        let before = shard.facts().borrow().and_then(|facts| facts.before)?;
        Some(Self {
            at: before.offset,
            replid: renamed.replid,
        })
    }

    /// Takes the bytes up to there off, when it is among them.
    fn before(&self, shard: &Shard, bytes: &mut Bytes) -> Option<Bytes> {
        let end = shard.stream.reach().end?.offset;
        let left = usize::try_from(self.at.since(end)).ok()?;
        (left <= bytes.len()).then(|| bytes.split_to(left))
    }

    /// Everything before is read: the journal notes it once it has written that.
    async fn note(self, shard: &Shard) -> Result<(), ShelfError> {
        let mut moved = shard.stream.subscribe();
        let written = |_: &u64| shard.stream.reach().journaled >= self.at;
        drop(moved.wait_for(written).await);
        shard.shelf.fork(self.replid).await?;
        shard.stream_forks(self.replid);
        Ok(())
    }
}

/// Writes what was read to the journal, and syncs it about once a second.
pub(super) async fn write_journal(shard: &Shard) -> ShelfError {
    let mut moved = shard.stream.subscribe();
    let mut synced = Instant::now();
    let mut dirty = false;
    loop {
        moved.mark_unchanged();
        match write_batch(shard).await {
            Ok(wrote) => dirty |= wrote,
            Err(error) => return error,
        }
        if dirty && synced.elapsed() >= SYNC {
            if let Err(error) = shard.shelf.sync().await {
                return error;
            }
            (synced, dirty) = (Instant::now(), false);
        }
        if shard.stream.unwritten(1).is_some() {
            continue;
        }
        tokio::select! {
            _ = moved.changed() => {}
            () = sleep_until(synced + SYNC), if dirty => {}
        }
    }
}

/// `true`: there was something to write.
pub(super) async fn write_batch(shard: &Shard) -> Result<bool, ShelfError> {
    let Some(unwritten) = shard.stream.unwritten(BATCH) else {
        return Ok(false);
    };
    let appended = shard.shelf.append(unwritten).await?;
    shard.stream.written(appended.end);
    shard.solved(RefusalCode::JournalFailed);
    if let Some(text) = appended.lost {
        shard.tell(EventKind::JournalOutrun, text);
    }
    Ok(true)
}

/// Tells the geo-primary what the geo-secondary has applied, and takes pauses over when asked to.
/// Ends when the connection is gone.
pub(super) async fn acknowledge(shard: &Shard, mut write: OwnedWriteHalf) {
    let mut wanted = shard.wanted();
    let mut taken_over = wanted.borrow_and_update().takeovers;
    loop {
        let takeovers = wanted.borrow_and_update().takeovers;
        if takeovers != taken_over {
            taken_over = takeovers;
            let ms = u64::try_from(TAKEOVER.as_millis()).unwrap_or(u64::MAX);
            if write.write_all(&pause_takeover(ms)).await.is_err() {
                break;
            }
        }
        let applied: Offset = shard.applied();
        if write.write_all(&acknowledgement(applied)).await.is_err() {
            break;
        }
        tokio::select! {
            () = shard.acknowledge.notified() => {}
            _changed_or_gone = wanted.changed() => {}
            () = sleep(ACKNOWLEDGE) => {}
        }
    }
    // Why it is gone is noticed where the engine is read.
    drop(write);
    std::future::pending().await
}
