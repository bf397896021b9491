//! Puts the names into a DNS server that somebody runs already: RFC 2136 updates, signed with TSIG
//! (RFC 8945).
//!
//! Each name is brought to its addresses by one update, whose prerequisites say what is there: what
//! this server put there, or nothing. Whatever else is at a name is somebody else's, and stays. What
//! was put is on the disk before it is sent, so that it is known again after a crash. Aliases are
//! put as the addresses that they lead to: an alias could not stand beside other data of its name.

mod key;
mod message;
mod pushed;
mod session;

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use hickory_proto::{op::ResponseCode, rr::Name};
use model::{Leads, PublishedNames};
use runtime::{blocking, chain, clock::Clock, dice::Dice, durable::FileError};
use tokio::time::{Instant, sleep_until};

use crate::{
    LoadError,
    served::{Generation, Served},
    zone::absolute,
};
pub use key::{KeyError, TsigKey};
use message::Wanted;
use pushed::{Pushed, Task};
use session::{Session, SessionError};

/// Between two attempts: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How often it is looked whether the names are still there.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// Where names are put.
#[derive(Debug, Clone)]
pub struct UpdateConfig {
    /// The server's name or address, with its port if that is not 53.
    pub server: String,
    /// The zone that the server has, when it is not the one that the names are in but one above.
    pub zone: Option<String>,
    /// What updates are signed with.
    pub key: TsigKey,
}

/// Addresses of a name, in their order; none: there is nothing at it.
type Addresses = Vec<IpAddr>;

/// Puts names.
pub(crate) struct Updater {
    config: UpdateConfig,
    pushed: Pushed,
    clock: Clock,
    dice: Dice,
}

/// What came of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brought {
    /// It has what it is to have.
    There,
    /// Somebody else has put something there.
    Foreign,
}

/// The names that are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those that have changed since they were put.
    Changed,
    /// The others, too: somebody else may have changed them.
    All,
}

/// What came of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Done {
    /// Names that are somebody else's.
    foreign: usize,
    /// Every name was looked at.
    all: bool,
}

/// Answers that say that something is not as a prerequisite has it (RFC 2136 3.2).
const OTHERWISE: [ResponseCode; 4] = [
    ResponseCode::NXDomain,
    ResponseCode::NXRRSet,
    ResponseCode::YXDomain,
    ResponseCode::YXRRSet,
];

/// Why names could not be put.
#[derive(Debug, thiserror::Error)]
enum PushError {
    /// The zone's name is none.
    #[error("use `{0}` as the name of a zone")]
    Zone(String),
    /// The disk.
    #[error("keep what is put into {server}")]
    Keep {
        server: String,
        #[source]
        source: FileError,
    },
    /// The server.
    #[error("update {server}")]
    Session {
        server: String,
        #[source]
        source: SessionError,
    },
    /// This process ends.
    #[error("stop in the middle of an update")]
    Stopped,
}

impl Updater {
    /// Reads what was put before.
    pub(crate) fn open(
        directory: &Path,
        config: UpdateConfig,
        clock: Clock,
        dice: Dice,
    ) -> Result<Self, LoadError> {
        let pushed = Pushed::open(directory, &config.server)?;
        Ok(Self {
            config,
            pushed,
            clock,
            dice,
        })
    }

