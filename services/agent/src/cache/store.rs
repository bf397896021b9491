//! A cache's file, in memory and on disk.

use model::{CacheUid, ShardIndex};

use super::Host;
use crate::state::{CacheFile, Directory, ShardFile, StateError};

/// The content of `cache.json`. Every change is on disk before it is seen here.
pub(super) struct CacheStore {
    directory: Directory,
    uid: CacheUid,
    file: CacheFile,
}

impl CacheStore {
    /// Reads the file, or makes the one of a new cache.
    pub(super) fn open(host: &Host, uid: &CacheUid) -> Result<Self, StateError> {
        let directory = host.directory.clone();
        let secret = || host.dice.token();
        let file = match directory.read_cache(uid, secret)? {
            Some(file) => file,
            None => CacheFile::new(secret(), secret()),
        };
        // What was made up just now must not be made up differently the next time.
        directory.write_cache(uid, &file)?;
        Ok(Self {
            directory,
            uid: uid.clone(),
            file,
        })
    }

    pub(super) fn file(&self) -> &CacheFile {
        &self.file
    }

    /// One shard's part; an empty one when it was never written.
    pub(super) fn shard(&self, shard: ShardIndex) -> ShardFile {
        self.file
            .shards
            .get(usize::from(shard.0))
            .cloned()
            .unwrap_or_default()
    }

    /// Changes the file, durably; does nothing when nothing differs.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut CacheFile)) -> Result<(), StateError> {
        let mut next = self.file.clone();
        change(&mut next);
        if next == self.file {
            return Ok(());
        }
        self.directory.write_cache(&self.uid, &next)?;
        self.file = next;
        Ok(())
    }

    /// Changes one shard's part, as [`CacheStore::change`] does.
    pub(super) fn change_shard(
        &mut self,
        shard: ShardIndex,
        change: impl FnOnce(&mut ShardFile),
    ) -> Result<(), StateError> {
        self.change(|file| {
            let index = usize::from(shard.0);
            if file.shards.len() <= index {
                file.shards.resize_with(index + 1, ShardFile::default);
            }
            if let Some(part) = file.shards.get_mut(index) {
                change(part);
            }
        })
    }
}
