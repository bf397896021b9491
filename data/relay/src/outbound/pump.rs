//! Moves what the engine sends to the inbound, and stands still at a barrier.

use std::{convert::Infallible, sync::Arc, time::Duration};

use psync::{Event, Framing, Offset, Position, acknowledgement, pause_takeover};
use tokio::{
    io::AsyncWriteExt as _,
    net::tcp::OwnedWriteHalf,
    sync::watch,
    time::{Instant, Interval, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use wire::{Barrier, DataKind, Hello, Refusal, RefusalCode, ToInbound};

use super::{
    engine::{Answer, Engine, EngineError, SILENCE},
    session::SessionEnd,
    shard::{Session, Wanted},
};
use crate::{Fence, Phase, Source, pulse::Pulse, wan::FrameWriter};

/// Between two acknowledgements to the geo-primary when there is nothing new.
const ACKNOWLEDGE: Duration = Duration::from_secs(1);
/// After a fence is declared the engine's last bytes arrive within this time or never.
const LAST_BYTES: Duration = Duration::from_secs(2);
/// A pause that was taken over ends by itself after this long.
const TAKEOVER: Duration = Duration::from_secs(15);
/// Watchers are woken by a running position at most this often.
const SHOW: Duration = Duration::from_millis(5);

/// The sending side of one session.
pub(super) struct Pump<'a> {
    session: &'a Session,
    writer: &'a mut FrameWriter<OwnedWriteHalf>,
    wanted: watch::Receiver<Wanted>,
    have: Option<Position>,
    ticks: Interval,
    /// Bytes of the snapshot's payload that were sent, while one is sent.
    snapshot: Option<u64>,
    shown: Instant,
    unshown: bool,
    /// The engine is let go: nothing is acknowledged to it any more.
    engine_gone: CancellationToken,
}

/// How the session came to its stream.
enum Start {
    Engine(Box<Engine>, OwnedWriteHalf, Answer),
    /// The engine is fenced where the inbound stands: there is no stream.
    Barrier(Barrier),
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        session: &'a Session,
        writer: &'a mut FrameWriter<OwnedWriteHalf>,
        wanted: watch::Receiver<Wanted>,
        hello: &Hello,
    ) -> Self {
        Self {
            session,
            writer,
            wanted,
            have: hello.have,
            ticks: Pulse::ticks(),
            snapshot: None,
            shown: Instant::now(),
            unshown: false,
            engine_gone: CancellationToken::new(),
        }
    }

    pub(super) async fn run(&mut self, wanted: &Wanted) -> SessionEnd {
        let Some(source) = wanted.source.clone() else {
            return SessionEnd::Refused(super::shard::withdrawn());
        };
        match self.serve(&source).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn serve(&mut self, source: &Arc<Source>) -> Result<Infallible, SessionEnd> {
        match self.start(source).await? {
            Start::Barrier(barrier) => {
                self.send(&ToInbound::Continue(barrier.position)).await?;
                self.session.continued(barrier.position);
                self.stream(None).await
            }
            Start::Engine(engine, write, answer) => {
                match answer {
                    Answer::Continued(position) => {
                        self.send(&ToInbound::Continue(position)).await?;
                        self.session.continued(position);
                    }
                    Answer::FullSync => self.session.full_sync_begins(),
                }
                let (session, gone) = (self.session, self.engine_gone.clone());
                let wanted = self.wanted.clone();
                tokio::select! {
                    result = self.stream(Some(engine)) => result,
                    never = acknowledge(session, write, wanted, gone) => match never {},
                }
            }
        }
    }

    /// Asks the engine, or waits for the barrier while a fence is up.
    async fn start(&mut self, source: &Arc<Source>) -> Result<Start, SessionEnd> {
        loop {
            let fence = self.wanted.borrow_and_update().fence;
            match fence {
                Fence::Declared(barrier) if self.have == Some(barrier.position) => {
                    return Ok(Start::Barrier(barrier));
                }
                Fence::Declared(barrier) => return Err(elsewhere(&barrier, self.have)),
                Fence::Expected => {
                    self.session.enter(Phase::Waiting);
                    self.wait().await?;
                }
                Fence::Open => {
                    self.session.enter(Phase::Connecting);
                    return self.open(source).await;
                }
            }
        }
    }

    /// Until what is wanted changes.
    async fn wait(&mut self) -> Result<(), SessionEnd> {
        loop {
            tokio::select! {
                _changed_or_gone = self.wanted.changed() => return Ok(()),
                _ = self.ticks.tick() => self.beat().await?,
            }
        }
    }

    async fn open(&mut self, source: &Arc<Source>) -> Result<Start, SessionEnd> {
        let shown_as = self.session.local_address;
        let opening = Engine::open(source, shown_as, self.have);
        tokio::pin!(opening);
        loop {
            tokio::select! {
                opened = &mut opening => {
                    let (engine, write, answer) = opened?;
                    return Ok(Start::Engine(Box::new(engine), write, answer));
                }
                _ = self.ticks.tick() => self.beat().await?,
            }
        }
    }

    /// Moves bytes for as long as there is an engine, and stands at the barrier without.
    async fn stream(&mut self, engine: Option<Box<Engine>>) -> Result<Infallible, SessionEnd> {
        let mut engine = engine;
        let mut heard = Instant::now();
        let mut declared: Option<Instant> = None;
        loop {
            match &mut engine {
                Some(engine) => self.forward(engine).await?,
                None => self.engine_gone.cancel(),
            }
            let fence = self.wanted.borrow_and_update().fence;
            match fence {
                Fence::Open if engine.is_none() => return Err(lifted()),
                Fence::Open | Fence::Expected => declared = None,
                Fence::Declared(barrier) => {
                    let since = *declared.get_or_insert_with(Instant::now);
                    let late = since.elapsed() >= LAST_BYTES;
                    if self.stop_at(&barrier, engine.is_none() || late).await? {
                        engine = None;
                    }
                }
            }
            let show = self.shown + SHOW;
            let last_bytes = declared
                .filter(|_| engine.is_some())
                .map(|at| at + LAST_BYTES);
            tokio::select! {
                filled = fill(engine.as_deref_mut()) => {
                    heard = Instant::now();
                    match filled {
                        Ok(()) => {}
                        // The engine drops its replicas when it is fenced.
                        Err(_dropped) if self.may_lose_engine() => engine = None,
                        Err(error) => return Err(error.into()),
                    }
                }
                _ = self.ticks.tick() => {
                    if let Some(engine) = &engine && fence == Fence::Open && heard.elapsed() > SILENCE {
                        return Err(engine.silent(SILENCE).into());
                    }
                    self.beat().await?;
                }
                _changed_or_gone = self.wanted.changed() => {}
                () = sleep_until(show), if self.unshown => self.show(),
                () = sleep_until(last_bytes.unwrap_or(show)), if last_bytes.is_some() => {}
            }
        }
    }

    fn may_lose_engine(&self) -> bool {
        self.wanted.borrow().fence != Fence::Open && self.session.sent().is_some()
    }

    /// Sends everything that was read.
    async fn forward(&mut self, engine: &mut Engine) -> Result<(), SessionEnd> {
        let read_at = Instant::now();
        loop {
            let at_begin = engine.position();
            match engine.next_event()? {
                None => return Ok(()),
                Some(Event::StreamBytes(bytes)) => {
                    let after = self.session.sent().map_or(0, |sent| sent.offset.0);
                    let sending = self.writer.send_data(DataKind::Stream, after, bytes);
                    sending.await.map_err(SessionEnd::Write)?;
                    self.session.stream_sent(bytes.len() as u64, read_at);
                    self.unshown = true;
                    if read_at.saturating_duration_since(self.shown) >= SHOW {
                        self.show();
                    }
                }
                Some(Event::SnapshotBytes(bytes)) => {
                    let at = self.snapshot.unwrap_or_default();
                    let sending = self.writer.send_data(DataKind::Snapshot, at, bytes);
                    sending.await.map_err(SessionEnd::Write)?;
                    let count = bytes.len() as u64;
                    self.snapshot = Some(at + count);
                    self.session.snapshot_sent(count);
                    self.unshown = true;
                }
                Some(Event::SnapshotBegins(framing)) => {
                    if let Some(position) = at_begin {
                        self.begin_snapshot(position, framing).await?;
                    }
                }
                Some(Event::SnapshotEnds) => {
                    self.snapshot = None;
                    self.send(&ToInbound::SnapshotEnd).await?;
                    if let Some(position) = at_begin {
                        self.session.snapshot_ended(position);
                    }
                }
                // Both were told before the pump began.
                Some(Event::Continued(_) | Event::FullSync(_)) => {}
            }
        }
    }

    async fn begin_snapshot(
        &mut self,
        position: Position,
        framing: Framing,
    ) -> Result<(), SessionEnd> {
        self.snapshot = Some(0);
        self.session.snapshot_begins(framing.total_bytes());
        self.send(&ToInbound::Snapshot { position, framing }).await
    }

    /// Sends the barrier if the session stands there. `true`: the stream is over. `last`: nothing
    /// can bring the session there any more.
    async fn stop_at(&mut self, barrier: &Barrier, last: bool) -> Result<bool, SessionEnd> {
        let sent = self.session.sent();
        if sent == Some(barrier.position) {
            if self.session.barrier() != Some(*barrier) {
                self.send(&ToInbound::Barrier(*barrier)).await?;
                self.session.barrier_sent(*barrier);
            }
            return Ok(true);
        }
        if last {
            return Err(elsewhere(barrier, sent));
        }
        Ok(false)
    }

    fn show(&mut self) {
        self.unshown = false;
        self.shown = Instant::now();
        self.session.note_change();
    }

    async fn beat(&mut self) -> Result<(), SessionEnd> {
        let beat = self.session.beat();
        self.send(&ToInbound::Heartbeat(beat)).await
    }

    async fn send(&mut self, message: &ToInbound) -> Result<(), SessionEnd> {
        let frame = message.encode();
        let sending = self.writer.send(&frame);
        sending.await.map_err(SessionEnd::Write)
    }
}

async fn fill(engine: Option<&mut Engine>) -> Result<(), EngineError> {
    match engine {
        Some(engine) => engine.fill().await,
        None => std::future::pending().await,
    }
}

/// Tells the geo-primary what the geo-secondary has applied, and takes pauses over when asked to,
/// until the engine is let go.
async fn acknowledge(
    session: &Session,
    mut write: OwnedWriteHalf,
    mut wanted: watch::Receiver<Wanted>,
    gone: CancellationToken,
) -> Infallible {
    let telling = async {
        let mut taken_over = wanted.borrow_and_update().takeovers;
        loop {
            let takeovers = wanted.borrow_and_update().takeovers;
            if takeovers != taken_over {
                taken_over = takeovers;
                let ms = u64::try_from(TAKEOVER.as_millis()).unwrap_or(u64::MAX);
                if write.write_all(&pause_takeover(ms)).await.is_err() {
                    return;
                }
            }
            let applied: Offset = session.applied();
            // A broken connection is noticed where the engine is read.
            if write.write_all(&acknowledgement(applied)).await.is_err() {
                return;
            }
            tokio::select! {
                () = session.acknowledge.notified() => {}
                _changed_or_gone = wanted.changed() => {}
                () = sleep(ACKNOWLEDGE) => {}
            }
        }
    };
    gone.run_until_cancelled(telling).await;
    drop(write);
    std::future::pending().await
}

fn elsewhere(barrier: &Barrier, have: Option<Position>) -> SessionEnd {
    let have = have.map_or_else(|| "nothing".to_owned(), |have| have.to_string());
    let why = format!(
        "the geo-primary is fenced at {} and you have {have}; the bytes between cannot be sent, so the handoff has to be given up",
        barrier.position
    );
    SessionEnd::Refused(Refusal::new(RefusalCode::Fenced, why))
}

fn lifted() -> SessionEnd {
    let why = "the fence on the geo-primary was lifted; it can be followed again";
    SessionEnd::Refused(Refusal::new(RefusalCode::Withdrawn, why))
}
