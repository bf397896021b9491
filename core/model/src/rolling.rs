//! Restarting a shard's nodes one after another, for a reboot or for a newer engine: a pure planner
//! around that of [`crate::shard`].
//!
//! In goes what that planner sees, the order, and what the agent remembers of it. Out come the next
//! steps: the shard's own, and what the order adds to them. Replicas come first. A leader with a
//! replica is restarted as a replica: first another node takes its place, without losing a write.
//!
//! Invariants kept here:
//! - A node is stopped only while another one leads or can, in step; a node that holds the only data
//!   only if they are on disk first.
//! - One node of a shard is down for an order at a time, and the next one waits until it is in step.
//! - A node takes the leader's place only where the leader stands, while the leader takes no write
//!   any more; the former leader is a replica before the new one takes a write.
//! - A node that does not come up with a newer engine gets the one of before, and no other is
//!   touched.
//! - An order is taken up once. What it has begun is ended even if it is withdrawn.

mod exchange;
mod restart;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    EngineBuild, ShardIndex, ShardStanding,
    shard::{NodeView, Plan, Situation, Step, plan as plan_shard},
};
use psync::Position;

/// Something that needs nodes restarted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RollOrder {
    /// Counts the orders of a cache, from 1.
    pub id: u64,
    /// Which nodes, and why.
    pub what: RollWhat,
}

/// Why nodes are restarted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RollWhat {
    /// Somebody wants it so.
    Reboot {
        /// The shard; `None`: all of them.
        shard: Option<ShardIndex>,
        /// Its nodes.
        nodes: RebootNodes,
    },
    /// Those that do not run this build are to.
    Upgrade {
        /// The build.
        to: EngineBuild,
    },
}

/// Which nodes of a shard are rebooted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RebootNodes {
    /// The one that leads when the order is taken up.
    Primary,
    /// All others.
    Replicas,
    /// All.
    All,
    /// These, by shard and index.
    These(Vec<(ShardIndex, u8)>),
}

impl RollOrder {
    /// The build that it brings; `None`: nodes are started with what they ran.
    #[must_use]
    pub fn brings(&self) -> Option<&EngineBuild> {
        match &self.what {
            RollWhat::Upgrade { to } => Some(to),
            RollWhat::Reboot { .. } => None,
        }
    }

    /// The nodes of a shard that it is about.
    fn due(&self, now: &Situation<'_>) -> Vec<u8> {
        let all = wanted(now).into_iter();
        let leader = now.memory.leader;
        match &self.what {
            RollWhat::Upgrade { .. } => all.collect(),
            RollWhat::Reboot { shard, .. } if shard.is_some_and(|shard| shard != now.shard) => {
                Vec::new()
            }
            RollWhat::Reboot { nodes, .. } => match nodes {
                RebootNodes::Primary => vec![leader],
                RebootNodes::Replicas => all.filter(|node| *node != leader).collect(),
                RebootNodes::All => all.collect(),
                RebootNodes::These(nodes) => {
                    let here = |node: &u8| nodes.contains(&(now.shard, *node));
                    all.filter(here).collect()
                }
            },
        }
    }
}

/// What an agent keeps on disk of a shard's share of an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct RollMemory {
    /// The last order that was taken up.
    pub order: Option<u64>,
    /// Its nodes that are still to be restarted.
    pub due: Vec<u8>,
    /// Its nodes that were.
    pub restarted: Vec<u8>,
    /// The one that is being restarted.
    pub now: Option<Restarting>,
    /// The node whose place another one takes, until it is known to take no write any more.
    pub handing: Option<u8>,
    /// Nodes that are started with another build than the rest of the cache.
    pub builds: BTreeMap<u8, EngineBuild>,
    /// Why no further node is restarted.
    pub stopped: Option<String>,
}

/// A node that is being restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Restarting {
    /// The node.
    pub node: u8,
    /// How far it is.
    pub stage: Stage,
}