    /// Puts every generation, for as long as it is let.
    pub(crate) async fn run(mut self, mut served: Served) {
        let mut pause: Option<Duration> = None;
        let mut look_at = Instant::now();
        loop {
            let present = served.0.borrow_and_update().clone();
            let mut wake_at = look_at;
            if let Some(generation) = present {
                let names = if Instant::now() >= look_at {
                    Which::All
                } else {
                    Which::Changed
                };
                match self.push(&generation, names, &served).await {
                    Ok(done) => {
                        pause = None;
                        if done.all {
                            look_at = Instant::now() + LOOK_AGAIN;
                        }
                        wake_at = if done.foreign > 0 {
                            Instant::now() + RETRY.1
                        } else {
                            look_at
                        };
                    }
                    Err(error) => {
                        tracing::warn!(
                            error = %chain(&error), generation = generation.names.generation,
                            "Failed to put the names into another server; trying again"
                        );
                        let next = pause.map_or(RETRY.0, |before| (before * 2).min(RETRY.1));
                        pause = Some(next);
                        wake_at = Instant::now() + next;
                    }
                }
            } else {
                wake_at += LOOK_AGAIN;
            }
            tokio::select! {
                changed = served.0.changed() => if changed.is_err() { return },
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Brings names to where they lead: those that have changed, and then the others, until there
    /// is a newer generation.
    async fn push(
        &mut self,
        generation: &Arc<Generation>,
        which: Which,
        served: &Served,
    ) -> Result<Done, PushError> {
        let names = &generation.names;
        let zone = self.config.zone.as_ref().unwrap_or(&names.zone);
        let zone = absolute(zone).map_err(|_not_one| PushError::Zone(zone.clone()))?;
        self.pushed.leave(&zone);
        let wanted = flattened(names);
        let (changed, same) = self.pushed.compare(&wanted);
        let mut done = Done {
            foreign: 0,
            all: which == Which::All,
        };
        if changed.is_empty() && (same.is_empty() || which == Which::Changed) {
            return Ok(done);
        }
        let changes = changed.len();
        let others = if which == Which::All {
            same
        } else {
            Vec::new()
        };
        let all = changed.into_iter().chain(others);
        // What may be there already is not what is only about to be sent.
        let mut todo: VecDeque<_> = all.map(|name| self.pushed.task(name, &wanted)).collect();
        self.pushed.intend(&wanted);
        self.keep().await?;
        let sent = self.send(&mut todo, changes, (&zone, names), served).await;
        for unsent in &todo {
            self.pushed.retract(unsent);
        }
        // Also what was done before something failed.
        self.keep().await?;
        let server = self.config.server.clone();
        done.foreign = sent.map_err(|source| PushError::Session { server, source })?;
        done.all &= todo.is_empty();
        tracing::info!(
            generation = names.generation,
            server = self.config.server,
            changes,
            foreign = done.foreign,
            "The names are in the other server"
        );
        Ok(done)
    }

    /// Does what is to be done, the first `changes` of it in any case; gives how many names are
    /// somebody else's. What is left over was not sent.
    async fn send(
        &mut self,
        todo: &mut VecDeque<Task>,
        mut changes: usize,
        (zone, names): (&Name, &PublishedNames),
        served: &Served,
    ) -> Result<usize, SessionError> {
        let mut session = Session::open(&self.config).await?;
        let mut foreign = 0;
        while changes > 0 || !served.0.has_changed().unwrap_or(true) {
            let Some(task) = todo.pop_front() else {
                break;
            };
            changes = changes.saturating_sub(1);
            match self.bring(&mut session, zone, names, &task).await? {
                Brought::There => self.pushed.confirm(&task.name, task.addresses),
                Brought::Foreign => {
                    foreign += 1;
                    self.pushed.withdraw(&task.name);
                    tracing::error!(
                        name = task.name,
                        server = self.config.server,
                        "Something that this server did not put there stands at a name in the other server, and is left alone; remove it there"
                    );
                }
            }
        }
        Ok(foreign)
    }

    async fn keep(&mut self) -> Result<(), PushError> {
        let Some(write) = self.pushed.unwritten() else {
            return Ok(());
        };
        match blocking::run(write).await {
            Ok(Ok(())) => {
                self.pushed.written();
                Ok(())
            }
            Ok(Err(source)) => Err(PushError::Keep {
                server: self.config.server.clone(),
                source,
            }),
            Err(_stopped) => Err(PushError::Stopped),
        }
    }

    async fn bring(
        &self,
        session: &mut Session,
        zone: &Name,
        names: &PublishedNames,
        task: &Task,
    ) -> Result<Brought, SessionError> {
        let Ok(absolute) = absolute(&task.name) else {
            return Ok(Brought::Foreign);
        };
        for there in &task.perhaps {
            let wanted = Wanted {
                zone,
                name: &absolute,
                ttl: names.ttl_seconds,
                there,
                addresses: &task.addresses,
            };
            let now = self.clock.now().0 / 1_000;
            let id = u16::try_from(self.dice.below(1 << 16)).unwrap_or_default();
            let code = session.ask(wanted.message(id), now).await?;
            if code == ResponseCode::NoError {
                return Ok(Brought::There);
            }
            if !OTHERWISE.contains(&code) {
                return Err(SessionError::Refused(code.to_string()));
            }
        }
        Ok(Brought::Foreign)
    }
}

/// The addresses that each name, with its zone, leads to in the end; names that lead nowhere yet are
/// left out.
fn flattened(names: &PublishedNames) -> BTreeMap<String, Addresses> {
    let known: BTreeMap<&str, &Leads> = names
        .names
        .iter()
        .map(|name| (name.name.as_str(), &name.leads))
        .collect();
    let mut all = BTreeMap::new();
    for name in &names.names {
        let leads = match &name.leads {
            Leads::Alias(other) => known.get(other.as_str()).copied(),
            own @ Leads::Addresses(_) => Some(own),
        };
        if let Some(Leads::Addresses(addresses)) = leads
            && !addresses.is_empty()
        {
            let mut addresses = addresses.clone();
            addresses.sort();
            addresses.dedup();
            all.insert(format!("{}.{}", name.name, names.zone), addresses);
        }
    }
    all
}

#[cfg(test)]
mod tests;
