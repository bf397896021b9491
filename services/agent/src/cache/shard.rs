//! One shard's runner: looks at its nodes, asks the planner, carries the steps out.

mod describe;
mod handoff;
mod lead;
mod lease;
mod points;
mod rejoin;
mod settings;
mod staging;
mod steps;
mod stop;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use engine::Node;
use futures_util::future::join_all;
use model::{
    CacheDesired, CacheUid, Epoch, GeoRole, ShardIndex, ShardObserved, ShardStanding,
    shard::{LinkView, NodeView, Plan, Situation, Step, Upstream, holds_still, plan},
};
use psync::Position;
use runtime::{chain, crash::When};
use tokio::time::Instant;

use super::{
    Host,
    front::Front,
    lease::Right,
    link::{Engines, LinkHalf},
    node::{Asked, Heard, Slot},
    store::CacheStore,
    transfer::Staging,
};
use handoff::ShardHandoff;
use lease::ShardLease;
use rejoin::SavingLost;

/// How long a node may take to stop when its data are not wanted.
const DISCARD_GRACE: Duration = Duration::from_secs(10);
/// How long the other nodes' answers are waited for once the leading node has answered.
const MOMENT: Duration = Duration::from_millis(10);

pub(super) struct ShardRunner {
    host: Arc<Host>,
    uid: CacheUid,
    shard: ShardIndex,
    slots: Vec<Slot>,
    link: LinkHalf,
    lease: ShardLease,
    handoff: ShardHandoff,
    observed: ShardObserved,
    ready: Option<(u64, Position)>,
    moved: bool,
    /// The leader was promoted in the last look.
    took_over: bool,
    /// What the other side of a forced failover lacks is being saved, or was.
    saving: Option<SavingLost>,
    /// A node beside the shard's that has loaded the data set which is to be the shard's.
    staged: Option<Staging>,
    /// The forced failover of which people were told that no write is taken any more.
    told_shut: Option<Epoch>,
    /// The epoch in which every figure was asked for. The first report of an epoch must not carry
    /// an older one: the control plane may let a primary start empty by it.
    fresh_in: Option<Epoch>,
}

impl ShardRunner {
    pub(super) fn new(host: Arc<Host>, uid: CacheUid, shard: ShardIndex) -> Self {
        let link = LinkHalf::new(Arc::clone(&host), uid.clone(), shard);
        let observed = ShardObserved {
            shard,
            standing: ShardStanding::Starting,
            position: None,
            keys: 0,
            used_memory: 0,
            ops_per_second: 0,
            clients: 0,
            nodes: Vec::new(),
            link: None,
            fork: None,
        };
        let slots = Vec::new();
        Self {
            host,
            uid,
            shard,
            slots,
            link,
            lease: ShardLease::default(),
            handoff: ShardHandoff::default(),
            observed,
            ready: None,
            moved: false,
            took_over: false,
            saving: None,
            staged: None,
            told_shut: None,
            fresh_in: None,
        }
    }

    pub(super) fn observed(&self) -> &ShardObserved {
        &self.observed
    }

    /// What was seen in an earlier epoch says nothing in the next one.
    pub(super) fn forget_standing(&mut self) {
        self.observed.standing = ShardStanding::Starting;
    }

    /// The barrier that this shard has applied, with its handoff.
    pub(super) fn ready(&self) -> Option<(u64, Position)> {
        self.ready
    }

    /// The last look did something, so that another one soon will see more.
    pub(super) fn moved(&self) -> bool {
        self.moved
    }

    /// Bytes have arrived that the engine has not applied.
    pub(super) fn is_behind(&self) -> bool {
        self.observed
            .position
            .is_some_and(|here| self.link.waiting_bytes(here) > 0)
    }

    /// Resolves when the link moved.
    pub(super) async fn stirred(&mut self) {
        self.link.stirred().await;
    }

