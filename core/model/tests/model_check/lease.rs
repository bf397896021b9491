//! Leases under every order of events: the real grantor, the real holder, the real record and the real
//! planner's gate, with the two hosts' clocks apart and with every crash.
//!
//! Time goes in seconds up to a horizon. The control plane's clock shows it; the agent's host runs faster or
//! slower. The old geo-primary's agent never learns of the new epoch: a promise that holds then needs
//! nobody to be told.

use std::{rc::Rc, time::Duration};

use model::{
    Advance, Away, CacheObserved, CacheUid, DEAD_MAN, Epoch, Fencing, ForcedBy, GeoRole, HeldLease,
    Lease, Leases, LinkId, LinkPhase, LinkRecord, LinkSeen, RoleKind, ShardIndex, ShardStanding,
    Standing, Timestamp,
    shard::{
        Gate, LinkView, NodeFacts, NodeView, Saving, ShardMemory, Situation, Step as Planned, plan,
    },
};
use psync::{Offset, Position, ReplicationId};

use super::{
    handoff::{
        agent::{Seen, report},
        model::{Told, member},
    },
    intern::Interned,
    search::Model,
};

pub(crate) const ONE_SIDE: &str = "no two sides take writes, whoever knows what";
const LENGTH: Duration = Duration::from_secs(10);
/// Faults and the person's word come before this second.
const QUIET: u8 = 6;
const HORIZON: u8 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// The holder counts from when the answer came.
    CountsFromTheAnswer,
    /// Nothing is kept back for engines without an agent.
    KeepsNothingBack,
    /// A new run of the control plane knows of no earlier one.
    ForgetsEarlierRuns,
    /// The new primary does not wait for the last lease.
    TakesOverAtOnce,
}

pub(crate) struct Leased {
    /// The agent's clock shows so many milliseconds for a second.
    pub(crate) fast: u32,
    pub(crate) mistake: Option<Mistake>,
    pub(crate) crashes: u8,
    records: Interned<LinkRecord>,
    uid: CacheUid,
    secondary: CacheObserved,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    now: u8,
    record: u16,
    leases: Leases,
    held: HeldLease,
    /// A report is under way, sent at this second; and the answer to one.
    asked: Option<u8>,
    answer: Option<(u8, Rc<Lease>)>,
    gate: Gate,
    /// When the agent last acknowledged like a replica.
    acknowledged: Option<u8>,
    crashes: u8,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Tick,
    /// The agent reports.
    Ask,
    /// The control plane answers, with a lease if it may.
    Answer,
    Lose,
    /// The agent takes the answer.
    Hear,
    /// The agent looks, sets the gate as planned, and acknowledges while it holds a lease.
    Tend,
    Force,
    Reconcile,
    CrashAgent,
    CrashControl,
}

impl Leased {
    pub(crate) fn new(fast: u32, crashes: u8, mistake: Option<Mistake>) -> Self {
        let seen = Seen {
            standing: ShardStanding::Following,
            position: Position::new(ReplicationId::UNSET, Offset(0)),
            connected: true,
            fork: None,
        };
        let told = Told {
            epoch: Epoch(1),
            role: RoleKind::Secondary,
            shards: vec![seen],
        };
        Self {
            fast,
            mistake,
            crashes,
            records: Interned::new(),
            uid: member(0).uid,
            secondary: report(1, &told),
        }
    }

    fn clock(&self, second: u8) -> Duration {
        Duration::from_millis(u64::from(second) * u64::from(self.fast))
    }

    fn east_takes_writes(&self, state: &State) -> bool {
        match (state.gate, state.acknowledged) {
            (Gate::Open, _) => true,
            (Gate::Leased, Some(at)) => self.clock(state.now) < self.clock(at) + DEAD_MAN,
            (Gate::Leased, None) | (Gate::Shut, _) => false,
        }
    }

    fn west_takes_writes(&self, state: &State) -> bool {
        self.records.get(state.record).phase == LinkPhase::Promoting
    }

    fn seen<'a>(&'a self, state: &State) -> LinkSeen<'a> {
        let left = state.leases.left(&self.uid, LENGTH, true_time(state.now));
        let left = u64::try_from(left.as_millis()).unwrap();
        let at_once = self.mistake == Some(Mistake::TakesOverAtOnce);
        LinkSeen {
            secondary: Some(&self.secondary),
            away: Away {
                lease_left_ms: if at_once { 0 } else { left },
                ..Away::default()
            },
            ..LinkSeen::default()
        }
    }

    fn advanced(&self, state: &State) -> Option<LinkRecord> {
        let record = self.records.get(state.record);
        if record.phase == LinkPhase::Promoting {
            return None;
        }
        match record.advance(self.seen(state), Timestamp(0)) {
            Advance::Become(next) => Some(*next),
            Advance::Stay | Advance::Remove => None,
        }
    }

    fn tend(&self, state: &mut State) {
        let holds = state.held.is_held(Epoch(1), self.clock(state.now));
        let facts = NodeFacts {
            upstream: None,
            link_up: false,
            syncing: false,
            loading: false,
            position: Position::new(ReplicationId::UNSET, Offset(0)),
            before: None,
            backlog_from: None,
            keys: 1,
            at_service_address: true,
            paused: false,
            gate: state.gate,
        };
        let role = GeoRole::Primary {
            link: LinkId::new("l"),
            standing: Standing::Founder,
            accept_empty: None,
        };
        let planned = plan(&Situation {
            shard: ShardIndex(0),
            role: &role,
            replicas: 0,
            memory: &ShardMemory::default(),
            nodes: &[NodeView::Up(facts)],
            link: LinkView::default(),
            lease: Some(holds),
            saving: Saving::Idle,
            staged: None,
        });
        for step in planned.steps {
            if let Planned::SetGate { gate, .. } = step {
                state.gate = gate;
            }
        }
        if holds {
            state.acknowledged = Some(state.now);
        }
    }
}

