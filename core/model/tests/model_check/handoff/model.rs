//! The model: its bounds, its first state, which steps are possible, and what each does.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use model::{
    CacheId, CacheObserved, CacheUid, Epoch, GeoRole, LinkId, LinkPhase, LinkRecord, Member,
    RoleKind, Timestamp,
    shard::{Plan, ShardMemory, Stance},
};
use psync::{Offset, Position, ReplicationId};

use super::super::{intern::Interned, search::Model};
use super::{
    agent::Seen,
    mutation::Mutation,
    promises,
    state::{Agent, End, Engine, Half, LOOK, Late, Ledger, Left, Log, Place, Side, State},
    step::Step,
};

pub(crate) type Broken = &'static str;

/// What becomes of a record, by what is heard and whether the deadline is over.
type Advances = HashMap<(u16, [u16; 2], bool), Option<u16>>;

/// What is searched, and how far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) shards: usize,
    pub(crate) left: Left,
    /// The control plane plans and commits in two steps.
    pub(crate) plans_apart: bool,
    /// An agent's look at one shard and at the next are two steps, also when nothing is done.
    pub(crate) looks_apart: bool,
}

/// What a side is to be, with the store's version at which that changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Desired {
    pub(crate) generation: u8,
    pub(crate) epoch: Epoch,
    pub(crate) role: GeoRole,
}

/// A report, in what is looked at of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    pub(crate) epoch: Epoch,
    pub(crate) role: RoleKind,
    pub(crate) shards: Vec<Seen>,
}

pub(crate) struct Handoff {
    pub(crate) bounds: Bounds,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) records: Interned<LinkRecord>,
    pub(crate) orders: Interned<Desired>,
    pub(crate) memories: Interned<ShardMemory>,
    pub(crate) plans: Interned<Plan>,
    pub(crate) seen: Interned<Seen>,
    pub(crate) told: Interned<Told>,
    /// The real reports of `told`.
    pub(crate) reports: RefCell<Vec<Rc<CacheObserved>>>,
    pub(crate) advances: RefCell<Advances>,
    histories: Vec<ReplicationId>,
}

impl Handoff {
    pub(crate) fn new(bounds: Bounds, mutation: Option<Mutation>) -> Self {
        let history = |n: u8| format!("{n:040x}").parse().unwrap();
        Self {
            bounds,
            mutation,
            records: Interned::new(),
            orders: Interned::new(),
            memories: Interned::new(),
            plans: Interned::new(),
            seen: Interned::new(),
            told: Interned::new(),
            reports: RefCell::new(Vec::new()),
            advances: RefCell::default(),
            histories: (0..=u8::MAX).map(history).collect(),
        }
    }

    pub(crate) fn position(&self, place: Place) -> Position {
        let history = self.histories[usize::from(place.history)];
        Position::new(history, Offset(u64::from(place.offset)))
    }

    pub(crate) fn place(&self, position: Position) -> Place {
        let history = u8::from_str_radix(&position.replid.as_str()[38..], 16);
        Place {
            history: history.unwrap(),
            offset: u8::try_from(position.offset.0).unwrap(),
        }
    }

    pub(crate) fn shards(&self) -> std::ops::Range<usize> {
        0..self.bounds.shards
    }

    /// The first side is the primary, the second follows in step.
    fn side(&self, side: usize, order: u16) -> Side {
        let follows = side == 1;
        let memory = |shard: u8| {
            self.memories.id(ShardMemory {
                founded: true,
                stance: if follows {
                    Stance::Follower
                } else {
                    Stance::Primary
                },
                lineage: vec![self.histories[usize::from(shard)]],
                ..ShardMemory::default()
            })
        };
        let engine = |history: u8| Engine {
            follows,
            paused: false,
            shut: false,
            history,
            before: None,
            log: Log::default(),
            follower: follows,
            dry: false,
            tail: None,
            declared: 0,
        };
        let half = Half {
            serves: u8::from(!follows),
            target: u8::from(follows),
            session: (!follows).then_some(0),
            ..Half::default()
        };
        let mut all = Side {
            order,
            epoch: 1,
            memory: [memory(0), memory(1)],
            agent: Agent {
                order,
                ..Agent::default()
            },
            engines: [engine(0), engine(1)],
        };
        for shard in self.shards() {
            all.agent.halves[shard] = half;
        }
        all
    }
}

