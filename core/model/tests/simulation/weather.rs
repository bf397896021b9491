//! What happens next: progress and faults in random order.

use model::LinkPhase;

use crate::{agent::Stage, control::Control, engine::Snapshot, world::World};

/// Events for which faults are as frequent as they are.
const SHOWER: usize = 300;
/// An agent that was silent for so long is not heard from.
const OUTAGE_MS: u64 = 6_000;
/// Turns of the other agent before a person acts.
const TAKEN_OVER_WITHIN: usize = 30;

impl World {
    /// Random events. Faults come once the link was whole, in showers of different strength.
    pub(crate) fn storm(&mut self, events: usize) {
        let (mut faults, mut rough) = (0, 0);
        for event in 0..events {
            if event % SHOWER == 0 && self.ledger.joined() {
                faults = [0, 3, 10, 40][self.dice.below(4)];
                rough = [0, 5, 20, 80][self.dice.below(4)];
            }
            self.now += self.dice.between(0, 5);
            if self.dice.permille(faults * self.tension()) {
                self.fault();
            }
            if self.dice.permille(rough) {
                self.disturb_relay();
            }
            match self.dice.below(100) {
                0..=39 => {
                    let r = self.dice.side();
                    if self.work(r) && faults > 0 && self.dice.permille(60) {
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
            LinkPhase::HandingOff { .. } | LinkPhase::Forcing { .. } | LinkPhase::Promoting => 4,
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
        for _ in 0..self.dice.between(4, 12) {
            let (r, n) = (self.dice.side(), self.dice.side());
            match self.dice.below(16) {
                0 => self.connect(r, n),
                1 => self.load(r, n),
                2 => self.dial(r),
                3 => self.tend(r),
                4 => self.report_applied(r),
                5 => self.hear_inbound(r),
                6 => self.take_snapshot(r),
                7 | 8 => self.follow_source(r),
                9 | 10 => self.pump(r),
                11..=13 => self.receive(r),
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

    pub(crate) fn deliver_report(&mut self, r: usize) {
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

    pub(crate) fn deliver_order(&mut self, r: usize) {
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

    pub(crate) fn deliver_request(&mut self, r: usize) {
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

    pub(crate) fn deliver_answer(&mut self, r: usize) {
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
                let patience = [800, 1_500, 3_000, 10_000][self.dice.below(4)];
                self.fail_over(patience);
            }
            50 if self.weather.unlink => self.unlink(),
            51..=60 => {
                self.accept_empty();
            }
            61..=70 if self.weather.forces => {
                self.force();
            }
            71..=99 if self.weather.forces => self.disaster(),
            _ => {
                self.accept_unsaved();
            }
        }
    }

    /// The geo-primary's region is gone for a while, and a person does not wait for it.
    fn disaster(&mut self) {
        let linked = self.linked();
        let Some(link) = linked.filter(|link| link.phase == LinkPhase::Linked) else {
            return;
        };
        let primary = self.primary_region(link);
        let leader = usize::from(self.regions[primary].disk.memory.leader);
        self.crash_agent(primary);
        match self.dice.below(4) {
            0 | 1 if self.weather.deaths => {
                self.kill(primary, leader);
                self.kill(primary, 1 - leader);
            }
            2 if self.weather.deaths => self.kill(primary, leader),
            _ => {}
        }
        // Clients that reach it go on.
        for _ in 0..self.dice.between(0, 4) {
            self.write(primary);
        }
        self.start_control();
        self.now += OUTAGE_MS;
        for _ in 0..TAKEN_OVER_WITHIN {
            let r = 1 - primary;
            self.start_agent(r);
            self.work(r);
            self.deliver_report(r);
        }
        self.force();
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
            13 | 14 => self.cut(r),
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

    /// The network between the regions breaks, or the disks beside it do.
    fn disturb_relay(&mut self) {
        let r = self.dice.side();
        let damage = self.weather.damage;
        match self.dice.below(20) {
            0..=2 => self.trim_journal(r),
            3 | 4 if damage => self.fail_journal(r),
            5 if damage => self.damage_journal(r),
            6 if damage => self.regions[r].disk.spool = None,
            _ => self.cut(r),
        }
    }

    /// Something breaks right after a step was carried out, where it hurts most.
    fn strike(&mut self, r: usize) {
        self.count("strikes");
        let leader = usize::from(self.regions[r].disk.memory.leader);
        let deaths = self.weather.deaths;
        match self.dice.below(6) {
            0 | 1 => self.crash_agent(r),
            2 => self.cut(r),
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

    pub(crate) fn start_control(&mut self) {
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
        self.end_agent(r);
    }
}