fn true_time(second: u8) -> Duration {
    Duration::from_secs(u64::from(second))
}

impl Model for Leased {
    type State = State;
    type Step = Step;

    fn first(&self) -> State {
        let id = LinkId::new("l");
        let begun = Timestamp::default();
        let mut record = LinkRecord::begin(id, member(0), member(1), Epoch(1), begun);
        record.phase = LinkPhase::Linked;
        record.settings.fencing = Fencing::Lease;
        record.settings.lease_seconds = u16::try_from(LENGTH.as_secs()).unwrap();
        State {
            now: 0,
            record: self.records.id(record),
            leases: Leases::new(Duration::ZERO),
            held: HeldLease::default(),
            asked: None,
            answer: None,
            gate: Gate::Shut,
            acknowledged: None,
            crashes: self.crashes,
        }
    }

    fn steps(&self, state: &State, into: &mut Vec<(Step, bool)>) {
        let early = state.now < QUIET;
        let record = self.records.get(state.record);
        let promoted = record.phase == LinkPhase::Promoting;
        if state.now < HORIZON {
            into.push((Step::Tick, true));
        }
        if state.asked.is_none() && state.answer.is_none() && early {
            into.push((Step::Ask, true));
        }
        if state.asked.is_some() {
            into.push((Step::Answer, true));
        }
        if state.asked.is_some() || state.answer.is_some() {
            into.push((Step::Lose, false));
        }
        if state.answer.is_some() {
            into.push((Step::Hear, true));
        }
        if !promoted || self.east_takes_writes(state) {
            into.push((Step::Tend, true));
        }
        if record.phase == LinkPhase::Linked && early {
            into.push((Step::Force, false));
        }
        if self.advanced(state).is_some() {
            into.push((Step::Reconcile, true));
        }
        if early && state.crashes > 0 {
            into.push((Step::CrashAgent, false));
            into.push((Step::CrashControl, false));
        }
    }

    fn take(&self, state: &State, step: Step) -> Result<State, &'static str> {
        let mut now = state.clone();
        match step {
            Step::Tick => now.now += 1,
            Step::Ask => now.asked = Some(now.now),
            Step::Answer => {
                let sent = now.asked.take();
                let record = self.records.get(now.record);
                // As the control plane does: to the present primary, while no failover is forced.
                if let (LinkPhase::Linked, Some(sent)) = (&record.phase, sent) {
                    let at = true_time(now.now);
                    let lease = now.leases.grant(&self.uid, Epoch(1), LENGTH, at);
                    now.answer = Some((sent, Rc::new(lease)));
                }
            }
            Step::Lose => (now.asked, now.answer) = (None, None),
            Step::Hear => {
                if let Some((sent, lease)) = now.answer.take() {
                    let mut lease = (*lease).clone();
                    let late = self.mistake == Some(Mistake::CountsFromTheAnswer);
                    if self.mistake == Some(Mistake::KeepsNothingBack) {
                        lease.ms += DEAD_MAN.as_secs() * 1_000;
                    }
                    let from = if late { now.now } else { sent };
                    now.held.renew(&lease, self.clock(from));
                }
            }
            Step::Tend => self.tend(&mut now),
            Step::Force => {
                let record = self.records.get(now.record);
                let forced = record.force(self.seen(&now), ForcedBy::Person, Timestamp(0));
                now.record = forced.map_or(now.record, |next| self.records.id(next));
            }
            Step::Reconcile => {
                if let Some(next) = self.advanced(&now) {
                    now.record = self.records.id(next);
                }
            }
            Step::CrashAgent => {
                now.crashes -= 1;
                now.held = HeldLease::default();
                (now.asked, now.answer) = (None, None);
            }
            Step::CrashControl => {
                now.crashes -= 1;
                let forgets = self.mistake == Some(Mistake::ForgetsEarlierRuns);
                // As if an earlier run's leases were over long ago.
                let started = if forgets { 0 } else { now.now };
                now.leases = Leases::new(true_time(started));
                now.asked = None;
            }
        }
        Ok(now)
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        let both = self.east_takes_writes(state) && self.west_takes_writes(state);
        both.then_some(ONE_SIDE)
    }

    /// A failover that was forced has happened by the horizon.
    fn rests(&self, state: &State) -> bool {
        let forces = matches!(
            self.records.get(state.record).phase,
            LinkPhase::Forcing { .. }
        );
        state.now == HORIZON && !forces
    }

    fn tell(&self, _before: &State, step: Step, after: &State) -> String {
        format!(
            "{:<12} {:>2} s: {:?}, gate {:?}, acknowledged at {:?}, held {:?}",
            format!("{step:?}"),
            after.now,
            self.records.get(after.record).phase,
            after.gate,
            after.acknowledged,
            after.held.left(Epoch(1), self.clock(after.now)),
        )
    }

    fn kind(&self, state: &State) -> Option<&'static str> {
        let east = self.east_takes_writes(state);
        let west = self.west_takes_writes(state);
        match (east, west) {
            (true, _) => Some("the old side takes writes"),
            (false, true) => Some("the new side takes writes"),
            (false, false) => Some("nobody takes writes"),
        }
    }
}
