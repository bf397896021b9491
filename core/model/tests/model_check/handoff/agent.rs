//! The agents: as `services/agent`, every plan by the real planner, every step on its own.

use std::rc::Rc;

use model::{
    CacheObserved, GeoRole, LinkObserved, Rejoin, ShardIndex, ShardObserved, ShardStanding,
    shard::{
        self, Drained, Gate, JournalEnd, LinkView, NodeFacts, NodeView, Plan, Situation,
        Step as Planned, Upstream, fork_of, holds_still,
    },
};
use psync::{Offset, Position};

use super::{
    model::{Broken, Handoff, Told, member},
    mutation::Mutation,
    state::{Agent, Fence, Half, LOOK, Place, SHARDS, Saving, State, small},
    step::Step,
};

/// What a look saw of a shard, as far as it is reported.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    pub(crate) standing: ShardStanding,
    pub(crate) position: Position,
    pub(crate) connected: bool,
    pub(crate) fork: Option<Position>,
}

impl Handoff {
    pub(crate) fn agent_steps(&self, state: &State, side: usize, into: &mut Vec<(Step, bool)>) {
        let now = &state.sides[side];
        let agent = &now.agent;
        if agent.at == LOOK {
            into.push((Step::Look { side }, true));
        } else {
            if state.left.crashes > 0 {
                let unseen = self.unseen(state, side);
                into.extend((1..=unseen).map(|steps| (Step::ActAndCrash { side, steps }, false)));
            }
            into.push((Step::Act { side }, true));
            if self.may_run_dry(state, side) {
                into.push((Step::FenceDry { side }, false));
            }
        }
        let news = |order: u16| {
            let given = self.orders.get(order).generation;
            let known = self.orders.get(now.order).generation;
            given > known || (given < known && self.mutation == Some(Mutation::TakesOlderOrders))
        };
        if news(state.desired[side]) {
            if agent.at == LOOK && agent.shard == 0 {
                into.push((Step::LookAnew { side }, true));
            }
            if state.left.late > 0 && state.late.orders[side] != state.desired[side] {
                into.push((Step::HoldOrder { side }, false));
            }
        }
        if state.late.orders[side] != 0 && news(state.late.orders[side]) {
            into.push((Step::LateOrder { side }, false));
        }
        if agent.board != 0 && state.left.late > 0 && state.late.reports[side] != agent.board {
            into.push((Step::HoldReport { side }, false));
        }
        let late = state.late.reports[side];
        if late != 0 && state.heard[side] != late {
            into.push((Step::LateReport { side }, false));
        }
        if let Some(request) = self.request(state, side) {
            into.push((Step::Ask { side }, true));
            if state.left.late > 0 && state.late.request != Some(request) {
                into.push((Step::HoldRequest { side }, false));
            }
        }
        if state.left.crashes > 0 {
            into.push((Step::Crash { side }, false));
            let torn = |shard: usize| self.lacks_bytes(state, side, shard);
            if self.shards().any(torn) {
                into.push((Step::CrashTorn { side }, false));
            }
        }
    }

    /// The engine is fenced, and the other side has not got everything.
    fn lacks_bytes(&self, state: &State, side: usize, shard: usize) -> bool {
        let here = &state.sides[side].engines[shard];
        let there = &state.sides[1 - side].engines[shard];
        here.follows && !here.follower && there.log.len < here.log.len
    }

    /// The next step fences an engine that has bytes which were not sent.
    fn may_run_dry(&self, state: &State, side: usize) -> bool {
        let now = &state.sides[side];
        let shard = usize::from(now.agent.shard);
        let plan = self.plans.get(now.agent.plan);
        let next = now.agent.at + self.unseen(state, side);
        let fences = matches!(
            plan.steps.get(usize::from(next)),
            Some(Planned::Follow { .. })
        );
        let engine = &now.engines[shard];
        let session = now.agent.halves[shard].session;
        let behind = session.is_none_or(|sent| sent < engine.log.len);
        fences && !engine.follows && !engine.follower && behind
    }

    /// The next shard's turn: adopt, look, plan.
    pub(crate) fn look(&self, state: &mut State, side: usize) -> Result<(), Broken> {
        loop {
            let shard = usize::from(state.sides[side].agent.shard);
            if shard == 0 {
                self.adopt(state, side)?;
            }
            self.prepare(state, side, shard);
            let plan = self.plan(state, side, shard);
            let agent = &mut state.sides[side].agent;
            agent.ready[shard] = plan
                .ready
                .map(|(attempt, barrier)| (small(attempt), self.place(barrier)));
            let seen = self.seen_of(state, side, shard, &plan);
            let agent = &mut state.sides[side].agent;
            agent.seen[shard] = seen;
            if !plan.steps.is_empty() {
                agent.plan = self.plans.id(plan);
                agent.at = 0;
                return Ok(());
            }
            self.pass(state, side, &plan.standing);
            let done = state.sides[side].agent.shard == 0;
            if done || self.bounds.looks_apart {
                return Ok(());
            }
        }
    }

