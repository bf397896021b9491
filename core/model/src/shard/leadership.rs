//! Who leads the shard, and what happens when the leader's process is gone.

use super::{
    NodeFacts, NodeView, Situation, Stance, Step, Upstream, installing::is_alone_with_it,
    plan::is_fenced,
};
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
    let given = is_alone_with_it(memory) && memory.saved == Some(memory.leader);
    if given && kin(now).is_none() {
        // The others have the data set of before, or parts of this one.
        return Leader::Missing(vec![start(now, true)], ShardStanding::Starting);
    }
    if let Some(heir) = heir(now) {
        let mut next = memory.clone();
        next.leader = heir;
        next.saved = None;
        // It is promoted next.
        next.unsettled |= next.stance == Stance::Primary && stance_of(now.role) == Stance::Primary;
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
    if may_become_fit(now) {
        return Leader::Missing(vec![], ShardStanding::Silent);
    }
    if may_start_empty(now) {
        let mut next = memory.clone();
        next.stance = stance_of(now.role);
        next.lineage.clear();
        let mut steps = vec![Step::Remember(next)];
        steps.extend(is_fenced(now).then_some(Step::LiftFence));
        steps.push(start(now, false));
        return Leader::Missing(steps, ShardStanding::Starting);
    }
    // Or the first bytes of one are still unread. Cut off, what a node has is what it will have; an
    // inbound half beside a geo-primary answers nobody.
    let waits = |facts: &NodeFacts| facts.upstream.is_some_and(|of| of != Upstream::Inbound);
    let waiting = siblings(now).filter(|(_, facts)| waits(facts));
    let cut: Vec<Step> = waiting
        .map(|(node, _)| Step::Follow {
            node,
            upstream: Upstream::Inbound,
        })
        .collect();
    if !cut.is_empty() {
        return Leader::Missing(cut, ShardStanding::Starting);
    }
    if let Some(why) = undecided(now) {
        return Leader::Missing(vec![], ShardStanding::Unpromotable { why });
    }
    Leader::Missing(vec![], ShardStanding::Lost)
}

/// A node that is up but not fit to lead may become so: it does not answer, or its full sync can
/// still end well, with what had arrived.
pub(super) fn may_become_fit(now: &Situation<'_>) -> bool {
    now.nodes.iter().any(|node| match node {
        NodeView::Silent => true,
        NodeView::Up(facts) => facts.loading || facts.syncing,
        NodeView::Down => false,
    })
}

/// The node that takes the place of a dead leader: the most advanced one of the leader's own
/// history. Where the choice is between it and an empty node (a geo-secondary, a cache that is
/// alone, a geo-primary whose other side has nothing), a node with any data is better than none,
/// and one that runs better than one to be started: data may still be on their way to it.
fn heir(now: &Situation<'_>) -> Option<u8> {
    kin(now).or_else(|| {
        let filled = best(now, &|facts| facts.keys > 0);
        let any = || filled.or_else(|| best(now, &|facts| !facts.syncing));
        may_start_empty(now).then(any)?
    })
}

/// The most advanced node of the leader's own history.
pub(super) fn kin(now: &Situation<'_>) -> Option<u8> {
    best(now, &|facts| {
        now.memory.lineage.contains(&facts.position.replid) && !is_behind_barrier(now, facts)
    })
}

/// Among equals the lower index wins, so that the choice does not depend on chance.
fn best(now: &Situation<'_>, fit: &dyn Fn(&NodeFacts) -> bool) -> Option<u8> {
    let fit = siblings(now).filter(|(_, facts)| !facts.loading && fit(facts));
    fit.max_by_key(|(index, facts)| (facts.position.offset, u8::MAX - index))
        .map(|(index, _)| index)
}

/// The nodes that are up, without the leader.
fn siblings<'a>(now: &Situation<'a>) -> impl Iterator<Item = (u8, &'a NodeFacts)> {
    let leader = now.memory.leader;
    (0u8..)
        .zip(now.nodes)
        .filter_map(move |(index, node)| match node {
            NodeView::Up(facts) if index != leader => Some((index, facts)),
            NodeView::Up(_) | NodeView::Down | NodeView::Silent => None,
        })
}

/// It never got to where its side took over: the other side, which gave the role up there, has
/// more.
fn is_behind_barrier(now: &Situation<'_>, facts: &NodeFacts) -> bool {
    let GeoRole::Primary { standing, .. } = now.role else {
        return false;
    };
    standing.barrier(now.shard).is_some_and(|barrier| {
        barrier.replid == facts.position.replid && facts.position.offset < barrier.offset
    })
}

/// Why nobody can tell whether the dead leader's data are lost: it may have begun a history that
/// nobody noted, and a node that has data may have them from there, or from long ago.
fn undecided(now: &Situation<'_>) -> Option<String> {
    let strange = |facts: &NodeFacts| facts.keys > 0 && !is_behind_barrier(now, facts);
    let (node, _) = siblings(now).find(|(_, facts)| strange(facts))?;
    now.memory.unsettled.then(|| {
        format!(
            "its leader died right after it was promoted, and whether node {node} had followed it by then is not known; unlink to go on with what that node has"
        )
    })
}

fn may_start_empty(now: &Situation<'_>) -> bool {
    match now.role {
        GeoRole::Alone | GeoRole::Secondary { .. } | GeoRole::Taking { .. } => true,
        GeoRole::Primary { accept_empty, .. } => {
            accept_empty.is_some() && *accept_empty != now.memory.emptied
        }
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
