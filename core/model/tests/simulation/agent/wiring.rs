//! Brings the halves of the link in line with the role, once the steps are taken.

use model::{
    GeoRole, LinkObserved, Rejoin, ShardStanding,
    shard::{NodeView, Upstream, holds_still},
};
use psync::Position;

use super::{Agent, Stage};
use crate::{
    outbound::{Door, Source},
    world::World,
};

impl Agent {
    /// What is reported of the half of the link.
    pub(super) fn observe_link(
        &self,
        role: &GeoRole,
        sent: Option<Position>,
    ) -> Option<LinkObserved> {
        let outbound = self.outbound.as_ref();
        let (connected, source_empty) = match role {
            GeoRole::Alone => return None,
            GeoRole::Primary { .. } | GeoRole::Yielding { .. } => {
                let empty = outbound.is_some_and(|outbound| outbound.source_empty);
                (sent.is_some(), empty)
            }
            GeoRole::Secondary { .. } | GeoRole::Taking { .. } => {
                let connected = self.geo.as_ref().is_some_and(|geo| geo.is_connected());
                (connected, false)
            }
        };
        Some(LinkObserved {
            connected,
            source_empty,
            ..LinkObserved::default()
        })
    }
}

impl World {
    /// As `ShardRunner::serve_reads` and `ShardRunner::wire_outbound` of the agent.
    pub(super) fn wire(&mut self, r: usize) -> Stage {
        let Some(agent) = self.regions[r].agent.as_ref() else {
            return Stage::Idle;
        };
        let Some(order) = agent.order.clone() else {
            return Stage::Idle;
        };
        let standing = agent.plan.standing.clone();
        let keys = agent.observed.as_ref().map_or(0, |observed| observed.keys);
        match order.role {
            GeoRole::Alone => {
                self.regions[r].disk.in_step_once = false;
                self.withdraw(r);
            }
            GeoRole::Primary { .. } | GeoRole::Yielding { .. } => {
                let writable = standing == ShardStanding::Writable;
                self.regions[r].disk.in_step_once |= writable;
                let yields = matches!(order.role, GeoRole::Yielding { .. });
                if yields || writable {
                    self.serve_engines(r);
                }
            }
            GeoRole::Secondary { .. } | GeoRole::Taking { .. } => {
                let in_step = standing == ShardStanding::Following;
                self.regions[r].disk.in_step_once |= in_step;
                if !holds_still(&order.role, &self.regions[r].disk.memory) {
                    self.withdraw(r);
                } else if self.drained(r).is_some() {
                    self.drain(r);
                }
                let noted = self.regions[r].disk.in_step_once;
                if let Some(agent) = self.agent(r).filter(|_| noted) {
                    agent.keys = keys;
                }
                if in_step {
                    self.forget_journal(r);
                }
            }
        }
        Stage::Report
    }

    /// Has the outbound half read what the journal lacks, from the leader if it runs.
    pub(super) fn drain(&mut self, r: usize) {
        let order = self.regions[r]
            .agent
            .as_ref()
            .and_then(|a| a.order.as_ref());
        let Some(GeoRole::Secondary {
            rejoin: Rejoin::AfterForce { forks, .. },
            ..
        }) = order.map(|order| &order.role)
        else {
            return;
        };
        let from = forks.as_ref().map(|forks| forks[0]);
        self.serve_engines(r);
        self.only_drain(r, from);
    }

    /// Serves the other region from the leader, if it runs, and from its sibling, if that is in
    /// step.
    fn serve_engines(&mut self, r: usize) {
        let region = &self.regions[r];
        let memory = &region.disk.memory;
        let leader = usize::from(memory.leader);
        let door = |n: usize| {
            let engine = region.nodes[n].engine.as_ref()?;
            Some(if engine.at_service {
                Door::Service
            } else {
                Door::Node(n)
            })
        };
        let (Some(agent), Some(engine)) = (region.agent.as_ref(), door(leader)) else {
            return;
        };
        let Some(order) = &agent.order else { return };
        let accepted = match &order.role {
            GeoRole::Primary { accept_empty, .. } => *accept_empty,
            GeoRole::Alone
            | GeoRole::Yielding { .. }
            | GeoRole::Secondary { .. }
            | GeoRole::Taking { .. } => None,
        };
        let fed = match agent.views[1 - leader] {
            NodeView::Up(facts) => {
                facts.link_up && facts.upstream == Some(Upstream::Node(memory.leader))
            }
            NodeView::Down | NodeView::Silent => false,
        };
        let source = Source {
            epoch: order.epoch,
            engine,
            replica: door(1 - leader).filter(|_| fed),
            accept_empty: accepted.or(memory.emptied) == Some(order.epoch),
        };
        let facts = agent.facts[leader];
        self.serve(r, source, facts);
    }
}
