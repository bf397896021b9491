//! A node that is none of the shard's yet: it loads a data set from outside, and takes the leader's
//! place when it is proven.

use std::io;

use engine::NodeConfig;
use model::{
    CacheDesired, OperationId, ShardStanding,
    shard::{ShardMemory, Staged, has_installed},
};
use psync::Login;
use runtime::chain;
use transfer::EngineSource;

use super::ShardRunner;
use crate::cache::{
    lease::needs_lease,
    store::CacheStore,
    transfer::{GIVEN, Staging, clear},
};

impl ShardRunner {
    /// It takes writes, as was last seen.
    pub(in crate::cache) fn is_writable(&self) -> bool {
        self.observed.standing == ShardStanding::Writable
    }

    /// The engines that have the shard's data in full: replicas first, which spares the leader.
    pub(in crate::cache) fn snapshot_sources(
        &self,
        store: &CacheStore,
        desired: &CacheDesired,
    ) -> Vec<EngineSource> {
        let leader = usize::from(store.shard(self.shard).memory.leader);
        let engines = self.slots.iter().enumerate();
        let mut fit: Vec<_> = engines
            .filter(|(index, slot)| match *index == leader {
                true => slot.is_connected(),
                false => slot.is_fed(),
            })
            .filter_map(|(index, slot)| Some((index == leader, slot.address()?)))
            .collect();
        fit.sort_unstable();
        let has_data = match &self.observed.standing {
            ShardStanding::Writable
            | ShardStanding::Unleased
            | ShardStanding::Yielded { .. }
            | ShardStanding::Following => true,
            // What it has is the link's, and old; before it was in step once, it is neither.
            ShardStanding::Cut => store.file().in_step_once.as_ref() == desired.role.link(),
            ShardStanding::Starting
            | ShardStanding::Syncing
            | ShardStanding::Silent
            | ShardStanding::Lost
            | ShardStanding::Unpromotable { .. }
            | ShardStanding::Rejoining { .. }
            | ShardStanding::Unsaved { .. } => false,
        };
        let source = |address| EngineSource {
            address,
            login: Login::new(engine::INTERNAL_USER, store.file().internal.reveal()),
            version: self.host.program.version,
        };
        fit.into_iter()
            .filter(|_| has_data)
            .map(|(_, address)| source(address))
            .collect()
    }

    /// Removes every key.
    pub(in crate::cache) async fn remove_all_keys(&self, store: &CacheStore) -> Result<(), String> {
        let leader = self.engine(store.shard(self.shard).memory.leader)?;
        let told = leader.remove_all_keys().await;
        told.map_err(|error| chain(&error).to_string())
    }

    /// Makes room for a node that is to load a data set: an index that nobody has, noted, and an empty
    /// directory.
    pub(in crate::cache) async fn prepare_staging(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
    ) -> Result<(u8, NodeConfig), String> {
        self.drop_staged(store).await?;
        let leader = store.shard(self.shard).memory.leader;
        let others = (0..=u8::MAX).filter(|index| *index != leader);
        let free = others
            .skip(usize::from(desired.replicas))
            .find(|index| match self.slots.get(usize::from(*index)) {
                Some(slot) => slot.node.is_none(),
                None => true,
            })
            .ok_or_else(|| "the shard has no room for another node".to_owned())?;
        let kept = store.change_shard(self.shard, |file| file.staging = Some(free));
        kept.map_err(|error| chain(&error).to_string())?;
        clear(&self.host.directory.node(&self.uid, self.shard.0, free)).await?;
        let mut config = self.node_config(store, desired, free, None, true, false)?;
        config.refuses_writes = needs_lease(desired);
        Ok((free, config))
    }

    /// A node has loaded the data set that is to be the shard's.
    pub(in crate::cache) fn stage(&mut self, staging: Staging) {
        self.staged = Some(staging);
    }