    /// Takes over what an earlier agent left on disk, and running.
    pub(super) async fn adopt_engines(&mut self, store: &mut CacheStore, desired: &CacheDesired) {
        let kept = store.change_shard(self.shard, |file| {
            file.memory = file.memory.clone().recalled();
        });
        if let Err(error) = kept {
            tracing::error!(cache.id = %desired.id.name, error = %chain(&error), "what is remembered of a fence cannot be written");
        }
        let known = store.shard(self.shard).applied.len();
        let count = known.max(usize::from(desired.replicas) + 1);
        self.slots.resize_with(count, Slot::default);
        for index in 0..count {
            let Some(node) = node_index(index) else {
                continue;
            };
            if store.shard(self.shard).staging == Some(node) {
                continue;
            }
            let config = self.node_config(store, desired, node, None, false, false);
            let Ok(config) = config else { continue };
            match Node::adopt(&config).await {
                Ok(Some(found)) => {
                    tracing::info!(cache.id = %desired.id.name, node, pid = found.pid(), "adopted a running engine");
                    if let Some(slot) = self.slots.get_mut(index) {
                        slot.seat(found);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(cache.id = %desired.id.name, node, error = %chain(&error), "a running engine cannot be adopted and is stopped");
                    for orphan in engine::find_orphans(&config.directory) {
                        if let Err(error) = engine::stop_orphan(&orphan, DISCARD_GRACE).await {
                            tracing::error!(error = %chain(&error), "it does not stop");
                        }
                    }
                }
            }
        }
    }

    /// Looks, plans, and takes the next steps. The error is what keeps the shard from its place.
    pub(super) async fn look(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
        right: Right,
        front: &mut Front,
    ) -> Result<(), String> {
        self.moved = false;
        self.took_over = false;
        let wanted = usize::from(desired.replicas) + 1;
        if self.slots.len() < wanted {
            self.slots.resize_with(wanted, Slot::default);
        }
        let saved = self.look_at_saving(store, desired).await;
        self.wire_inbound(store, desired).await?;
        let held = self.link.is_held();
        let mut problem = self.look_at_nodes(store, desired).await;
        if let Err(why) = saved {
            problem.get_or_insert(why);
        }
        let lease = self.follow_lease(store, desired, right);
        self.follow_handoff(desired);
        let mut plan = self.plan(store, desired, held, lease);
        self.add_progress(&mut plan.standing);
        self.ready = plan.ready;
        self.note_arrivals(desired);
        self.describe(store, desired, &plan.standing);
        if let ShardStanding::Unpromotable { why } = &plan.standing {
            problem
                .get_or_insert_with(|| format!("shard {} cannot be promoted: {why}", self.shard));
        }
        if let ShardStanding::Unsaved { why } = &plan.standing {
            problem.get_or_insert_with(|| format!(
                "shard {} has taken writes that the other side does not have and that cannot all be saved: {why}; it follows once somebody accepts that (`godwit link resume --accept-unsaved`)",
                self.shard
            ));
        }
        if plan.standing == ShardStanding::Lost {
            problem.get_or_insert_with(|| format!(
                "every node of shard {} is gone, and the other side of the link holds its data; fail over to it, unlink to start empty, or accept that both start empty (`godwit link resume --accept-empty-source`)",
                self.shard
            ));
        }
        let applied = self.apply_settings(store, desired).await;
        let admitted = self.admit_users(store, desired).await;
        if let Err(why) = applied.and(admitted) {
            problem.get_or_insert(why);
        }
        for step in &plan.steps {
            if let Step::Pause { .. } | Step::Install { .. } = step {
                front.hold(self.round_trip()).await;
            }
            tracing::debug!(cache.id = %desired.id.name, shard = %self.shard, ?step, "next step");
            let point = points::name(step);
            self.host.crash.pass(point, When::Before);
            self.carry_out(store, desired, step).await?;
            self.host.crash.pass(point, When::After);
            self.note_step(desired, step);
            self.moved |= moves(step);
        }
        self.took_over = self.takes_over(store, desired, &plan);
        self.serve_reads(store, desired).await?;
        self.wire_outbound(store, desired, &plan.standing).await;
        problem.map_or(Ok(()), Err)
    }

    async fn wire_inbound(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
    ) -> Result<(), String> {
        let before = store.shard(self.shard).inbound;
        let password = store.file().internal.clone();
        let holds = holds_still(&desired.role, &store.shard(self.shard).memory);
        let address = self.link.prepare(desired, holds, before, &password).await;
        let address = address.map_err(|error| chain(&error).to_string())?;
        if address.is_some() {
            let kept = store.change_shard(self.shard, |file| file.inbound = address);
            kept.map_err(|error| chain(&error).to_string())?;
        }
        Ok(())
    }

    /// Asks every node how it is, and waits for the leading one. While that answers, the others get
    /// a moment: one that hangs must not hold up what the leading node has to do.
    async fn look_at_nodes(
        &mut self,
        store: &CacheStore,
        desired: &CacheDesired,
    ) -> Option<String> {
        let mut problem = None;
        let full = self.fresh_in != Some(desired.epoch);
        self.fresh_in = Some(desired.epoch);
        let leader = usize::from(store.shard(self.shard).memory.leader);
        let tasks = &self.host.relay_tasks;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            match slot.ask(full, full || index == leader, tasks) {
                Asked::Died { pid } => {
                    tracing::warn!(cache.id = %desired.id.name, shard = %self.shard, node = index, pid, "an engine process is gone");
                }
                Asked::Down | Asked::Waits => {}
            }
        }
        let mut until = None;
        if let Some(slot) = self.slots.get_mut(leader) {
            match slot.hear(None).await {
                Heard::Answer => until = Some(Instant::now() + MOMENT),
                Heard::Silence(error) => {
                    problem = Some(format!("node {leader}: {}", chain(&error)));
                }
                Heard::Nothing => {}
            }
        }
        let heard = join_all(self.slots.iter_mut().map(|slot| slot.hear(until))).await;
        for (index, heard) in heard.into_iter().enumerate() {
            if let Heard::Silence(error) = heard {
                problem = Some(format!("node {index}: {}", chain(&error)));
            }
        }
        problem
    }

