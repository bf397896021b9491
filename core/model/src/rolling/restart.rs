//! One node's restart: when it may begin, and how it ends.

use super::{
    Keep, Restarting, RollMemory, RollOrder, RollPlan, RollSight, RollStanding, RollStep, Stage,
    StopSeen, doing, exchange, is_fed, others, view,
};
use crate::{
    GeoRole, ShardStanding,
    shard::{NodeFacts, NodeView, Plan, Situation, Step},
};

/// Begins with the next node, as soon as the shard can spare it.
pub(super) fn begin(
    now: &Situation<'_>,
    roll: &RollSight<'_>,
    order: &RollOrder,
    base: Plan,
    node: u8,
) -> RollPlan {
    let leader = now.memory.leader;
    let alone = others(now, leader).next().is_none();
    let missing = others(now, leader).find(|other| !is_fed(roll, *other));
    let facts = match view(now, leader) {
        NodeView::Up(facts) if missing.is_none() => facts,
        NodeView::Silent if roll.hangs && order.brings().is_none() && is_due(roll, leader) => {
            return ended(now, roll, order, base);
        }
        NodeView::Up(_) | NodeView::Down | NodeView::Silent => {
            let waits = missing.unwrap_or(leader);
            let waits = doing(format!("waits for node {waits} to be in step"));
            return RollPlan::of(base, Some(waits)).after(super::rejoined(roll));
        }
    };
    if let Some(why) = unfit(now, order, &base, facts, roll.cut) {
        return RollPlan::of(base, Some(doing(why))).after(super::rejoined(roll));
    }
    if node == leader && !alone {
        return exchange::begin(now, roll, base, facts);
    }
    let keep = if alone {
        Keep::Surely
    } else {
        Keep::IfPossible
    };
    RollPlan::of(base, Some(doing(format!("stops node {node}")))).after([
        RollStep::Note(stopping(roll.memory, order, node)),
        RollStep::Stop { node, keep },
    ])
}

fn is_due(roll: &RollSight<'_>, node: u8) -> bool {
    roll.memory.due.contains(&node)
}

/// The leader hangs, and somebody wants it rebooted: it is killed, as long as another node of its
/// history can lead on, with what it has.
fn ended(now: &Situation<'_>, roll: &RollSight<'_>, order: &RollOrder, base: Plan) -> RollPlan {
    let leader = now.memory.leader;
    let leads_on = |node: u8| match view(now, node) {
        NodeView::Up(facts) => {
            let kin = now.memory.lineage.contains(&facts.position.replid);
            kin && !facts.loading && !facts.syncing
        }
        NodeView::Down | NodeView::Silent => false,
    };
    if !others(now, leader).any(leads_on) {
        let waits = format!("node {leader} does not answer, and no other node has its data");
        return RollPlan::of(base, Some(doing(waits)));
    }
    RollPlan::of(
        base,
        Some(doing(format!("ends node {leader}, which hangs"))),
    )
    .after([
        RollStep::Note(stopping(roll.memory, order, leader)),
        RollStep::Stop {
            node: leader,
            keep: Keep::Nothing,
        },
    ])
}

/// Why no node is restarted at the moment.
fn unfit(
    now: &Situation<'_>,
    order: &RollOrder,
    base: &Plan,
    facts: NodeFacts,
    cut: bool,
) -> Option<String> {
    match now.role {
        GeoRole::Yielding { .. } | GeoRole::Taking { .. } => {
            return Some("waits for the failover to end".to_owned());
        }
        GeoRole::Alone | GeoRole::Primary { .. } | GeoRole::Secondary { .. } => {}
    }
    let settling = |step: &Step| !matches!(step, Step::Resume { .. });
    let fit = match &base.standing {
        ShardStanding::Writable | ShardStanding::Following => true,
        // Its writes wait for this.
        ShardStanding::Starting => facts.paused,
        ShardStanding::Cut => cut || order.brings().is_none(),
        ShardStanding::Unleased => order.brings().is_none(),
        ShardStanding::Yielded { .. }
        | ShardStanding::Syncing
        | ShardStanding::Silent
        | ShardStanding::Lost
        | ShardStanding::Unpromotable { .. }
        | ShardStanding::Rejoining { .. }
        | ShardStanding::Unsaved { .. } => false,
    };
    let settled = !base.steps.iter().any(settling);
    (!fit || !settled).then(|| "waits for the shard to settle".to_owned())
}

fn stopping(memory: &RollMemory, order: &RollOrder, node: u8) -> RollMemory {
    let mut next = memory.clone();
    next.now = Some(Restarting {
        node,
        stage: Stage::Stopping,
    });
    if let Some(to) = order.brings() {
        next.builds.insert(node, to.clone());
    }
    next
}

/// Goes on with a node's restart, whether or not its order is still there.
pub(super) fn go_on(
    now: &Situation<'_>,
    roll: &RollSight<'_>,
    base: Plan,
    Restarting { node, stage }: Restarting,
) -> RollPlan {
    match stage {
        Stage::Stopping => stop(now, roll, base, node),
        Stage::Starting { saved } | Stage::Back { saved } => {
            let back = matches!(stage, Stage::Back { .. });
            start(now, roll, base, node, (saved, back))
        }
    }
}