    fn adopt(&self, state: &mut State, side: usize) -> Result<(), Broken> {
        let now = &mut state.sides[side];
        let order = self.orders.get(now.order);
        let epoch = small(order.epoch.0);
        if epoch < now.epoch {
            return Err("epochs and generations never go back");
        }
        now.epoch = epoch;
        now.agent.order = now.order;
        Ok(())
    }

    /// The inbound half in line with the role.
    fn prepare(&self, state: &mut State, side: usize, shard: usize) {
        let agent = &mut state.sides[side].agent;
        let order = self.orders.get(agent.order);
        let follows = matches!(
            order.role,
            GeoRole::Secondary { .. } | GeoRole::Taking { .. }
        );
        let memory = self.memories.get(state.sides[side].memory[shard]);
        let rejoins = holds_still(&order.role, &memory) && !self.rejoins_freely();
        let target = if follows && !rejoins {
            small(order.epoch.0)
        } else {
            0
        };
        let half = &mut agent.halves[shard];
        if !rejoins {
            half.saving = Saving::Idle;
        }
        if half.target != target {
            half.target = target;
            half.barrier = None;
            let session = state.sides[1 - side].agent.halves[shard].session.take();
            state.sides[side].engines[shard].tail = session;
        }
    }

    fn rejoins_freely(&self) -> bool {
        self.mutation == Some(Mutation::RejoinsWithoutSaving)
    }

    fn plan(&self, state: &State, side: usize, shard: usize) -> Plan {
        let now = &state.sides[side];
        let order = self.orders.get(now.agent.order);
        let half = &now.agent.halves[shard];
        let engine = &now.engines[shard];
        let connected = state.sides[1 - side].agent.halves[shard].session.is_some();
        let facts = NodeFacts {
            upstream: engine.follows.then_some(Upstream::Inbound),
            link_up: engine.follows && (connected || engine.tail.is_some()),
            syncing: false,
            loading: false,
            position: self.position(engine.place()),
            before: engine.before.map(|before| self.position(before)),
            backlog_from: Some(Offset(0)),
            keys: 10,
            at_service_address: true,
            paused: half.paused,
            gate: if engine.shut { Gate::Shut } else { Gate::Open },
        };
        let sent = half.session.map(|offset| {
            self.position(Place {
                history: engine.history,
                offset,
            })
        });
        let barrier = half.barrier;
        let situation = Situation {
            shard: ShardIndex(u16::try_from(shard).unwrap()),
            role: &order.role,
            replicas: 0,
            memory: &self.memories.get(now.memory[shard]),
            nodes: &[NodeView::Up(facts)],
            link: LinkView {
                sent,
                barrier: barrier.map(|(of, at)| (u64::from(of), self.position(at))),
                lags: false,
                held: half.target == 0,
                drained: (half.saving == Saving::Drains).then_some(Drained {
                    from: fork_told(&order.role, shard),
                    end: JournalEnd::At(self.position(self.journal_end(state, side, shard))),
                }),
            },
            lease: None,
            saving: match half.saving {
                Saving::Done => shard::Saving::Done,
                Saving::Idle | Saving::Drains => shard::Saving::Idle,
            },
            staged: None,
        };
        Mutation::plan(self.mutation, &situation)
    }

    /// What the journal of a primary holds in the end: everything, unless a fence came between.
    fn journal_end(&self, state: &State, side: usize, shard: usize) -> Place {
        let engine = &state.sides[side].engines[shard];
        let there = state.sides[1 - side].engines[shard].log.len;
        let mut end = engine.place();
        if engine.dry {
            end.offset = end.offset.min(there);
        }
        end
    }

    fn seen_of(&self, state: &State, side: usize, shard: usize, plan: &Plan) -> u16 {
        let now = &state.sides[side];
        let order = self.orders.get(now.agent.order);
        let leads = now.agent.halves[shard].session.is_some();
        let follows = state.sides[1 - side].agent.halves[shard].session.is_some();
        let memory = self.memories.get(now.memory[shard]);
        let connected = match &order.role {
            GeoRole::Primary { .. } | GeoRole::Yielding { .. } => leads,
            GeoRole::Secondary { .. } | GeoRole::Taking { .. } => follows,
            GeoRole::Alone => false,
        };
        let fork = fork_of(&order.role, &memory);
        let mut place = now.engines[shard].place();
        if self.bounds.left.forces == 0 {
            // Without forced failovers only the history of a reported position is looked at.
            place.offset = 0;
        }
        self.seen.id(Seen {
            standing: plan.standing.clone(),
            position: self.position(place),
            connected,
            fork,
        })
    }