/// How far a node's restart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// It is told to stop.
    Stopping,
    /// It has stopped, and is started until it is in step.
    Starting {
        /// It has left a data set to start with.
        saved: bool,
    },
    /// As `Starting`, with the engine of before: the newer one did not do.
    Back {
        /// It has left a data set to start with.
        saved: bool,
    },
}

/// What is seen of the stop of the node that is being restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StopSeen<'a> {
    /// Nobody stops it.
    #[default]
    Nothing,
    /// It is stopping.
    UnderWay,
    /// It has ended.
    Ended {
        /// It has left a data set.
        saved: bool,
    },
    /// It goes on, since its data could not be saved.
    Refused {
        /// Why.
        why: &'a str,
    },
}

/// What an order's plan depends on beside the shard's own.
#[derive(Debug, Clone, Copy)]
pub struct RollSight<'a> {
    /// What is to be done; `None`: nothing.
    pub order: Option<&'a RollOrder>,
    /// What the agent remembers.
    pub memory: &'a RollMemory,
    /// Nodes that are connected to what they follow for long enough to get every write, by index.
    pub fed: &'a [bool],
    /// What the nodes run, by index; `None`: not known.
    pub builds: &'a [Option<EngineBuild>],
    /// The stop of the node that is being restarted.
    pub stop: StopSeen<'a>,
    /// Why the node that is being restarted does not come into step.
    pub failure: Option<&'a str>,
    /// The inbound half is held so that the nodes can change places.
    pub cut: bool,
    /// Writes, or the stream, have waited for that for too long.
    pub late: bool,
    /// That was given up a moment ago.
    pub rests: bool,
    /// The shards before this one are done.
    pub turn: bool,
    /// The leader has not answered for long.
    pub hangs: bool,
}

/// One thing to do. Each is safe to do twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollStep {
    /// A step of the shard's own planner.
    Usual(Step),
    /// Write to disk, durably, before anything else.
    Note(RollMemory),
    /// Clients are led to where this node listens, from now on.
    MoveService {
        /// The node.
        node: u8,
    },
    /// The inbound half gives its engine nothing more for the moment.
    CutInbound,
    /// The inbound half goes on.
    RejoinInbound,
    /// Begin to stop a node.
    Stop {
        /// The node.
        node: u8,
        /// What becomes of its data.
        keep: Keep,
    },
}

/// What becomes of the data of a node that is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// They are saved, or the node is not stopped.
    Surely,
    /// They are saved when that can be done: others have them.
    IfPossible,
    /// They are given up.
    Nothing,
}

/// How an order stands in a shard, or in a cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RollStanding {
    /// Nodes are being restarted.
    UnderWay {
        /// What is done or waited for, in a few words.
        doing: String,
    },
    /// Every node was.
    Done,
    /// No further one is.
    Stopped {
        /// Why, in a sentence's end.
        why: String,
    },
}

/// An order as an agent reports it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RollObserved {
    /// The order.
    pub order: u64,
    /// How it stands.
    pub standing: RollStanding,
    /// Nodes that were restarted.
    pub restarted: u32,
    /// Nodes that it is about.
    pub nodes: u32,
}

/// What to do next, and what to report meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollPlan {
    /// In this order; the first failure ends it.
    pub steps: Vec<RollStep>,
    /// What the shard can do now.
    pub standing: ShardStanding,
    /// As in [`Plan`].
    pub ready: Option<(u64, Position)>,
    /// How the order stands; `None` without one.
    pub order: Option<RollStanding>,
}

impl RollPlan {
    fn of(base: Plan, order: Option<RollStanding>) -> Self {
        let steps = base.steps.into_iter().map(RollStep::Usual).collect();
        Self {
            steps,
            standing: base.standing,
            ready: base.ready,
            order,
        }
    }

    /// What the order adds comes first.
    fn after(mut self, first: impl IntoIterator<Item = RollStep>) -> Self {
        self.steps.splice(0..0, first);
        self
    }

