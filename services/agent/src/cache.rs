//! One cache on this host: a worker that adopts its orders and moves its shards towards them.

mod link;
mod node;
mod shard;
mod store;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use client::Agents;
use engine::EngineProgram;
use futures_util::future::{pending, select_all};
use model::{
    CacheDesired, CacheObserved, Epoch, GeoRole, Presence, PromotionRequest, Region, ShardIndex,
    ShardStanding,
};
use relay::{Events, Outbound};
use runtime::{chain, dice::Dice, tasks::Tasks};
use tls::Identity;
use tokio::{sync::watch, time::sleep};

use crate::{Addresses, lost_writes::Stores, reporter::Board, state::Directory};
use shard::ShardRunner;
use store::CacheStore;

/// What a worker is told to do.
pub(crate) type Order = CacheDesired;

/// What every worker of the agent shares.
pub(crate) struct Host {
    pub(crate) region: Region,
    pub(crate) addresses: Addresses,
    pub(crate) program: EngineProgram,
    pub(crate) directory: Directory,
    pub(crate) outbound: Outbound,
    /// Where the other regions' agents are told to reach the outbound halves.
    pub(crate) advertised: SocketAddr,
    pub(crate) identity: Identity,
    pub(crate) events: Events,
    pub(crate) client: Agents,
    pub(crate) dice: Dice,
    pub(crate) board: Board,
    pub(crate) relay_tasks: Tasks,
    pub(crate) lost: Stores,
}

/// Between two looks while nothing happens.
const CALM: Duration = Duration::from_millis(250);
/// Between two looks while the secondary is behind, so that the lag shown is fresh.
const BEHIND: Duration = Duration::from_millis(25);
/// Between two looks while a handoff waits for an engine.
const HOT: Duration = Duration::from_millis(2);
/// Between two looks that moving bytes ask for.
const STIRRED: Duration = Duration::from_millis(10);
/// After something failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Runs a cache until it is removed or the tasks are cancelled.
pub(crate) async fn run(host: Arc<Host>, mut orders: watch::Receiver<Order>, tasks: Tasks) {
    let first = orders.borrow_and_update().clone();
    let mut worker = match Worker::open(Arc::clone(&host), first.clone()) {
        Ok(worker) => worker,
        Err(error) => {
            let why = format!("the cache cannot be run: {}", chain(&error));
            tracing::error!(cache.id = %first.id.name, "{why}");
            host.board.pin(unusable(&first, why));
            return;
        }
    };
    loop {
        let order = orders.borrow_and_update().clone();
        if order.presence == Presence::Absent {
            worker.remove().await;
            return;
        }
        let pause = worker.look(order).await;
        tokio::select! {
            () = tasks.cancelled() => break,
            changed = orders.changed() => {
                if changed.is_err() {
                    break;
                }
            }
            () = worker.stirred() => {}
            () = sleep(pause) => {}
        }
    }
    worker.stop().await;
}

/// A cache whose file cannot be used: nothing is known of it, and nothing is done to it.
fn unusable(order: &Order, why: String) -> CacheObserved {
    CacheObserved {
        uid: order.uid.clone(),
        settled_revision: 0,
        epoch: Epoch::default(),
        role: order.role.kind(),
        endpoint: None,
        engine: None,
        shards: Vec::new(),
        problem: Some(why),
        lost_writes: Vec::new(),
        handoff: None,
    }
}

struct Worker {
    host: Arc<Host>,
    order: Order,
    store: CacheStore,
    shards: Vec<ShardRunner>,
    adopted: bool,
    /// The handoff that was answered, so that it is asked about once.
    answered: Option<u64>,
    /// What was wrong at the last look, so that it is logged once.
    problem: Option<String>,
}

impl Worker {
    fn open(host: Arc<Host>, order: Order) -> Result<Self, crate::state::StateError> {
        let store = CacheStore::open(&host, &order.uid)?;
        let shards = Vec::new();
        Ok(Self {
            host,
            order,
            store,
            shards,
            adopted: false,
            answered: None,
            problem: None,
        })
    }

    /// Adopts the order, has every shard take its next steps, reports; tells how long to wait.
    async fn look(&mut self, order: Order) -> Duration {
        if let Err(why) = self.adopt(order) {
            self.complain(Some(&why));
            self.report(Some(why), false);
            return AFTER_FAILURE;
        }
        if !self.adopted {
            for shard in &mut self.shards {
                shard.adopt_engines(&self.store, &self.order).await;
            }
            self.adopted = true;
        }
        let mut problem = None;
        let mut pause = CALM;
        for shard in &mut self.shards {
            let looked = shard.look(&mut self.store, &self.order).await;
            if let Err(why) = looked {
                problem.get_or_insert(why);
                pause = AFTER_FAILURE;
            }
        }
        if problem.is_none() && self.shards.iter().any(ShardRunner::moved) {
            pause = HOT;
        }
        self.complain(problem.as_deref());
        self.report(problem, true);
        self.ask_for_the_decision().await;
        pause.min(self.haste())
    }

    /// Logs a problem when it is new, and its end.
    fn complain(&mut self, problem: Option<&str>) {
        if problem == self.problem.as_deref() {
            return;
        }
        match problem {
            Some(why) => tracing::warn!(cache.id = %self.order.id.name, "{why}"),
            None => tracing::info!(cache.id = %self.order.id.name, "the problem is over"),
        }
        self.problem = problem.map(str::to_owned);
    }

