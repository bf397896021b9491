//! A region's agent: one look after another, each in steps between which anything may happen.
//!
//! As `services/agent`: orders and what must not be forgotten are on disk before they count, a
//! step that fails ends the plan, and what is not on disk is gone with the process.

use model::{
    CacheObserved, Epoch, GeoRole, LinkActivity, LinkObserved, PromotionRequest, ShardIndex,
    ShardObserved, ShardStanding,
    shard::{LinkView, NodeView, Plan, Situation, Step, Upstream, plan},
};
use psync::Position;

use crate::{
    engine::{Address, Following, Snapshot},
    relay::{Fence, Geo, Outbound},
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
    plan: Plan,
    observed: Option<ShardObserved>,
    paused: [Option<(u32, u64)>; 2],
    pub(crate) answered: Option<u64>,
    pub(crate) outbound: Option<Outbound>,
    pub(crate) inbound_up: bool,
    /// The epoch at which the inbound half follows the other region; none: it holds.
    pub(crate) target: Option<Epoch>,
    pub(crate) barrier: Option<(u64, Position)>,
    pub(crate) geo: Option<Geo>,
}

impl Agent {
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Idle,
            order: None,
            views: [NodeView::Down; 2],
            plan: Plan {
                steps: vec![],
                standing: ShardStanding::Starting,
                ready: None,
            },
            observed: None,
            paused: [None; 2],
            answered: None,
            outbound: None,
            inbound_up: false,
            target: None,
            barrier: None,
            geo: None,
        }
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
            Stage::Wire => self.wire_outbound(r),
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
        let known = self.regions[r].disk.epoch;
        assert!(order.epoch >= known, "{r} goes back from epoch {known}");
        self.regions[r].disk.epoch = order.epoch;
        let follows = matches!(
            order.role,
            GeoRole::Secondary { .. } | GeoRole::Taking { .. }
        );
        let target = follows.then_some(order.epoch);
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
            agent.outbound = None;
            self.end_session(r, "the link is gone");
            self.cut(1 - r, "the link is gone");
        } else if changed {
            self.cut(r, "retargeted");
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
        if let Some(agent) = self.agent(r) {
            agent.views[n] = view;
        }
        if n == 0 {
            Stage::LookAt(1)
        } else {
            Stage::Plan
        }
    }

    fn make_plan(&mut self, r: usize) -> Stage {
        let sent = self.sent(r);
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
                barrier: agent.barrier,
            },
        });
        let leader = usize::from(region.disk.memory.leader);
        let facts = match agent.views[leader] {
            NodeView::Up(facts) => Some(facts),
            NodeView::Down | NodeView::Silent => None,
        };
        let connected = match &order.role {
            GeoRole::Alone => false,
            GeoRole::Primary { .. } | GeoRole::Yielding { .. } => sent.is_some(),
            GeoRole::Secondary { .. } | GeoRole::Taking { .. } => {
                agent.geo.as_ref().is_some_and(|geo| geo.open.is_some())
            }
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
            link: order.role.link().map(|_| seen_link(connected)),
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

    fn step(&mut self, r: usize, at: usize) -> Stage {
        let Some(agent) = self.agent(r) else {
            return Stage::Idle;
        };
        let Some(step) = agent.plan.steps.get(at).cloned() else {
            return Stage::Wire;
        };
        let fails = self.weather.failures && !self.calm;
        let before = fails && self.dice.permille(40);
        let after = fails && self.dice.permille(40);
        let done = !before && self.carry_out(r, &step);
        let volatile = matches!(
            step,
            Step::ExpectFence | Step::LiftFence | Step::DeclareBarrier { .. } | Step::Remember(_)
        );
        if done && (volatile || !after) {
            Stage::Step(at + 1)
        } else if volatile && !matches!(step, Step::Remember(_)) {
            // What the relay is told in memory cannot fail.
            self.carry_out(r, &step);
            Stage::Step(at + 1)
        } else {
            self.note(|| format!("{r} fails at {step:?} ({done})"));
            Stage::Report
        }
    }

    /// Carries a step out; false when that did not work.
    #[expect(clippy::too_many_lines, reason = "one arm for each step")]
    fn carry_out(&mut self, r: usize, step: &Step) -> bool {
        let now = self.now;
        match step {
            Step::Remember(memory) => {
                self.regions[r].disk.memory = memory.clone();
                true
            }
            Step::Start {
                node,
                upstream,
                saved,
                at_service_address,
            } => self.start(
                r,
                usize::from(*node),
                *upstream,
                *saved,
                *at_service_address,
            ),
            Step::Retire { .. } => panic!("there is no node to retire"),
            Step::Follow { node, upstream } => {
                let n = usize::from(*node);
                let (Some(address), true) = (self.address(r, *upstream), self.obeys(r, n)) else {
                    return false;
                };
                let keeps = self.dice.permille(500);
                let follows = self
                    .engine(r, n)
                    .is_some_and(|engine| engine.follow(address));
                if follows && !keeps {
                    self.drop_replicas(r, n);
                }
                true
            }
            Step::StandAlone { node } => {
                let n = usize::from(*node);
                if !self.obeys(r, n) {
                    return false;
                }
                self.check_promotion(r, n);
                let replid = self.history();
                if self
                    .engine(r, n)
                    .is_some_and(|engine| engine.stand_alone(replid))
                {
                    self.drop_replicas(r, n);
                    self.check_history(r, n);
                }
                true
            }
            Step::TakeServiceAddress { node } => {
                let n = usize::from(*node);
                if self.service_taken(r, n) || !self.obeys(r, n) {
                    return false;
                }
                self.engine(r, n)
                    .map(|engine| engine.at_service = true)
                    .is_some()
            }
            Step::Pause { node } => {
                let n = usize::from(*node);
                if !self.obeys(r, n) {
                    return false;
                }
                let Some(engine) = self.engine(r, n) else {
                    return false;
                };
                engine.paused_until = now + PAUSE_MS;
                engine.pings = false;
                let life = engine.life;
                // The agent notes the moment of the answer.
                let noted = self.now + self.dice.between(0, 20);
                if let Some(agent) = self.agent(r) {
                    agent.paused[n] = Some((life, noted));
                }
                true
            }
            Step::Resume { node } => {
                let n = usize::from(*node);
                if !self.obeys(r, n) {
                    return false;
                }
                if let Some(engine) = self.engine(r, n) {
                    engine.paused_until = now;
                    engine.pings = true;
                }
                if let Some(agent) = self.agent(r) {
                    agent.paused[n] = None;
                }
                true
            }
            Step::ExpectFence => self.fence(r, Fence::Expected),
            Step::DeclareBarrier { attempt, position } => {
                self.fence(r, Fence::Declared(*attempt, *position))
            }
            Step::LiftFence => self.fence(r, Fence::Open),
            // Nobody but Godwit pauses an engine here.
            Step::TakePauseOver { .. } => true,
        }
    }

    fn fence(&mut self, r: usize, fence: Fence) -> bool {
        if let Some(outbound) = self.agent(r).and_then(|agent| agent.outbound.as_mut()) {
            outbound.fence = fence;
        }
        true
    }

    /// Engines answer no command but `INFO` while they load.
    fn obeys(&mut self, r: usize, n: usize) -> bool {
        self.answering(r, n)
            .is_some_and(|engine| engine.loading.is_none())
    }

    fn service_taken(&self, r: usize, by_other_than: usize) -> bool {
        let other = self.regions[r].nodes[1 - by_other_than].engine.as_ref();
        other.is_some_and(|other| other.at_service)
    }

    fn address(&self, r: usize, upstream: Upstream) -> Option<Address> {
        let region = &self.regions[r];
        match upstream {
            Upstream::Inbound => {
                let up = region.agent.as_ref().is_some_and(|agent| agent.inbound_up);
                up.then_some(Address::Inbound(region.inbound))
            }
            Upstream::Node(node) => {
                let node = usize::from(node);
                let engine = region.nodes[node].engine.as_ref()?;
                Some(Address::Node {
                    node,
                    at_service: engine.at_service,
                })
            }
            Upstream::Elsewhere => None,
        }
    }

    fn start(
        &mut self,
        r: usize,
        n: usize,
        upstream: Option<Upstream>,
        saved: bool,
        at_service: bool,
    ) -> bool {
        let runs = self.regions[r].nodes[n].engine.is_some();
        if runs || (at_service && self.service_taken(r, n)) {
            return false;
        }
        let address = match upstream {
            None => None,
            Some(upstream) => match self.address(r, upstream) {
                None => return false,
                address => address,
            },
        };
        let file = self.regions[r].nodes[n].saved;
        let file = match (saved, file) {
            (true, Some(file)) => Some(file),
            (true, None) => {
                // Nothing to load is not an empty data set.
                self.regions[r].disk.memory.saved = None;
                return false;
            }
            (false, _) => None,
        };
        let mut engine = self.fresh_engine(address);
        engine.at_service = at_service;
        if let Some(Snapshot { position, data }) = file {
            self.count("starts from a saved data set");
            engine.data = data;
            engine.offset = position.offset.0;
            if address.is_some() {
                engine.replid = position.replid;
                engine.resumable = true;
            } else {
                engine.second = Some((position.replid, position.offset.0));
            }
        }
        self.regions[r].nodes[n].saved = None;
        self.regions[r].nodes[n].engine = Some(engine);
        self.note(|| format!("{r}.{n} starts following {address:?}, saved {saved}"));
        self.check_history(r, n);
        true
    }

    fn wire_outbound(&mut self, r: usize) -> Stage {
        let leader = usize::from(self.regions[r].disk.memory.leader);
        let engine = self.regions[r].nodes[leader].engine.as_ref();
        let (runs, at_service) = (engine.is_some(), engine.is_some_and(|e| e.at_service));
        let Some(agent) = self.agent(r) else {
            return Stage::Idle;
        };
        let Some(order) = &agent.order else {
            return Stage::Idle;
        };
        let epoch = order.epoch;
        let serves = match &order.role {
            GeoRole::Primary { .. } => runs && agent.plan.standing == ShardStanding::Writable,
            GeoRole::Yielding { .. } => runs,
            GeoRole::Alone | GeoRole::Secondary { .. } | GeoRole::Taking { .. } => {
                if agent.outbound.take().is_some() {
                    self.cut(1 - r, "withdrawn");
                }
                return Stage::Report;
            }
        };
        let before = agent.outbound.map(|o| (o.epoch, o.node, o.at_service));
        if serves && before != Some((epoch, leader, at_service)) {
            let same_epoch = agent.outbound.filter(|outbound| outbound.epoch == epoch);
            agent.outbound = Some(Outbound {
                epoch,
                node: leader,
                at_service,
                fence: same_epoch.map_or(Fence::Open, |outbound| outbound.fence),
            });
            self.cut(1 - r, "the source changed");
        }
        Stage::Report
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
            endpoint: None,
            engine: None,
            shards: vec![observed.clone()],
            problem: None,
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

    /// Kills the agent: its engines go on.
    pub(crate) fn crash_agent(&mut self, r: usize) {
        if self.regions[r].agent.is_none() {
            return;
        }
        self.note(|| format!("the agent of {r} is killed"));
        self.end_session(r, "the agent is gone");
        self.cut(1 - r, "the other agent is gone");
        self.regions[r].agent = None;
    }

    /// Starts the agent, which takes over the engines that run.
    pub(crate) fn start_agent(&mut self, r: usize) {
        if self.regions[r].agent.is_some() {
            return;
        }
        self.note(|| format!("the agent of {r} starts"));
        let moves = !self.calm && self.dice.permille(100);
        let region = &mut self.regions[r];
        region.agent = Some(Agent::new());
        if moves {
            region.inbound += 1;
        }
        for node in &mut region.nodes {
            if let Some(engine) = &mut node.engine {
                engine.pings = true;
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

fn seen_link(connected: bool) -> LinkObserved {
    LinkObserved {
        connected,
        activity: LinkActivity::Waiting,
        bytes_behind: 0,
        lag_ms: None,
        round_trip_ms: None,
        full_syncs_started: 0,
        full_syncs_finished: 0,
        partial_syncs: 0,
        silent_ms: None,
        ..LinkObserved::default()
    }
}