impl Handoff {
    /// What happens, with the planned steps that an agent carries out.
    fn name(&self, before: &State, step: Step) -> String {
        let (Step::Act { side } | Step::FenceDry { side }) = step else {
            return format!("{step:?}");
        };
        let agent = &before.sides[side].agent;
        let plan = self.plans.get(agent.plan);
        let unseen = usize::from(self.unseen(before, side));
        let names = plan.steps[usize::from(agent.at)..].iter().take(unseen + 1);
        // Particulars are in what follows.
        let names = names.map(|step| format!("{step:?}"));
        let names = names.map(|name| name.split([' ', '(']).take(1).collect::<String>());
        format!("{step:?} {}", names.collect::<Vec<_>>().join(", "))
    }
}

pub(crate) fn member(side: usize) -> Member {
    let (name, place) = [("east", "eastus"), ("west", "westus")][side];
    Member {
        uid: CacheUid::new(name),
        id: CacheId {
            subscription: "5d0c4f30-0000-4000-8000-000000000001".parse().unwrap(),
            group: "g".parse().unwrap(),
            name: name.parse().unwrap(),
        },
        region: place.parse().unwrap(),
    }
}

impl Model for Handoff {
    type State = State;
    type Step = Step;

    fn first(&self) -> State {
        let id = LinkId::new("l");
        let mut record =
            LinkRecord::begin(id, member(0), member(1), Epoch(1), Timestamp::default());
        record.phase = LinkPhase::Linked;
        let order = |side| self.order_of(&record, side, 1);
        let orders = [order(0), order(1)];
        let mut state = State {
            record: self.records.id(record),
            version: 1,
            desired: orders,
            heard: [0; 2],
            planned: None,
            sides: [self.side(0, orders[0]), self.side(1, orders[1])],
            late: Late::default(),
            ledger: Ledger {
                histories: 2,
                ..Ledger::default()
            },
            left: self.bounds.left,
        };
        // Both have looked and reported.
        for side in 0..2 {
            for _ in self.shards() {
                while state.sides[side].agent.at != LOOK {
                    self.act(&mut state, side, false).unwrap();
                }
                self.look(&mut state, side).unwrap();
            }
            state.heard[side] = state.sides[side].agent.board;
        }
        state
    }

    fn steps(&self, state: &State, into: &mut Vec<(Step, bool)>) {
        self.control_steps(state, into);
        for side in 0..2 {
            self.agent_steps(state, side, into);
            for shard in self.shards() {
                self.relay_steps(state, side, shard, into);
            }
        }
    }

