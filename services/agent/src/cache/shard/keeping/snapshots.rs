//! Snapshots of a shard: taken when one is due, as many kept as are wanted, the newest first.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use engine::Begun;
use model::{Timestamp, shard::Kept};
use runtime::{chain, clock::Clock, durable};
use tokio::time::Instant;

use crate::cache::{
    node::Slot,
    shard::{ShardRunner, node_index},
    store::CacheStore,
};

/// After one failed.
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// After an engine had no time for one.
const AFTER_BUSY: Duration = Duration::from_secs(1);
const MINUTE_MS: u64 = 60_000;

/// The shard's snapshots, and the one that is being taken.
#[derive(Default)]
pub(in crate::cache::shard) struct Snapshots {
    /// Oldest first; `None` before the directory was read.
    files: Option<Vec<File>>,
    saving: Option<Saving>,
    not_before: Option<Instant>,
    failures: u64,
    problem: Option<String>,
}

/// One snapshot, by what its name says: `<number>-<milliseconds since 1970>.rdb`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    number: u64,
    /// When its data were taken.
    taken: Timestamp,
    bytes: u64,
}

impl File {
    fn name(number: u64, taken: Timestamp) -> String {
        format!("{number:010}-{}.rdb", taken.0)
    }

    fn parse(name: &str) -> Option<(u64, Timestamp)> {
        let (number, taken) = name.strip_suffix(".rdb")?.split_once('-')?;
        Some((number.parse().ok()?, Timestamp(taken.parse().ok()?)))
    }

    fn path(&self, directory: &Path) -> PathBuf {
        directory.join(Self::name(self.number, self.taken))
    }
}

/// A snapshot that an engine takes.
#[derive(Clone, Copy)]
struct Saving {
    node: usize,
    pid: Option<u32>,
    began: Instant,
    at: Timestamp,
}

impl Snapshots {
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.known().len()).unwrap_or(u32::MAX)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.known().iter().map(|file| file.bytes).sum()
    }

    pub(super) fn age_ms(&self) -> Option<u64> {
        let newest = self.known().last()?;
        Some(Clock.now().0.saturating_sub(newest.taken.0))
    }

    pub(super) fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    pub(super) fn problem(&self) -> Option<String> {
        self.problem.clone()
    }

    fn known(&self) -> &[File] {
        self.files.as_deref().unwrap_or_default()
    }

    /// Reads the directory, when it was not read before.
    fn read(&mut self, directory: &Path) -> Result<(), String> {
        if self.files.is_some() {
            return Ok(());
        }
        let failed = |error: &dyn std::fmt::Display| {
            format!(
                "the snapshots in {} cannot be listed: {error}",
                directory.display()
            )
        };
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.files = Some(Vec::new());
                return Ok(());
            }
            Err(error) => return Err(failed(&error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed(&error))?;
            let name = entry.file_name();
            if let Some((number, taken)) = name.to_str().and_then(File::parse) {
                let bytes = entry.metadata().map_err(|error| failed(&error))?.len();
                files.push(File {
                    number,
                    taken,
                    bytes,
                });
            }
        }
        files.sort_by_key(|file| file.number);
        self.files = Some(files);
        Ok(())
    }

    /// Tells whether another one is due: after the time, and when none counts yet, `first`. A clock
    /// that was put back makes one due.
    fn is_due(&self, every_minutes: u32, first: bool) -> bool {
        let (now, period) = (Clock.now().0, u64::from(every_minutes) * MINUTE_MS);
        let rests = self.not_before.is_some_and(|at| Instant::now() < at);
        let fresh = self.known().last().is_some_and(|newest| {
            let taken = newest.taken.0;
            taken <= now.saturating_add(MINUTE_MS) && now.saturating_sub(taken) < period
        });
        !rests && (first || !fresh)
    }

    fn next_path(&self, directory: &Path, taken: Timestamp) -> PathBuf {
        let number = self.known().last().map_or(1, |newest| newest.number + 1);
        directory.join(File::name(number, taken))
    }

    /// Removes the oldest beyond `keep`.
    fn prune(&mut self, directory: &Path, keep: u16) -> Result<(), String> {
        // Read again when it fails half-way.
        let Some(mut files) = self.files.take() else {
            return Ok(());
        };
        let beyond = files.len().saturating_sub(usize::from(keep.max(1)));
        for oldest in files.drain(..beyond) {
            let removed = durable::remove_if_there(&oldest.path(directory));
            removed
                .map_err(|error| format!("an old snapshot cannot be removed: {}", chain(&error)))?;
        }
        self.files = Some(files);
        Ok(())
    }

    fn fail(&mut self, why: String) {
        tracing::error!(why, "a snapshot was not taken");
        self.failures += 1;
        self.problem = Some(why);
        self.not_before = Some(Instant::now() + AFTER_FAILURE);
    }

    /// Has the next start in `node` load the newest one.
    pub(super) fn offer(&mut self, directory: &Path, node: &Path) -> Result<(), String> {
        self.files = None;
        self.read(directory)?;
        let Some(newest) = self.known().last() else {
            return Err(format!(
                "the snapshots in {} are gone, and nothing is started empty in their place; put one back, or disable persistence to start empty",
                directory.display()
            ));
        };
        let offered = engine::offer_saved(&newest.path(directory), node);
        offered.map_err(|error| chain(&error).to_string())
    }
}

