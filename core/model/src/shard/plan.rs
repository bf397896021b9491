//! The plan for a shard whose leader answers: its role first, then its siblings.

use super::{
    Gate, NodeFacts, NodeView, Plan, ShardMemory, Situation, Stance, Step, Upstream, installing,
    leadership::{Leader, leader},
    rejoin,
};
use crate::{Epoch, GeoRole, ShardStanding, Standing};
use psync::Position;

/// What to do next for a shard.
#[must_use]
pub fn plan(now: &Situation<'_>) -> Plan {
    if let Some(rejoining) = rejoin::pending(now) {
        return rejoin::plan(now, rejoining);
    }
    let (index, facts) = match leader(now) {
        Leader::Up(index, facts) => (index, facts),
        Leader::Missing(steps, standing) => {
            return Plan {
                steps,
                standing,
                ready: None,
            };
        }
    };
    if facts.loading {
        // A geo-secondary loads its full sync; everybody else loads what it was started with.
        let syncing = facts.upstream == Some(Upstream::Inbound);
        let standing = if syncing {
            ShardStanding::Syncing
        } else {
            ShardStanding::Starting
        };
        return Plan {
            steps: vec![],
            standing,
            ready: None,
        };
    }
    let mut plan = match now.role {
        GeoRole::Alone => installing::install(now, lead(now, index, facts, true)),
        GeoRole::Primary { standing, .. } => {
            let why = unpromotable(now, standing, facts);
            match why {
                Some(why) => blocked(ShardStanding::Unpromotable { why }),
                // What it is still given it would not count as its own.
                None if may_still_receive(now, standing, facts) => blocked(ShardStanding::Starting),
                None => installing::install(now, lead(now, index, facts, true)),
            }
        }
        GeoRole::Yielding { attempt, .. } => yield_role(now, index, facts, *attempt),
        GeoRole::Secondary { .. } => follow(now, index, facts),
        GeoRole::Taking { attempt, .. } => {
            let mut plan = follow(now, index, facts);
            plan.ready = readiness(now, facts, *attempt);
            plan
        }
    };
    if matches!(plan.steps[..], [Step::Install { .. }]) {
        return plan;
    }
    remember_settled(now, facts, &mut plan.steps);
    if !facts.at_service_address {
        plan.steps.push(Step::TakeServiceAddress { node: index });
    }
    plan.steps.extend(siblings(now, index));
    plan
}

fn blocked(standing: ShardStanding) -> Plan {
    Plan {
        steps: vec![],
        standing,
        ready: None,
    }
}

/// Notes what is seen of the leader, unless the steps note something anyway.
pub(super) fn remember_settled(now: &Situation<'_>, facts: NodeFacts, steps: &mut Vec<Step>) {
    let settled = settle_memory(now, facts);
    if let Some(memory) = settled
        && !steps.iter().any(|step| matches!(step, Step::Remember(_)))
    {
        steps.insert(0, Step::Remember(memory));
    }
}

/// What the memory should say of a leader that is up: its history, that nothing is saved, and that
/// a word to start empty has done its work: from now on the other side may hold more.
fn settle_memory(now: &Situation<'_>, facts: NodeFacts) -> Option<ShardMemory> {
    let mut memory = now.memory.clone();
    if let Some(installed) = &mut memory.installed {
        installed.kept |= installing::is_kept(now);
    }
    if !installing::is_alone_with_it(&memory) {
        memory.saved = None;
    }
    memory.founded = true;
    if let GeoRole::Primary {
        accept_empty: Some(epoch),
        ..
    } = now.role
    {
        memory.emptied = Some(*epoch);
    }
    memory.fork = fork(now, facts).or(memory.fork);
    if facts.upstream.is_none() || facts.link_up {
        // A promotion that is still to be carried out begins another.
        memory.unsettled &= facts.upstream.is_some() && memory.stance != Stance::Follower;
        let replid = facts.position.replid;
        if memory.lineage.first() != Some(&replid) {
            memory.lineage.retain(|known| *known != replid);
            memory.lineage.insert(0, replid);
            memory.lineage.truncate(2);
        }
    }
    (memory != *now.memory).then_some(memory)
}

