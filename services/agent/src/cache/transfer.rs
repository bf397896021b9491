//! Exports, imports and flushes of one cache: what is asked for is done once, whatever ends the agent
//! meanwhile, and what came of it stays on disk until nobody asks any more.

mod background;
mod export;
mod import;
mod loading;

use std::sync::Arc;

use model::{
    CacheDesired, CacheUid, GeoRole, OperationId, TransferFigures, TransferObserved, TransferOrder,
    TransferOutcome, TransferPhase, TransferWork,
};
use runtime::chain;
use transfer::Progress;

use super::{Host, shard::ShardRunner, store::CacheStore};
use crate::state::TransferFile;
use background::Background;
use import::Import;

pub(super) use loading::{GIVEN, Staging, clear};

/// The transfer of one cache, if there is one.
pub(super) struct Transfers {
    host: Arc<Host>,
    uid: CacheUid,
    present: Option<Present>,
    /// What an earlier run left is removed.
    swept: bool,
}

struct Present {
    id: OperationId,
    progress: Arc<Progress>,
    job: Job,
}

enum Job {
    /// Waits until it can begin.
    Waiting,
    /// A snapshot goes out.
    Export(Background<Result<TransferFigures, String>>),
    /// A data set comes in.
    Import(Import),
    /// It is the shard's, or is about to be.
    Installing,
}

impl Transfers {
    pub(super) fn new(host: &Arc<Host>, uid: &CacheUid) -> Self {
        Self {
            host: Arc::clone(host),
            uid: uid.clone(),
            present: None,
            swept: false,
        }
    }

    /// Takes the next step of what is asked for. The error is what keeps it from that.
    pub(super) async fn look(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
        shards: &mut [ShardRunner],
    ) -> Result<(), String> {
        self.forget_others(store, desired, shards).await?;
        let Some(order) = &desired.transfer else {
            return Ok(());
        };
        let kept = store.file().transfer.as_ref();
        if kept.is_some_and(|kept| kept.outcome.is_some()) {
            return Ok(());
        }
        self.present.get_or_insert_with(|| Present {
            id: order.id.clone(),
            progress: Arc::default(),
            job: Job::Waiting,
        });
        let outcome = match &order.work {
            TransferWork::Export { .. } => self.export(desired, order, store, shards),
            TransferWork::Import { .. } => self.import(desired, order, store, shards).await?,
            TransferWork::Flush => flush(desired, store, shards).await?,
        };
        let Some(outcome) = outcome else {
            return Ok(());
        };
        self.end(store, order, outcome, shards).await
    }

    /// Writes down how it ended, and removes what it needed.
    async fn end(
        &mut self,
        store: &mut CacheStore,
        order: &TransferOrder,
        outcome: TransferOutcome,
        shards: &mut [ShardRunner],
    ) -> Result<(), String> {
        match &outcome {
            TransferOutcome::Done(figures) => {
                tracing::info!(cache = %self.uid, kind = %order.work.kind(), size_bytes = figures.bytes, "a transfer is done");
            }
            TransferOutcome::Failed { why } => {
                tracing::warn!(cache = %self.uid, kind = %order.work.kind(), why, "a transfer failed");
            }
        }
        let kept = store.change(|file| {
            file.transfer = Some(TransferFile {
                id: order.id.clone(),
                figures: TransferFigures::default(),
                outcome: Some(outcome),
            });
        });
        kept.map_err(|error| chain(&error).to_string())?;
        self.present = None;
        self.tidy(store, shards).await
    }

    /// Ends what nobody asks for any more, and removes what an earlier run left half done.
    async fn forget_others(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
        shards: &mut [ShardRunner],
    ) -> Result<(), String> {
        let wanted = desired.transfer.as_ref().map(|order| &order.id);
        let other = self.present.take_if(|now| Some(&now.id) != wanted);
        if let Some(other) = other {
            self.swept = false;
            other.stop().await;
        }
        if !self.swept {
            self.tidy(store, shards).await?;
            self.swept = true;
        }
        let kept = store.file().transfer.as_ref();
        if kept.is_some_and(|kept| Some(&kept.id) != wanted) {
            let kept = store.change(|file| file.transfer = None);
            kept.map_err(|error| chain(&error).to_string())?;
        }
        Ok(())
    }

    /// Ends what is under way, with its engines; the next run begins again.
    pub(super) async fn stop(&mut self, store: &mut CacheStore, shards: &mut [ShardRunner]) {
        if let Some(present) = self.present.take() {
            present.stop().await;
        }
        if let Err(why) = self.tidy(store, shards).await {
            tracing::error!(cache = %self.uid, "files of a transfer are left: {why}");
        }
    }

    /// Removes the engines and files that a transfer needed.
    async fn tidy(&self, store: &mut CacheStore, shards: &mut [ShardRunner]) -> Result<(), String> {
        for shard in shards {
            shard.drop_staged(store).await?;
        }
        clear(&self.host.directory.transfer(&self.uid)).await
    }

