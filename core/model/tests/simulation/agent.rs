//! A region's agent: one look after another, each in steps between which anything may happen.
//!
//! As `services/agent`: orders and what must not be forgotten are on disk before they count, a
//! step that fails ends the plan, and what is not on disk is gone with the process.

mod steps;
mod wiring;

use model::{
    CacheObserved, GeoRole, PromotionRequest, ShardIndex, ShardObserved, ShardStanding,
    shard::{Gate, LinkView, NodeView, Plan, Situation, Upstream, fork_of, holds_still, plan},
};
use psync::Position;

use crate::{
    engine::{Address, Following},
    inbound::{Geo, Target},
    lost_writes::Saving,
    outbound::{Facts, Outbound},
    world::{Desired, World},
};

/// How long a pause of client writes lasts.
const PAUSE_MS: u64 = 15_000;
/// How long an agent waits for an answer.
const ANSWER_MS: u64 = 2_000;

/// What an agent does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Idle,
    LookAt(usize),
    Plan,
    Step(usize),
    Wire,
    Report,
    Awaiting { until: u64 },
}

/// What an agent has in memory.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) stage: Stage,
    pub(crate) order: Option<Desired>,
    views: [NodeView; 2],
    /// What the last look saw of each engine's stream.
    facts: [Option<Facts>; 2],
    plan: Plan,
    observed: Option<ShardObserved>,
    paused: [Option<(u32, u64)>; 2],
    answered: Option<u64>,
    /// What the answer to a request for the promotion said, until a desired state says it.
    decided: Option<Desired>,
    pub(crate) outbound: Option<Outbound>,
    pub(crate) inbound_up: bool,
    /// The epoch at which the inbound half follows the other region; none: it holds.
    pub(crate) target: Target,
    /// Keys of the link's data, as the inbound half was told last.
    pub(crate) keys: u64,
    /// What it told the other half of them.
    pub(crate) keys_told: u64,
    pub(crate) barrier: Option<(u64, Position)>,
    pub(crate) geo: Option<Geo>,
    /// What is saved, or was, in this run.
    pub(crate) saving: Option<Saving>,
}

impl Agent {
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Idle,
            order: None,
            views: [NodeView::Down; 2],
            facts: [None; 2],
            plan: Plan {
                steps: vec![],
                standing: ShardStanding::Starting,
                ready: None,
            },
            observed: None,
            paused: [None; 2],
            answered: None,
            decided: None,
            outbound: None,
            inbound_up: false,
            target: None,
            keys: 0,
            keys_told: 0,
            barrier: None,
            geo: None,
            saving: None,
        }
    }
}

impl Agent {
    /// An answer arrives while it is waited for.
    pub(crate) fn hear(&mut self, request: &PromotionRequest, promoted: bool) {
        self.answered = Some(request.attempt);
        self.stage = Stage::Idle;
        if !promoted {
            return;
        }
        let role = |order: &Desired| order.role.promoted(request.attempt, &request.barriers);
        self.decided = self.order.as_ref().and_then(|order| {
            Some(Desired {
                generation: order.generation,
                epoch: order.epoch.next(),
                role: role(order)?,
            })
        });
    }
}

impl World {
    pub(crate) fn agent(&mut self, r: usize) -> Option<&mut Agent> {
        self.regions[r].agent.as_mut()
    }

    /// Goes one stage further; tells whether that carried a step out.
    pub(crate) fn work(&mut self, r: usize) -> bool {
        let Some(stage) = self.agent(r).map(|agent| agent.stage) else {
            return false;
        };
        let next = match stage {
            Stage::Idle => self.adopt(r),
            Stage::LookAt(n) => self.look_at(r, n),
            Stage::Plan => self.make_plan(r),
            Stage::Step(at) => self.step(r, at),
            Stage::Wire => self.wire(r),
            Stage::Report => self.report(r),
            Stage::Awaiting { until } if self.now < until => stage,
            Stage::Awaiting { .. } => Stage::Idle,
        };
        if let Some(agent) = self.agent(r) {
            agent.stage = next;
        }
        matches!((stage, next), (Stage::Step(_), Stage::Step(_)))
    }

