//! Who leads the shard, and what happens when the leader's process is gone.

use super::{NodeFacts, NodeView, Situation, Stance, Step, Upstream};
use crate::{GeoRole, ShardStanding};

/// The leader, or what to do for want of one.
pub(super) enum Leader {
    /// It answers.
    Up(u8, NodeFacts),
    /// It does not; these steps are next.
    Missing(Vec<Step>, ShardStanding),
}

pub(super) fn leader(now: &Situation<'_>) -> Leader {
    let index = now.memory.leader;
    match now
        .nodes
        .get(usize::from(index))
        .copied()
        .unwrap_or(NodeView::Down)
    {
        NodeView::Up(facts) => Leader::Up(index, facts),
        NodeView::Silent => {
            let asked = matches!(now.role, GeoRole::Yielding { .. });
            let steps = asked.then_some(Step::TakePauseOver { node: index });
            Leader::Missing(steps.into_iter().collect(), ShardStanding::Silent)
        }
        NodeView::Down => succession(now),
    }
}

fn succession(now: &Situation<'_>) -> Leader {
    let memory = now.memory;
    if let Some(heir) = heir(now) {
        let mut next = memory.clone();
        next.leader = heir;
        next.saved = None;
        return Leader::Missing(vec![Step::Remember(next)], ShardStanding::Starting);
    }
    if memory.saved == Some(memory.leader) {
        return Leader::Missing(vec![start(now, true)], ShardStanding::Starting);
    }
    if !memory.founded {
        let mut next = memory.clone();
        next.founded = true;
        next.stance = stance_of(now.role);
        let steps = vec![Step::Remember(next), start(now, false)];
        return Leader::Missing(steps, ShardStanding::Starting);
    }
    // A node that is up but not fit to lead may become so: it is loading, or does not answer.
    if now.nodes.iter().any(|node| match node {
        NodeView::Silent => true,
        NodeView::Up(facts) => facts.loading,
        NodeView::Down => false,
    }) {
        return Leader::Missing(vec![], ShardStanding::Silent);
    }
    if may_start_empty(now.role) {
        let mut next = memory.clone();
        next.stance = stance_of(now.role);
        next.lineage.clear();
        let steps = vec![Step::Remember(next), start(now, false)];
        return Leader::Missing(steps, ShardStanding::Starting);
    }
    Leader::Missing(vec![], ShardStanding::Lost)
}

/// The node that takes the place of a dead leader: the most advanced one of the leader's own
/// history. Where the data set is not the only copy of its history (a geo-secondary), or nobody
/// else has one (a cache that is alone), a node with any data is better than none.
fn heir(now: &Situation<'_>) -> Option<u8> {
    let others = (0u8..)
        .zip(now.nodes)
        .filter_map(|(index, node)| match node {
            NodeView::Up(facts) if index != now.memory.leader && !facts.loading => {
                Some((index, facts))
            }
            NodeView::Up(_) | NodeView::Down | NodeView::Silent => None,
        });
    let others: Vec<(u8, &NodeFacts)> = others.collect();
    // Among equals the lower index wins, so that the choice does not depend on chance.
    let best = |fit: &dyn Fn(&NodeFacts) -> bool| {
        let fit = others.iter().filter(|(_, facts)| fit(facts));
        fit.max_by_key(|(index, facts)| (facts.position.offset, u8::MAX - index))
            .map(|(i, _)| *i)
    };
    let kin = |facts: &NodeFacts| now.memory.lineage.contains(&facts.position.replid);
    best(&kin).or_else(|| match now.role {
        GeoRole::Alone | GeoRole::Secondary { .. } | GeoRole::Taking { .. } => {
            best(&|facts| facts.keys > 0)
        }
        GeoRole::Primary { .. } | GeoRole::Yielding { .. } => None,
    })
}

fn may_start_empty(role: &GeoRole) -> bool {
    match role {
        GeoRole::Alone | GeoRole::Secondary { .. } | GeoRole::Taking { .. } => true,
        GeoRole::Primary { accept_empty, .. } => *accept_empty,
        GeoRole::Yielding { .. } => false,
    }
}

/// What the leader is told to be when it is started in this role.
pub(super) fn stance_of(role: &GeoRole) -> Stance {
    match role {
        GeoRole::Alone | GeoRole::Primary { .. } | GeoRole::Yielding { .. } => Stance::Primary,
        GeoRole::Secondary { .. } | GeoRole::Taking { .. } => Stance::Follower,
    }
}

/// Starts the leader. One with saved data starts as what it was, so that a fenced or following
/// one does not take writes for a moment; an empty one starts as its role wants it.
fn start(now: &Situation<'_>, saved: bool) -> Step {
    let role_follows = stance_of(now.role) == Stance::Follower;
    let was_primary = now.memory.stance == Stance::Primary;
    let alone = matches!(now.role, GeoRole::Alone);
    let follows = role_follows || (saved && !was_primary && !alone);
    Step::Start {
        node: now.memory.leader,
        upstream: follows.then_some(Upstream::Inbound),
        saved,
        at_service_address: true,
    }
}
