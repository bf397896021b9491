//! Another node takes the leader's place while the leader lives: nothing is lost by it.
//!
//! On the side that takes writes they are paused, the other node comes to where the leader stands,
//! the leader's gate is shut, which no agent's death opens, and only when both still stand at one place
//! the leader is made the other one's replica, and the other one is promoted. On a geo-secondary the
//! inbound half gives the leader nothing for a moment instead, so that the other node comes to where
//! it stands and follows the inbound half from there.

use super::{Keep, RollMemory, RollPlan, RollSight, RollStep, doing, is_fed, others, view};
use crate::{
    GeoRole, ShardStanding,
    shard::{
        Gate, NodeFacts, NodeView, Plan, ShardMemory, Situation, Stance, Step, Upstream,
        plan as plan_shard,
    },
};

/// Has another node take the leader's place.
pub(super) fn begin(
    now: &Situation<'_>,
    roll: &RollSight<'_>,
    base: Plan,
    facts: NodeFacts,
) -> RollPlan {
    let told = Some(doing("has another node take the leading one's place"));
    if roll.rests || roll.late {
        // Writes go on, if they wait; another attempt is made later.
        return RollPlan::of(base, told).after(super::rejoined(roll));
    }
    let leader = now.memory.leader;
    let heir = heir(now, roll, leader);
    let follows = match now.role {
        GeoRole::Secondary { .. } => true,
        GeoRole::Alone
        | GeoRole::Primary { .. }
        | GeoRole::Yielding { .. }
        | GeoRole::Taking { .. } => false,
    };
    let still = if follows {
        roll.cut && now.link.held && !facts.link_up
    } else {
        facts.paused
    };
    let resume = |step: &Step| matches!(step, Step::Resume { .. });
    match heir {
        Some((heir, there)) if still && there.position == facts.position => {
            if follows {
                return follow(now, RollPlan::of(plan_as(now, heir), told), heir);
            }
            // A pause ends by itself, and this does not.
            let gate = Gate::Shut;
            let shut = Step::SetGate { node: leader, gate };
            let noted = RollStep::Note(handing(roll.memory, Some(leader)));
            let plan = RollPlan::of(base, told).without(resume);
            plan.after([noted, RollStep::Usual(shut)])
        }
        // It may have been too slow to answer this once.
        Some(_) | None if still => RollPlan::of(base, told).without(resume),
        Some(_) if follows && !roll.cut => RollPlan::of(base, told).after([RollStep::CutInbound]),
        Some(_) if follows => RollPlan::of(base, told),
        Some(_) => {
            let pause = RollStep::Usual(Step::Pause { node: leader });
            let mut plan = RollPlan::of(base, told).without(resume).after([pause]);
            // Whoever is held before the pause stays so: it takes no writes from here on.
            plan.standing = ShardStanding::Starting;
            plan
        }
        None => RollPlan::of(base, told),
    }
}

fn handing(memory: &RollMemory, from: Option<u8>) -> RollMemory {
    RollMemory {
        handing: from,
        ..memory.clone()
    }
}

/// Every other node is down.
fn are_gone(now: &Situation<'_>, leader: u8) -> bool {
    others(now, leader).all(|node| view(now, node) == NodeView::Down)
}

/// The node that stands furthest, among those that get every write.
fn heir(now: &Situation<'_>, roll: &RollSight<'_>, leader: u8) -> Option<(u8, NodeFacts)> {
    let fit = others(now, leader).filter_map(|node| match view(now, node) {
        NodeView::Up(facts) => {
            let chained = facts.upstream == Some(Upstream::Node(leader));
            let fit = is_fed(roll, node) && chained && facts.link_up && !facts.loading;
            fit.then_some((node, facts))
        }
        NodeView::Down | NodeView::Silent => None,
    });
    fit.max_by_key(|(node, facts)| (facts.position.offset, u8::MAX - node))
}

/// The memory in which another node leads.
fn led_by(memory: &ShardMemory, heir: u8) -> ShardMemory {
    ShardMemory {
        leader: heir,
        saved: None,
        // It is promoted next.
        unsettled: memory.unsettled || memory.stance == Stance::Primary,
        ..memory.clone()
    }
}

/// What the shard's own planner does once another node leads.
fn plan_as(now: &Situation<'_>, heir: u8) -> Plan {
    let memory = led_by(now.memory, heir);
    plan_shard(&Situation {
        memory: &memory,
        ..*now
    })
}

/// The former leader becomes a replica, then the other one is promoted.
fn lead(now: &Situation<'_>, plan: RollPlan, heir: u8, paused: bool) -> RollPlan {
    let from = now.memory.leader;
    let remembered = RollStep::Usual(Step::Remember(led_by(now.memory, heir)));
    let fence = fence(from, heir, paused);
    plan.without(|step| is_done_by_then(step, from, heir))
        .after(std::iter::once(remembered).chain(fence))
}

/// Steps of the shard's own planner that the exchange does itself, earlier.
fn is_done_by_then(step: &Step, from: u8, heir: u8) -> bool {
    match step {
        Step::Follow { node, .. } => *node == from,
        Step::TakeServiceAddress { node } => *node == heir,
        Step::Remember(_)
        | Step::Restore { .. }
        | Step::Start { .. }
        | Step::Stop { .. }
        | Step::Retire { .. }
        | Step::StandAlone { .. }
        | Step::Pause { .. }
        | Step::TakePauseOver { .. }
        | Step::SetGate { .. }
        | Step::Resume { .. }
        | Step::ExpectFence
        | Step::DeclareBarrier { .. }
        | Step::LiftFence
        | Step::Drain
        | Step::SaveLost { .. } => false,
    }
}