pub(super) fn told(now: &Situation<'_>, facts: NodeFacts, stance: Stance) -> Option<Step> {
    let mut memory = settle_memory(now, facts).unwrap_or_else(|| now.memory.clone());
    memory.stance = stance;
    if stance == Stance::Primary && facts.upstream.is_some() {
        memory.fork = fork_of_promotion(now, facts).or(memory.fork);
    }
    // A promotion begins a history, and its ID is not known before the next look.
    memory.unsettled |= stance == Stance::Primary && facts.upstream.is_some();
    (memory != *now.memory).then_some(Step::Remember(memory))
}

/// Where the shard takes over by force if its leader is promoted now: where that one stands. An heir
/// that is in the history of before takes over where it stands itself, as long as nobody was told
/// of another place.
fn fork_of_promotion(now: &Situation<'_>, facts: NodeFacts) -> Option<(Epoch, Position)> {
    let (at, told) = forced(now.role)?;
    let here = facts.position;
    let known = now.memory.fork.filter(|(of, _)| *of == at);
    let stays = known.filter(|(_, fork)| told || fork.replid != here.replid);
    stays.or(Some((at, here)))
}

/// A few bytes may have arrived between the last look and the promotion; the engine knows.
fn fork(now: &Situation<'_>, facts: NodeFacts) -> Option<(Epoch, Position)> {
    let (at, told) = forced(now.role)?;
    let (_, fork) = now.memory.fork.filter(|(of, _)| *of == at)?;
    let before = facts.before.filter(|_| facts.upstream.is_none() && !told)?;
    let later = before.replid == fork.replid && before.offset > fork.offset;
    later.then_some((at, before))
}

/// Where the shard took over by force, as is reported while that is how it came by its role.
#[must_use]
pub fn fork_of(role: &GeoRole, memory: &ShardMemory) -> Option<Position> {
    let (at, _told) = forced(role)?;
    let (_, fork) = memory.fork.filter(|(of, _)| *of == at)?;
    Some(fork)
}

/// The epoch of the forced failover that this is the new primary of, and whether the former one may
/// have been told where it took over.
fn forced(role: &GeoRole) -> Option<(Epoch, bool)> {
    match role {
        GeoRole::Primary {
            standing: Standing::Forced { at, forks },
            ..
        } => Some((*at, forks.is_some())),
        GeoRole::Primary { .. }
        | GeoRole::Alone
        | GeoRole::Yielding { .. }
        | GeoRole::Secondary { .. }
        | GeoRole::Taking { .. } => None,
    }
}

/// A leader that takes over by force may be about to get more from whom it follows.
fn may_still_receive(now: &Situation<'_>, standing: &Standing, facts: NodeFacts) -> bool {
    let forced = matches!(standing, Standing::Forced { .. });
    forced && facts.upstream.is_some() && (facts.link_up || !now.link.held)
}

/// Why this leader must not become primary; `None`: it may, or it is one.
fn unpromotable(now: &Situation<'_>, standing: &Standing, facts: NodeFacts) -> Option<String> {
    if facts.upstream.is_none() || now.memory.stance != Stance::Follower {
        return None;
    }
    let here = facts.position;
    match (standing, standing.barrier(now.shard)) {
        (Standing::AtBarrier { .. }, Some(barrier)) if barrier == here => None,
        (Standing::AtBarrier { .. }, Some(barrier)) => Some(format!(
            "it stands at {here}, and the handoff ended at {barrier}"
        )),
        (Standing::AtBarrier { .. }, None) => {
            Some(format!("the handoff has no barrier for shard {}", now.shard))
        }
        (Standing::AsFound | Standing::Forced { .. }, _) if facts.syncing => {
            Some("it is in the middle of a full sync".to_owned())
        }
        // A node that was started empty has a history of its own until it is in step.
        (Standing::AsFound | Standing::Forced { .. }, _) if !has_received(now, facts) => Some(
            "it was started empty and has received nothing since, so there is nothing to take over with"
                .to_owned(),
        ),
        (Standing::AsFound | Standing::Forced { .. }, _) => None,
        (Standing::Founder, _) => Some(
            "it follows another node although it founded the link; its primary role was never given up"
                .to_owned(),
        ),
    }
}

