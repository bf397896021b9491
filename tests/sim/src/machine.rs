//! A host that runs one engine, and is asked by clients and by its agent over the network.

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use parking_lot::Mutex;
use psync::{Offset, Position, ReplicationId};
use runtime::{dice::Dice, tasks::Tasks};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::interval};
use turmoil::net::{TcpListener, TcpStream};

use crate::{
    engine::{Engine, GateSetting, Info, Unit, Written},
    lines::{Reader, Writer, lines},
};

/// Where engines are reached.
pub(crate) const PORT: u16 = 6379;
/// `repl-ping-replica-period`.
const PING: Duration = Duration::from_secs(10);

/// What an engine is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Ask {
    Write(u64),
    Info,
    /// Starts a process when there is none.
    Start {
        follows: bool,
    },
    Follow,
    StandAlone,
    Pause {
        ms: u64,
    },
    Resume,
    Gate(GateSetting),
    Acknowledge,
    /// The writes behind an offset.
    Behind(Offset),
    /// From now on the connection carries the stream.
    Psync(Option<Position>),
    /// From now on the connection feeds the engine.
    Feed {
        from: Position,
        whole: Option<Vec<Unit>>,
    },
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Answer {
    Written(Written),
    Info(Option<Info>),
    Done(bool),
    Writes(BTreeSet<u64>),
    /// The stream goes on behind this position, or begins with these units.
    Streams {
        from: Position,
        whole: Option<Vec<Unit>>,
    },
}

/// The host's state, which the run's checks look at.
#[derive(Clone)]
pub(crate) struct Machine {
    engine: Arc<Mutex<Option<Engine>>>,
    moved: Arc<watch::Sender<u64>>,
    dice: Dice,
}

impl Machine {
    pub(crate) fn new(dice: Dice) -> Self {
        Self {
            engine: Arc::default(),
            moved: Arc::new(watch::Sender::new(0)),
            dice,
        }
    }

    /// Looks at the engine, if it runs.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Engine) -> T) -> Option<T> {
        self.engine.lock().as_ref().map(look)
    }

    fn replid(&self) -> ReplicationId {
        let text = format!("{:0>20}{:0>20}", self.dice.number(), self.dice.number());
        text.parse().expect("40 digits are an ID")
    }

    /// Serves for ever.
    pub(crate) async fn run(self) -> io::Result<()> {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        let tasks = Tasks::new();
        let pings = self.clone();
        tasks.spawn("pings", async move {
            let mut ticks = interval(PING);
            loop {
                ticks.tick().await;
                pings.change(|engine| engine.ping(now()));
            }
        });
        loop {
            let (stream, _peer) = listener.accept().await?;
            let machine = self.clone();
            let connections = tasks.child();
            tasks.spawn("connection", async move {
                // It ended: whoever was served sees it too.
                let _ended = machine.serve(stream).await;
                drop(connections);
            });
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Engine) -> T) -> Option<T> {
        let changed = self.engine.lock().as_mut().map(change);
        self.moved.send_modify(|count| *count += 1);
        changed
    }

    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let (mut reader, mut writer) = lines(stream);
        loop {
            match reader.next().await? {
                Ask::Psync(have) => return self.stream(have, writer).await,
                Ask::Feed { from, whole } => {
                    return self.feed(from, whole, reader, writer).await;
                }
                ask @ (Ask::Write(_)
                | Ask::Info
                | Ask::Start { .. }
                | Ask::Follow
                | Ask::StandAlone
                | Ask::Pause { .. }
                | Ask::Resume
                | Ask::Gate(_)
                | Ask::Acknowledge
                | Ask::Behind(_)) => writer.send(&self.answer(ask)).await?,
            }
        }
    }

    fn answer(&self, ask: Ask) -> Answer {
        let now = now();
        let done = |done: Option<()>| Answer::Done(done.is_some());
        match ask {
            Ask::Write(write) => {
                let written = self.change(|engine| engine.write(write, now));
                Answer::Written(written.unwrap_or(Written::Refused))
            }
            Ask::Info => Answer::Info(self.look(Engine::info)),
            Ask::Start { follows } => {
                let replid = self.replid();
                let mut engine = self.engine.lock();
                engine.get_or_insert_with(|| Engine::new(replid, follows));
                Answer::Done(true)
            }
            Ask::Follow => done(self.change(Engine::follow)),
            Ask::StandAlone => {
                let replid = self.replid();
                done(self.change(|engine| engine.stand_alone(replid)))
            }
            Ask::Pause { ms } => {
                let until = now + Duration::from_millis(ms);
                done(self.change(|engine| engine.pause(Some(until))))
            }
            Ask::Resume => done(self.change(|engine| engine.pause(None))),
            Ask::Gate(gate) => done(self.change(|engine| engine.set_gate(gate))),
            Ask::Acknowledge => done(self.change(|engine| engine.acknowledge(now))),
            Ask::Behind(offset) => {
                let held = self.look(|engine| engine.held_behind(offset));
                held.map_or(Answer::Done(false), Answer::Writes)
            }
            Ask::Psync(_) | Ask::Feed { .. } => Answer::Done(false),
        }
    }

    /// Sends the stream for as long as the engine is a primary.
    async fn stream(&self, have: Option<Position>, mut writer: Writer) -> io::Result<()> {
        let mut moved = self.moved.subscribe();
        let begun = self.look(|engine| {
            let whole = || (engine.position(), Some(engine.units_behind(Offset(0))));
            let on = have.and_then(|have| engine.continues(have));
            on.map_or_else(whole, |from| (from, None))
        });
        let Some((from, whole)) = begun else {
            return Ok(());
        };
        let mut sent = from.offset;
        writer.send(&Answer::Streams { from, whole }).await?;
        loop {
            moved.borrow_and_update();
            let units = self.look(|engine| {
                let same = !engine.info().follows && engine.position().replid == from.replid;
                same.then(|| engine.units_behind(sent))
            });
            let Some(Some(units)) = units else {
                return Ok(());
            };
            if !units.is_empty() {
                sent = sent.advanced(units.len() as u64);
                writer.send(&units).await?;
            }
            if moved.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Takes what a feed brings.
    async fn feed(
        &self,
        from: Position,
        whole: Option<Vec<Unit>>,
        mut reader: Reader,
        mut writer: Writer,
    ) -> io::Result<()> {
        let feed = self.dice.number();
        let begun = self.change(|engine| engine.begin_feed(feed, from, whole));
        writer.send(&Answer::Done(begun == Some(true))).await?;
        let ended = loop {
            let units: Vec<Unit> = match reader.next().await {
                Ok(units) => units,
                Err(ended) => break ended,
            };
            if self.change(|engine| engine.take(feed, &units)) != Some(true) {
                break io::ErrorKind::ConnectionAborted.into();
            }
        };
        self.change(|engine| engine.end_feed(feed));
        Err(ended)
    }
}

/// Since the beginning of the run.
fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}