/// The former leader takes no write any more, and clients are led to the other one.
fn fence(from: u8, heir: u8, paused: bool) -> Vec<RollStep> {
    let upstream = Upstream::Node(heir);
    let follow = Step::Follow {
        node: from,
        upstream,
    };
    let mut steps = vec![RollStep::Usual(follow)];
    // A paused node applies nothing, and this one refuses writes by now.
    steps.extend(paused.then_some(RollStep::Usual(Step::Resume { node: from })));
    steps.push(RollStep::MoveService { node: heir });
    steps
}

/// The other node follows the inbound half, and the former leader follows the other node.
fn follow(now: &Situation<'_>, plan: RollPlan, heir: u8) -> RollPlan {
    let memory = led_by(now.memory, heir);
    let mut plan = plan
        .without(|step| matches!(step, Step::TakeServiceAddress { node } if *node == heir))
        .after([
            RollStep::Usual(Step::Remember(memory)),
            RollStep::MoveService { node: heir },
        ]);
    plan.steps.push(RollStep::RejoinInbound);
    plan
}

/// Goes on with what `begin` began: the leader takes no writes any more, or another node leads and the
/// former leader may not know it yet.
pub(super) fn settle(now: &Situation<'_>, roll: &RollSight<'_>, base: Plan, from: u8) -> RollPlan {
    let told = Some(doing("has another node take the leading one's place"));
    let over = RollStep::Note(handing(roll.memory, None));
    match now.role {
        GeoRole::Alone | GeoRole::Primary { .. } | GeoRole::Yielding { .. } => {}
        // Nobody here takes writes.
        GeoRole::Secondary { .. } | GeoRole::Taking { .. } => {
            return RollPlan::of(base, told).after([over]);
        }
    }
    if now.memory.leader == from {
        shut(now, roll, RollPlan::of(base, told), over)
    } else {
        succeed(now, roll, RollPlan::of(base, told), from)
    }
}

/// The leader was told to take no writes any more. Only when that is seen, and the other node stands
/// where it does, the other one leads.
fn shut(now: &Situation<'_>, roll: &RollSight<'_>, plan: RollPlan, over: RollStep) -> RollPlan {
    let from = now.memory.leader;
    let facts = match view(now, from) {
        NodeView::Up(facts) if facts.upstream.is_none() && facts.gate == Gate::Shut => facts,
        NodeView::Silent => return plan,
        NodeView::Up(_) | NodeView::Down => return plan.after([over]),
    };
    match heir(now, roll, from) {
        Some((heir, there)) if there.position == facts.position => {
            let base = RollPlan::of(plan_as(now, heir), plan.order);
            lead(now, base, heir, facts.paused)
        }
        Some(_) if !roll.late => plan.only([]),
        None if !roll.late && !are_gone(now, from) => plan.only([]),
        Some(_) | None => plan.after([over]),
    }
}

/// Another node leads, and the former leader may still take writes: it is made a replica before
/// anything else is done, and killed if it does not answer for long.
fn succeed(now: &Situation<'_>, roll: &RollSight<'_>, plan: RollPlan, from: u8) -> RollPlan {
    let heir = now.memory.leader;
    let over = RollStep::Note(handing(roll.memory, None));
    let promoted = match view(now, heir) {
        NodeView::Up(facts) => facts.upstream.is_none(),
        NodeView::Down | NodeView::Silent => false,
    };
    match view(now, from) {
        // It was seen to take no writes before anybody was promoted.
        NodeView::Silent if promoted => plan,
        NodeView::Silent if !roll.late => plan.only([]),
        NodeView::Silent => plan.only([RollStep::Stop {
            node: from,
            keep: Keep::Nothing,
        }]),
        NodeView::Down if promoted => plan.after([over]),
        NodeView::Down => plan.after([RollStep::MoveService { node: heir }]),
        NodeView::Up(facts) if facts.upstream.is_none() => {
            if !promoted && facts.gate != Gate::Shut {
                // It takes writes, and may have more: it leads again.
                let back = RollStep::Usual(Step::Remember(led_by(now.memory, from)));
                return plan.only([back, over]);
            }
            plan.without(|step| is_done_by_then(step, from, heir))
                .after(fence(from, heir, facts.paused))
        }
        NodeView::Up(_) if promoted => plan.after([over]),
        NodeView::Up(facts) => {
            let resume = facts.paused.then_some(Step::Resume { node: from });
            // Where the shard took over by force, nobody is promoted who may still receive something.
            let promotes =
                |step: &RollStep| matches!(step, RollStep::Usual(Step::StandAlone { .. }));
            let waits = now.role.link().is_some() && !plan.steps.iter().any(promotes);
            let alone = Step::Follow {
                node: heir,
                upstream: Upstream::Inbound,
            };
            let steps = resume.into_iter().chain(waits.then_some(alone));
            let moved = RollStep::MoveService { node: heir };
            plan.after(steps.map(RollStep::Usual).chain([moved]))
        }
    }
}