    /// The node that was staged is gone.
    pub(in crate::cache) fn lost_staged(&self) -> bool {
        self.staged
            .as_ref()
            .is_none_or(|staging| staging.node.has_exited())
    }

    /// Removes a staged node, and what an earlier run left of one.
    pub(in crate::cache) async fn drop_staged(
        &mut self,
        store: &mut CacheStore,
    ) -> Result<(), String> {
        self.staged = None;
        let file = store.shard(self.shard);
        if let Some(index) = file.staging {
            clear(&self.host.directory.node(&self.uid, self.shard.0, index)).await?;
            let kept = store.change_shard(self.shard, |file| file.staging = None);
            kept.map_err(|error| chain(&error).to_string())?;
        }
        // What a leader was given is needed until another node has it.
        if file.memory.installed.is_none_or(|installed| installed.kept) {
            for index in 0..self.slots.len() {
                self.forget_given(index)?;
            }
        }
        Ok(())
    }

    fn forget_given(&self, index: usize) -> Result<(), String> {
        let Some(index) = super::node_index(index) else {
            return Ok(());
        };
        let directory = self.host.directory.node(&self.uid, self.shard.0, index);
        let given = directory.join(GIVEN);
        match std::fs::remove_file(&given) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("remove {}: {error}", given.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Whether the shard's data set is that import's: `Some(true)` once a replica has it too.
    pub(in crate::cache) fn installed(
        &self,
        store: &CacheStore,
        import: &OperationId,
    ) -> Option<bool> {
        let memory = store.shard(self.shard).memory;
        let installed = memory.installed.as_ref()?;
        has_installed(&memory, import).then_some(installed.kept)
    }

    /// What the planner sees of it.
    pub(super) fn staged_view(&self) -> Option<Staged<'_>> {
        let staging = self.staged.as_ref()?;
        let lives = !staging.node.has_exited();
        lives.then_some(Staged {
            import: &staging.import,
            node: staging.index,
            position: staging.position,
        })
    }

    /// Makes the staged node the leader: one write to the disk, and everything else follows from it.
    pub(super) fn install(
        &mut self,
        store: &mut CacheStore,
        memory: &ShardMemory,
    ) -> Result<(), String> {
        let Some(staging) = &self.staged else {
            return Err("the node that was to be installed is gone".to_owned());
        };
        let (index, revision) = (usize::from(staging.index), staging.revision);
        let (address, shard) = (staging.node.address(), usize::from(self.shard.0));
        let kept = store.change(|file| {
            file.service = Some(address);
            if let Some(part) = file.shards.get_mut(shard) {
                part.memory = memory.clone();
                part.staging = None;
                if part.applied.len() <= index {
                    part.applied.resize(index + 1, 0);
                }
                if let Some(applied) = part.applied.get_mut(index) {
                    *applied = revision;
                }
            }
        });
        kept.map_err(|error| chain(&error).to_string())?;
        if let Some(staging) = self.staged.take() {
            tracing::info!(shard = %self.shard, node = index, pid = staging.node.pid(), keys = staging.figures.keys, "an imported data set took the place of the shard's");
            if self.slots.len() <= index {
                self.slots.resize_with(index + 1, Default::default);
            }
            if let Some(slot) = self.slots.get_mut(index) {
                slot.seat(staging.node);
            }
        }
        Ok(())
    }

    /// Before a leader that is alone with what it was given is started again with that.
    pub(super) fn offer_given(&self, store: &CacheStore, node: u8) -> Result<(), String> {
        let memory = store.shard(self.shard).memory;
        let directory = self.host.directory.node(&self.uid, self.shard.0, node);
        let given = directory.join(GIVEN);
        let alone = memory.installed.is_some_and(|installed| !installed.kept);
        if !alone || !given.exists() {
            return Ok(());
        }
        let offered = engine::offer_snapshot(&directory, &given);
        offered.map_err(|error| format!("offer {}: {error}", given.display()))
    }
}
