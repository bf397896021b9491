//! Carries the planner's steps out.

use model::shard::{Gate, Step, Upstream};

use super::{PAUSE_MS, Stage};
use crate::{
    engine::{Address, Snapshot},
    outbound::Fence,
    world::World,
};

impl World {
    pub(super) fn step(&mut self, r: usize, at: usize) -> Stage {
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
            Step::Install { .. } => panic!("nothing is imported"),
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
                let here = self.engine(r, n).map(|engine| engine.position());
                let replid = self.history(here);
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
            Step::ExpectFence => self.tell_fence(r, Fence::Expected),
            Step::DeclareBarrier { attempt, position } => {
                self.tell_fence(r, Fence::Declared(*attempt, *position))
            }
            Step::LiftFence => self.tell_fence(r, Fence::Open),
            // Nobody but Godwit pauses an engine here.
            Step::TakePauseOver { .. } => true,
            Step::SetGate { node, gate } => {
                let n = usize::from(*node);
                if !self.obeys(r, n) {
                    return false;
                }
                if let Some(engine) = self.engine(r, n) {
                    engine.gate = *gate;
                    engine.pings = *gate != Gate::Shut;
                }
                let epoch = self.regions[r].disk.epoch;
                self.note_shut(r, epoch);
                true
            }
            Step::Drain => {
                self.drain(r);
                true
            }
            Step::SaveLost {
                at,
                from,
                to,
                incomplete,
            } => {
                self.save_lost(r, *at, *from, *to, *incomplete);
                true
            }
        }
    }

    fn tell_fence(&mut self, r: usize, fence: Fence) -> bool {
        self.fence(r, fence);
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
        if at_service && !saved && upstream == Some(Upstream::Inbound) {
            // It starts with nothing: it has nothing of the link until it was in step again.
            self.regions[r].disk.in_step_once = false;
        }
        let follows = file.filter(|_| address.is_none()).map(|file| file.position);
        let mut engine = self.fresh_engine(follows, address);
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
        if let Some(agent) = self.agent(r) {
            agent.facts[n] = None;
        }
        self.note(|| format!("{r}.{n} starts following {address:?}, saved {saved}"));
        self.check_history(r, n);
        true
    }
}