    /// So many of the next steps change nothing that anybody else can see.
    pub(crate) fn unseen(&self, state: &State, side: usize) -> u8 {
        let agent = &state.sides[side].agent;
        let plan = self.plans.get(agent.plan);
        let rest = plan.steps[usize::from(agent.at)..].iter();
        let unseen = rest.take_while(|step| match step {
            Planned::Remember(_) | Planned::ExpectFence => true,
            Planned::Start { .. }
            | Planned::Retire { .. }
            | Planned::Install { .. }
            | Planned::Follow { .. }
            | Planned::StandAlone { .. }
            | Planned::TakeServiceAddress { .. }
            | Planned::Pause { .. }
            | Planned::TakePauseOver { .. }
            | Planned::SetGate { .. }
            | Planned::Resume { .. }
            | Planned::DeclareBarrier { .. }
            | Planned::Drain
            | Planned::SaveLost { .. }
            | Planned::LiftFence => false,
        });
        u8::try_from(unseen.count()).unwrap()
    }

    /// Carries out the next steps of the plan, up to one that others can see.
    pub(crate) fn act(&self, state: &mut State, side: usize, dry: bool) -> Result<(), Broken> {
        let steps = state.sides[side].agent.at + self.unseen(state, side);
        let plan = self.plans.get(state.sides[side].agent.plan);
        let until = plan.steps.len().min(usize::from(steps) + 1);
        for _ in usize::from(state.sides[side].agent.at)..until {
            self.act_once(state, side, dry)?;
        }
        Ok(())
    }

    /// Carries out the next step of the plan; behind the last one the outbound half is wired.
    pub(crate) fn act_once(&self, state: &mut State, side: usize, dry: bool) -> Result<(), Broken> {
        let agent = &state.sides[side].agent;
        let shard = usize::from(agent.shard);
        let plan = self.plans.get(agent.plan);
        let step = &plan.steps[usize::from(agent.at)];
        self.carry_out(state, side, shard, step, dry)?;
        let agent = &mut state.sides[side].agent;
        agent.at += 1;
        if usize::from(agent.at) == plan.steps.len() {
            self.pass(state, side, &plan.standing);
        }
        Ok(())
    }

    fn carry_out(
        &self,
        state: &mut State,
        side: usize,
        shard: usize,
        step: &Planned,
        dry: bool,
    ) -> Result<(), Broken> {
        if matches!(step, Planned::StandAlone { .. }) {
            self.may_stand_alone(state, side, shard)?;
        }
        let ledger = &mut state.ledger;
        let [first, second] = &mut state.sides;
        let (now, other) = if side == 0 {
            (first, second)
        } else {
            (second, first)
        };
        let engine = &mut now.engines[shard];
        let half = &mut now.agent.halves[shard];
        match step {
            Planned::Remember(memory) => now.memory[shard] = self.memories.id(memory.clone()),
            Planned::Follow { .. } => {
                engine.follows = true;
                engine.dry = dry;
            }
            Planned::StandAlone { .. } if engine.follows => {
                engine.before = Some(engine.place());
                engine.history = ledger.histories;
                ledger.histories += 1;
                (engine.follows, engine.follower, engine.dry) = (false, false, false);
                engine.declared = 0;
                engine.tail = None;
                // Its followers are let go, and so is it.
                half.session = None;
                other.agent.halves[shard].session = None;
            }
            Planned::StandAlone { .. } => {}
            Planned::Pause { .. } => (engine.paused, half.paused) = (true, true),
            Planned::Resume { .. } => (engine.paused, half.paused) = (false, false),
            Planned::SetGate { gate, .. } => engine.shut = *gate == Gate::Shut,
            Planned::ExpectFence => half.fence = Fence::Expected,
            Planned::LiftFence => half.fence = Fence::Open,
            Planned::DeclareBarrier { attempt, position } => {
                let attempt = small(*attempt);
                half.fence = Fence::Declared(attempt, self.place(*position));
                engine.declared = attempt;
            }
            Planned::Drain => half.saving = Saving::Drains,
            Planned::SaveLost { from, .. } => {
                let from = small(from.offset.0);
                ledger.saved |= engine.log.behind(from);
                half.saving = Saving::Done;
            }
            Planned::Start { .. }
            | Planned::Retire { .. }
            | Planned::Install { .. }
            | Planned::TakeServiceAddress { .. }
            | Planned::TakePauseOver { .. } => return Err("engines that run are left running"),
        }
        Ok(())
    }

