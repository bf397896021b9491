//! The way back of a former geo-primary whose other side took over by force: it takes no write, and
//! follows only once everything is saved that the other side does not have.
//!
//! First every gate is shut. Then the outbound half reads what its journal lacks, until the journal
//! has all that the shard's leader has: a primary gives it from its backlog; a fenced leader, or the
//! heir of a dead one, is made a primary for that, behind its shut gate. Without any leader the
//! journal alone has to do. Then it is closed, and what is in it behind the place where the other
//! side took over is saved. Only then the leader follows.

use super::{
    Drained, Gate, JournalEnd, NodeFacts, NodeView, Plan, Saving, ShardMemory, Situation, Stance,
    Step, Upstream,
    leadership::{kin, may_become_fit},
    plan::{plan as plan_shard, remember_settled, siblings, told},
};
use crate::{Epoch, GeoRole, Rejoin, ShardIndex, ShardStanding};
use psync::Position;

/// A shard that has something to see to before it follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rejoining {
    /// The epoch at which the other side took over.
    at: Epoch,
    /// Where; `None`: not known yet.
    fork: Option<Position>,
    /// A person has said to go on although some of it cannot be saved.
    incomplete: bool,
}

/// Tells whether this shard has something to see to. One that only ever followed has nothing of
/// its own, and one that has seen to it is done.
pub(super) fn pending(now: &Situation<'_>) -> Option<Rejoining> {
    rejoining(now.role, now.memory, now.shard)
}

fn rejoining(role: &GeoRole, memory: &ShardMemory, shard: ShardIndex) -> Option<Rejoining> {
    let GeoRole::Secondary {
        rejoin:
            Rejoin::AfterForce {
                at,
                forks,
                unsaved_accepted,
            },
        ..
    } = role
    else {
        return None;
    };
    let own = match memory.stance {
        Stance::Primary | Stance::Fenced { .. } => true,
        Stance::Follower => false,
    };
    let fork = forks.as_ref();
    let fork = fork.and_then(|forks| forks.get(usize::from(shard.0)).copied());
    (own && memory.rejoined < Some(*at)).then_some(Rejoining {
        at: *at,
        fork,
        incomplete: *unsaved_accepted,
    })
}

/// Tells whether the shard's inbound half has to hold still: there is something to see to before
/// the shard follows.
#[must_use]
pub fn holds_still(role: &GeoRole, memory: &ShardMemory) -> bool {
    rejoining(role, memory, ShardIndex(0)).is_some()
}

pub(super) fn plan(now: &Situation<'_>, rejoining: Rejoining) -> Plan {
    let open = open_gates(now);
    if !open.is_empty() {
        return doing("stops its writes", open);
    }
    match now.saving {
        Saving::Done => return follow(now, rejoining),
        Saving::UnderWay => {
            return doing("saves what the other side does not have", vec![]);
        }
        Saving::Impossible { why } if !rejoining.incomplete => {
            return Plan {
                steps: vec![],
                standing: ShardStanding::Unsaved {
                    why: why.to_owned(),
                },
                ready: None,
            };
        }
        Saving::Impossible { .. } | Saving::Idle => {}
    }
    let leader = usize::from(now.memory.leader);
    match now.nodes.get(leader).copied().unwrap_or(NodeView::Down) {
        NodeView::Up(facts) => with_leader(now, rejoining, facts),
        NodeView::Silent => silent(),
        NodeView::Down => without_leader(now, rejoining),
    }
}

fn doing(what: &str, steps: Vec<Step>) -> Plan {
    Plan {
        steps,
        standing: ShardStanding::Rejoining {
            doing: what.to_owned(),
        },
        ready: None,
    }
}

fn silent() -> Plan {
    Plan {
        steps: vec![],
        standing: ShardStanding::Silent,
        ready: None,
    }
}

/// Whatever could take a write takes none any more.
fn open_gates(now: &Situation<'_>) -> Vec<Step> {
    let nodes = (0u8..).zip(now.nodes);
    let open = nodes.filter_map(|(node, view)| match view {
        NodeView::Up(facts) if facts.upstream.is_none() && facts.gate != Gate::Shut => Some(node),
        NodeView::Up(_) | NodeView::Down | NodeView::Silent => None,
    });
    open.map(shut).collect()
}

fn shut(node: u8) -> Step {
    let gate = Gate::Shut;
    Step::SetGate { node, gate }
}

/// The leader is up, and takes no writes.
fn with_leader(now: &Situation<'_>, rejoining: Rejoining, facts: NodeFacts) -> Plan {
    if facts.loading {
        return doing("loads its data set", vec![]);
    }
    let leader = now.memory.leader;
    let mut plan = match facts.upstream {
        Some(upstream) if upstream != Upstream::Inbound => last_bytes(leader, facts),
        Some(_) if facts.link_up || !now.link.held => last_bytes(leader, facts),
        Some(_) | None => read(now, rejoining, facts),
    };
    if facts.paused {
        plan.steps.push(Step::Resume { node: leader });
    }
    remember_settled(now, facts, &mut plan.steps);
    if facts.upstream.is_none() {
        plan.steps.extend(siblings(now, leader));
    }
    plan
}