/// The node is in a history that the leader was seen in, or in one that went on from such a one since
/// anybody looked: its primary began it, and told it so before the link broke. A node that was started
/// empty knows no history before its own.
fn has_received(now: &Situation<'_>, facts: NodeFacts) -> bool {
    now.memory.lineage.contains(&facts.position.replid) || facts.before.is_some()
}

/// The outbound half may have been told of a fence.
pub(super) fn is_fenced(now: &Situation<'_>) -> bool {
    match now.memory.stance {
        Stance::Fenced { .. } => true,
        Stance::Primary | Stance::Follower => false,
    }
}

/// The leader is to take writes.
fn lead(now: &Situation<'_>, index: u8, facts: NodeFacts, serve: bool) -> Plan {
    let mut steps = Vec::new();
    steps.extend(told(now, facts, Stance::Primary));
    if is_fenced(now) {
        // Before anything that can fail: once the memory says so, nobody asks for it again.
        steps.push(Step::LiftFence);
    }
    let gate = wanted_gate(now);
    if facts.gate != gate {
        // Before it is promoted, so that there is no moment without.
        steps.push(Step::SetGate { node: index, gate });
    }
    if facts.upstream.is_some() {
        steps.push(Step::StandAlone { node: index });
    }
    if facts.paused {
        steps.push(Step::Resume { node: index });
    }
    // Nobody is to be told of a place that is not the right one.
    let noted = fork(now, facts).is_none();
    let settled = facts.upstream.is_none() && !facts.paused && facts.at_service_address && noted;
    let standing = match facts.gate {
        _ if !(serve && settled && facts.gate == gate) => ShardStanding::Starting,
        Gate::Open | Gate::Leased => ShardStanding::Writable,
        Gate::Shut => ShardStanding::Unleased,
    };
    Plan {
        steps,
        standing,
        ready: None,
    }
}

/// Which writes a leader takes that has the right to take some.
fn wanted_gate(now: &Situation<'_>) -> Gate {
    match now.lease {
        None => Gate::Open,
        Some(true) => Gate::Leased,
        Some(false) => Gate::Shut,
    }
}

/// The leader is to stop taking writes and to name its final position.
fn yield_role(now: &Situation<'_>, index: u8, facts: NodeFacts, attempt: u64) -> Plan {
    let here = facts.position;
    let declared = Stance::Fenced {
        attempt,
        declared: true,
    };
    let caught_up = now.link.sent == Some(here);
    let working = |steps| Plan {
        steps,
        standing: ShardStanding::Starting,
        ready: None,
    };
    let fenced_before = match now.memory.stance {
        Stance::Fenced { declared, .. } => Some(declared),
        Stance::Primary | Stance::Follower => None,
    };
    match (facts.upstream, fenced_before) {
        (Some(Upstream::Inbound), Some(was_declared)) => {
            if caught_up || now.memory.stance == declared {
                // The memory need not be on disk first: an agent that is started again takes every
                // fence for a declared one (`ShardMemory::recalled`).
                let mut steps = vec![Step::DeclareBarrier {
                    attempt,
                    position: here,
                }];
                steps.extend(told(now, facts, declared));
                if facts.paused {
                    // It refuses writes anyway, and whoever waited may look for the other side.
                    steps.push(Step::Resume { node: index });
                }
                return Plan {
                    steps,
                    standing: ShardStanding::Yielded { attempt },
                    ready: None,
                };
            }
            if was_declared {
                // A barrier of an earlier attempt may be under way; it is worth nothing there, and
                // nothing was written since.
                let mut steps = Vec::new();
                steps.extend(told(
                    now,
                    facts,
                    Stance::Fenced {
                        attempt,
                        declared: true,
                    },
                ));
                return working(steps);
            }
            // Bytes slipped in between the last look and the fence, and the fenced engine gives
            // them to nobody: take the fence back and try again.
            let mut steps = Vec::new();
            steps.extend(told(now, facts, Stance::Primary));
            steps.push(Step::LiftFence);
            steps.push(Step::StandAlone { node: index });
            working(steps)
        }
        (Some(_), None) if now.memory.stance == Stance::Follower => {
            let why = "it follows another node and has no primary role to give up".to_owned();
            blocked(ShardStanding::Unpromotable { why })
        }
        // An heir of a fenced leader is fenced before anything else.
        (Some(_), Some(_)) => working(vec![Step::Follow {
            node: index,
            upstream: Upstream::Inbound,
        }]),
        // An heir of a leader that took writes takes them first, and is then asked to yield.
        (Some(_), None) => lead(now, index, facts, false),
        (None, _) => working(stop_writes(now, index, facts, attempt)),
    }
}

