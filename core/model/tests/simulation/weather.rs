//! What happens next: progress and faults in random order, and the calm in which all comes to rest.

use model::{LinkPhase, ShardStanding};

use crate::{
    agent::Stage,
    control::Control,
    engine::{Following, Snapshot},
    world::World,
};

/// Rounds in which everybody gets a turn, until the link has to be at rest.
const ROUNDS: usize = 3_000;
/// Events for which faults are as frequent as they are.
const SHOWER: usize = 300;

impl World {
    /// Random events. Faults come once the link was whole, in showers of different strength.
    pub(crate) fn storm(&mut self, events: usize) {
        let mut faults = 0;
        for event in 0..events {
            if event % SHOWER == 0 && self.ledger.joined() {
                faults = [0, 3, 10, 40][self.dice.below(4)];
            }
            self.now += self.dice.between(0, 5);
            if self.dice.permille(faults * self.tension()) {
                self.fault();
            }
            match self.dice.below(100) {
                0..=39 => {
                    let r = self.dice.side();
                    if self.work(r) && faults > 0 && self.dice.permille(30) {
                        self.strike(r);
                    }
                }
                40..=73 => self.move_bytes(),
                74..=90 => self.move_messages(),
                91..=96 => self.traffic(),
                _ => self.ask(),
            }
            self.check();
            if self.ended() {
                return;
            }
        }
    }

    /// Faults come thicker while the roles change.
    fn tension(&self) -> u64 {
        let link = self.store.link.as_ref();
        link.map_or(1, |link| match link.phase {
            LinkPhase::HandingOff { .. } | LinkPhase::Promoting => 4,
            LinkPhase::Creating
            | LinkPhase::Syncing
            | LinkPhase::Linked
            | LinkPhase::UnlinkingPrimary
            | LinkPhase::UnlinkingSecondary => 1,
        })
    }

    fn ended(&self) -> bool {
        self.store.link.is_none()
    }

    fn move_bytes(&mut self) {
        let (r, n) = (self.dice.side(), self.dice.side());
        for _ in 0..self.dice.between(1, 4) {
            match self.dice.below(10) {
                0 => self.connect(r, n),
                1 => self.load(r, n),
                2 => self.dial(r),
                3 => self.tend(r),
                4 | 5 => self.pump(r),
                6 | 7 => self.receive(r),
                _ => self.take(r, n),
            }
        }
    }

    fn move_messages(&mut self) {
        let r = self.dice.side();
        match self.dice.below(8) {
            0 | 1 => self.deliver_report(r),
            2 => self.poll(r),
            3 => self.deliver_order(r),
            4 => self.deliver_request(r),
            5 => self.deliver_answer(r),
            6 => self.reconcile(),
            _ => self.commit(),
        }
    }

    fn lost(&mut self) -> bool {
        !self.calm && self.dice.permille(100)
    }

    fn twice(&mut self) -> bool {
        !self.calm && self.dice.permille(50)
    }

    fn deliver_report(&mut self, r: usize) {
        if self.regions[r].reports.is_empty() {
            return;
        }
        let report = self.regions[r].reports.remove(0);
        if self.lost() {
            return;
        }
        if self.twice() {
            self.regions[r].reports.insert(0, report.clone());
        }
        self.hear(r, report);
    }

    fn deliver_order(&mut self, r: usize) {
        let count = self.regions[r].orders.len();
        if count == 0 {
            return;
        }
        let at = self.dice.below(count);
        let order = self.regions[r].orders.remove(at);
        if self.lost() {
            return;
        }
        if self.twice() {
            self.regions[r].orders.push(order.clone());
        }
        self.take_order(r, order);
    }

    fn deliver_request(&mut self, r: usize) {
        let count = self.regions[r].requests.len();
        if count == 0 {
            return;
        }
        let at = self.dice.below(count);
        let request = self.regions[r].requests.remove(at);
        if self.lost() {
            return;
        }
        // One whose sender gave it up may come late.
        if self.twice() || (!self.calm && self.dice.permille(250)) {
            self.regions[r].requests.push(request.clone());
        }
        self.decide(r, &request);
    }

