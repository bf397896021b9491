//! The snapshot's way over the WAN, when it is this session's turn.

use std::{sync::Arc, time::Duration};

use model::EventKind;
use tokio::time::Instant;
use wire::{DataKind, RefusalCode, SnapshotHead, ToInbound};

use super::{Begin, DATA_BYTES, LAST_BYTES, Pump, outrun, refused};
use crate::{
    Phase, Source,
    outbound::{
        session::SessionEnd,
        shard::{Problem, withdrawn},
        shelf::KeptSnapshot,
        snapshots,
    },
};

/// How often the journal's reach is checked while a snapshot is sent.
const CHECK: Duration = Duration::from_secs(5);

impl Pump<'_> {
    pub(super) async fn full_sync(&mut self) -> Result<Begin, SessionEnd> {
        let shard = Arc::clone(&self.session.shard);
        self.refuse_an_empty_source().await?;
        let source = self.source()?;
        let reason = self.reason().await;
        self.session.enter(Phase::Waiting);
        let turn = shard.full_sync_turn(&source.peer);
        tokio::pin!(turn);
        let _turn = loop {
            tokio::select! {
                turn = &mut turn => break turn,
                _ = self.ticks.tick() => self.beat().await?,
            }
        };
        let kept = self.snapshot().await?;
        let from = match self.hello.partial {
            Some(partial) if partial.snapshot == kept.id => partial.bytes.min(kept.written()),
            Some(_) | None => 0,
        };
        let head = SnapshotHead {
            id: kept.id,
            from,
            position: kept.position,
            framing: kept.framing,
        };
        let total = kept.framing.total_bytes();
        let first = !self.hello_resumes(&kept);
        self.session.snapshot_begins(from, total, first);
        if first {
            shard.tell(EventKind::FullSyncStarted, reason);
        }
        self.send(&ToInbound::Snapshot(head)).await?;
        self.send_snapshot(&kept, from).await?;
        let reach = shard.stream.reach();
        let end = reach.end.ok_or_else(outrun)?;
        let position = shard.shelf.goes_on_from(kept.position, end).await?;
        let position = position.ok_or_else(outrun)?;
        let history = reach.history;
        // Noted first: what the geo-secondary says of it may come at once.
        self.session.snapshot_ended(history, kept.position);
        self.send(&ToInbound::SnapshotEnd).await?;
        if position.replid != kept.position.replid {
            // The geo-secondary has to hear of the new ID, which only a new request can tell it.
            return Err(SessionEnd::Refused(withdrawn()));
        }
        Ok(Begin { history, position })
    }

    /// Tells whether the geo-secondary is in the middle of this snapshot already.
    fn hello_resumes(&self, kept: &KeptSnapshot) -> bool {
        let partial = self.hello.partial;
        partial.is_some_and(|partial| partial.snapshot == kept.id)
    }

    fn source(&self) -> Result<Arc<Source>, SessionEnd> {
        let source = self.wanted.borrow().source.clone();
        source.ok_or_else(|| SessionEnd::Refused(withdrawn()))
    }

    /// An empty geo-primary must not wipe what the geo-secondary holds. What was seen of the engine
    /// counts when it was seen in the history that is followed now: one that was restarted without
    /// its data has another.
    async fn refuse_an_empty_source(&mut self) -> Result<(), SessionEnd> {
        let shard = Arc::clone(&self.session.shard);
        let (mut facts, mut moved) = (shard.facts(), shard.stream.subscribe());
        let held = self.hello.keys_held;
        let began = Instant::now();
        loop {
            moved.mark_unchanged();
            let accepted = self.source()?.accept_empty;
            let seen = *facts.borrow_and_update();
            let now = shard.stream.reach().end.map(|end| end.replid);
            let seen = seen.filter(|facts| Some(facts.position.replid) == now);
            let fine = held == 0 || accepted;
            match seen {
                Some(facts) if !fine && facts.keys == 0 => return Err(self.empty_source(held)),
                None if !fine => {}
                Some(_) | None => {
                    shard.solved(RefusalCode::EmptySource);
                    return Ok(());
                }
            }
            tokio::select! {
                _ = facts.changed() => {}
                _ = moved.changed() => {}
                _changed_or_gone = self.wanted.changed() => {}
                _ = self.ticks.tick() => {
                    if let Some(problem) = shard.problem()
                        && began.elapsed() > LAST_BYTES
                    {
                        return Err(refused(problem.code, problem.why));
                    }
                    self.beat().await?;
                }
            }
        }
    }

    fn empty_source(&self, held: u64) -> SessionEnd {
        let shard = &self.session.shard;
        let why = format!(
            "the geo-primary is empty and its history is another one, and the geo-secondary holds {held} keys, which a full sync would remove; unlink to keep both as they are, or give up what the geo-secondary holds (`godwit link resume --accept-empty-source`)"
        );
        let code = RefusalCode::EmptySource;
        let problem = Problem {
            code,
            why: why.clone(),
        };
        if shard.problem().as_ref() != Some(&problem) {
            shard.tell(EventKind::SourceLost, why.clone());
        }
        shard.set_problem(Some(problem));
        refused(code, why)
    }

    /// Why the geo-secondary needs a full sync.
    async fn reason(&self) -> String {
        let shard = &self.session.shard;
        let broke = shard.snapshots.take_reason();
        let start = shard.shelf.start().await.ok().flatten();
        if let (Some(have), Some(start)) = (self.hello.have, start)
            && have.replid == start.replid
            && have.offset < start.offset
        {
            let text = format!(
                "{} bytes more were written than the journal keeps while the geo-secondary was away; raise the link's journal size",
                start.offset.since(have.offset)
            );
            shard.tell(EventKind::JournalOutrun, text);
        }
        match (self.hello.have, start, broke) {
            (_, _, Some(why)) => why,
            (None, _, None) => "the geo-secondary holds nothing of this history".to_owned(),
            (Some(have), Some(start), None) => {
                format!("the geo-secondary stands at {have}, and the journal begins at {start}")
            }
            (Some(have), None, None) => {
                format!("the geo-secondary stands at {have}, where the geo-primary never was")
            }
        }
    }

    /// Waits for a snapshot that can be read.
    async fn snapshot(&mut self) -> Result<KeptSnapshot, SessionEnd> {
        let shard = Arc::clone(&self.session.shard);
        let mut taking = shard.snapshots.taking();
        loop {
            taking.mark_unchanged();
            if let Some(kept) = snapshots::kept_or_taken(&shard).await? {
                return Ok(kept);
            }
            if let Some(why) = taking.borrow().failed.clone() {
                self.session.fail(why);
            }
            tokio::select! {
                _ = taking.changed() => {}
                _ = self.ticks.tick() => self.beat().await?,
            }
        }
    }

    async fn send_snapshot(&mut self, kept: &KeptSnapshot, from: u64) -> Result<(), SessionEnd> {
        let mut at = from;
        let mut checked = Instant::now();
        let mut watched = kept.clone();
        loop {
            watched.mark_seen();
            let buffer = std::mem::take(&mut self.buffer);
            self.buffer = kept.read(at, buffer, DATA_BYTES).await?;
            if self.buffer.is_empty() {
                if kept.is_complete_at(at) {
                    return Ok(());
                }
                if kept.has_failed() {
                    return Err(refused(
                        RefusalCode::SourceLost,
                        "the snapshot broke off on the geo-primary's side; another one is taken",
                    ));
                }
                self.flush().await?;
                tokio::select! {
                    () = watched.more() => {}
                    _ = self.ticks.tick() => self.beat().await?,
                }
                continue;
            }
            let count = self.buffer.len() as u64;
            let until = self.send_data(DataKind::Snapshot, at).await?;
            at += count;
            self.session.snapshot_sent(count);
            self.maybe_show();
            self.wait(until).await?;
            if checked.elapsed() >= CHECK {
                checked = Instant::now();
                self.still_reaches(kept).await?;
            }
        }
    }

    /// A snapshot without the stream behind it is of no use.
    async fn still_reaches(&self, kept: &KeptSnapshot) -> Result<(), SessionEnd> {
        let shard = &self.session.shard;
        let end = shard.stream.reach().end.ok_or_else(outrun)?;
        if shard
            .shelf
            .goes_on_from(kept.position, end)
            .await?
            .is_some()
        {
            return Ok(());
        }
        let text = "more was written than the journal keeps before the snapshot was sent; raise the link's journal size, or its rate limit".to_owned();
        shard.tell(EventKind::JournalOutrun, text);
        shard.snapshots.forget();
        Err(outrun())
    }
}