    fn take(&self, state: &State, step: Step) -> Result<State, Broken> {
        let mut after = *state;
        let now = &mut after;
        match step {
            Step::HoldOrder { side } => {
                now.left.late -= 1;
                now.late.orders[side] = now.desired[side];
            }
            Step::LateOrder { side } => now.sides[side].order = now.late.orders[side],
            Step::Look { side } => self.look(now, side)?,
            Step::LookAnew { side } => {
                now.sides[side].order = now.desired[side];
                self.look(now, side)?;
            }
            Step::Act { side } => self.act(now, side, false)?,
            Step::FenceDry { side } => self.act(now, side, true)?,
            Step::ActAndCrash { side, steps } => {
                for _ in 0..steps {
                    self.act_once(now, side, false)?;
                }
                self.crash(now, side, false);
            }
            Step::HoldReport { side } => {
                now.left.late -= 1;
                now.late.reports[side] = now.sides[side].agent.board;
            }
            Step::LateReport { side } => now.heard[side] = now.late.reports[side],
            Step::Reconcile => self.reconcile(now, false)?,
            Step::PassDeadline => self.reconcile(now, true)?,
            Step::Commit => self.commit_planned(now)?,
            Step::FailOver => self.fail_over(now)?,
            Step::Force => self.force(now)?,
            Step::Ask { side } => self.ask(now, side)?,
            Step::HoldRequest { side } => {
                now.left.late -= 1;
                now.late.request = self.request(now, side);
            }
            Step::LateRequest => {
                if let Some((attempt, barriers)) = now.late.request {
                    self.decide(now, attempt, barriers)?;
                }
            }
            Step::CrashControl => {
                now.left.crashes -= 1;
                now.heard = [0; 2];
                now.planned = None;
            }
            Step::Crash { side } => self.crash(now, side, false),
            Step::CrashTorn { side } => self.crash(now, side, true),
            Step::Write { side, shard } => self.write(now, side, shard),
            Step::PauseEnds { side, shard } => now.sides[side].engines[shard].paused = false,
            Step::PauseForgotten { side, shard } => {
                now.sides[side].agent.halves[shard].paused = false;
            }
            Step::Connect { side, shard } => self.connect(now, side, shard),
            Step::Pump { side, shard } => {
                if let Some(session) = &mut now.sides[side].agent.halves[shard].session {
                    *session += 1;
                }
            }
            Step::Take { side, shard } => {
                let leader = now.sides[1 - side].engines[shard].log;
                let log = &mut now.sides[side].engines[shard].log;
                log.push(leader.at(log.len));
            }
            Step::TakeTail { side, shard } => {
                let leader = now.sides[1 - side].engines[shard].log;
                let log = &mut now.sides[side].engines[shard].log;
                log.push(leader.at(log.len));
            }
            Step::TailEnds { side, shard } => now.sides[side].engines[shard].tail = None,
            Step::TakeBarrier { side, shard } => self.take_barrier(now, side, shard),
            Step::Cut { side, shard } => {
                now.left.cuts -= 1;
                now.sides[side].agent.halves[shard].session = None;
            }
        }
        promises::kept_by(state, &after)?;
        Ok(after)
    }

    fn broken(&self, state: &State) -> Option<Broken> {
        self.broken_in(state)
    }

    fn rests(&self, state: &State) -> bool {
        self.at_rest(state)
    }

    fn tell(&self, before: &State, step: Step, after: &State) -> String {
        let record = self.records.get(after.record);
        let side = |side: usize| {
            let now = &after.sides[side];
            let order = self.orders.get(now.order);
            let engines: Vec<String> = self
                .shards()
                .map(|shard| {
                    let engine = &now.engines[shard];
                    let half = &now.agent.halves[shard];
                    format!(
                        "{}:{}{}{}{}",
                        engine.history,
                        engine.log.len,
                        if engine.follows { " follows" } else { " leads" },
                        if engine.paused { " paused" } else { "" },
                        half.session
                            .map_or(String::new(), |sent| format!(", sent {sent}")),
                    )
                })
                .collect();
            format!(
                "{}@{} [{}]",
                kind_name(order.role.kind()),
                now.epoch,
                engines.join(" | ")
            )
        };
        format!(
            "{:<42} {}@{} {:?}; east {}; west {}",
            self.name(before, step),
            record.primary.id.name,
            record.epoch,
            record.phase,
            side(0),
            side(1)
        )
    }

    fn kind(&self, state: &State) -> Option<&'static str> {
        let rests = self.at_rest(state);
        let ends = &state.ledger.ends;
        let record = self.records.get(state.record);
        let attempt = usize::try_from(record.attempt).unwrap();
        match (rests, ends[attempt]) {
            (true, End::Promoted) => Some("at rest after a promotion"),
            (true, End::Aborted) => Some("at rest after an abort"),
            (true, End::Forced) => Some("at rest after a forced failover"),
            (true, End::Open) => Some("at rest before"),
            (false, _) => None,
        }
    }
}

fn kind_name(kind: RoleKind) -> &'static str {
    match kind {
        RoleKind::Alone => "alone",
        RoleKind::Primary => "primary",
        RoleKind::Yielding => "yielding",
        RoleKind::Secondary => "secondary",
        RoleKind::Taking => "taking",
    }
}