    /// The shard's turn is over: its outbound half is wired, and behind the last one comes a report.
    fn pass(&self, state: &mut State, side: usize, standing: &ShardStanding) {
        let agent = &mut state.sides[side].agent;
        let order = self.orders.get(agent.order);
        let epoch = small(order.epoch.0);
        let half = &mut agent.halves[usize::from(agent.shard)];
        let serves = match &order.role {
            GeoRole::Yielding { .. } => epoch,
            GeoRole::Primary { .. } if *standing == ShardStanding::Writable => epoch,
            GeoRole::Primary { .. } => half.serves,
            GeoRole::Alone | GeoRole::Secondary { .. } | GeoRole::Taking { .. } => 0,
        };
        if serves != half.serves {
            (half.serves, half.session, half.fence) = (serves, None, Fence::Open);
        }
        (agent.plan, agent.at) = (0, LOOK);
        agent.shard += 1;
        if usize::from(agent.shard) == self.bounds.shards {
            agent.shard = 0;
            self.pin(state, side);
        }
    }

    fn pin(&self, state: &mut State, side: usize) {
        let now = &mut state.sides[side];
        let seen = now.agent.seen;
        now.agent.seen = [0; SHARDS];
        let seen = seen.iter().filter_map(|seen| self.seen.find(*seen));
        let told = Told {
            epoch: model::Epoch(u64::from(now.epoch)),
            role: self.orders.get(now.agent.order).role.kind(),
            shards: seen.map(|seen| (*seen).clone()).collect(),
        };
        let report = report(side, &told);
        let id = self.told.id(told);
        let mut reports = self.reports.borrow_mut();
        if usize::from(id) > reports.len() {
            reports.push(Rc::new(report));
        }
        now.agent.board = id;
        state.heard[side] = id;
    }

    /// What an agent asks, once every shard has applied its barrier.
    pub(crate) fn request(&self, state: &State, side: usize) -> Option<(u8, [Place; SHARDS])> {
        let agent = &state.sides[side].agent;
        let order = self.orders.find(agent.order)?;
        let GeoRole::Taking { attempt, .. } = order.role else {
            return None;
        };
        let attempt = small(attempt);
        if agent.at != LOOK || agent.shard != 0 {
            return None;
        }
        let ready = |shard: usize| agent.ready[shard].filter(|(of, _)| *of == attempt);
        let mut barriers = [Place::default(); SHARDS];
        let partly = self.mutation == Some(Mutation::ReadyWithOneShard);
        for shard in self.shards() {
            let here = state.sides[side].engines[shard].place();
            let skips = partly && self.shards().any(|shard| ready(shard).is_some());
            let barrier = ready(shard).map(|(_, at)| at);
            barriers[shard] = barrier.or_else(|| skips.then_some(here))?;
        }
        Some((attempt, barriers))
    }

    /// Kills an agent and starts it again. Its engines live on.
    pub(crate) fn crash(&self, state: &mut State, side: usize, torn: bool) {
        state.left.crashes -= 1;
        for shard in self.shards() {
            let lacks = self.lacks_bytes(state, side, shard);
            state.sides[side].engines[shard].dry |= torn && lacks;
            state.sides[1 - side].agent.halves[shard].session = None;
            state.sides[side].agent.halves[shard] = Half::default();
            let memory = self.memories.get(state.sides[side].memory[shard]);
            state.sides[side].memory[shard] = self.memories.id((*memory).clone().recalled());
        }
        state.sides[side].agent = Agent::default();
    }
}

/// Where the other side took over, as the former primary was told.
fn fork_told(role: &GeoRole, shard: usize) -> Option<Position> {
    match role {
        GeoRole::Secondary {
            rejoin: Rejoin::AfterForce { forks, .. },
            ..
        } => forks.as_ref()?.get(shard).copied(),
        GeoRole::Secondary { .. }
        | GeoRole::Alone
        | GeoRole::Primary { .. }
        | GeoRole::Yielding { .. }
        | GeoRole::Taking { .. } => None,
    }
}

/// The real report.
pub(crate) fn report(side: usize, told: &Told) -> CacheObserved {
    let shards = told
        .shards
        .iter()
        .zip(0..)
        .map(|(seen, shard)| ShardObserved {
            shard: ShardIndex(shard),
            standing: seen.standing.clone(),
            position: Some(seen.position),
            keys: 10,
            used_memory: 0,
            ops_per_second: 0,
            clients: 0,
            nodes: vec![],
            link: Some(LinkObserved {
                connected: seen.connected,
                ..LinkObserved::default()
            }),
            fork: seen.fork,
        });
    CacheObserved {
        uid: member(side).uid,
        settled_revision: 0,
        epoch: told.epoch,
        role: told.role,
        doors: None,
        engine: None,
        shards: shards.collect(),
        problem: None,
        lost_writes: vec![],
        handoff: None,
        transfer: None,
    }
}