    /// Nothing but these is done.
    fn only(mut self, steps: impl IntoIterator<Item = RollStep>) -> Self {
        self.steps = steps.into_iter().collect();
        self
    }

    /// Without the shard's own steps that `drop` tells.
    fn without(mut self, drop: impl Fn(&Step) -> bool) -> Self {
        self.steps.retain(|step| match step {
            RollStep::Usual(step) => !drop(step),
            RollStep::Note(_)
            | RollStep::MoveService { .. }
            | RollStep::CutInbound
            | RollStep::RejoinInbound
            | RollStep::Stop { .. } => true,
        });
        self
    }
}

/// What to do next for a shard.
#[must_use]
pub fn plan(now: &Situation<'_>, roll: &RollSight<'_>) -> RollPlan {
    let base = plan_shard(now);
    let memory = roll.memory;
    if let Some(from) = memory.handing {
        return exchange::settle(now, roll, base, from);
    }
    if let Some(restarting) = memory.now {
        return restart::go_on(now, roll, base, restarting);
    }
    let Some(order) = roll.order else {
        return RollPlan::of(base, None).after(rejoined(roll));
    };
    if memory.order != Some(order.id) {
        let taken_up = RollMemory {
            order: Some(order.id),
            due: order.due(now),
            builds: memory.builds.clone(),
            ..RollMemory::default()
        };
        return RollPlan::of(base, Some(doing("begins"))).after([RollStep::Note(taken_up)]);
    }
    if let Some(why) = &memory.stopped {
        let stopped = RollStanding::Stopped { why: why.clone() };
        return RollPlan::of(base, Some(stopped)).after(rejoined(roll));
    }
    match next(now, roll, order) {
        None => RollPlan::of(base, Some(RollStanding::Done)).after(rejoined(roll)),
        Some(_) if !roll.turn => RollPlan::of(base, Some(doing("waits for other shards"))),
        Some(node) => restart::begin(now, roll, order, base, node),
    }
}

/// An inbound half that is held for nothing goes on.
fn rejoined(roll: &RollSight<'_>) -> Option<RollStep> {
    roll.cut.then_some(RollStep::RejoinInbound)
}

fn doing(what: impl Into<String>) -> RollStanding {
    RollStanding::UnderWay { doing: what.into() }
}

/// The node whose turn it is: a replica before the leader.
fn next(now: &Situation<'_>, roll: &RollSight<'_>, order: &RollOrder) -> Option<u8> {
    let runs_it = |node: &u8| {
        let runs = roll.builds.get(usize::from(*node)).and_then(Option::as_ref);
        order.brings().is_some() && runs == order.brings()
    };
    let wanted = wanted(now);
    let due = roll.memory.due.iter().copied();
    let due = due.filter(|node| wanted.contains(node) && !runs_it(node));
    // The leader is the first of those that are wanted.
    due.max_by_key(|node| wanted.iter().position(|other| other == node))
}

/// The shard's nodes, the leader first, as the shard's own planner wants them.
fn wanted(now: &Situation<'_>) -> Vec<u8> {
    let leader = now.memory.leader;
    let others = (0u8..=u8::MAX).filter(|node| *node != leader);
    let others = others.take(usize::from(now.replicas));
    std::iter::once(leader).chain(others).collect()
}

fn view(now: &Situation<'_>, node: u8) -> NodeView {
    let view = now.nodes.get(usize::from(node)).copied();
    view.unwrap_or(NodeView::Down)
}

/// The wanted nodes beside one.
fn others(now: &Situation<'_>, node: u8) -> impl Iterator<Item = u8> + use<> {
    let wanted = wanted(now).into_iter();
    wanted.filter(move |other| *other != node)
}

fn is_fed(roll: &RollSight<'_>, node: u8) -> bool {
    roll.fed.get(usize::from(node)).copied().unwrap_or(false)
}

impl fmt::Display for RollWhat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reboot { .. } => f.write_str("reboot"),
            Self::Upgrade { to } => write!(f, "upgrade to {to}"),
        }
    }
}

#[cfg(test)]
mod tests;