    fn name_of(&self, address: SocketAddr) -> Upstream {
        if self.link.inbound_address() == Some(address) {
            return Upstream::Inbound;
        }
        let index = self
            .slots
            .iter()
            .position(|slot| slot.address() == Some(address));
        index
            .and_then(node_index)
            .map_or(Upstream::Elsewhere, Upstream::Node)
    }

    fn plan(
        &self,
        store: &CacheStore,
        desired: &CacheDesired,
        held: bool,
        lease: Option<bool>,
    ) -> Plan {
        let service = store.file().service;
        let name = |address| self.name_of(address);
        let nodes: Vec<NodeView> = self.slots.iter().map(|s| s.view(service, &name)).collect();
        plan(&Situation {
            shard: self.shard,
            role: &desired.role,
            replicas: desired.replicas,
            memory: &self.memory(store),
            nodes: &nodes,
            link: LinkView {
                held,
                lags: self.lags(),
                ..self.link.view()
            },
            lease,
            saving: self.saving_view(),
            staged: self.staged_view(),
        })
    }

    async fn wire_outbound(
        &mut self,
        store: &CacheStore,
        desired: &CacheDesired,
        standing: &ShardStanding,
    ) {
        let memory = store.shard(self.shard).memory;
        let leader = usize::from(memory.leader);
        let password = &store.file().internal;
        match &desired.role {
            // A fenced shard goes on serving its barrier, also after a restart of the agent.
            GeoRole::Primary { .. } | GeoRole::Yielding { .. } => {
                let yields = matches!(desired.role, GeoRole::Yielding { .. });
                // Without a lease it takes no writes, and the other side gets what it has.
                let leads = matches!(standing, ShardStanding::Writable | ShardStanding::Unleased);
                if (yields || leads)
                    && let Some(engines) = self.engines(leader)
                {
                    self.note_source(leader);
                    self.link.serve(desired, engines, &memory, password);
                }
            }
            GeoRole::Alone => self.link.withdraw(),
            GeoRole::Secondary { .. } if holds_still(&desired.role, &memory) => {
                self.keep_draining(store, desired);
            }
            GeoRole::Secondary { .. } | GeoRole::Taking { .. } => {
                self.link.withdraw();
                if store.file().in_step_once.as_ref() == desired.role.link() {
                    self.link.note_keys(self.observed.keys);
                }
                if *standing == ShardStanding::Following
                    && let Some(here) = self.observed.position
                {
                    self.link.note_applied(here);
                    self.link.forget_journal().await;
                }
            }
        }
    }

    fn note_source(&self, leader: usize) {
        if let Some(slot) = self.slots.get(leader)
            && let Some(seen) = slot.replication()
        {
            self.link.note_source(seen, slot.figures.keys);
        }
    }

    /// The leader, and the replicas that are sure to have what it has.
    fn engines(&self, leader: usize) -> Option<Engines> {
        let primary = self.slots.get(leader)?.address()?;
        let others = self.slots.iter().enumerate();
        let replicas = others
            .filter(|(index, slot)| *index != leader && slot.is_fed())
            .filter_map(|(_, slot)| slot.address());
        Some(Engines {
            primary,
            replicas: replicas.collect(),
        })
    }
}

/// Tells steps after which another look sees more from those that are taken at every look.
fn moves(step: &Step) -> bool {
    !matches!(
        step,
        Step::DeclareBarrier { .. } | Step::TakePauseOver { .. }
    )
}

fn node_index(index: usize) -> Option<u8> {
    u8::try_from(index).ok()
}
