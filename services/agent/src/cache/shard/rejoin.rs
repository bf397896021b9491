//! The way back of a former geo-primary, as far as it is not its engines': the journal is read to
//! its end, closed, and saved from. And what people are told of a forced failover.

use model::{
    CacheDesired, Epoch, EventKind, GeoRole, Rejoin, ShardStanding,
    shard::{Gate, Saving, fork_of, holds_still},
};
use psync::Position;
use relay::{Event, ShardKey};
use runtime::{chain, crash::When};

use super::ShardRunner;
use crate::{
    cache::store::CacheStore,
    lost_writes::{self, End, Outcome, SaveError, Suffix},
};

/// What the other side of a forced failover lacks is being saved, or was, in this run.
pub(super) struct SavingLost {
    at: Epoch,
    incomplete: bool,
    work: lost_writes::Saving,
    outcome: Option<Outcome>,
}

impl ShardRunner {
    /// What the planner sees of it.
    pub(super) fn saving_view(&self) -> Saving<'_> {
        let Some(saving) = &self.saving else {
            return Saving::Idle;
        };
        match &saving.outcome {
            None => Saving::UnderWay,
            Some(Outcome::Nothing | Outcome::Saved(_)) => Saving::Done,
            Some(Outcome::Unsaved { why }) => Saving::Impossible { why },
        }
    }

    /// Looks what the saving came to. It ends when nobody waits for it any more.
    pub(super) async fn look_at_saving(
        &mut self,
        store: &CacheStore,
        desired: &CacheDesired,
    ) -> Result<(), String> {
        let asked = match &desired.role {
            GeoRole::Secondary {
                rejoin: Rejoin::AfterForce { at, .. },
                ..
            } if holds_still(&desired.role, &store.shard(self.shard).memory) => Some(*at),
            GeoRole::Secondary { .. }
            | GeoRole::Alone
            | GeoRole::Primary { .. }
            | GeoRole::Yielding { .. }
            | GeoRole::Taking { .. } => None,
        };
        let Some(mut saving) = self.saving.take() else {
            return Ok(());
        };
        if asked != Some(saving.at) {
            saving.work.stop().await;
            return Ok(());
        }
        match saving.work.outcome() {
            None => {}
            Some(Ok(outcome)) => {
                self.host.crash.pass("Saved", When::After);
                let (kind, text) = outcome.told();
                self.tell(desired, kind, text);
                saving.outcome = Some(outcome);
            }
            Some(Err(SaveError::Stopped)) => return Ok(()),
            Some(Err(error)) => return Err(chain(&error).to_string()),
        }
        self.saving = Some(saving);
        Ok(())
    }

    /// How far the saving has come, as people are told it.
    pub(super) fn add_progress(&self, standing: &mut ShardStanding) {
        let working = self.saving.as_ref().filter(|it| it.outcome.is_none());
        let Some(progress) = working.map(|saving| saving.work.progress()) else {
            return;
        };
        if let ShardStanding::Rejoining { doing } = standing
            && progress.total > 0
        {
            let percent = progress.done.saturating_mul(100) / progress.total;
            *doing = format!("{doing} ({percent} %)");
        }
    }

    /// Has the outbound half read what the journal lacks, from the leader, if it runs.
    pub(super) fn drain(&mut self, store: &CacheStore, desired: &CacheDesired) {
        let memory = store.shard(self.shard).memory;
        let leader = usize::from(memory.leader);
        let Some(engines) = self.engines(leader) else {
            return self.link.withdraw();
        };
        let password = &store.file().internal;
        self.note_source(leader);
        self.link.drain(desired, engines, &memory, password);
    }

    /// Goes on with that at each look, as long as nobody saves from the journal.
    pub(super) fn keep_draining(&mut self, store: &CacheStore, desired: &CacheDesired) {
        if self.saving.is_none() || self.link.is_drained() {
            self.drain(store, desired);
        }
    }

    /// Closes the journal, and has what is in it behind a position saved in the background.
    pub(super) async fn save_lost(
        &mut self,
        desired: &CacheDesired,
        (at, from, to, incomplete): (Epoch, Position, Option<Position>, bool),
    ) -> Result<(), String> {
        if self.saving.as_ref().is_some_and(|saving| {
            saving.at == at && saving.incomplete == incomplete && saving.outcome.is_none()
        }) {
            return Ok(());
        }
        let Some(link) = desired.role.link().cloned() else {
            return Ok(());
        };
        let stream = self.link.close_journal().await;
        let known = self
            .slots
            .iter()
            .filter(|slot| slot.replication().is_some());
        let databases = known.filter_map(|slot| slot.figures.only_database);
        let suffix = Suffix {
            cache: desired.id.name.clone(),
            link,
            epoch: at,
            shard: self.shard,
            fork: from,
            end: to.map_or(End::OfJournal, End::Known),
            databases: databases.take(1).collect(),
            accept_missing: incomplete,
        };
        tracing::info!(cache.id = %desired.id.name, shard = %self.shard, %from, ?to, incomplete, "saving what the other side does not have");
        let kept = self.host.lost.of(&self.uid);
        self.saving = Some(SavingLost {
            at,
            incomplete,
            work: kept.save(&self.host.relay_tasks, stream, suffix),
            outcome: None,
        });
        Ok(())
    }

    /// A leader was promoted: tells where, if that was by force.
    pub(super) fn tell_takeover(&self, store: &CacheStore, desired: &CacheDesired) {
        let memory = store.shard(self.shard).memory;
        if let Some(fork) = fork_of(&desired.role, &memory) {
            let text = format!(
                "it took over by force in epoch {}, at {fork}; what the former geo-primary took behind that is not here",
                desired.epoch
            );
            self.tell(desired, EventKind::TookOver, text);
        }
    }

    /// A gate was set: tells once of each forced failover that no write is taken any more.
    pub(super) fn tell_shut(&mut self, desired: &CacheDesired, gate: Gate) {
        let GeoRole::Secondary {
            rejoin: Rejoin::AfterForce { at, .. },
            ..
        } = &desired.role
        else {
            return;
        };
        if gate == Gate::Shut && self.told_shut != Some(*at) {
            self.told_shut = Some(*at);
            let text = format!(
                "the other side took over by force in epoch {at}, so no client write is taken here any more"
            );
            self.tell(desired, EventKind::WritesRefused, text);
        }
    }

    fn tell(&self, desired: &CacheDesired, kind: EventKind, text: String) {
        let Some(link) = desired.role.link().cloned() else {
            return;
        };
        tracing::info!(cache.id = %desired.id.name, shard = %self.shard, %kind, "{text}");
        let key = ShardKey {
            link,
            shard: self.shard,
        };
        self.host.board.tell(Event { key, kind, text });
    }
}