/// The heir of a dead leader gets what is still on its way, and then nothing any more: behind an
/// inbound half that answers nobody.
fn last_bytes(leader: u8, facts: NodeFacts) -> Plan {
    let ended = !facts.link_up && facts.upstream != Some(Upstream::Inbound);
    let follow = ended.then_some(Step::Follow {
        node: leader,
        upstream: Upstream::Inbound,
    });
    doing(
        "waits for its engine's last bytes",
        follow.into_iter().collect(),
    )
}

/// Nothing comes to the leader any more: its journal gets what it lacks.
fn read(now: &Situation<'_>, rejoining: Rejoining, facts: NodeFacts) -> Plan {
    match missing(now.link.drained, rejoining.fork, facts) {
        Missing::Unasked => doing("looks at its journal", vec![Step::Drain]),
        Missing::Unknown => doing("looks at its journal", vec![]),
        Missing::Nothing { to } => save(rejoining, Some(to)),
        // What is lost does not come by waiting.
        Missing::Lost => save(rejoining, Some(facts.position)),
        Missing::InBacklog => {
            let mut steps = Vec::new();
            if facts.upstream.is_some() {
                let node = now.memory.leader;
                steps.extend(told(now, facts, Stance::Primary));
                // Before it is promoted, so that there is no moment without.
                steps.extend((facts.gate != Gate::Shut).then(|| shut(node)));
                steps.push(Step::StandAlone { node });
            }
            doing("reads from its engine what its journal lacks", steps)
        }
    }
}

/// Where a node stands, in the history before its present one if it has nothing else.
fn oldest_name(facts: NodeFacts) -> Position {
    let same = |before: &Position| before.offset == facts.position.offset;
    facts.before.filter(same).unwrap_or(facts.position)
}

/// What the journal lacks of what the leader has.
enum Missing {
    /// Nobody looks at the journal.
    Unasked,
    /// It is being opened.
    Unknown,
    /// Nothing, or nothing that the other side lacks. Where the leader stands, as the journal or the
    /// other side calls it.
    Nothing { to: Position },
    /// Bytes that the leader still gives to a replica.
    InBacklog,
    /// Bytes that nobody gives any more.
    Lost,
}

fn missing(drained: Option<Drained>, fork: Option<Position>, facts: NodeFacts) -> Missing {
    let names = [facts.position, oldest_name(facts)];
    let up_to = |end: Position| {
        let within = |here: &Position| end.replid == here.replid && here.offset <= end.offset;
        names.into_iter().find(within)
    };
    if let Some(to) = fork.and_then(up_to) {
        return Missing::Nothing { to };
    }
    let Some(drained) = drained.filter(|drained| drained.from == fork) else {
        return Missing::Unasked;
    };
    match drained.end {
        JournalEnd::Unknown => Missing::Unknown,
        JournalEnd::At(end) => match up_to(end) {
            Some(to) => Missing::Nothing { to },
            None if facts.reaches(&end) => Missing::InBacklog,
            None => Missing::Lost,
        },
        // It is begun where the other side took over.
        JournalEnd::Nowhere if fork.is_some_and(|fork| facts.reaches(&fork)) => Missing::InBacklog,
        JournalEnd::Nowhere => Missing::Lost,
    }
}

/// The journal has what can be had.
fn save(rejoining: Rejoining, to: Option<Position>) -> Plan {
    match rejoining.fork {
        None => doing("waits to be told where the other side took over", vec![]),
        Some(from) => {
            let step = Step::SaveLost {
                at: rejoining.at,
                from,
                to,
                incomplete: rejoining.incomplete,
            };
            doing("saves what the other side does not have", vec![step])
        }
    }
}

/// The leader's process is gone. A sibling of its history leads on; a data set that it saved is
/// loaded to see where it ended, by a node that follows the inbound half, which answers nobody yet.
fn without_leader(now: &Situation<'_>, rejoining: Rejoining) -> Plan {
    let memory = now.memory;
    if let Some(heir) = kin(now) {
        let next = ShardMemory {
            leader: heir,
            saved: None,
            ..memory.clone()
        };
        return doing(
            "another node leads on for one that died",
            vec![Step::Remember(next)],
        );
    }
    if memory.saved == Some(memory.leader) {
        let start = Step::Start {
            node: memory.leader,
            upstream: Some(Upstream::Inbound),
            saved: true,
            at_service_address: true,
        };
        return doing("loads its data set", vec![start]);
    }
    if may_become_fit(now) {
        return silent();
    }
    save(rejoining, None)
}

/// Everything is saved: it is a geo-secondary like any other.
fn follow(now: &Situation<'_>, rejoining: Rejoining) -> Plan {
    let mut memory = now.memory.clone();
    memory.rejoined = Some(rejoining.at);
    memory.stance = Stance::Follower;
    let mut plan = plan_shard(&Situation {
        memory: &memory,
        ..*now
    });
    plan.steps.insert(0, Step::Remember(memory));
    plan
}
