//! Settings, who may log in, and whether reads are served, node by node.

use engine::RefusedUser;
use model::{CacheDesired, Compression, GeoRole, SecondaryReads, ShardStanding};
use runtime::chain;

use super::ShardRunner;
use crate::cache::{node::Conduct, store::CacheStore};

impl ShardRunner {
    /// Brings settings of every node up to the order's revision.
    pub(super) async fn apply_settings(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
    ) -> Result<(), String> {
        if !self.may_apply(store, desired).await? {
            return Ok(());
        }
        for index in 0..self.slots.len() {
            let applied = store
                .shard(self.shard)
                .applied
                .get(index)
                .copied()
                .unwrap_or(0);
            // One that hangs is told when it answers again.
            let slot = self.slots.get(index).filter(|slot| slot.answers());
            let Some(engine) = slot.and_then(|slot| slot.node.as_ref()) else {
                continue;
            };
            if applied == desired.revision {
                continue;
            }
            let told = |error: engine::CommandError| chain(&error).to_string();
            engine.apply(&desired.settings).await.map_err(told)?;
            let kept = store.change_shard(self.shard, |file| {
                file.applied.resize(file.applied.len().max(index + 1), 0);
                if let Some(revision) = file.applied.get_mut(index) {
                    *revision = desired.revision;
                }
            });
            kept.map_err(|error| chain(&error).to_string())?;
        }
        Ok(())
    }

    /// Lets the order's users log in to every node. The error is what a policy asks for and an engine
    /// does not take, or that an engine did not answer.
    pub(super) async fn admit_users(
        &mut self,
        store: &CacheStore,
        desired: &CacheDesired,
    ) -> Result<(), String> {
        let password = &store.file().clients;
        let mut problem = Ok(());
        for slot in &mut self.slots {
            let admitted = slot.admit(password, &desired.door.users).await;
            let refused = admitted.map_err(|error| chain(&error).to_string())?;
            if let Some(RefusedUser { object_id, why }) = refused {
                problem = Err(format!(
                    "the access policy of {object_id} is not taken by the engine, so that nobody comes in as this user: {why}; change the policy's permissions"
                ));
            }
        }
        problem
    }

    /// A geo-secondary serves what it has while the network is down, but nothing while a full sync
    /// replaces it: neither the former data of a newly linked cache nor half of the new.
    pub(super) async fn serve_reads(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
    ) -> Result<(), String> {
        let link = desired.role.link();
        let standing = &self.observed.standing;
        let has_the_data = match &desired.role {
            GeoRole::Alone => true,
            GeoRole::Primary { .. } | GeoRole::Yielding { .. } => {
                matches!(standing, ShardStanding::Writable | ShardStanding::Unleased)
            }
            GeoRole::Secondary { .. } | GeoRole::Taking { .. } => {
                *standing == ShardStanding::Following
            }
        };
        let noted = store.file().in_step_once.as_ref() == link;
        if has_the_data && !noted {
            let kept = store.change(|file| file.in_step_once = link.cloned());
            kept.map_err(|error| chain(&error).to_string())?;
        }
        let link = desired.replication.as_ref().map(|link| &link.settings);
        let old_data = link.is_some_and(|link| link.secondary_reads == SecondaryReads::Stale);
        let syncing = *standing == ShardStanding::Syncing;
        let conduct = Conduct {
            stale: (noted || has_the_data) && (!syncing || old_data),
            old_data,
            // The snapshot's next byte may be an outage of the network away.
            patient: syncing,
            compresses: link.is_none_or(|link| link.compression == Compression::Off),
        };
        for slot in &mut self.slots {
            if slot.answers() {
                slot.settle(conduct)
                    .await
                    .map_err(|error| chain(&error).to_string())?;
            }
        }
        Ok(())
    }
}
