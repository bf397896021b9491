//! The snapshot's way to the engine: from the spool, then from the outbound.

use psync::answer_full_sync;
use wire::{SnapshotHead, ToInbound};

use super::{Feed, Handed, out_of_order};
use crate::{inbound::session::SessionEnd, socket::WanReader, wan::FrameReader};

impl Feed<'_> {
    /// Begins a full sync of the engine, with what is kept of the snapshot, if it is this one.
    pub(super) async fn begin_snapshot(&mut self, head: SnapshotHead) -> Result<(), SessionEnd> {
        self.session.snapshot_begins(head.framing.total_bytes());
        let announcement = answer_full_sync(&head.position, &head.framing);
        self.hand_over(&announcement).await?;
        self.handed = Handed::Part { head, bytes: 0 };
        if head.from == 0 {
            self.keeping.begin(&head).await;
            return Ok(());
        }
        let mut at = 0;
        while at < head.from {
            let kept = self.keeping.read(at, head.from).await;
            let Some(kept) = kept.filter(|kept| !kept.is_empty()) else {
                // What was promised cannot be read: without it the engine begins again.
                self.keeping.discard().await;
                return Err(SessionEnd::OtherSnapshot);
            };
            self.hand_over(&kept).await?;
            at += kept.len() as u64;
            self.handed = Handed::Part { head, bytes: at };
            self.session.snapshot_kept(kept.len() as u64);
            self.show();
        }
        self.keeping.go_on(head.from);
        Ok(())
    }

    pub(super) async fn snapshot(
        &mut self,
        reader: &mut FrameReader<WanReader>,
        head: SnapshotHead,
        handed: u64,
    ) -> Result<(), SessionEnd> {
        let mut place = handed;
        let total = head.framing.total_bytes();
        loop {
            match self.next(reader).await? {
                ToInbound::SnapshotData { at, bytes } => {
                    let end = place + bytes.len() as u64;
                    let over = total.is_some_and(|total| end > total);
                    if at != place || over {
                        let what = format!("snapshot byte {at} came where {place} was due");
                        return Err(SessionEnd::Protocol(what));
                    }
                    place = end;
                    self.hand_over(&bytes).await?;
                    self.handed = Handed::Part { head, bytes: place };
                    self.session.snapshot_received(bytes.len() as u64);
                    self.keeping.append(bytes).await;
                    self.show();
                }
                ToInbound::SnapshotEnd => {
                    if total.is_some_and(|total| total != place) {
                        let what = format!("the snapshot ends after {place} bytes");
                        return Err(SessionEnd::Protocol(what));
                    }
                    self.handed = Handed::Whole { head, bytes: place };
                    self.session.snapshot_ended(head.position);
                    return Ok(());
                }
                ToInbound::Heartbeat(beat) => self.session.heard_beat(&beat),
                ToInbound::Refused(refusal) => return Err(SessionEnd::Refused(refusal)),
                ToInbound::Continue(_)
                | ToInbound::Snapshot(_)
                | ToInbound::Stream { .. }
                | ToInbound::Barrier(_) => return Err(out_of_order()),
            }
        }
    }

    /// An engine that reads up to a mark looks for it at the end of what it read, so nothing may
    /// follow the mark before the engine acknowledges.
    pub(super) async fn until_loaded(&mut self) {
        let mut changes = self.session.standing.subscribe();
        while self.session.applied().is_none() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}