    fn deliver_answer(&mut self, r: usize) {
        let count = self.regions[r].answers.len();
        if count == 0 {
            return;
        }
        let at = self.dice.below(count);
        let (attempt, _promoted) = self.regions[r].answers.remove(at);
        if self.lost() {
            return;
        }
        if let Some(agent) = self.agent(r)
            && matches!(agent.stage, Stage::Awaiting { .. })
        {
            agent.answered = Some(attempt);
            agent.stage = Stage::Idle;
        }
    }

    fn ask(&mut self) {
        match self.dice.below(100) {
            0..=49 => {
                self.fail_over();
            }
            50 if self.weather.unlink => self.unlink(),
            51..=60 => {
                self.accept_empty();
            }
            _ => {}
        }
    }

    fn fault(&mut self) {
        let (r, n) = (self.dice.side(), self.dice.side());
        match self.dice.below(20) {
            0 | 1 if self.weather.deaths => self.kill(r, n),
            2 if self.weather.deaths => {
                self.kill(r, 0);
                self.kill(r, 1);
            }
            3 | 4 if self.weather.silences => {
                let silent = self.dice.permille(500);
                if let Some(engine) = self.engine(r, n) {
                    engine.silent = silent;
                }
            }
            5 if self.weather.stops => self.stop_agent(r),
            6 | 7 => self.crash_agent(r),
            8 | 9 => self.start_agent(r),
            10 => {
                self.note(|| "the control plane is killed".to_owned());
                self.control = None;
            }
            11 | 12 => self.start_control(),
            13 | 14 => self.cut(r, "the WAN is cut"),
            15 => self.now += self.dice.between(0, 12_000),
            16 | 17 => {
                // A replica's connection breaks.
                if let Some(pipe) = self.engine(r, n).and_then(|e| e.input.as_mut()) {
                    pipe.closed = true;
                }
            }
            _ => {
                // Whatever is down comes back.
                self.start_control();
                self.start_agent(0);
                self.start_agent(1);
            }
        }
    }

    /// Something breaks right after a step was carried out, where it hurts most.
    fn strike(&mut self, r: usize) {
        self.count("strikes");
        let leader = usize::from(self.regions[r].disk.memory.leader);
        let deaths = self.weather.deaths;
        match self.dice.below(6) {
            0 | 1 => self.crash_agent(r),
            2 => self.cut(r, "the WAN is cut"),
            3 if deaths => self.kill(r, leader),
            4 if deaths => {
                self.kill(r, leader);
                self.crash_agent(r);
            }
            5 if deaths => {
                self.kill(r, 0);
                self.kill(r, 1);
            }
            _ => self.control = None,
        }
    }

    fn start_control(&mut self) {
        let now = self.now;
        self.control.get_or_insert_with(|| Control::new(now));
    }

    /// Stops the agent in order: its leader saves what it has, and everything ends.
    fn stop_agent(&mut self, r: usize) {
        let Some(agent) = self.agent(r) else { return };
        // A look that is under way is finished first.
        if agent.stage != Stage::Idle || agent.order.is_none() {
            return;
        }
        self.note(|| format!("the agent of {r} is stopped"));
        let leader = usize::from(self.regions[r].disk.memory.leader);
        let saves = |engine: &&mut crate::engine::Engine| engine.loading.is_none();
        let saved = self
            .answering(r, leader)
            .filter(saves)
            .map(|engine| Snapshot {
                position: engine.position(),
                data: engine.data,
            });
        if saved.is_some() {
            self.drop_replicas(r, leader);
            self.regions[r].nodes[leader].engine = None;
            self.regions[r].nodes[leader].saved = saved;
            self.regions[r].disk.memory.saved = Some(u8::try_from(leader).unwrap());
        }
        self.kill(r, leader);
        self.kill(r, 1 - leader);
        self.crash_agent(r);
    }