    /// A desired state arrives: on disk before anything else, and never an older one.
    pub(crate) fn take_order(&mut self, r: usize, order: Desired) {
        let region = &mut self.regions[r];
        if region.agent.is_none() {
            return;
        }
        let known = region.disk.desired.as_ref().map(|known| known.generation);
        if known.is_none_or(|known| known < order.generation) {
            self.note(|| format!("{r} is told {:?} {:?}", order.epoch, order.role));
            self.regions[r].disk.desired = Some(order);
        }
    }

    /// Takes the order from disk, and brings the inbound half in line with it.
    fn adopt(&mut self, r: usize) -> Stage {
        let Some(order) = self.regions[r].disk.desired.clone() else {
            return Stage::Idle;
        };
        let decided = self.agent(r).and_then(|agent| agent.decided.clone());
        let order = decided
            .filter(|decided| decided.epoch > order.epoch)
            .unwrap_or(order);
        let known = self.regions[r].disk.epoch;
        if order.epoch < known {
            // Killed between an answer and the desired state: nothing is done before that is heard.
            return Stage::Idle;
        }
        self.regions[r].disk.epoch = order.epoch;
        self.note_shut(r, order.epoch);
        self.go_on_saving(r, &order.role);
        let follows = matches!(
            order.role,
            GeoRole::Secondary { .. } | GeoRole::Taking { .. }
        );
        let holds = holds_still(&order.role, &self.regions[r].disk.memory);
        let target = (follows && !holds).then_some(order.epoch);
        let linked = order.role.link().is_some();
        let Some(agent) = self.agent(r) else {
            return Stage::Idle;
        };
        let changed = agent.target != target;
        let closes = agent.inbound_up && !linked;
        agent.inbound_up = linked;
        agent.target = target;
        agent.order = Some(order);
        if changed {
            agent.barrier = None;
        }
        if closes {
            agent.keys = 0;
            self.end_session(r, "the link is gone");
            self.forget_journal(r);
            self.regions[r].disk.spool = None;
        } else if changed {
            self.retarget(r);
        }
        Stage::LookAt(0)
    }

    fn look_at(&mut self, r: usize, n: usize) -> Stage {
        let now = self.now;
        let inbound = self.regions[r].inbound;
        let engine = self.regions[r].nodes[n].engine.as_ref();
        let paused = self.regions[r]
            .agent
            .as_ref()
            .and_then(|agent| agent.paused[n]);
        let view = match engine {
            None => NodeView::Down,
            Some(engine) if engine.silent => NodeView::Silent,
            Some(engine) => {
                let at_service = |node: usize| {
                    let other = self.regions[r].nodes[node].engine.as_ref();
                    other.map(|other| other.at_service)
                };
                let upstream = engine.upstream.map(|address| match address {
                    Address::Inbound(address) if address == inbound => Upstream::Inbound,
                    Address::Node {
                        node,
                        at_service: there,
                    } if at_service(node) == Some(there) => {
                        Upstream::Node(u8::try_from(node).unwrap())
                    }
                    Address::Inbound(_) | Address::Node { .. } => Upstream::Elsewhere,
                });
                let believed =
                    paused.is_some_and(|(life, at)| life == engine.life && now < at + PAUSE_MS);
                NodeView::Up(engine.facts(upstream, believed))
            }
        };
        let facts = engine.filter(|engine| !engine.silent).map(Facts::of);
        let gone = engine.is_none();
        if let Some(agent) = self.agent(r) {
            agent.views[n] = view;
            let before = agent.facts[n].filter(|_| !gone);
            agent.facts[n] = facts.or(before);
        }
        if n == 0 {
            Stage::LookAt(1)
        } else {
            Stage::Plan
        }
    }