impl ShardRunner {
    pub(super) fn snapshots_directory(&self) -> PathBuf {
        self.host.directory.snapshots(&self.uid, self.shard.0)
    }

    /// Takes a snapshot when one is due, and sees to the one that is being taken.
    pub(super) async fn keep_snapshots(
        &mut self,
        store: &mut CacheStore,
        every_minutes: u32,
        keep: u16,
    ) -> Result<(), String> {
        let directory = self.snapshots_directory();
        self.keeping.snapshots.read(&directory)?;
        // Files that nothing is remembered of may be left over from long ago.
        let first = store.shard(self.shard).memory.kept != Some(Kept::Snapshots);
        if let Some(saving) = self.keeping.snapshots.saving {
            self.end_saving(store, &directory, saving)?;
        } else if self.keeping.snapshots.is_due(every_minutes, first) {
            self.begin_saving(store, &directory).await?;
        }
        let memory = store.shard(self.shard).memory;
        if self.keeping.snapshots.count() > 0 && memory.kept == Some(Kept::Snapshots) {
            self.keeping.snapshots.prune(&directory, keep)?;
        }
        Ok(())
    }

    /// A replica spares the leader; one that is not sure to have every write will not do.
    async fn begin_saving(&mut self, store: &CacheStore, directory: &Path) -> Result<(), String> {
        let leader = usize::from(store.shard(self.shard).memory.leader);
        let fit = |slot: &Slot| slot.answers() && slot.knows_disk() && !slot.figures.on_disk.saving;
        let leads = self
            .slots
            .get(leader)
            .is_some_and(|slot| fit(slot) && slot.is_connected() && !slot.figures.loading);
        if !leads {
            return Ok(());
        }
        let mut others = self.slots.iter().enumerate();
        let replica = others.find(|(index, slot)| *index != leader && fit(slot) && slot.is_fed());
        let index = replica.map_or(leader, |(index, _)| index);
        let made = durable::make_directory(directory);
        made.map_err(|error| chain(&error).to_string())?;
        let at = Clock.now();
        let Some(slot) = self.slots.get_mut(index) else {
            return Ok(());
        };
        let Some(node) = &slot.node else {
            return Ok(());
        };
        let begun = node.begin_snapshot().await;
        match begun.map_err(|error| chain(&error).to_string())? {
            Begun::Yes => {
                let pid = slot.pid();
                slot.look_again();
                self.keeping.snapshots.saving = Some(Saving {
                    node: index,
                    pid,
                    began: Instant::now(),
                    at,
                });
            }
            Begun::Busy => {
                self.keeping.snapshots.not_before = Some(Instant::now() + AFTER_BUSY);
            }
        }
        Ok(())
    }

    fn end_saving(
        &mut self,
        store: &mut CacheStore,
        directory: &Path,
        saving: Saving,
    ) -> Result<(), String> {
        let slot = self.slots.get(saving.node);
        let Some(slot) = slot.filter(|slot| slot.pid() == saving.pid && saving.pid.is_some())
        else {
            // Whoever took it is gone.
            self.keeping.snapshots.saving = None;
            return Ok(());
        };
        let seen = slot.looked_after(saving.began) && slot.answers();
        if !seen || slot.figures.on_disk.saving {
            return Ok(());
        }
        let to = self.keeping.snapshots.next_path(directory, saving.at);
        let taken = match &slot.node {
            Some(node) if slot.figures.on_disk.save_ok => node.take_snapshot(&to),
            Some(_) | None => Ok(false),
        };
        let snapshots = &mut self.keeping.snapshots;
        snapshots.saving = None;
        match taken {
            Ok(true) => {
                snapshots.files = None;
                snapshots.problem = None;
                snapshots.not_before = None;
                snapshots.read(directory)?;
                if store.shard(self.shard).memory.kept != Some(Kept::Snapshots) {
                    self.remember_kept(store, Some(Kept::Snapshots))?;
                }
                Ok(())
            }
            Ok(false) => {
                let log = super::node_log(slot);
                snapshots.fail(format!(
                    "node {} could not write a snapshot; is the disk full? {log} tells",
                    saving.node
                ));
                Ok(())
            }
            Err(error) => {
                snapshots.fail(format!("a snapshot cannot be kept: {}", chain(&error)));
                Ok(())
            }
        }
    }