    /// The faults are over: everybody gets turns until the link is at rest.
    pub(crate) fn settle(&mut self) {
        self.calm = true;
        self.note(|| "the faults are over".to_owned());
        self.start_control();
        for r in 0..2 {
            self.start_agent(r);
            for node in &mut self.regions[r].nodes {
                if let Some(engine) = &mut node.engine {
                    engine.silent = false;
                }
            }
        }
        let mut stuck = 0;
        for _ in 0..ROUNDS {
            self.round();
            if self.at_rest() {
                self.check_end();
                return;
            }
            stuck = if self.asks_for_a_person() {
                stuck + 1
            } else {
                0
            };
            if stuck > 200 {
                stuck = 0;
                self.count("a person is asked");
                let gives_up = self.dice.permille(300) && self.accept_empty();
                if !gives_up && !self.fail_over() {
                    self.unlink();
                }
            }
        }
        panic!("the link does not come to rest");
    }

    fn round(&mut self) {
        self.now += self.dice.between(5, 50);
        for _ in 0..4 {
            for r in 0..2 {
                self.work(r);
                self.deliver_report(r);
                self.poll(r);
                self.deliver_order(r);
                self.deliver_request(r);
                self.deliver_answer(r);
                self.dial(r);
                self.tend(r);
                self.pump(r);
                self.receive(r);
                for n in 0..2 {
                    self.connect(r, n);
                    self.take(r, n);
                    self.load(r, n);
                }
            }
            self.reconcile();
            self.commit();
            self.check();
        }
        if self.dice.permille(20) {
            for (r, n) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                self.ping(r, n);
            }
        }
    }

    /// What a region reports of the role that it is to have.
    fn standing(&self, r: usize) -> Option<&ShardStanding> {
        let report = self.control.as_ref()?.seen(r, self.now)?;
        let desired = &self.store.desired[r];
        let current = report.epoch == desired.epoch && report.role == desired.role.kind();
        report
            .shards
            .first()
            .map(|s| &s.standing)
            .filter(|_| current)
    }

    /// Both regions do what they are for, with every node.
    fn at_rest(&self) -> bool {
        let nodes_up = self.regions.iter().all(|region| {
            let leader = usize::from(region.disk.memory.leader);
            let follows = |n: usize| {
                let engine = region.nodes[n].engine.as_ref();
                engine.is_some_and(|e| e.following == Following::Up && e.loading.is_none())
            };
            region.nodes[leader].engine.is_some() && follows(1 - leader)
        });
        let accepts = |r: usize| {
            let mut nodes = self.regions[r].nodes.iter();
            nodes.any(|node| {
                node.engine
                    .as_ref()
                    .is_some_and(|e| e.accepts_writes(self.now))
            })
        };
        let Some(link) = &self.store.link else {
            return nodes_up && accepts(0) && accepts(1);
        };
        let primary = self.primary_region(link);
        let position = |r: usize, n: usize| {
            let engine = self.regions[r].nodes[n].engine.as_ref();
            engine.map(|engine| engine.position())
        };
        let first = position(0, 0);
        let equal = [(0, 1), (1, 0), (1, 1)]
            .iter()
            .all(|(r, n)| position(*r, *n) == first);
        link.phase == LinkPhase::Linked
            && nodes_up
            && accepts(primary)
            && equal
            && self.standing(primary) == Some(&ShardStanding::Writable)
            && self.standing(1 - primary) == Some(&ShardStanding::Following)
    }

    /// A state that stays until somebody decides.
    fn asks_for_a_person(&self) -> bool {
        let Some(link) = self.linked() else {
            return false;
        };
        let primary = self.primary_region(link);
        matches!(
            self.standing(primary),
            Some(ShardStanding::Lost | ShardStanding::Unpromotable { .. })
        )
    }
}
