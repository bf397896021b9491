//! One cache on this host: a worker that adopts its orders and moves its shards towards them.

mod front;
mod handoff;
mod lease;
mod link;
mod node;
mod shard;
mod store;
mod transfer;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ::transfer::Allowed;
use client::Agents;
use engine::EngineProgram;
use futures_util::future::{pending, select_all};
use model::{
    CacheDesired, CacheObserved, Epoch, GeoRole, HandoffStep, Presence, PromotionRequest, Region,
    ShardIndex, ShardStanding, shard::ShardMemory,
};
use relay::{Events, Outbound};
use runtime::{
    chain,
    crash::{Points, When},
    dice::Dice,
    tasks::Tasks,
};
use tls::Identity;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

pub(crate) use front::Fronts;

use self::transfer::Transfers;
use crate::{Addresses, leases::Leases, lost_writes::Stores, reporter::Board, state::Directory};
use front::{Front, Seen, place};
use handoff::{Handoff, attempt_of};
use lease::{LeaseWatch, needs_lease};
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
    /// The zone of the caches' names; empty until the control plane has said.
    pub(crate) zone: watch::Sender<String>,
    pub(crate) events: Events,
    pub(crate) client: Agents,
    pub(crate) dice: Dice,
    pub(crate) board: Board,
    pub(crate) leases: Arc<Leases>,
    pub(crate) relay_tasks: Tasks,
    pub(crate) lost: Stores,
    pub(crate) fronts: Fronts,
    /// What exports and imports may use.
    pub(crate) transfers: Allowed,
    pub(crate) crash: Points,
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
        let wake = worker.lease.wake();
        tokio::select! {
            () = tasks.cancelled() => break,
            changed = orders.changed() => {
                if changed.is_err() {
                    break;
                }
            }
            () = worker.stirred() => {}
            () = wake.notified() => {}
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
        doors: None,
        engine: None,
        shards: Vec::new(),
        problem: Some(why),
        lost_writes: Vec::new(),
        handoff: None,
        transfer: None,
    }
}

struct Worker {
    host: Arc<Host>,
    order: Order,
    store: CacheStore,
    shards: Vec<ShardRunner>,
    front: Front,
    transfer: Transfers,
    adopted: bool,
    lease: LeaseWatch,
    /// The handoff that was answered, so that it is asked about once.
    answered: Option<u64>,
    /// What the answer said, until a desired state says it.
    decided: Option<Order>,
    handoff: Option<Handoff>,
    /// What was wrong at the last look, so that it is logged once.
    problem: Option<String>,
}

impl Worker {
    fn open(host: Arc<Host>, order: Order) -> Result<Self, crate::state::StateError> {
        let store = CacheStore::open(&host, &order.uid)?;
        let front = Front::open(&host, &order);
        let transfer = Transfers::new(&host, &order.uid);
        let shards = Vec::new();
        Ok(Self {
            host,
            order,
            store,
            shards,
            front,
            transfer,
            adopted: false,
            lease: LeaseWatch::new(),
            answered: None,
            decided: None,
            handoff: None,
            problem: None,
        })
    }

