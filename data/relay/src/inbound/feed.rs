//! Hands the engine what comes from the outbound, over as many connections as it takes.
//!
//! While the engine receives or loads a snapshot, a connection that breaks is made again and goes
//! on with the next byte. In the stream the engine is let go instead: it asks again, and is told
//! under which replication ID it goes on.

mod snapshot;

use std::{convert::Infallible, io, io::IoSlice};

use bytes::Bytes;
use psync::{Framing, Position, answer_continue};
use runtime::chain;
use tokio::{
    io::AsyncWriteExt as _,
    net::tcp::OwnedWriteHalf,
    time::{Duration, Instant, sleep, timeout},
};
use wire::{Barrier, Partial, SnapshotHead, ToInbound};

use super::{
    dialer::{Answer, Attached, Progress, attach},
    report::report,
    session::SessionEnd,
    spool::Keeping,
    standing::Session,
};
use crate::{
    Peer,
    pulse::SILENCE,
    socket::{WanReader, write_parts},
    wan::FrameReader,
};

/// Stream frames that are handed over in one call, at most.
const TOGETHER: usize = 32;
/// Watchers are woken by a running position at most this often.
const SHOW: Duration = Duration::from_millis(5);
/// Between two signs of life to an engine that waits.
const NEWLINE: Duration = Duration::from_secs(1);

/// What the engine was given.
#[derive(Debug, Clone, Copy)]
enum Handed {
    /// Signs of life.
    Nothing,
    /// A snapshot's first bytes.
    Part { head: SnapshotHead, bytes: u64 },
    /// A whole snapshot, and perhaps some stream, which it has not acknowledged.
    Whole { head: SnapshotHead, bytes: u64 },
    /// Something that it acknowledged, or an answer to go on.
    Stream,
}

/// The receiving side of one session.
pub(super) struct Feed<'a> {
    session: &'a Session,
    engine: OwnedWriteHalf,
    have: Option<Position>,
    handed: Handed,
    keeping: Keeping,
    shown: Instant,
    /// The stream stands at a barrier.
    stopped: bool,
}

impl<'a> Feed<'a> {
    pub(super) fn new(
        session: &'a Session,
        engine: OwnedWriteHalf,
        have: Option<Position>,
    ) -> Self {
        Self {
            session,
            engine,
            have,
            handed: Handed::Nothing,
            keeping: Keeping::of(session.standing.spool.clone()),
            shown: Instant::now(),
            stopped: false,
        }
    }

