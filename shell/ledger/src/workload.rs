//! The handle: starts the clients, marks moments, checks and settles.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use runtime::{dice::Dice, tasks::Tasks};
use tokio::{sync::RwLock, time::sleep};

use crate::{
    connection::{AskError, Connection, Endpoint},
    directory::{Directory, LookUp, Reigns},
    kind::Mix,
    memory::Memory,
    pulse::{Pulse, Sight},
    reading::{Keys, READ_LIMIT},
    score::Score,
    survey::conclude,
    writer::{Shared, Writer},
};

/// Between two times that endpoints are looked up.
const LOOK_UP_PERIOD: Duration = Duration::from_millis(500);
/// Keys that are removed with one command.
const REMOVED_AT_ONCE: usize = 200;

/// What to run.
#[derive(Clone)]
pub struct Workload {
    /// How many clients.
    pub clients: usize,
    /// Of which kinds.
    pub mix: Mix,
    /// What every key begins with.
    pub prefix: String,
    /// How long a client waits between two operations.
    pub pace: Duration,
    /// How long a client waits for an answer before it takes the outcome for unknown.
    pub answer_limit: Duration,
    /// Asked where the caches are when a client finds none that takes writes.
    pub look_up: Option<LookUp>,
    /// Decides who waits for how long, and which registers expire.
    pub dice: Dice,
}

impl Workload {
    /// So many clients of every kind, without a pause between their operations.
    pub fn new(clients: usize, dice: Dice) -> Self {
        Self {
            clients,
            mix: Mix::default(),
            prefix: "ledger:".to_owned(),
            pace: Duration::ZERO,
            answer_limit: Duration::from_secs(20),
            look_up: None,
            dice,
        }
    }
}

/// A running workload. Dropped, it stops without a score.
pub struct Ledger {
    shared: Arc<Shared>,
    tasks: Tasks,
    memories: Vec<Arc<Mutex<Memory>>>,
    /// What checkpoints have found.
    score: Score,
}

/// Why there is no score.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The survivor does not tell what it holds.
    #[error("read what {host}:{port} holds")]
    Unread {
        /// The survivor's host.
        host: String,
        /// Its port.
        port: u16,
        /// Why.
        #[source]
        source: AskError,
    },
    /// Clients did not end.
    #[error("some clients still wait for an answer")]
    Stuck,
}

impl Ledger {
    /// Starts the clients, which go to the first of the endpoints that takes writes.
    pub fn start(workload: &Workload, endpoints: Vec<Endpoint>) -> Self {
        let kinds = workload.mix.kinds(workload.clients);
        let crowd = u64::try_from(kinds.len()).unwrap_or(u64::MAX);
        let shared = Arc::new(Shared {
            pulse: Pulse::new(),
            directory: Directory::new(endpoints),
            reigns: Reigns::default(),
            gate: RwLock::new(()),
            answer_limit: workload.answer_limit,
            pace: workload.pace,
            turn: Duration::from_millis((crowd / 20).clamp(2, 50)),
        });
        let tasks = Tasks::new();
        let mut memories = Vec::new();
        for (client, kind) in kinds.into_iter().enumerate() {
            let memory = Memory::new(&workload.prefix, kind, client);
            let memory = Arc::new(Mutex::new(memory));
            let dice = Dice::from_seed(workload.dice.number());
            let writer = Writer::new(Arc::clone(&shared), Arc::clone(&memory), dice);
            tasks.spawn_until_done("ledger client", writer.run(tasks.clone()));
            memories.push(memory);
        }
        if let Some(look_up) = workload.look_up.clone() {
            tasks.spawn("ledger look-up", keep_looking(Arc::clone(&shared), look_up));
        }
        Self {
            shared,
            tasks,
            memories,
            score: Score::default(),
        }
    }

    /// Has the clients go to these endpoints from now on.
    pub fn learn(&self, endpoints: Vec<Endpoint>) {
        self.shared.directory.learn(endpoints);
    }

    /// Marks this moment: the longest outage from here to the next mark is told under its label.
    pub fn mark(&self, label: impl Into<String>) {
        self.shared.pulse.mark(label.into());
    }

    /// How it goes.
    pub fn sight(&self) -> Sight {
        self.shared.pulse.sight()
    }

