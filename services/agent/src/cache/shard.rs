//! One shard's runner: looks at its nodes, asks the planner, carries the steps out.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use engine::{Credentials, INTERNAL_USER, Node, NodeConfig, StopHow};
use model::{
    CacheDesired, CacheUid, GeoRole, NodeObserved, ShardIndex, ShardObserved, ShardStanding,
    shard::{NodeView, Plan, Situation, Stance, Step, Upstream, plan},
};
use psync::Position;
use runtime::chain;

use super::{
    Host,
    link::LinkHalf,
    node::{Look, Slot},
    store::CacheStore,
};

/// How long a node may take to stop when its data are not wanted.
const DISCARD_GRACE: Duration = Duration::from_secs(10);
/// How long a leader may take to save its data set at an orderly stop.
const SAVE_GRACE: Duration = Duration::from_secs(240);

pub(super) struct ShardRunner {
    host: Arc<Host>,
    uid: CacheUid,
    shard: ShardIndex,
    slots: Vec<Slot>,
    link: LinkHalf,
    observed: ShardObserved,
    ready: Option<(u64, Position)>,
    moved: bool,
}

impl ShardRunner {
    pub(super) fn new(host: Arc<Host>, uid: CacheUid, shard: ShardIndex) -> Self {
        let link = LinkHalf::new(Arc::clone(&host), shard);
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
        };
        let slots = Vec::new();
        Self {
            host,
            uid,
            shard,
            slots,
            link,
            observed,
            ready: None,
            moved: false,
        }
    }

    pub(super) fn observed(&self) -> &ShardObserved {
        &self.observed
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

    /// Takes over the engines that an earlier agent left running.
    pub(super) async fn adopt_engines(&mut self, store: &CacheStore, desired: &CacheDesired) {
        let known = store.shard(self.shard).applied.len();
        let count = known.max(usize::from(desired.replicas) + 1);
        self.slots.resize_with(count, Slot::default);
        for index in 0..count {
            let Some(node) = node_index(index) else {
                continue;
            };
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
    ) -> Result<(), String> {
        self.moved = false;
        let wanted = usize::from(desired.replicas) + 1;
        if self.slots.len() < wanted {
            self.slots.resize_with(wanted, Slot::default);
        }
        self.wire_inbound(store, desired).await?;
        let mut problem = self.look_at_nodes(desired).await;
        let plan = self.plan(store, desired);
        self.ready = plan.ready;
        self.describe(store, desired, &plan.standing);
        if let ShardStanding::Unpromotable { why } = &plan.standing {
            problem
                .get_or_insert_with(|| format!("shard {} cannot be promoted: {why}", self.shard));
        }
        if plan.standing == ShardStanding::Lost {
            problem.get_or_insert_with(|| format!(
                "every node of shard {} is gone, and the other side of the link holds its data; fail over to it, or unlink to start empty",
                self.shard
            ));
        }
        for step in &plan.steps {
            tracing::debug!(cache.id = %desired.id.name, shard = %self.shard, ?step, "next step");
            self.carry_out(store, desired, step).await?;
            self.moved = true;
        }
        if plan.steps.is_empty() {
            self.apply_settings(store, desired).await?;
        }
        self.serve_reads(store, desired).await?;
        self.wire_outbound(store, desired, &plan.standing);
        problem.map_or(Ok(()), Err)
    }

    async fn wire_inbound(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
    ) -> Result<(), String> {
        let before = store.shard(self.shard).inbound;
        let password = store.file().internal.clone();
        let address = self.link.prepare(desired, before, &password).await;
        let address = address.map_err(|error| chain(&error).to_string())?;
        if address.is_some() {
            let kept = store.change_shard(self.shard, |file| file.inbound = address);
            kept.map_err(|error| chain(&error).to_string())?;
        }
        Ok(())
    }

    async fn look_at_nodes(&mut self, desired: &CacheDesired) -> Option<String> {
        let mut problem = None;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            match slot.look(false).await {
                Look::Died { pid } => {
                    tracing::warn!(cache.id = %desired.id.name, shard = %self.shard, node = index, pid, "an engine process is gone");
                }
                Look::Silent(error) => {
                    problem = Some(format!("node {index}: {}", chain(&error)));
                }
                Look::Down | Look::Answered => {}
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

    fn plan(&self, store: &CacheStore, desired: &CacheDesired) -> Plan {
        let service = store.file().service;
        let name = |address| self.name_of(address);
        let nodes: Vec<NodeView> = self.slots.iter().map(|s| s.view(service, &name)).collect();
        plan(&Situation {
            shard: self.shard,
            role: &desired.role,
            replicas: desired.replicas,
            memory: &store.shard(self.shard).memory,
            nodes: &nodes,
            link: self.link.view(),
        })
    }

    async fn carry_out(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
        step: &Step,
    ) -> Result<(), String> {
        let told = |error: engine::CommandError| chain(&error).to_string();
        match step {
            Step::Remember(memory) => {
                let kept = store.change_shard(self.shard, |file| file.memory = memory.clone());
                kept.map_err(|error| chain(&error).to_string())
            }
            Step::Start {
                node,
                upstream,
                saved,
                at_service_address,
            } => {
                let start = (*node, *upstream, *saved, *at_service_address);
                self.start(store, desired, start).await
            }
            Step::Retire { node } => self.retire(*node).await,
            Step::Follow { node, upstream } => {
                let address = self.address_of(*upstream)?;
                let engine = self.engine(*node)?;
                tracing::info!(cache.id = %desired.id.name, shard = %self.shard, node, ?upstream, "follow");
                engine.follow(address).await.map_err(told)
            }
            Step::StandAlone { node } => {
                tracing::info!(cache.id = %desired.id.name, shard = %self.shard, node, "promote");
                self.engine(*node)?.stand_alone().await.map_err(told)
            }
            Step::TakeServiceAddress { node } => {
                let service = store.file().service.ok_or("the cache has no address yet")?;
                self.engine(*node)?
                    .listen_on(service)
                    .await
                    .map_err(|e| chain(&e).to_string())
            }
            Step::Pause { node } => self.slot(*node)?.pause().await.map_err(told),
            Step::Resume { node } => self.slot(*node)?.resume().await.map_err(told),
            Step::TakePauseOver { .. } => {
                self.link.take_pause_over();
                Ok(())
            }
            Step::ExpectFence => {
                self.link.expect_fence();
                Ok(())
            }
            Step::DeclareBarrier { attempt, position } => {
                self.link.declare(*attempt, *position);
                Ok(())
            }
            Step::LiftFence => {
                self.link.lift_fence();
                Ok(())
            }
        }
    }

    fn slot(&mut self, node: u8) -> Result<&mut Slot, String> {
        let slot = self.slots.get_mut(usize::from(node));
        slot.ok_or_else(|| format!("there is no node {node}"))
    }

    fn engine(&self, node: u8) -> Result<&Node, String> {
        let slot = self.slots.get(usize::from(node));
        let engine = slot.and_then(|slot| slot.node.as_ref());
        engine.ok_or_else(|| format!("node {node} does not run"))
    }

    fn address_of(&self, upstream: Upstream) -> Result<SocketAddr, String> {
        match upstream {
            Upstream::Inbound => self
                .link
                .inbound_address()
                .ok_or_else(|| "the link has no inbound half".to_owned()),
            Upstream::Node(node) => self.engine(node).map(Node::address),
            Upstream::Elsewhere => Err("nothing is known at that address".to_owned()),
        }
    }

    async fn start(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
        (node, upstream, saved, at_service): (u8, Option<Upstream>, bool, bool),
    ) -> Result<(), String> {
        if store.file().service.is_none() {
            let taken = BTreeSet::new();
            let picked = self
                .host
                .addresses
                .pick(&taken)
                .map_err(|e| chain(&e).to_string())?;
            let kept = store.change(|file| file.service = Some(picked));
            kept.map_err(|error| chain(&error).to_string())?;
        }
        if at_service && !saved && upstream == Some(Upstream::Inbound) {
            // It starts with nothing: it has nothing to serve until it was in step again.
            let kept = store.change(|file| file.in_step_once = None);
            kept.map_err(|error| chain(&error).to_string())?;
        }
        let config = self.node_config(store, desired, node, upstream, saved, at_service)?;
        match Node::start(&self.host.program, &config).await {
            Ok(started) => {
                tracing::info!(cache.id = %desired.id.name, shard = %self.shard, node, pid = started.pid(), address = %config.address, ?upstream, saved, "started an engine");
                self.slot(node)?.seat(started);
                let applied = |file: &mut crate::state::ShardFile| {
                    let index = usize::from(node);
                    if file.applied.len() <= index {
                        file.applied.resize(index + 1, 0);
                    }
                    if let Some(revision) = file.applied.get_mut(index) {
                        *revision = desired.revision;
                    }
                };
                let kept = store.change_shard(self.shard, applied);
                kept.map_err(|error| chain(&error).to_string())
            }
            Err(error) => {
                // An address that no client was ever told may be exchanged for another.
                let never_up = store.shard(self.shard).memory.lineage.is_empty();
                if at_service && never_up {
                    let kept = store.change(|file| file.service = None);
                    kept.map_err(|error| chain(&error).to_string())?;
                }
                Err(format!(
                    "node {node} of shard {} does not start: {}",
                    self.shard,
                    chain(&error)
                ))
            }
        }
    }

    fn node_config(
        &self,
        store: &CacheStore,
        desired: &CacheDesired,
        node: u8,
        upstream: Option<Upstream>,
        load_saved: bool,
        at_service: bool,
    ) -> Result<NodeConfig, String> {
        let service = store.file().service;
        let address = match service {
            Some(service) if at_service => service,
            Some(service) => {
                let picked = self.host.addresses.pick_node(service, self.shard.0, node);
                picked.map_err(|error| chain(&error).to_string())?
            }
            None => SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        Ok(NodeConfig {
            directory: self.host.directory.node(&self.uid, self.shard.0, node),
            address,
            settings: desired.settings.clone(),
            keys: desired.keys.clone(),
            internal: Credentials {
                user: INTERNAL_USER.to_owned(),
                password: store.file().internal.clone(),
            },
            replica_of: upstream
                .map(|upstream| self.address_of(upstream))
                .transpose()?,
            load_saved,
            serve_stale: upstream != Some(Upstream::Inbound),
        })
    }

    async fn retire(&mut self, node: u8) -> Result<(), String> {
        let directory = self.host.directory.node(&self.uid, self.shard.0, node);
        let slot = self.slot(node)?;
        if let Some(engine) = slot.node.take() {
            let stopped = engine.stop(StopHow::Discard, DISCARD_GRACE).await;
            stopped.map_err(|error| chain(&error).to_string())?;
        }
        *slot = Slot::default();
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("remove {}: {error}", directory.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Brings settings and keys of every node up to the order's revision.
    async fn apply_settings(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
    ) -> Result<(), String> {
        for index in 0..self.slots.len() {
            let applied = store
                .shard(self.shard)
                .applied
                .get(index)
                .copied()
                .unwrap_or(0);
            let Some(engine) = self.slots.get(index).and_then(|slot| slot.node.as_ref()) else {
                continue;
            };
            if applied == desired.revision {
                continue;
            }
            let told = |error: engine::CommandError| chain(&error).to_string();
            engine.apply(&desired.settings).await.map_err(told)?;
            engine.set_keys(&desired.keys).await.map_err(told)?;
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

    /// A geo-secondary serves what it has while the network is down, but nothing while a full sync
    /// replaces it: neither the former data of a newly linked cache nor half of the new.
    async fn serve_reads(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
    ) -> Result<(), String> {
        let link = desired.role.link();
        let standing = &self.observed.standing;
        let has_the_data = match &desired.role {
            GeoRole::Alone => true,
            GeoRole::Primary { .. } | GeoRole::Yielding { .. } => {
                *standing == ShardStanding::Writable
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
        let stale = (noted || has_the_data) && *standing != ShardStanding::Syncing;
        for slot in &mut self.slots {
            if slot.replication().is_some() {
                slot.serve_stale(stale)
                    .await
                    .map_err(|error| chain(&error).to_string())?;
            }
        }
        Ok(())
    }

    fn wire_outbound(&self, store: &CacheStore, desired: &CacheDesired, standing: &ShardStanding) {
        let memory = store.shard(self.shard).memory;
        let leader = self.slots.get(usize::from(memory.leader));
        let address = leader.and_then(Slot::address);
        let password = &store.file().internal;
        match (&desired.role, address) {
            (GeoRole::Primary { .. }, Some(engine)) if *standing == ShardStanding::Writable => {
                self.link.serve(desired.epoch, engine, password);
            }
            // A fenced shard goes on serving its barrier, also after a restart of the agent.
            (GeoRole::Yielding { .. }, Some(engine)) => {
                self.link.serve(desired.epoch, engine, password);
            }
            (GeoRole::Primary { .. } | GeoRole::Yielding { .. }, _) => {}
            (GeoRole::Alone | GeoRole::Secondary { .. } | GeoRole::Taking { .. }, _) => {
                self.link.withdraw();
            }
        }
        let follows = matches!(
            desired.role,
            GeoRole::Secondary { .. } | GeoRole::Taking { .. }
        );
        if follows
            && *standing == ShardStanding::Following
            && let Some(here) = self.observed.position
        {
            self.link.note(here, self.observed.keys);
        }
    }

    fn describe(&mut self, store: &CacheStore, desired: &CacheDesired, standing: &ShardStanding) {
        let leader = usize::from(store.shard(self.shard).memory.leader);
        let nodes = self.slots.iter().enumerate().filter_map(|(index, slot)| {
            slot.replication()?;
            let leads = index == leader;
            Some(NodeObserved {
                index: node_index(index)?,
                pid: slot.pid(),
                address: slot.address(),
                leads,
                in_step: if leads {
                    slot.is_connected()
                } else {
                    slot.is_fed()
                },
            })
        });
        let nodes = nodes.collect();
        let first = self.slots.get(leader);
        let position = first
            .and_then(Slot::replication)
            .map(|seen| Position::new(seen.replid, seen.offset))
            .filter(|_| *standing != ShardStanding::Lost);
        let figures = first.map(|slot| slot.figures).unwrap_or_default();
        self.observed = ShardObserved {
            shard: self.shard,
            standing: standing.clone(),
            position,
            keys: figures.keys,
            used_memory: figures.used_memory,
            ops_per_second: figures.ops_per_second,
            clients: figures.clients,
            nodes,
            link: self.link.observed(&desired.role, position),
        };
    }

    /// Every wanted node is up with the order's settings, and the replicas are in step.
    pub(super) fn is_settled(&self, store: &CacheStore, desired: &CacheDesired) -> bool {
        let file = store.shard(self.shard);
        let wanted = usize::from(desired.replicas) + 1;
        let leader_follows = file.memory.stance == Stance::Follower;
        let in_step = |node: &NodeObserved| node.in_step || (node.leads && leader_follows);
        let shown = &self.observed.nodes;
        let applied = |node: &NodeObserved| {
            file.applied.get(usize::from(node.index)) == Some(&desired.revision)
        };
        shown.len() == wanted && shown.iter().all(|node| in_step(node) && applied(node))
    }

    /// Stops in order: the leader saves its data set first, while whoever follows it still can.
    pub(super) async fn stop(&mut self, store: &mut CacheStore) {
        let leader = usize::from(store.shard(self.shard).memory.leader);
        if let Some(node) = self.slots.get_mut(leader).and_then(|slot| slot.node.take()) {
            match node.stop(StopHow::SaveSnapshot, SAVE_GRACE).await {
                Ok(stopped) if stopped.snapshot_saved => {
                    let saved = node_index(leader);
                    let kept = store.change_shard(self.shard, |file| file.memory.saved = saved);
                    if let Err(error) = kept {
                        tracing::error!(error = %chain(&error), "the saved data set cannot be noted");
                    }
                }
                Ok(_) => tracing::error!("an engine stopped without saving its data set"),
                Err(error) => tracing::error!(error = %chain(&error), "an engine does not stop"),
            }
        }
        self.discard().await;
    }

    /// Stops what runs without saving, and ends the link's half.
    pub(super) async fn discard(&mut self) {
        for slot in &mut self.slots {
            if let Some(node) = slot.node.take()
                && let Err(error) = node.stop(StopHow::Discard, DISCARD_GRACE).await
            {
                tracing::error!(error = %chain(&error), "an engine does not stop");
            }
        }
        self.link.close().await;
    }
}

fn node_index(index: usize) -> Option<u8> {
    u8::try_from(index).ok()
}
