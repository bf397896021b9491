//! Carries the planner's steps out.

use std::net::SocketAddr;

use engine::{
    Credentials, Failure, INTERNAL_USER, ListenError, Node, NodeConfig, StartError, StopHow,
};
use model::{
    CacheDesired, EventKind,
    shard::{Step, Upstream},
};
use runtime::{chain, dice::Dice};

use super::{DISCARD_GRACE, ShardRunner};
use crate::{
    addresses::pick_engine,
    cache::{lease::needs_lease, node::Slot, store::CacheStore},
    state::ShardFile,
};

impl ShardRunner {
    pub(super) async fn carry_out(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
        step: &Step,
    ) -> Result<(), String> {
        let told = |error: engine::CommandError| chain(&error).to_string();
        match step {
            Step::Remember(memory) => {
                let before = store.shard(self.shard).memory.leader;
                let kept = store.change_shard(self.shard, |file| file.memory = memory.clone());
                kept.map_err(|error| chain(&error).to_string())?;
                if memory.leader != before {
                    self.tell_succession(desired, before, memory.leader);
                }
                Ok(())
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
            Step::Install { memory, .. } => self.install(store, memory),
            Step::Follow { node, upstream } => {
                let address = self.address_of(*upstream)?;
                let engine = self.engine(*node)?;
                tracing::info!(cache.id = %desired.id.name, shard = %self.shard, node, ?upstream, "follow");
                engine.follow(address).await.map_err(told)
            }
            Step::StandAlone { node } => {
                tracing::info!(cache.id = %desired.id.name, shard = %self.shard, node, "promote");
                self.engine(*node)?.stand_alone().await.map_err(told)?;
                self.tell_takeover(store, desired);
                Ok(())
            }
            Step::TakeServiceAddress { node } => {
                let service = service_of(store, &self.host.dice)?;
                let moved = self.engine(*node)?.listen_on(service).await;
                if let Err(ListenError::Taken { .. }) = &moved {
                    give_service_up(store)?;
                }
                moved.map_err(|error| chain(&error).to_string())
            }
            Step::Pause { node } => self.slot(*node)?.pause().await.map_err(told),
            Step::SetGate { node, gate } => {
                let replicas = u32::from(desired.replicas);
                self.slot(*node)?
                    .set_gate(*gate, replicas)
                    .await
                    .map_err(told)?;
                self.tell_shut(desired, *gate);
                Ok(())
            }
            Step::Drain => {
                self.drain(store, desired);
                Ok(())
            }
            Step::SaveLost {
                at,
                from,
                to,
                incomplete,
            } => {
                self.save_lost(desired, (*at, *from, *to, *incomplete))
                    .await
            }
            Step::Resume { node } => self.slot(*node)?.resume().await.map_err(told),
            Step::TakePauseOver { .. }
            | Step::ExpectFence
            | Step::DeclareBarrier { .. }
            | Step::LiftFence => {
                self.tell_outbound(step);
                Ok(())
            }
        }
    }

    /// Steps that the outbound half is told of, in memory.
    fn tell_outbound(&self, step: &Step) {
        match step {
            Step::TakePauseOver { .. } => self.link.take_pause_over(),
            Step::ExpectFence => self.link.expect_fence(),
            Step::DeclareBarrier { attempt, position } => self.link.declare(*attempt, *position),
            Step::LiftFence => self.link.lift_fence(),
            Step::Remember(_)
            | Step::Start { .. }
            | Step::Retire { .. }
            | Step::Install { .. }
            | Step::Follow { .. }
            | Step::StandAlone { .. }
            | Step::TakeServiceAddress { .. }
            | Step::Pause { .. }
            | Step::SetGate { .. }
            | Step::Resume { .. }
            | Step::Drain
            | Step::SaveLost { .. } => {}
        }
    }

    /// A dead leader's place is taken inside the region, which is no matter of the link.
    fn tell_succession(&self, desired: &CacheDesired, before: u8, heir: u8) {
        let Some(link) = desired.role.link() else {
            return;
        };
        let text = format!(
            "the leading engine of `{}` is gone: node {heir} takes the place of node {before}",
            desired.id.name
        );
        let shard = Some(self.shard);
        let kind = EventKind::RegionFailover;
        self.host.board.tell_of(link.clone(), shard, kind, text);
    }

    fn slot(&mut self, node: u8) -> Result<&mut Slot, String> {
        let slot = self.slots.get_mut(usize::from(node));
        slot.ok_or_else(|| format!("there is no node {node}"))
    }

    pub(super) fn engine(&self, node: u8) -> Result<&Node, String> {
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
        if at_service {
            service_of(store, &self.host.dice)?;
        }
        if at_service && !saved && upstream == Some(Upstream::Inbound) {
            // It starts with nothing: it has nothing to serve until it was in step again.
            let kept = store.change(|file| file.in_step_once = None);
            kept.map_err(|error| chain(&error).to_string())?;
        }
        if saved {
            self.offer_given(store, node)?;
        }
        let config = self.node_config(store, desired, node, upstream, saved, at_service)?;
        match Node::start(&self.host.program, &config).await {
            Ok(started) => {
                tracing::info!(cache.id = %desired.id.name, shard = %self.shard, node, pid = started.pid(), address = %config.address, ?upstream, saved, "started an engine");
                self.slot(node)?.seat(started);
                let applied = |file: &mut ShardFile| {
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
                if at_service && is_taken(&error) {
                    give_service_up(store)?;
                }
                Err(format!(
                    "node {node} of shard {} does not start: {}",
                    self.shard,
                    chain(&error)
                ))
            }
        }
    }

    pub(super) fn node_config(
        &self,
        store: &CacheStore,
        desired: &CacheDesired,
        node: u8,
        upstream: Option<Upstream>,
        load_saved: bool,
        at_service: bool,
    ) -> Result<NodeConfig, String> {
        let service = store.file().service.filter(|_| at_service);
        let address = service.map_or_else(|| pick_engine(&self.host.dice), Ok);
        let address = address.map_err(|error| chain(&error).to_string())?;
        Ok(NodeConfig {
            directory: self.host.directory.node(&self.uid, self.shard.0, node),
            address,
            settings: desired.settings.clone(),
            clients: store.file().clients.clone(),
            internal: Credentials {
                user: INTERNAL_USER.to_owned(),
                password: store.file().internal.clone(),
            },
            replica_of: upstream
                .map(|upstream| self.address_of(upstream))
                .transpose()?,
            load_saved,
            serve_stale: upstream != Some(Upstream::Inbound),
            refuses_writes: at_service && needs_lease(desired),
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
}

/// Where the leading engine listens, picked when it is first asked for.
fn service_of(store: &mut CacheStore, dice: &Dice) -> Result<SocketAddr, String> {
    if let Some(service) = store.file().service {
        return Ok(service);
    }
    let picked = pick_engine(dice).map_err(|error| chain(&error).to_string())?;
    let kept = store.change(|file| file.service = Some(picked));
    kept.map_err(|error| chain(&error).to_string())?;
    Ok(picked)
}

/// Somebody else listens there: nobody but Godwit knows the address, so that another one does.
fn give_service_up(store: &mut CacheStore) -> Result<(), String> {
    let kept = store.change(|file| file.service = None);
    kept.map_err(|error| chain(&error).to_string())
}

fn is_taken(error: &StartError) -> bool {
    match error {
        StartError::Failed { failure, .. } => {
            matches!(**failure, Failure::AddressTaken { .. })
        }
        StartError::Config { .. }
        | StartError::Directory { .. }
        | StartError::File { .. }
        | StartError::AlreadyRuns { .. }
        | StartError::NoPort { .. }
        | StartError::Spawn { .. }
        | StartError::Silent { .. } => false,
    }
}