    /// Waits until so many more operations have been acknowledged.
    pub async fn until_acknowledged(&self, more: u64) {
        let enough = self.sight().acknowledged + more;
        while self.sight().acknowledged < enough {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Holds the clients after their operation in flight, checks everything so far against what
    /// `survivor` holds, and has them go on with new keys and without a past: what is remembered,
    /// here and in the caches, is small again. Gives the score so far. Nobody's time is counted as
    /// an outage meanwhile. When
    /// the survivor cannot be read, nothing is checked and they go on as before.
    pub async fn checkpoint(&mut self, survivor: &Endpoint) -> Result<Score, SettleError> {
        let shared = Arc::clone(&self.shared);
        shared.pulse.rest();
        let held = shared.gate.write().await;
        let surveyed = self.survey(survivor).await;
        if surveyed.is_ok() {
            for memory in &self.memories {
                memory.lock().begin_anew();
            }
        }
        shared.pulse.resume();
        drop(held);
        surveyed.map(|()| self.score.clone())
    }

    /// Stops the clients and checks everything against what `survivor` holds: the cache that is
    /// primary now, or another one that has applied everything.
    pub async fn settle(mut self, survivor: &Endpoint) -> Result<Settled, SettleError> {
        self.stop().await?;
        self.survey(survivor).await?;
        let keys = self.memories.iter();
        let keys = keys.flat_map(|memory| memory.lock().all_keys()).collect();
        Ok(Settled {
            score: self.score.clone(),
            keys,
        })
    }

    /// Stops the clients, each after its operation in flight. What they have done can still be
    /// settled.
    pub async fn stop(&self) -> Result<(), SettleError> {
        self.tasks.cancel();
        self.shared.pulse.rest();
        let grace = self.shared.answer_limit * 4 + Duration::from_secs(5);
        if self.tasks.stop(grace).await {
            Ok(())
        } else {
            Err(SettleError::Stuck)
        }
    }

    /// Nobody operates, so the memories stay as they are.
    async fn survey(&mut self, survivor: &Endpoint) -> Result<(), SettleError> {
        let keys: Vec<_> = self.memories.iter().map(|m| Keys::of(&m.lock())).collect();
        let read = async {
            let mut connection = Connection::open(survivor, READ_LIMIT, READ_LIMIT).await?;
            let mut readings = Vec::new();
            for keys in &keys {
                readings.push(keys.read(&mut connection).await?);
            }
            Ok(readings)
        };
        let readings: Result<_, AskError> = read.await;
        let readings = readings.map_err(|source| unread(survivor, source))?;
        let mut memories: Vec<_> = self.memories.iter().map(|m| m.lock()).collect();
        let mut memories: Vec<_> = memories.iter_mut().map(|m| &mut **m).collect();
        let Shared { reigns, pulse, .. } = &*self.shared;
        conclude(&mut memories, &readings, reigns, pulse, &mut self.score);
        Ok(())
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.tasks.cancel();
    }
}

/// A score, and the keys that are left behind.
pub struct Settled {
    /// What became of the operations.
    pub score: Score,
    keys: Vec<String>,
}

impl Settled {
    /// Removes every key of the workload, and no other.
    pub async fn clean(&self, primary: &Endpoint) -> Result<(), SettleError> {
        let remove = async {
            let mut connection = Connection::open(primary, READ_LIMIT, READ_LIMIT).await?;
            for keys in self.keys.chunks(REMOVED_AT_ONCE) {
                let keys = keys.iter().map(String::as_bytes);
                let words: Vec<&[u8]> = [&b"UNLINK"[..]].into_iter().chain(keys).collect();
                connection.ask("UNLINK", &words).await?;
            }
            Ok(())
        };
        let removed: Result<(), AskError> = remove.await;
        removed.map_err(|source| unread(primary, source))
    }
}

fn unread(endpoint: &Endpoint, source: AskError) -> SettleError {
    SettleError::Unread {
        host: endpoint.host.clone(),
        port: endpoint.port,
        source,
    }
}

async fn keep_looking(shared: Arc<Shared>, look_up: LookUp) {
    loop {
        shared.directory.lost.notified().await;
        if let Some(endpoints) = look_up().await {
            shared.directory.learn(endpoints);
        }
        sleep(LOOK_UP_PERIOD).await;
    }
}