/// The leader takes writes, and is to be fenced.
fn stop_writes(now: &Situation<'_>, index: u8, facts: NodeFacts, attempt: u64) -> Vec<Step> {
    let gate = wanted_gate(now);
    if facts.gate != gate {
        // It goes on taking writes until they are paused, and only with the right to.
        return vec![Step::SetGate { node: index, gate }];
    }
    let caught_up = now.link.sent == Some(facts.position);
    if facts.paused && !caught_up {
        return vec![];
    }
    let fenced = Stance::Fenced {
        attempt,
        declared: false,
    };
    let mut steps = Vec::new();
    // Remembered while writes are still taken, so that they need not wait for the disk.
    steps.extend(told(now, facts, fenced));
    if facts.paused {
        steps.push(Step::ExpectFence);
        steps.push(Step::Follow {
            node: index,
            upstream: Upstream::Inbound,
        });
    } else if !now.link.lags {
        steps.push(Step::Pause { node: index });
    }
    steps
}

/// The leader is to follow the other region.
fn follow(now: &Situation<'_>, index: u8, facts: NodeFacts) -> Plan {
    let mut steps = Vec::new();
    steps.extend(told(now, facts, Stance::Follower));
    if facts.upstream != Some(Upstream::Inbound) {
        steps.push(Step::Follow {
            node: index,
            upstream: Upstream::Inbound,
        });
    }
    if facts.paused {
        steps.push(Step::Resume { node: index });
    }
    let standing = match facts {
        _ if facts.upstream != Some(Upstream::Inbound) => ShardStanding::Starting,
        _ if facts.syncing => ShardStanding::Syncing,
        _ if facts.link_up => ShardStanding::Following,
        _ => ShardStanding::Cut,
    };
    Plan {
        steps,
        standing,
        ready: None,
    }
}

/// The shard is ready when its leader, and every sibling that is in step, stands at the barrier:
/// the loss of one node after the decision then loses nothing.
fn readiness(now: &Situation<'_>, facts: NodeFacts, attempt: u64) -> Option<(u64, Position)> {
    let (_, barrier) = now.link.barrier.filter(|(of, _)| *of == attempt)?;
    let siblings = now.nodes.iter().all(|node| match node {
        NodeView::Up(sibling) if sibling.link_up => sibling.position == barrier,
        NodeView::Up(_) | NodeView::Down | NodeView::Silent => true,
    });
    let follows = facts.upstream == Some(Upstream::Inbound) && !facts.syncing;
    (follows && facts.position == barrier && siblings).then_some((attempt, barrier))
}

/// Every other wanted node follows the leader; nodes beyond the wanted number go.
pub(super) fn siblings(now: &Situation<'_>, leader: u8) -> Vec<Step> {
    let wanted = usize::from(now.replicas);
    let mut kept = 0;
    let mut steps = Vec::new();
    let count = now.nodes.len().max(wanted + 1);
    for node in (0u8..).take(count).filter(|node| *node != leader) {
        let view = now
            .nodes
            .get(usize::from(node))
            .copied()
            .unwrap_or(NodeView::Down);
        let upstream = Upstream::Node(leader);
        if kept == wanted {
            if !matches!(view, NodeView::Down) {
                steps.push(Step::Retire { node });
            }
            continue;
        }
        kept += 1;
        match view {
            NodeView::Down => {
                let upstream = Some(upstream);
                steps.push(Step::Start {
                    node,
                    upstream,
                    saved: false,
                    at_service_address: false,
                });
            }
            NodeView::Up(facts) if facts.upstream != Some(upstream) && !facts.loading => {
                steps.push(Step::Follow { node, upstream });
            }
            NodeView::Up(_) | NodeView::Silent => {}
        }
    }
    steps
}