    /// Adopts the order, has every shard take its next steps, reports; tells how long to wait.
    async fn look(&mut self, order: Order) -> Duration {
        let decided = self.decided.take();
        self.decided = decided.filter(|decided| decided.epoch > order.epoch);
        let order = self.decided.clone().unwrap_or(order);
        if let Err(why) = self.adopt(order) {
            self.complain(Some(&why));
            self.report(Some(why), false);
            return AFTER_FAILURE;
        }
        self.front.admit(&self.order);
        if !self.adopted {
            for shard in &mut self.shards {
                shard.adopt_engines(&mut self.store, &self.order).await;
            }
            self.adopted = true;
        }
        self.handoff = Handoff::of(self.handoff.take(), &self.order);
        // Whoever lost the right to be led to is not led to any more, before anything else.
        self.lead().await;
        let right = self.lease.look(&self.host, &self.order);
        let mut problem = None;
        let mut pause = CALM.min(right.ends_in());
        let (store, shards) = (&mut self.store, &mut self.shards);
        if let Err(why) = self.transfer.look(store, &self.order, shards).await {
            problem = Some(why);
            pause = AFTER_FAILURE.min(right.ends_in());
        }
        for shard in &mut self.shards {
            let looked = shard
                .look(&mut self.store, &self.order, right, &mut self.front)
                .await;
            if let Err(why) = looked {
                problem.get_or_insert(why);
                pause = AFTER_FAILURE.min(right.ends_in());
            }
        }
        self.lead().await;
        // An engine of an earlier version may have to leave the address first.
        if let Err(why) = self.front.listen(&mut self.store, &self.order.uid) {
            problem.get_or_insert(why);
        }
        if problem.is_none() && self.shards.iter().any(ShardRunner::moved) {
            // Clients may be waiting: the next step is taken at once.
            let hurries = attempt_of(&self.order).is_some();
            pause = if hurries { Duration::ZERO } else { HOT };
        }
        self.complain(problem.as_deref());
        self.note_handoff();
        self.report(problem, true);
        if self.ask_for_the_decision().await {
            return Duration::ZERO;
        }
        pause.min(self.haste())
    }