    /// Takes an order over. What it changes in the epoch is on disk before anything is done.
    fn adopt(&mut self, order: Order) -> Result<(), String> {
        let known = self.store.file().epoch;
        if order.epoch < known {
            return Err(format!(
                "refused to go back from epoch {known} to {}: the control plane's store was restored from an old copy",
                order.epoch
            ));
        }
        let kept = self.store.change(|file| {
            file.epoch = order.epoch;
            file.shards
                .resize_with(usize::from(order.shards), Default::default);
        });
        kept.map_err(|error| {
            format!(
                "cannot keep the epoch on disk, so nothing is changed: {}",
                chain(&error)
            )
        })?;
        if order.role.kind() != self.order.role.kind() || order.epoch != self.order.epoch {
            tracing::info!(
                cache.id = %order.id.name,
                epoch = %order.epoch,
                role = ?order.role.kind(),
                "the role changes"
            );
        }
        if order.epoch != known {
            for shard in &mut self.shards {
                shard.forget_standing();
            }
        }
        for index in self.shards.len()..usize::from(order.shards) {
            let index = ShardIndex(u16::try_from(index).unwrap_or(u16::MAX));
            self.shards.push(ShardRunner::new(
                Arc::clone(&self.host),
                order.uid.clone(),
                index,
            ));
        }
        self.order = order;
        Ok(())
    }

    /// Resolves when a link of the cache moved, so that what is applied is looked at while it is
    /// fresh; not more often than every few milliseconds.
    async fn stirred(&mut self) {
        sleep(STIRRED).await;
        let moves: Vec<_> = self
            .shards
            .iter_mut()
            .map(|shard| Box::pin(shard.stirred()))
            .collect();
        if moves.is_empty() {
            return pending().await;
        }
        select_all(moves).await;
    }

    /// How soon to look again, by the role and by what the shards do.
    fn haste(&self) -> Duration {
        let standing = |want: &ShardStanding| {
            self.shards
                .iter()
                .all(|shard| shard.observed().standing == *want)
        };
        match &self.order.role {
            GeoRole::Yielding { attempt, .. } => {
                let done = standing(&ShardStanding::Yielded { attempt: *attempt });
                if done { CALM } else { HOT }
            }
            GeoRole::Taking { .. } => HOT,
            GeoRole::Alone | GeoRole::Primary { .. } => {
                let calm = standing(&ShardStanding::Writable) || standing(&ShardStanding::Lost);
                if calm { CALM } else { BEHIND }
            }
            GeoRole::Secondary { .. } => {
                let behind = self.shards.iter().any(ShardRunner::is_behind);
                let settled = |shard: &ShardRunner| {
                    matches!(
                        shard.observed().standing,
                        ShardStanding::Following | ShardStanding::Unsaved { .. }
                    )
                };
                let calm = self.shards.iter().all(settled);
                if behind || !calm { BEHIND } else { CALM }
            }
        }
    }

    fn report(&self, problem: Option<String>, looked: bool) {
        let settled = looked
            && self
                .shards
                .iter()
                .all(|s| s.is_settled(&self.store, &self.order));
        self.host.board.pin(CacheObserved {
            uid: self.order.uid.clone(),
            settled_revision: if settled { self.order.revision } else { 0 },
            epoch: self.store.file().epoch,
            role: self.order.role.kind(),
            endpoint: self.store.file().service,
            engine: Some(self.host.program.version),
            shards: self
                .shards
                .iter()
                .map(|shard| shard.observed().clone())
                .collect(),
            problem,
            lost_writes: self.host.lost.of(&self.order.uid).list(),
            handoff: None,
        });
    }

    /// Asks the control plane whether this side may be promoted, once every shard has applied its
    /// barrier. The answer that counts is the next desired state.
    async fn ask_for_the_decision(&mut self) {
        let GeoRole::Taking { link, attempt, .. } = &self.order.role else {
            return;
        };
        if self.answered == Some(*attempt) {
            return;
        }
        let ready = self
            .shards
            .iter()
            .map(|shard| shard.ready().filter(|(of, _)| of == attempt));
        let Some(barriers) = ready
            .map(|r| r.map(|(_, barrier)| barrier))
            .collect::<Option<Vec<_>>>()
        else {
            return;
        };
        let request = PromotionRequest {
            link: link.clone(),
            attempt: *attempt,
            barriers,
        };
        match self.host.client.promote(&request).await {
            Ok(answer) => {
                tracing::info!(
                    cache.id = %self.order.id.name,
                    attempt,
                    promoted = answer.promoted,
                    "every shard has applied its barrier"
                );
                self.answered = Some(*attempt);
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the decision was not heard; asking again");
            }
        }
    }

    /// Stops in order: every leader saves its data set, nothing runs afterwards.
    async fn stop(mut self) {
        for shard in &mut self.shards {
            shard.stop(&mut self.store).await;
        }
        tracing::info!(cache.id = %self.order.id.name, "the cache's engines are stopped");
    }

    /// Stops without saving and removes every file.
    async fn remove(mut self) {
        if !self.adopted {
            let count = self.store.file().shards.len();
            for index in 0..count {
                let index = ShardIndex(u16::try_from(index).unwrap_or(u16::MAX));
                let uid = self.order.uid.clone();
                let mut shard = ShardRunner::new(Arc::clone(&self.host), uid, index);
                shard.adopt_engines(&self.store, &self.order).await;
                self.shards.push(shard);
            }
        }
        for shard in &mut self.shards {
            shard.discard(true).await;
        }
        let uid = &self.order.uid;
        if let Err(error) = self.host.directory.remove_cache(uid) {
            tracing::error!(cache.id = %self.order.id.name, %error, "files of a removed cache are left");
        }
        self.host.lost.forget(uid);
        self.host.board.unpin(uid);
        tracing::info!(cache.id = %self.order.id.name, "the cache is removed");
    }
}
