//! What a shard's persistence has on disk: taken, kept, loaded again, removed.
//!
//! What is remembered of it (`ShardMemory::kept`) is always the newest data set that is whole. It is
//! written down when that is on disk, and taken back before that goes.

mod snapshots;

use model::{
    CacheDesired, GeoRole, Persistence, PersistenceObserved,
    shard::{Kept, ShardMemory},
};
use runtime::chain;

use super::{ShardRunner, node_index};
use crate::cache::store::CacheStore;

pub(super) use snapshots::Snapshots;

/// A shard's persistence as this run of the agent knows it.
#[derive(Default)]
pub(super) struct ShardKeeping {
    snapshots: Snapshots,
    observed: PersistenceObserved,
    /// The append-only file could not be written at the last look.
    append_failed: bool,
    append_failures: u64,
    /// Why an engine could not load what it was started with, until one leads.
    pub(super) unloadable: Option<String>,
}

/// How the data of an order are to be kept. In a link there is no persistence.
pub(super) fn wanted(desired: &CacheDesired) -> Persistence {
    match desired.role {
        GeoRole::Alone => desired.persistence,
        GeoRole::Primary { .. }
        | GeoRole::Yielding { .. }
        | GeoRole::Secondary { .. }
        | GeoRole::Taking { .. } => Persistence::Off,
    }
}

impl ShardRunner {
    /// Does what is due for the order's persistence. One kind ends when the other is in force.
    pub(super) async fn keep(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
    ) -> Result<(), String> {
        let wanted = wanted(desired);
        let leader = usize::from(store.shard(self.shard).memory.leader);
        let leads = self.slots.get(leader);
        if leads.is_some_and(|slot| slot.answers() && !slot.figures.loading) {
            self.keeping.unloadable = None;
        }
        let kept = match wanted {
            Persistence::Off => self.keep_nothing(store).await,
            Persistence::Snapshots {
                every_minutes,
                keep,
            } => {
                let taken = self.keep_snapshots(store, every_minutes, keep).await;
                if taken.is_ok() && store.shard(self.shard).memory.kept == Some(Kept::Snapshots) {
                    self.end_appending().await
                } else {
                    taken
                }
            }
            Persistence::AppendOnly => {
                let written = self.keep_appending(store).await;
                let memory = store.shard(self.shard).memory;
                if written.is_ok() && matches!(memory.kept, Some(Kept::AppendOnly { .. })) {
                    self.forget_snapshots()
                } else {
                    written
                }
            }
        };
        self.describe_keeping(store, wanted, kept.as_ref().err());
        kept
    }

    async fn keep_nothing(&mut self, store: &mut CacheStore) -> Result<(), String> {
        if store.shard(self.shard).memory.kept.is_some() {
            self.remember_kept(store, None)?;
        }
        self.forget_snapshots()?;
        self.end_appending().await
    }

    /// Has every node keep an append-only file: whichever takes a dead leader's place has one, too.
    async fn keep_appending(&mut self, store: &mut CacheStore) -> Result<(), String> {
        let memory = store.shard(self.shard).memory;
        let leader = usize::from(memory.leader);
        for (index, slot) in self.slots.iter_mut().enumerate() {
            // A replica that is being filled would begin it anew right away.
            let ready = slot.answers() && !slot.figures.loading && slot.is_connected();
            let Some(node) = slot.node.as_ref().filter(|_| ready && slot.knows_disk()) else {
                continue;
            };
            if !slot.figures.on_disk.appends {
                let told = node.keep_append_only(true).await;
                told.map_err(|error| {
                    format!(
                        "the append-only file of node {index} cannot be begun: {}",
                        chain(&error)
                    )
                })?;
                slot.look_again();
            }
        }
        let Some(slot) = self.slots.get(leader).filter(|slot| slot.knows_disk()) else {
            return Ok(());
        };
        let disk = slot.figures.on_disk;
        let Some(node) = node_index(leader).filter(|_| disk.appends && !slot.figures.loading)
        else {
            return Ok(());
        };
        let kept = Some(Kept::AppendOnly { node });
        if memory.kept != kept && !disk.rewriting && disk.append_ok {
            self.remember_kept(store, kept)?;
        }
        if !disk.append_ok && !self.keeping.append_failed {
            self.keeping.append_failures += 1;
        }
        self.keeping.append_failed = !disk.append_ok;
        if disk.append_ok {
            Ok(())
        } else {
            Err(format!(
                "the append-only file of node {leader} cannot be written, so that it takes no writes; is the disk full? {} tells",
                node_log(slot)
            ))
        }
    }