    /// Says where the cache's connections go, by what is known now.
    async fn lead(&mut self) {
        let Some(shard) = self.shards.first() else {
            return;
        };
        let leading = shard.leading(&self.store, &self.order);
        let zone = self.host.zone.borrow().clone();
        let file = self.store.file();
        let decision = place(Seen {
            order: &self.order,
            standing: &shard.observed().standing,
            took_over: leading.took_over,
            engine: leading.engine,
            service: file.service,
            may_write: leading.may_write,
            has_data: file.in_step_once.as_ref() == self.order.role.link(),
            client: &file.clients,
            zone: &zone,
            before: self.front.place(),
            holds: self.front.holds(),
        });
        self.front.follow(decision).await;
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
            // Or the agent was killed right after a promotion, before it was told of it in full.
            return Err(format!(
                "refused to go back from epoch {known} to {}: the control plane's store was restored from an old copy",
                order.epoch
            ));
        }
        let stances = self.foreseen(&order);
        let pass = |when| {
            if order.epoch != known {
                self.host.crash.pass("Adopt", when);
            }
        };
        pass(When::Before);
        let kept = self.store.change(|file| {
            file.epoch = order.epoch;
            file.shards
                .resize_with(usize::from(order.shards), Default::default);
            for (part, memory) in file.shards.iter_mut().zip(stances) {
                part.memory = memory;
            }
        });
        kept.map_err(|error| {
            format!(
                "cannot keep the epoch on disk, so nothing is changed: {}",
                chain(&error)
            )
        })?;
        pass(When::After);
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
        if self.store.file().epoch != known && needs_lease(&self.order) {
            // A lease is for an epoch: it can be on its way while the engines are promoted.
            self.report(None, false);
        }
        Ok(())
    }

    /// What each shard would write first under an order that ends a handoff, so that it goes to disk
    /// together with the epoch. Empty: each writes for itself.
    fn foreseen(&self, order: &Order) -> Vec<ShardMemory> {
        if attempt_of(&self.order).is_none() || order.epoch == self.store.file().epoch {
            return Vec::new();
        }
        let shards = self.shards.iter();
        let memories = shards.map(|shard| shard.foresee(&self.store, order));
        memories.collect::<Option<_>>().unwrap_or_default()
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
                let calm = standing(&ShardStanding::Writable)
                    || standing(&ShardStanding::Lost)
                    || standing(&ShardStanding::Unleased);
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
            doors: self.front.doors(),
            engine: Some(self.host.program.version),
            shards: self
                .shards
                .iter()
                .map(|shard| shard.observed().clone())
                .collect(),
            problem,
            lost_writes: self.host.lost.of(&self.order.uid).list(),
            handoff: self.handoff.as_ref().map(Handoff::observed),
            transfer: self.transfer.observed(&self.store, &self.order),
        });
    }

    /// Notes how far the shards have come in a handoff.
    fn note_handoff(&mut self) {
        let Some(handoff) = &mut self.handoff else {
            return;
        };
        for shard in &mut self.shards {
            let index = shard.observed().shard;
            for (step, at) in shard.take_steps() {
                handoff.note(index, step, at);
            }
            if let Some(step) = handoff.settled(&self.order)
                && shard.has_settled()
            {
                handoff.note(index, step, Instant::now());
            }
        }
        handoff.tell(&self.host, self.shards.len());
    }

    /// Every shard comes to a step of the handoff at once.
    fn note_together(&mut self, step: HandoffStep) {
        if let Some(handoff) = &mut self.handoff {
            for shard in &self.shards {
                handoff.note(shard.observed().shard, step, Instant::now());
            }
        }
    }

    /// Asks the control plane whether this side may be promoted, once every shard has applied its
    /// barrier. `true`: it may, and the order that says so is the next one; the desired state that
    /// says the same is a moment behind.
    async fn ask_for_the_decision(&mut self) -> bool {
        let GeoRole::Taking { link, attempt, .. } = &self.order.role else {
            return false;
        };
        let (link, attempt) = (link.clone(), *attempt);
        if self.answered == Some(attempt) {
            return false;
        }
        let ready = self
            .shards
            .iter()
            .map(|shard| shard.ready().filter(|(of, _)| *of == attempt));
        let Some(barriers) = ready
            .map(|r| r.map(|(_, barrier)| barrier))
            .collect::<Option<Vec<_>>>()
        else {
            return false;
        };
        let request = PromotionRequest {
            link,
            attempt,
            barriers,
        };
        self.note_together(HandoffStep::DecisionAsked);
        self.host.crash.pass("AskDecision", When::Before);
        match self.host.client.promote(&request).await {
            Ok(answer) => {
                self.host.crash.pass("AskDecision", When::After);
                tracing::info!(
                    cache.id = %self.order.id.name,
                    attempt,
                    promoted = answer.promoted,
                    "every shard has applied its barrier"
                );
                self.answered = Some(attempt);
                if !answer.promoted {
                    return false;
                }
                self.note_together(HandoffStep::Decided);
                self.decided = self.order.promoted(attempt, &request.barriers);
                self.decided.is_some()
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the decision was not heard; asking again");
                false
            }
        }
    }

    /// Stops in order: nobody is let in any more, every leader saves its data set, nothing runs
    /// afterwards.
    async fn stop(mut self) {
        self.front.close(&self.order).await;
        self.transfer.stop(&mut self.store, &mut self.shards).await;
        for shard in &mut self.shards {
            shard.stop(&mut self.store).await;
        }
        tracing::info!(cache.id = %self.order.id.name, "the cache's engines are stopped");
    }

    /// Stops without saving and removes every file.
    async fn remove(mut self) {
        self.front.close(&self.order).await;
        if !self.adopted {
            let count = self.store.file().shards.len();
            for index in 0..count {
                let index = ShardIndex(u16::try_from(index).unwrap_or(u16::MAX));
                let uid = self.order.uid.clone();
                let mut shard = ShardRunner::new(Arc::clone(&self.host), uid, index);
                shard.adopt_engines(&mut self.store, &self.order).await;
                self.shards.push(shard);
            }
        }
        self.transfer.stop(&mut self.store, &mut self.shards).await;
        for shard in &mut self.shards {
            shard.discard(true).await;
        }
        let uid = &self.order.uid;
        if let Err(error) = self.host.directory.remove_cache(uid) {
            tracing::error!(cache.id = %self.order.id.name, %error, "files of a removed cache are left");
        }
        self.front.forget(uid);
        self.host.lost.forget(uid);
        self.host.leases.need(uid, None, &self.lease.wake());
        self.host.board.unpin(uid);
        tracing::info!(cache.id = %self.order.id.name, "the cache is removed");
    }
}
