//! One client: an operation, its answer, the next; and to the other cache when that goes wrong.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use resp::write_command;
use runtime::{dice::Dice, tasks::Tasks};
use tokio::{
    sync::RwLock,
    time::{Instant, sleep},
};

use crate::{
    connection::{AskError, Connection, Endpoint},
    directory::{Directory, Reigns},
    kind::Kind,
    memory::{Memory, Outcome},
    pulse::Pulse,
    reply::Reply,
};

/// A connection takes longer than this only when nobody is there.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);
/// A connection that refuses is kept for so long: who listens at its address may be another by
/// then.
const REFUSED_LIMIT: Duration = Duration::from_millis(250);
/// Now and then a register is set with an expiry so far away, in milliseconds.
const FAR_FUTURE: &[u8] = b"8640000000";

/// What all clients share.
pub(crate) struct Shared {
    pub(crate) pulse: Pulse,
    pub(crate) directory: Directory,
    pub(crate) reigns: Reigns,
    /// Held for reading during an operation, and for writing while nobody may operate.
    pub(crate) gate: RwLock<()>,
    pub(crate) answer_limit: Duration,
    /// Between two operations of a client.
    pub(crate) pace: Duration,
    /// Before a client tries the other cache: longer when there are many.
    pub(crate) turn: Duration,
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    memory: Arc<Mutex<Memory>>,
    kind: Kind,
    dice: Dice,
    known: (u64, Arc<[Endpoint]>),
    at: usize,
    connections: Vec<Option<Connection>>,
    /// Attempts since the last acknowledged one.
    failures: u32,
    out: Vec<u8>,
}

/// Where the next operation goes.
#[derive(PartialEq, Eq)]
enum Next {
    Here,
    Elsewhere,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, memory: Arc<Mutex<Memory>>, dice: Dice) -> Self {
        let kind = memory.lock().kind;
        Self {
            shared,
            memory,
            kind,
            dice,
            known: (0, Arc::default()),
            at: 0,
            connections: Vec::new(),
            failures: 0,
            out: Vec::new(),
        }
    }

    pub(crate) async fn run(mut self, tasks: Tasks) {
        let shared = Arc::clone(&self.shared);
        while !tasks.is_cancelled() {
            let pass = shared.gate.read().await;
            if tasks.is_cancelled() {
                return;
            }
            let next = self.operate().await;
            drop(pass);
            let wait = match next {
                Next::Here => {
                    self.failures = 0;
                    shared.pace
                }
                Next::Elsewhere => self.turn_round(),
            };
            if wait > Duration::ZERO {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = tasks.cancelled() => {}
                }
            }
        }
    }

    /// Turns to the next cache; gives how long to wait before.
    fn turn_round(&mut self) -> Duration {
        self.at += 1;
        self.failures = self.failures.saturating_add(1);
        let rounds = self.failures / u32::try_from(self.known.1.len().max(1)).unwrap_or(1);
        if rounds >= 2 {
            self.shared.directory.lost.notify_one();
        }
        // After a while in vain, more slowly.
        let wait = self.shared.turn * (1 + rounds / 50).min(8);
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        wait / 2 + Duration::from_micros(self.dice.below(micros))
    }

    /// One operation, or as many at once as the kind has.
    async fn operate(&mut self) -> Next {
        let known = self.shared.directory.known();
        if known.0 != self.known.0 {
            self.connections = known.1.iter().map(|_| None).collect();
            self.known = known;
        }
        if self.known.1.is_empty() {
            return Next::Elsewhere;
        }
        self.at %= self.known.1.len();
        let mut connection = match self.connection().await {
            Ok(connection) => connection,
            Err(error) => {
                self.shared.pulse.trouble(told(&error));
                return Next::Elsewhere;
            }
        };
        let ended = self.exchange(&mut connection).await;
        let keep = match &ended {
            Ok(()) => true,
            Err(error) => {
                self.shared.pulse.trouble(told(error));
                let refused = matches!(error, AskError::Refused { .. });
                connection.reign = None;
                refused && connection.opened.elapsed() < REFUSED_LIMIT
            }
        };
        if keep && let Some(place) = self.connections.get_mut(self.at) {
            *place = Some(connection);
        }
        if ended.is_ok() {
            Next::Here
        } else {
            Next::Elsewhere
        }
    }

    async fn connection(&mut self) -> Result<Connection, AskError> {
        let kept = self.connections.get_mut(self.at).and_then(Option::take);
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let Some(endpoint) = self.known.1.get(self.at) else {
            return Err(AskError::Closed);
        };
        Connection::open(endpoint, CONNECT_LIMIT, self.shared.answer_limit).await
    }

    /// Carries out what the kind does once and takes down how it ended. An error says why the
    /// client should go elsewhere.
    async fn exchange(&mut self, connection: &mut Connection) -> Result<(), AskError> {
        let began = Instant::now();
        if self.kind == Kind::Transfer {
            // By itself: were it refused, what follows would be carried out piece by piece.
            connection.ask("MULTI", &[b"MULTI"]).await?;
        }
        let numbers = {
            let mut memory = self.memory.lock();
            let numbers = memory.history.next(self.kind.depth());
            self.out.clear();
            for n in numbers.clone() {
                write(&mut self.out, &memory, n, &self.dice);
            }
            numbers
        };
        let mut failed = connection.send(&self.out).await.err();
        let mut outcomes = Vec::new();
        for n in numbers {
            let outcome = match &failed {
                Some(error) if !matches!(error, AskError::Refused { .. }) => Outcome::Unknown,
                Some(_) | None => match answer(self.kind, connection).await {
                    Ok(value) => Outcome::Acknowledged {
                        moment: self.shared.pulse.acknowledge(self.kind, began.elapsed()),
                        value,
                    },
                    Err(error) => {
                        let refused = matches!(error, AskError::Refused { .. });
                        failed = Some(error);
                        if refused {
                            Outcome::Refused
                        } else {
                            Outcome::Unknown
                        }
                    }
                },
            };
            outcomes.push((n, outcome));
        }
        self.record(connection, &outcomes).await;
        match failed {
            Some(error) => Err(error),
            None => self.tidy_up(connection).await,
        }
    }

    async fn record(&mut self, connection: &mut Connection, outcomes: &[(u64, Outcome)]) {
        let count = |wanted| {
            let found = outcomes.iter().filter(|(_, outcome)| *outcome == wanted);
            found.count() as u64
        };
        let (unknown, refused) = (count(Outcome::Unknown), count(Outcome::Refused));
        let reign = match connection.reign {
            Some(reign) => reign,
            None if unknown + refused == outcomes.len() as u64 => 0,
            None => {
                let id = replication_id(connection).await;
                let reign = self.shared.reigns.number(id);
                connection.reign = Some(reign);
                reign
            }
        };
        if unknown > 0 {
            self.shared.pulse.unknown(unknown);
        }
        if refused > 0 {
            self.shared.pulse.refused(refused);
        }
        let mut memory = self.memory.lock();
        for (n, outcome) in outcomes {
            memory.record(*n, *outcome, reign);
        }
    }

    /// Removes the keys that a checkpoint has done with.
    async fn tidy_up(&self, connection: &mut Connection) -> Result<(), AskError> {
        let obsolete = std::mem::take(&mut self.memory.lock().obsolete);
        if obsolete.is_empty() {
            return Ok(());
        }
        let keys = obsolete.iter().map(String::as_bytes);
        let words: Vec<&[u8]> = [&b"UNLINK"[..]].into_iter().chain(keys).collect();
        let removed = connection.ask("UNLINK", &words).await;
        if removed.is_err() {
            self.memory.lock().obsolete.extend(obsolete);
        }
        removed.map(|_count| ())
    }
}