    async fn end_appending(&mut self) -> Result<(), String> {
        for slot in &mut self.slots {
            let ready = slot.answers() && slot.knows_disk() && !slot.figures.loading;
            let Some(node) = slot.node.as_ref().filter(|_| ready) else {
                continue;
            };
            if slot.figures.on_disk.appends {
                let told = node.keep_append_only(false).await;
                told.map_err(|error| chain(&error).to_string())?;
                slot.look_again();
            }
        }
        self.keeping.append_failed = false;
        Ok(())
    }

    pub(super) fn remember_kept(
        &self,
        store: &mut CacheStore,
        kept: Option<Kept>,
    ) -> Result<(), String> {
        tracing::info!(shard = %self.shard, ?kept, "what persistence has on disk");
        let changed = store.change_shard(self.shard, |file| file.memory.kept = kept);
        changed.map_err(|error| chain(&error).to_string())
    }

    /// What the order asks for protects the data by now, and nothing is kept that it does not ask for.
    pub(super) fn keeps(&self, memory: &ShardMemory, desired: &CacheDesired) -> bool {
        let appending = |yes: bool| {
            let mut slots = self.slots.iter().filter(|slot| slot.answers());
            slots.all(|slot| slot.knows_disk() && slot.figures.on_disk.appends == yes)
        };
        match (wanted(desired), memory.kept) {
            (Persistence::Off, None) => appending(false),
            (Persistence::Snapshots { .. }, Some(Kept::Snapshots)) => {
                appending(false) && self.keeping.snapshots.count() > 0
            }
            (Persistence::AppendOnly, Some(Kept::AppendOnly { node })) => {
                node == memory.leader && appending(true)
            }
            (Persistence::Off | Persistence::Snapshots { .. } | Persistence::AppendOnly, _) => {
                false
            }
        }
    }

    fn describe_keeping(
        &mut self,
        store: &CacheStore,
        wanted: Persistence,
        problem: Option<&String>,
    ) {
        let memory = store.shard(self.shard).memory;
        let leader = self.slots.get(usize::from(memory.leader));
        let disk = leader.map(|slot| slot.figures.on_disk).unwrap_or_default();
        let keeping = &mut self.keeping;
        let snapshots = &keeping.snapshots;
        let in_force = match memory.kept {
            None => Persistence::Off,
            Some(Kept::Snapshots) => match wanted {
                Persistence::Snapshots { .. } => wanted,
                Persistence::Off | Persistence::AppendOnly => Persistence::Off,
            },
            Some(Kept::AppendOnly { .. }) => Persistence::AppendOnly,
        };
        let log = matches!(in_force, Persistence::AppendOnly);
        keeping.observed = PersistenceObserved {
            in_force,
            snapshot_age_ms: snapshots.age_ms(),
            snapshots: snapshots.count(),
            bytes: if log {
                disk.append_bytes
            } else {
                snapshots.bytes()
            },
            writing: disk.rewriting || snapshots.is_saving(),
            failures: keeping.append_failures + snapshots.failures(),
            problem: problem.cloned().or_else(|| snapshots.problem()),
        };
    }

    /// What is reported of the shard's persistence.
    pub(in crate::cache) fn kept_on_disk(&self) -> PersistenceObserved {
        self.keeping.observed.clone()
    }

    /// What keeps its data from being safe, in a sentence.
    pub(super) fn keeping_problem(&self) -> Option<String> {
        let unloadable = self.keeping.unloadable.as_ref();
        let told = unloadable.map(|why| {
            format!(
                "the kept data of shard {} cannot be loaded, and nothing else is started in their place: {why}; put an intact file there, or disable persistence to start empty",
                self.shard
            )
        });
        told.or_else(|| self.keeping.observed.problem.clone())
    }

    /// Puts what is kept where `node` loads a saved data set from.
    pub(super) fn restore(&mut self, store: &CacheStore, node: u8) -> Result<(), String> {
        match store.shard(self.shard).memory.kept {
            Some(Kept::Snapshots) => {
                let directory = self.host.directory.node(&self.uid, self.shard.0, node);
                let from = self.snapshots_directory();
                self.keeping.snapshots.offer(&from, &directory)
            }
            // It is loaded from where it is.
            Some(Kept::AppendOnly { .. }) | None => Ok(()),
        }
    }
}

/// Where an engine says what went wrong.
fn node_log(slot: &crate::cache::node::Slot) -> String {
    let node = slot.node.as_ref();
    node.map_or_else(String::new, |node| {
        node.directory().join("engine.log").display().to_string()
    })
}