    fn export(
        &mut self,
        desired: &CacheDesired,
        order: &TransferOrder,
        store: &CacheStore,
        shards: &[ShardRunner],
    ) -> Option<TransferOutcome> {
        let present = self.present.as_mut()?;
        if let Job::Export(work) = &present.job {
            return work.outcome().map(outcome_of);
        }
        match export::plan(&self.host, &self.uid, desired, order, store, shards) {
            Ok(None) => None,
            Ok(Some(exports)) => {
                let (host, progress) = (Arc::clone(&self.host), Arc::clone(&present.progress));
                let work = export::run(host, exports, progress);
                present.job =
                    Job::Export(Background::begin(&self.host.relay_tasks, "export", work));
                None
            }
            Err(why) => Some(TransferOutcome::Failed { why }),
        }
    }

    async fn import(
        &mut self,
        desired: &CacheDesired,
        order: &TransferOrder,
        store: &mut CacheStore,
        shards: &mut [ShardRunner],
    ) -> Result<Option<TransferOutcome>, String> {
        let (Some(present), [shard]) = (self.present.as_mut(), shards) else {
            let why = "a clustered cache takes no imports".to_owned();
            return Ok(Some(TransferOutcome::Failed { why }));
        };
        if let Some(kept) = shard.installed(store, &order.id) {
            present.job = Job::Installing;
            present.progress.begin(TransferPhase::Replicate, None);
            let known = store.file().transfer.as_ref();
            let known = known.filter(|known| known.id == order.id);
            let figures = known.map(|known| known.figures.clone()).unwrap_or_default();
            return Ok(kept.then_some(TransferOutcome::Done(figures)));
        }
        if let Some(why) = not_the_primary(&desired.role) {
            return Ok(Some(TransferOutcome::Failed { why }));
        }
        match &mut present.job {
            Job::Waiting if shard.is_writable() => {
                let begun =
                    Import::begin(&self.host, desired, order, store, shard, &present.progress);
                match begun.await? {
                    Ok(import) => present.job = Job::Import(import),
                    Err(why) => return Ok(Some(TransferOutcome::Failed { why })),
                }
            }
            Job::Import(import) => match import.outcome() {
                None => {}
                Some(Err(why)) => return Ok(Some(TransferOutcome::Failed { why })),
                Some(Ok(staging)) => {
                    let figures = staging.figures.clone();
                    let kept = store.change(|file| {
                        file.transfer = Some(TransferFile {
                            id: order.id.clone(),
                            figures,
                            outcome: None,
                        });
                    });
                    kept.map_err(|error| chain(&error).to_string())?;
                    shard.stage(staging);
                    present.job = Job::Installing;
                    present.progress.begin(TransferPhase::Replicate, None);
                }
            },
            Job::Installing if shard.lost_staged() => {
                let why = "the engine that had loaded the files ended before it took the leader's place; the cache has the data of before".to_owned();
                return Ok(Some(TransferOutcome::Failed { why }));
            }
            Job::Waiting | Job::Installing | Job::Export(_) => {}
        }
        Ok(None)
    }

    /// How far it is, or how it ended.
    pub(super) fn observed(
        &self,
        store: &CacheStore,
        desired: &CacheDesired,
    ) -> Option<TransferObserved> {
        let order = desired.transfer.as_ref()?;
        let kept = store.file().transfer.as_ref();
        let outcome = kept
            .filter(|kept| kept.id == order.id)
            .and_then(|kept| kept.outcome.clone());
        let present = self.present.as_ref().filter(|now| now.id == order.id);
        let (phase, done, total) = present.map(|now| now.progress.look()).unwrap_or_default();
        Some(TransferObserved {
            id: order.id.clone(),
            phase,
            done,
            total,
            outcome,
        })
    }
}

impl Present {
    async fn stop(self) {
        match self.job {
            Job::Export(work) => work.stop().await,
            Job::Import(work) => work.stop().await,
            Job::Waiting | Job::Installing => {}
        }
    }
}

fn outcome_of(ended: Result<TransferFigures, String>) -> TransferOutcome {
    match ended {
        Ok(figures) => TransferOutcome::Done(figures),
        Err(why) => TransferOutcome::Failed { why },
    }
}

/// Why a cache takes no other data; `None`: it does, or will.
fn not_the_primary(role: &GeoRole) -> Option<String> {
    match role {
        GeoRole::Alone | GeoRole::Primary { .. } | GeoRole::Yielding { .. } => None,
        GeoRole::Secondary { .. } | GeoRole::Taking { .. } => Some(
            "the cache became the geo-secondary of its link meanwhile, and its data are the geo-primary's; nothing was changed"
                .to_owned(),
        ),
    }
}

/// Removes every key, once every shard takes writes. Until it is written down that it was done, it is
/// done again: whoever asked has no answer yet.
async fn flush(
    desired: &CacheDesired,
    store: &CacheStore,
    shards: &[ShardRunner],
) -> Result<Option<TransferOutcome>, String> {
    if let Some(why) = not_the_primary(&desired.role) {
        return Ok(Some(TransferOutcome::Failed { why }));
    }
    if !shards.iter().all(ShardRunner::is_writable) {
        return Ok(None);
    }
    for shard in shards {
        shard.remove_all_keys(store).await?;
    }
    Ok(Some(TransferOutcome::Done(TransferFigures::default())))
}
