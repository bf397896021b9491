//! The sending side of one session: from memory, from the journal, from the snapshot.

mod full_sync;
mod locate;
mod stream;

use std::{convert::Infallible, time::Duration};

use psync::Position;
use tokio::{
    sync::watch,
    time::{Instant, Interval, sleep_until},
};
use wire::{Barrier, Compressor, DATA_BYTES, DataKind, Hello, Refusal, RefusalCode, ToInbound};

use super::{
    session::SessionEnd,
    shard::{Session, Wanted, withdrawn},
};
use crate::{pulse::Pulse, rate::Bucket, socket::WanWriter, wan::FrameWriter};

/// After a fence is declared the engine's last bytes arrive within this time or never.
const LAST_BYTES: Duration = Duration::from_secs(2);
/// Watchers are woken by a running position at most this often.
const SHOW: Duration = Duration::from_millis(5);

/// The sending side of one session.
pub(super) struct Pump<'a> {
    session: &'a Session,
    writer: &'a mut FrameWriter<WanWriter>,
    wanted: watch::Receiver<Wanted>,
    hello: &'a Hello,
    ticks: Interval,
    compressor: Compressor,
    bucket: Bucket,
    buffer: Vec<u8>,
    frame: Vec<u8>,
    shown: Instant,
    unshown: bool,
}

/// Where the stream goes on.
struct Begin {
    history: u64,
    position: Position,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        session: &'a Session,
        writer: &'a mut FrameWriter<WanWriter>,
        wanted: watch::Receiver<Wanted>,
        hello: &'a Hello,
    ) -> Self {
        let now = Instant::now();
        Self {
            session,
            writer,
            compressor: Compressor::new(model::Compression::Off),
            wanted,
            hello,
            ticks: Pulse::ticks(),
            bucket: Bucket::new(now),
            buffer: Vec::with_capacity(DATA_BYTES),
            frame: Vec::new(),
            shown: now,
            unshown: false,
        }
    }

    pub(super) async fn run(&mut self) -> SessionEnd {
        match self.serve().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn serve(&mut self) -> Result<Infallible, SessionEnd> {
        let begin = match self.locate().await? {
            Some(begin) => {
                // A snapshot that the geo-secondary still loads is not applied.
                let loading = self.hello.partial.is_some();
                // Noted first: what the geo-secondary says of it may come at once.
                let (history, position) = (begin.history, begin.position);
                if !self.session.continued(history, position, loading) {
                    return Err(SessionEnd::Refused(withdrawn()));
                }
                self.send(&ToInbound::Continue(position)).await?;
                begin
            }
            None => self.full_sync().await?,
        };
        self.stream(begin).await
    }

    /// Sends the buffer as one frame; tells how long the rate limit then asks to wait. What was sent
    /// is to be noted first: the geo-secondary may apply it meanwhile.
    async fn send_data(
        &mut self,
        kind: DataKind,
        place: u64,
    ) -> Result<Option<Instant>, SessionEnd> {
        let (compression, rate) = {
            let wanted = self.wanted.borrow();
            let source = wanted.source.as_ref();
            source.map_or((model::Compression::Off, None), |source| {
                (source.settings.compression, source.settings.rate_limit)
            })
        };
        self.compressor.set_level(compression);
        self.frame.clear();
        let outcome = self
            .compressor
            .frame(kind, place, &self.buffer, &mut self.frame);
        let sending = self.writer.send(&self.frame);
        sending.await.map_err(SessionEnd::Write)?;
        self.session.framed(outcome);
        self.unshown = true;
        let now = Instant::now();
        self.bucket.set_rate(rate, now);
        Ok(self.bucket.sent(outcome.sent as u64, now))
    }

    async fn wait(&mut self, until: Option<Instant>) -> Result<(), SessionEnd> {
        let Some(until) = until else {
            return Ok(());
        };
        self.flush().await?;
        loop {
            tokio::select! {
                () = sleep_until(until) => return Ok(()),
                _ = self.ticks.tick() => self.beat().await?,
            }
        }
    }

    async fn flush(&mut self) -> Result<(), SessionEnd> {
        self.writer.flush().await.map_err(SessionEnd::Write)
    }

    fn maybe_show(&mut self) {
        if self.shown.elapsed() >= SHOW {
            self.show();
        }
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
        sending.await.map_err(SessionEnd::Write)?;
        self.flush().await
    }
}

fn refused(code: RefusalCode, why: impl Into<String>) -> SessionEnd {
    SessionEnd::Refused(Refusal::new(code, why))
}

fn outrun() -> SessionEnd {
    let why = "the journal does not reach back to where you stand any more; a full sync follows";
    refused(RefusalCode::Outrun, why)
}

fn elsewhere(barrier: &Barrier, have: Option<Position>) -> SessionEnd {
    let have = have.map_or_else(|| "nothing".to_owned(), |have| have.to_string());
    let why = format!(
        "the geo-primary is fenced at {} and you have {have}; the bytes between cannot be sent, so the handoff has to be given up",
        barrier.position
    );
    refused(RefusalCode::Fenced, why)
}