    pub(super) async fn run(&mut self) -> SessionEnd {
        match self.serve().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn serve(&mut self) -> Result<Infallible, SessionEnd> {
        loop {
            let progress = self.progress().await;
            let attached = match self.handed {
                Handed::Nothing => tokio::select! {
                    attached = attach(self.session, progress) => attached,
                    error = keep_waiting(&mut self.engine) => {
                        return Err(SessionEnd::EngineWrite(error));
                    }
                },
                Handed::Part { .. } | Handed::Whole { .. } | Handed::Stream => {
                    attach(self.session, progress).await
                }
            };
            let end = self.carry(attached).await;
            self.session.connected(false);
            if !(end.may_resume() && self.is_loading()) {
                return Err(end);
            }
            let why = chain(&end).to_string();
            let key = &self.session.standing.key;
            tracing::warn!(link = %key.link, shard = %key.shard, why, "the full sync waits for the outbound and goes on");
            self.session.fail(why, false);
        }
    }

    /// What the outbound is told.
    async fn progress(&mut self) -> Progress {
        match self.handed {
            Handed::Nothing => Progress {
                have: self.have,
                partial: self.keeping.found(self.have).await,
            },
            Handed::Part { head, bytes } => Progress {
                have: None,
                partial: Some(Partial {
                    snapshot: head.id,
                    bytes,
                }),
            },
            Handed::Whole { head, bytes } => Progress {
                have: self.session.received(),
                partial: Some(Partial {
                    snapshot: head.id,
                    bytes,
                }),
            },
            Handed::Stream => Progress {
                have: self.session.received(),
                partial: None,
            },
        }
    }

    /// Tells whether the engine would have to begin again if it were let go.
    fn is_loading(&self) -> bool {
        match self.handed {
            Handed::Part { .. } => true,
            Handed::Whole { .. } => self.session.applied().is_none(),
            Handed::Nothing | Handed::Stream => false,
        }
    }

    /// Serves the engine from one connection.
    async fn carry(&mut self, attached: Attached) -> SessionEnd {
        let Attached {
            peer,
            mut reader,
            mut writer,
            answer,
        } = attached;
        let session = self.session;
        tokio::select! {
            end = self.hand_on(&mut reader, answer) => match end {
                Ok(never) => match never {},
                Err(end) => end,
            },
            error = report(session, &mut writer) => SessionEnd::Write(error),
            end = retargeted(session, peer) => end,
        }
    }

    async fn hand_on(
        &mut self,
        reader: &mut FrameReader<WanReader>,
        answer: Answer,
    ) -> Result<Infallible, SessionEnd> {
        match (answer, self.handed) {
            (Answer::Continue(position), Handed::Nothing) => {
                if self.have.map(|have| have.offset) != Some(position.offset) {
                    let what = format!("it goes on at {position}, asked was {:?}", self.have);
                    return Err(SessionEnd::Protocol(what));
                }
                self.hand_over(&answer_continue(&position)).await?;
                self.session.continued(position);
                self.handed = Handed::Stream;
                self.keeping.discard().await;
            }
            (Answer::Continue(position), Handed::Whole { .. } | Handed::Stream) => {
                let received = self.session.received();
                if received.map(|received| received.offset) != Some(position.offset) {
                    return Err(SessionEnd::OtherSnapshot);
                }
                self.session.loads();
                if received != Some(position) {
                    // An engine learns of another ID when it asks, and it asks when it has loaded.
                    self.until_loaded().await;
                    return Err(SessionEnd::Renamed);
                }
            }
            (Answer::Snapshot(head), Handed::Nothing) => self.begin_snapshot(head).await?,
            (
                Answer::Snapshot(head),
                Handed::Part {
                    head: before,
                    bytes,
                },
            ) if head.id == before.id && head.from == bytes => {
                self.session
                    .snapshot_goes_on(bytes, head.framing.total_bytes());
            }
            (Answer::Snapshot(_), Handed::Part { .. } | Handed::Whole { .. } | Handed::Stream)
            | (Answer::Continue(_), Handed::Part { .. }) => {
                return Err(SessionEnd::OtherSnapshot);
            }
        }
        if let Handed::Part { head, bytes } = self.handed {
            self.snapshot(reader, head, bytes).await?;
        }
        if let Handed::Whole { head, .. } = self.handed
            && matches!(head.framing, Framing::Eof(_))
        {
            self.until_loaded().await;
        }
        self.stream(reader).await
    }

    async fn stream(
        &mut self,
        reader: &mut FrameReader<WanReader>,
    ) -> Result<Infallible, SessionEnd> {
        let mut together: Vec<Bytes> = Vec::with_capacity(TOGETHER);
        loop {
            let mut message = Some(self.next(reader).await?);
            // What came in one read is handed over in one write.
            while let Some(now) = message.take() {
                let flushes = !matches!(now, ToInbound::Stream { .. });
                if flushes || together.len() == TOGETHER {
                    self.hand_over_stream(&mut together).await?;
                }
                self.handle(now, &mut together)?;
                message = match reader.next_ready()? {
                    Some(frame) => Some(ToInbound::read(frame)?),
                    None => None,
                };
            }
            self.hand_over_stream(&mut together).await?;
            if matches!(self.handed, Handed::Whole { .. }) && self.session.applied().is_some() {
                self.handed = Handed::Stream;
                self.keeping.discard().await;
            }
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
            | ToInbound::Snapshot(_)
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

    async fn next(&mut self, reader: &mut FrameReader<WanReader>) -> Result<ToInbound, SessionEnd> {
        let frame = timeout(SILENCE, reader.next()).await;
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

/// Resolves when another peer, or none, is to be followed.
async fn retargeted(session: &Session, peer: Peer) -> SessionEnd {
    let mut target = session.standing.target();
    let _gone = target
        .wait_for(|target| target.as_ref() != Some(&peer))
        .await;
    SessionEnd::Retargeted
}

async fn keep_waiting(write: &mut OwnedWriteHalf) -> io::Error {
    loop {
        if let Err(error) = write.write_all(b"\n").await {
            return error;
        }
        sleep(NEWLINE).await;
    }
}

fn out_of_order() -> SessionEnd {
    SessionEnd::Protocol("a message came where it does not belong".to_owned())
}