fn stop(now: &Situation<'_>, roll: &RollSight<'_>, base: Plan, node: u8) -> RollPlan {
    let memory = roll.memory;
    let told = Some(doing(format!("stops node {node}")));
    let alone = others(now, node).next().is_none();
    let is_start = |step: &Step| matches!(step, Step::Start { node: of, .. } if *of == node);
    match roll.stop {
        StopSeen::UnderWay => RollPlan::of(base, told).without(is_start),
        StopSeen::Refused { why } => {
            let why = format!("node {node} was not stopped: {why}");
            ended_early(memory, base, why)
        }
        StopSeen::Ended { saved } => {
            let next = RollMemory {
                now: Some(Restarting {
                    node,
                    stage: Stage::Starting { saved },
                }),
                ..memory.clone()
            };
            let plan = RollPlan::of(base, told).without(is_start);
            if saved && node == now.memory.leader {
                // The shard's own planner starts its leader.
                let mut kept = now.memory.clone();
                kept.saved = Some(node);
                let steps = [RollStep::Usual(Step::Remember(kept)), RollStep::Note(next)];
                return plan.only(steps);
            }
            plan.after([RollStep::Note(next)])
        }
        // It was never told, or whoever told it is gone.
        StopSeen::Nothing if alone || node != now.memory.leader => {
            let keep = if alone {
                Keep::Surely
            } else {
                Keep::IfPossible
            };
            let may = alone || matches!(view(now, now.memory.leader), NodeView::Up(_));
            let stop = may.then_some(RollStep::Stop { node, keep });
            RollPlan::of(base, told).without(is_start).after(stop)
        }
        StopSeen::Nothing if view(now, node) == NodeView::Silent && roll.hangs => {
            RollPlan::of(base, told).after([RollStep::Stop {
                node,
                keep: Keep::Nothing,
            }])
        }
        // It leads now, for one that died.
        StopSeen::Nothing => {
            let next = RollMemory {
                now: None,
                ..memory.clone()
            };
            RollPlan::of(base, told).after([RollStep::Note(next)])
        }
    }
}

fn start(
    now: &Situation<'_>,
    roll: &RollSight<'_>,
    base: Plan,
    node: u8,
    (saved, back): (bool, bool),
) -> RollPlan {
    let memory = roll.memory;
    let leads = node == now.memory.leader;
    let seen = view(now, node);
    let up = matches!(seen, NodeView::Up(_));
    let in_step = if leads {
        let serves = matches!(
            base.standing,
            ShardStanding::Writable
                | ShardStanding::Following
                | ShardStanding::Unleased
                | ShardStanding::Cut
        );
        up && serves
    } else {
        up && is_fed(roll, node)
    };
    if in_step {
        return in_place(memory, base, node);
    }
    if let Some(why) = roll.failure {
        return failed(memory, base, node, seen, (why, saved, back));
    }
    let told = doing(format!("waits for node {node} to be in step"));
    let mut plan = RollPlan::of(base, Some(told));
    for step in &mut plan.steps {
        if let RollStep::Usual(Step::Start {
            node: of,
            saved: loads,
            ..
        }) = step
            && *of == node
            && !leads
        {
            *loads = saved;
        }
    }
    plan
}

/// It is in step again.
fn in_place(memory: &RollMemory, base: Plan, node: u8) -> RollPlan {
    let mut next = memory.clone();
    next.now = None;
    next.due.retain(|due| *due != node);
    if next.stopped.is_none() {
        next.restarted.push(node);
    } else {
        next.due.clear();
    }
    let told = match &next.stopped {
        Some(why) => RollStanding::Stopped { why: why.clone() },
        None => doing("goes on to the next node"),
    };
    RollPlan::of(base, Some(told)).after([RollStep::Note(next)])
}

/// It does not come into step. With a newer engine it gets the one of before.
fn failed(
    memory: &RollMemory,
    base: Plan,
    node: u8,
    seen: NodeView,
    (why, saved, back): (&str, bool, bool),
) -> RollPlan {
    let build = memory.builds.get(&node).filter(|_| !back);
    let Some(build) = build else {
        let why = match &memory.stopped {
            Some(first) => format!("{first}; with the engine of before, neither: {why}"),
            None => format!("node {node} does not come back: {why}"),
        };
        return ended_early(memory, base, why);
    };
    let mut next = memory.clone();
    next.stopped = Some(format!(
        "node {node} does not run with {build}, and has the engine of before again: {why}"
    ));
    next.builds.remove(&node);
    next.now = Some(Restarting {
        node,
        stage: Stage::Back { saved },
    });
    let told = doing(format!("gives node {node} the engine of before"));
    // A leader is started by the shard's own planner, and this one holds nothing that is not saved.
    let stop = match seen {
        NodeView::Down => None,
        NodeView::Up(_) | NodeView::Silent => Some(RollStep::Stop {
            node,
            keep: Keep::Nothing,
        }),
    };
    let steps = std::iter::once(RollStep::Note(next)).chain(stop);
    RollPlan::of(base, Some(told)).only(steps)
}

fn ended_early(memory: &RollMemory, base: Plan, why: String) -> RollPlan {
    let mut next = memory.clone();
    if let Some(Restarting {
        node,
        stage: Stage::Stopping,
    }) = next.now
    {
        next.builds.remove(&node);
    }
    next.now = None;
    next.due.clear();
    next.stopped = Some(why.clone());
    RollPlan::of(base, Some(RollStanding::Stopped { why })).after([RollStep::Note(next)])
}