    fn make_plan(&mut self, r: usize) -> Stage {
        let sent = self.sent(r);
        let lags = !self.calm && self.dice.permille(300);
        let region = &self.regions[r];
        let Some(agent) = region.agent.as_ref() else {
            return Stage::Idle;
        };
        let Some(order) = &agent.order else {
            return Stage::Idle;
        };
        let plan = plan(&Situation {
            shard: ShardIndex(0),
            role: &order.role,
            replicas: 1,
            memory: &region.disk.memory,
            nodes: &agent.views,
            link: LinkView {
                sent,
                lags,
                barrier: agent.barrier,
                held: agent.target.is_none(),
                drained: self.drained(r),
            },
            lease: None,
            saving: agent.saving.as_ref().map(Saving::view).unwrap_or_default(),
            staged: None,
        });
        let leader = usize::from(region.disk.memory.leader);
        let facts = match agent.views[leader] {
            NodeView::Up(facts) => Some(facts),
            NodeView::Down | NodeView::Silent => None,
        };
        let observed = ShardObserved {
            shard: ShardIndex(0),
            standing: plan.standing.clone(),
            position: facts
                .map(|facts| facts.position)
                .filter(|_| plan.standing != ShardStanding::Lost),
            keys: facts.map_or(0, |facts| facts.keys),
            used_memory: 0,
            ops_per_second: 0,
            clients: 0,
            nodes: vec![],
            link: agent.observe_link(&order.role, sent),
            fork: fork_of(&order.role, &region.disk.memory),
        };
        if !plan.steps.is_empty() {
            self.note(|| format!("{r} plans {:?}", plan));
        }
        if let Some(agent) = self.agent(r) {
            agent.plan = plan;
            agent.observed = Some(observed);
        }
        Stage::Step(0)
    }

    /// Pins up what was seen, and asks for the decision when it is time.
    fn report(&mut self, r: usize) -> Stage {
        let epoch = self.regions[r].disk.epoch;
        let uid = self.regions[r].member.uid.clone();
        let Some(agent) = self.agent(r) else {
            return Stage::Idle;
        };
        let (Some(order), Some(observed)) = (&agent.order, &agent.observed) else {
            return Stage::Idle;
        };
        let report = CacheObserved {
            uid,
            settled_revision: 0,
            epoch,
            role: order.role.kind(),
            doors: None,
            engine: None,
            shards: vec![observed.clone()],
            problem: None,
            lost_writes: Vec::new(),
            handoff: None,
            transfer: None,
        };
        let request = match &order.role {
            GeoRole::Taking { link, attempt, .. } if agent.answered != Some(*attempt) => {
                let ready = agent.plan.ready.filter(|(of, _)| of == attempt);
                ready.map(|(attempt, barrier)| PromotionRequest {
                    link: link.clone(),
                    attempt,
                    barriers: vec![barrier],
                })
            }
            GeoRole::Taking { .. }
            | GeoRole::Alone
            | GeoRole::Primary { .. }
            | GeoRole::Yielding { .. }
            | GeoRole::Secondary { .. } => None,
        };
        let region = &mut self.regions[r];
        region.reports.push(report);
        if region.reports.len() > 3 {
            region.reports.remove(0);
        }
        let Some(request) = request else {
            return Stage::Idle;
        };
        self.note(|| format!("{r} asks for the decision of {request:?}"));
        self.regions[r].requests.push(request);
        let until = self.now + ANSWER_MS;
        Stage::Awaiting { until }
    }

    /// Kills the agent: its engines go on, and what the journal was about to write is missing.
    pub(crate) fn crash_agent(&mut self, r: usize) {
        if self.regions[r].agent.is_none() {
            return;
        }
        self.note(|| format!("the agent of {r} is killed"));
        self.tear_journal(r);
        self.end_agent(r);
    }

    pub(crate) fn end_agent(&mut self, r: usize) {
        self.end_session(r, "the agent is gone");
        self.cut(1 - r);
        self.end_outbound(r);
        self.regions[r].agent = None;
    }

    /// Starts the agent, which takes over the engines that run.
    pub(crate) fn start_agent(&mut self, r: usize) {
        if self.regions[r].agent.is_some() {
            return;
        }
        self.note(|| format!("the agent of {r} starts"));
        let memory = self.regions[r].disk.memory.clone();
        self.regions[r].disk.memory = memory.recalled();
        let moves = !self.calm && self.dice.permille(100);
        let region = &mut self.regions[r];
        region.agent = Some(Agent::new());
        if moves {
            region.inbound += 1;
        }
        for node in &mut region.nodes {
            if let Some(engine) = &mut node.engine {
                engine.pings = engine.gate != Gate::Shut;
                // The inbound half that it was connected to is gone.
                if matches!(engine.upstream, Some(Address::Inbound(_)))
                    && engine.following != Following::Down
                    && let Some(pipe) = engine.input.as_mut()
                {
                    pipe.closed = true;
                }
            }
        }
    }
}
