//! Hands the engine what comes from the outbound.

use std::{convert::Infallible, io::IoSlice};

use bytes::Bytes;
use psync::{Framing, Position, answer_continue, answer_full_sync};
use tokio::{
    io::AsyncWriteExt as _,
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    time::{Duration, Instant, timeout},
};
use wire::{Barrier, ToInbound};

use super::{dialer::Answer, session::SessionEnd, standing::Session};
use crate::{pulse::SILENCE, socket::write_parts, wan::FrameReader};

/// Stream frames that are handed over in one call, at most.
const TOGETHER: usize = 32;
/// Watchers are woken by a running position at most this often.
const SHOW: Duration = Duration::from_millis(5);

/// The receiving side of one session.
pub(super) struct Feed<'a> {
    session: &'a Session,
    engine: OwnedWriteHalf,
    reader: FrameReader<OwnedReadHalf>,
    shown: Instant,
    /// The stream stands at a barrier.
    stopped: bool,
}

impl<'a> Feed<'a> {
    pub(super) fn new(
        session: &'a Session,
        engine: OwnedWriteHalf,
        reader: FrameReader<OwnedReadHalf>,
    ) -> Self {
        Self {
            session,
            engine,
            reader,
            shown: Instant::now(),
            stopped: false,
        }
    }

    pub(super) async fn run(&mut self, answer: Answer, have: Option<Position>) -> SessionEnd {
        match self.serve(answer, have).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn serve(
        &mut self,
        answer: Answer,
        have: Option<Position>,
    ) -> Result<Infallible, SessionEnd> {
        match answer {
            Answer::Continue(position) => {
                if have.map(|have| have.offset) != Some(position.offset) {
                    let what = format!("it goes on at {position}, asked was {have:?}");
                    return Err(SessionEnd::Protocol(what));
                }
                self.hand_over(&answer_continue(&position)).await?;
                self.session.continued(position);
            }
            Answer::Snapshot(position, framing) => {
                self.session.snapshot_begins(framing.total_bytes());
                self.hand_over(&answer_full_sync(&position, &framing))
                    .await?;
                self.snapshot(&framing).await?;
                self.session.snapshot_ended(position);
                if matches!(framing, Framing::Eof(_)) {
                    self.until_loaded().await;
                }
            }
        }
        self.stream().await
    }

    async fn snapshot(&mut self, framing: &Framing) -> Result<(), SessionEnd> {
        let mut place: u64 = 0;
        loop {
            match self.next().await? {
                ToInbound::SnapshotData { at, bytes } => {
                    let end = place + bytes.len() as u64;
                    let over = framing.total_bytes().is_some_and(|total| end > total);
                    if at != place || over {
                        let what = format!("snapshot byte {at} came where {place} was due");
                        return Err(SessionEnd::Protocol(what));
                    }
                    place = end;
                    self.hand_over(&bytes).await?;
                    self.session.snapshot_received(bytes.len() as u64);
                    self.show();
                }
                ToInbound::SnapshotEnd => {
                    if framing.total_bytes().is_some_and(|total| total != place) {
                        let what = format!("the snapshot ends after {place} bytes");
                        return Err(SessionEnd::Protocol(what));
                    }
                    return Ok(());
                }
                ToInbound::Heartbeat(beat) => self.session.heard_beat(&beat),
                ToInbound::Refused(refusal) => return Err(SessionEnd::Refused(refusal)),
                ToInbound::Continue(_)
                | ToInbound::Snapshot { .. }
                | ToInbound::Stream { .. }
                | ToInbound::Barrier(_) => return Err(out_of_order()),
            }
        }
    }

    /// An engine that reads up to a mark looks for it at the end of what it read, so nothing may
    /// follow the mark before the engine acknowledges.
    async fn until_loaded(&self) {
        let mut changes = self.session.standing.subscribe();
        while self.session.applied().is_none() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    async fn stream(&mut self) -> Result<Infallible, SessionEnd> {
        let mut together: Vec<Bytes> = Vec::with_capacity(TOGETHER);
        loop {
            let mut message = Some(self.next().await?);
            // What came in one read is handed over in one write.
            while let Some(now) = message.take() {
                let flushes = !matches!(now, ToInbound::Stream { .. });
                if flushes || together.len() == TOGETHER {
                    self.hand_over_stream(&mut together).await?;
                }
                self.handle(now, &mut together)?;
                message = match self.reader.next_ready()? {
                    Some(frame) => Some(ToInbound::read(frame)?),
                    None => None,
                };
            }
            self.hand_over_stream(&mut together).await?;
        }
    }

    fn handle(&mut self, message: ToInbound, together: &mut Vec<Bytes>) -> Result<(), SessionEnd> {
        match message {
            ToInbound::Stream { after, bytes } => {
                let waiting: u64 = together.iter().map(|bytes| bytes.len() as u64).sum();
                let due = self
                    .session
                    .received()
                    .map(|r| r.offset.advanced(waiting).0);
                if due.is_some_and(|due| due != after) || self.stopped {
                    let what = format!("stream bytes came after {after} where {due:?} was due");
                    return Err(SessionEnd::Protocol(what));
                }
                together.push(bytes);
            }
            ToInbound::Barrier(barrier) => self.stop_at(barrier)?,
            ToInbound::Heartbeat(beat) => self.session.heard_beat(&beat),
            ToInbound::Refused(refusal) => return Err(SessionEnd::Refused(refusal)),
            ToInbound::Continue(_)
            | ToInbound::Snapshot { .. }
            | ToInbound::SnapshotData { .. }
            | ToInbound::SnapshotEnd => return Err(out_of_order()),
        }
        Ok(())
    }

    fn stop_at(&mut self, barrier: Barrier) -> Result<(), SessionEnd> {
        let received = self.session.received();
        if received.is_some_and(|received| received != barrier.position) {
            let what = format!(
                "the barrier is at {}, received is {received:?}",
                barrier.position
            );
            return Err(SessionEnd::Protocol(what));
        }
        self.stopped = true;
        self.session.barrier(barrier);
        Ok(())
    }

    async fn hand_over_stream(&mut self, together: &mut Vec<Bytes>) -> Result<(), SessionEnd> {
        if together.is_empty() {
            return Ok(());
        }
        let mut parts: Vec<IoSlice<'_>> = together.iter().map(|b| IoSlice::new(b)).collect();
        let handing = write_parts(&mut self.engine, &mut parts);
        handing.await.map_err(SessionEnd::EngineWrite)?;
        let count = together.iter().map(|bytes| bytes.len() as u64).sum();
        together.clear();
        self.session.stream_received(count);
        self.show();
        Ok(())
    }

    async fn hand_over(&mut self, bytes: &[u8]) -> Result<(), SessionEnd> {
        let handing = self.engine.write_all(bytes);
        handing.await.map_err(SessionEnd::EngineWrite)
    }

    async fn next(&mut self) -> Result<ToInbound, SessionEnd> {
        let frame = timeout(SILENCE, self.reader.next()).await;
        let frame = frame.map_err(|_elapsed| SessionEnd::Silent)??;
        self.session.heard();
        self.show();
        Ok(ToInbound::read(frame)?)
    }

    fn show(&mut self) {
        let now = Instant::now();
        if now.saturating_duration_since(self.shown) >= SHOW {
            self.shown = now;
            self.session.note_change();
        }
    }
}

fn out_of_order() -> SessionEnd {
    SessionEnd::Protocol("a message came where it does not belong".to_owned())
}