/// Appends the commands of operation `n`.
fn write(out: &mut Vec<u8>, memory: &Memory, n: u64, dice: &Dice) {
    let (key, number) = (memory.key(), n.to_string());
    let (key, number) = (key.as_bytes(), number.as_bytes());
    match memory.kind {
        Kind::Sequence | Kind::Pipeline => write_command(out, &[b"RPUSH", key, number]),
        Kind::Counter => write_command(out, &[b"INCR", key]),
        Kind::Register if dice.below(4) == 0 => {
            write_command(out, &[b"SET", key, number, b"PX", FAR_FUTURE, b"GET"]);
        }
        Kind::Register => write_command(out, &[b"SET", key, number, b"GET"]),
        Kind::Transfer => {
            let [from, to] = memory.accounts();
            write_command(out, &[b"DECR", from.as_bytes()]);
            write_command(out, &[b"INCR", to.as_bytes()]);
            write_command(out, &[b"RPUSH", key, number]);
            write_command(out, &[b"EXEC"]);
        }
    }
}

/// Reads the answer of one operation; gives the number in it.
async fn answer(kind: Kind, connection: &mut Connection) -> Result<u64, AskError> {
    let command = match kind {
        Kind::Sequence | Kind::Pipeline => "RPUSH",
        Kind::Counter => "INCR",
        Kind::Register => "SET",
        Kind::Transfer => {
            for _queued in 0..3 {
                // One that is not queued makes EXEC refuse.
                connection.reply().await?;
            }
            "EXEC"
        }
    };
    match (connection.reply().await?, kind) {
        (Reply::Error(answer), _) => Err(AskError::Refused { command, answer }),
        (Reply::Nil, Kind::Register) => Ok(0),
        // What is no number was never sent.
        (Reply::Text(old), Kind::Register) => Ok(resp::number(&old).unwrap_or(u64::MAX)),
        (Reply::Array(answers), Kind::Transfer)
            if answers.len() == 3 && answers.iter().all(|a| matches!(a, Reply::Integer(_))) =>
        {
            Ok(0)
        }
        (reply @ Reply::Integer(_), Kind::Sequence | Kind::Pipeline | Kind::Counter) => {
            reply.count().ok_or(AskError::Foreign { command })
        }
        (
            Reply::Status(_) | Reply::Integer(_) | Reply::Text(_) | Reply::Array(_) | Reply::Nil,
            _,
        ) => Err(AskError::Foreign { command }),
    }
}

/// The replication ID of a primary; `None` when it does not say, or is none.
async fn replication_id(connection: &mut Connection) -> Option<String> {
    let asked = connection.ask("INFO", &[b"INFO", b"replication"]).await;
    let Ok(Reply::Text(text)) = asked else {
        return None;
    };
    let text = String::from_utf8_lossy(&text);
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let id = field("master_replid:")?;
    (field("role:")?.trim() == "master").then(|| id.trim().to_owned())
}

fn told(error: &AskError) -> String {
    runtime::chain(error).to_string()
}