    /// Keeps what the leader saved as it stopped, too.
    pub(in crate::cache::shard) fn keep_last_snapshot(&mut self, leader: usize) {
        let Some(node) = node_index(leader) else {
            return;
        };
        let directory = self.snapshots_directory();
        let from = self.host.directory.node(&self.uid, self.shard.0, node);
        let kept = self.keeping.snapshots.read(&directory).and_then(|()| {
            let made = durable::make_directory(&directory);
            made.map_err(|error| chain(&error).to_string())?;
            let to = self.keeping.snapshots.next_path(&directory, Clock.now());
            let linked = engine::keep_saved(&from, &to);
            linked.map_err(|error| chain(&error).to_string())
        });
        if let Err(error) = kept {
            tracing::error!(
                error,
                "the data set saved at the stop is not kept as a snapshot"
            );
        }
    }

    pub(super) fn forget_snapshots(&mut self) -> Result<(), String> {
        if self
            .keeping
            .snapshots
            .files
            .as_ref()
            .is_some_and(Vec::is_empty)
        {
            return Ok(());
        }
        let directory = self.snapshots_directory();
        self.keeping.snapshots = Snapshots {
            failures: self.keeping.snapshots.failures,
            ..Snapshots::default()
        };
        let removed = durable::remove_directory_if_there(&directory);
        removed.map_err(|error| chain(&error).to_string())?;
        self.keeping.snapshots.files = Some(Vec::new());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(names: &[&str]) -> (tempfile::TempDir, Snapshots) {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            durable::write_durable(&dir.path().join(name), b"data").unwrap();
        }
        let mut snapshots = Snapshots::default();
        snapshots.read(dir.path()).unwrap();
        (dir, snapshots)
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        let name = File::name(7, Timestamp(1_700_000_000_123));
        assert_eq!(name, "0000000007-1700000000123.rdb");
        assert_eq!(File::parse(&name), Some((7, Timestamp(1_700_000_000_123))));
        for other in ["dump.rdb", "x-1.rdb", "1.rdb", "0000000007-1.rdb.new"] {
            assert_eq!(File::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_oldest_go_and_the_newest_is_offered() {
        let names = [
            "0000000009-5.rdb",
            "0000000010-6.rdb",
            "0000000002-4.rdb",
            "notes",
        ];
        let (dir, mut snapshots) = with(&names);
        assert_eq!((snapshots.count(), snapshots.bytes()), (3, 12));
        snapshots.prune(dir.path(), 2).unwrap();
        assert_eq!(snapshots.count(), 2);
        assert!(!dir.path().join(names[2]).exists() && dir.path().join(names[3]).exists());
        snapshots.prune(dir.path(), 0).unwrap();
        assert_eq!(
            snapshots.known(),
            [File {
                number: 10,
                taken: Timestamp(6),
                bytes: 4
            }]
        );
        let node = dir.path().join("n0");
        snapshots.offer(dir.path(), &node).unwrap();
        assert!(node.join("saved.rdb").exists());
        fs::remove_file(dir.path().join(names[1])).unwrap();
        let gone = snapshots.offer(dir.path(), &node).unwrap_err();
        assert!(gone.contains("nothing is started empty"), "{gone}");
    }

    #[tokio::test]
    async fn one_is_due_without_any_after_the_time_and_when_the_clock_went_back() {
        let now = Clock.now().0;
        let (_dir, none) = with(&[]);
        assert!(none.is_due(15, false));
        let taken = |at: u64| with(&[&File::name(1, Timestamp(at))]).1;
        assert!(!taken(now).is_due(15, false) && taken(now).is_due(15, true));
        assert!(taken(now - 15 * MINUTE_MS).is_due(15, false));
        assert!(!taken(now - 15 * MINUTE_MS).is_due(30, false));
        assert!(taken(now + 60 * MINUTE_MS).is_due(15, false));
        let mut failed = taken(now - 60 * MINUTE_MS);
        failed.fail("the disk is full".to_owned());
        assert!(!failed.is_due(15, true), "it is not tried again at once");
        assert_eq!(failed.failures(), 1);
    }
}
