//! Orders carried out in a small world in which clients write, processes are slow, and the agent is
//! killed at any step: every order ends, nothing that was taken is lost, and a newer engine that
//! does not do leaves everything as it was.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// One process.
#[derive(Debug, Clone)]
struct Process {
    upstream: Option<Upstream>,
    position: Position,
    paused: bool,
    shut: bool,
    build: EngineBuild,
    /// Looks that it has been connected for.
    connected: u8,
}

#[derive(Debug, Default)]
struct World {
    processes: BTreeMap<u8, Process>,
    saved: BTreeMap<u8, Position>,
    memory: ShardMemory,
    roll: RollMemory,
    pinned: Option<EngineBuild>,
    service: u8,
    /// The last write that a client was told of.
    taken: u64,
    histories: u8,
    bad: Option<EngineBuild>,
    // What an agent does not remember when it is killed.
    stopping: Option<(u8, Keep)>,
    stopped: Option<(u8, bool)>,
    failure: Option<String>,
    late: u8,
}

const NODES: u8 = 2;

impl World {
    fn new(nodes: u8) -> Self {
        let process = |upstream| Process {
            upstream,
            position: at(100),
            paused: false,
            shut: false,
            build: build(1),
            connected: 9,
        };
        let mut processes = BTreeMap::from([(0, process(None))]);
        processes.extend((1..nodes).map(|node| (node, process(Some(Upstream::Node(0))))));
        Self {
            processes,
            memory: memory(Stance::Primary),
            pinned: Some(build(1)),
            taken: 100,
            ..Self::default()
        }
    }

    /// Clients write where they are led, and replicas apply as much as they like.
    fn live(&mut self, writes: u64, applies: u64) {
        if let Some(leading) = self.processes.get_mut(&self.service)
            && leading.upstream.is_none()
            && !leading.paused
            && !leading.shut
        {
            leading.position.offset.0 += writes;
            self.taken = self.taken.max(leading.position.offset.0);
        }
        let before = self.processes.clone();
        for process in self.processes.values_mut() {
            let Some(Upstream::Node(of)) = process.upstream else {
                process.connected = process.connected.saturating_add(1);
                continue;
            };
            let Some(upstream) = before.get(&of) else {
                process.connected = 0;
                continue;
            };
            let follows = upstream.position.offset >= process.position.offset;
            assert!(follows, "a replica is ahead: {before:?}");
            process.connected = process.connected.saturating_add(1);
            process.position.replid = upstream.position.replid;
            let behind = upstream.position.offset.0 - process.position.offset.0;
            process.position.offset.0 += behind.min(applies);
        }
    }

    fn views(&self) -> Vec<NodeView> {
        let nodes = 0..NODES.max(1);
        let view = |node: u8| match self.processes.get(&node) {
            None => NodeView::Down,
            Some(_) if self.stopping.is_some_and(|(of, _)| of == node) => NodeView::Silent,
            Some(process) => NodeView::Up(NodeFacts {
                upstream: process.upstream,
                link_up: process.upstream.is_some() && process.connected > 0,
                position: process.position,
                paused: process.paused,
                gate: if process.shut { Gate::Shut } else { Gate::Open },
                at_service_address: self.service == node,
                ..primary(0)
            }),
        };
        nodes.map(view).collect()
    }

    fn plan(&self, order: &RollOrder, replicas: u8) -> RollPlan {
        let up = |node: u8| self.processes.get(&node);
        let fed: Vec<bool> = (0..NODES)
            .map(|node| up(node).is_some_and(|process| process.connected > 2))
            .collect();
        let builds: Vec<_> = (0..NODES)
            .map(|node| up(node).map(|process| process.build.clone()))
            .collect();
        let now = self.roll.now.map(|now| now.node);
        let stop = match (self.stopping, self.stopped) {
            (Some((node, _)), _) if Some(node) == now => StopSeen::UnderWay,
            (_, Some((node, saved))) if Some(node) == now => StopSeen::Ended { saved },
            // The next agent looks what is left.
            _ => match now {
                Some(node) if up(node).is_none() => StopSeen::Ended {
                    saved: self.saved.contains_key(&node),
                },
                Some(_) | None => StopSeen::Nothing,
            },
        };
        let nodes = self.views();
        let situation = Situation {
            shard: ShardIndex(0),
            role: &GeoRole::Alone,
            replicas,
            memory: &self.memory,
            nodes: &nodes,
            link: LinkView::default(),
            lease: None,
            saving: Saving::Idle,
        };
        let roll = RollSight {
            order: Some(order),
            memory: &self.roll,
            fed: &fed,
            builds: &builds,
            stop,
            failure: self.failure.as_deref(),
            cut: false,
            late: self.late > 6,
            rests: false,
            turn: true,
            hangs: false,
        };
        plan(&situation, &roll)
    }

    fn may_lose(&self, node: u8, keep: Keep) {
        let is_whole = |(of, process): (&u8, &Process)| {
            *of != node && process.position.offset.0 >= self.least_elsewhere(node)
        };
        let elsewhere = self.processes.iter().any(is_whole);
        let alone = keep == Keep::Surely;
        assert!(
            elsewhere || alone,
            "node {node} has the only data: {self:?}"
        );
    }

    /// What another node must have for this one to go: what clients were told of, if this one is
    /// where it was taken.
    fn least_elsewhere(&self, node: u8) -> u64 {
        if node == self.memory.leader {
            self.taken
        } else {
            0
        }
    }

    fn carry_out(&mut self, step: RollStep) {
        match step {
            RollStep::Note(memory) => {
                if memory.now != self.roll.now {
                    (self.stopped, self.failure) = (None, None);
                }
                self.roll = memory;
            }
            RollStep::MoveService { node } => self.service = node,
            RollStep::Stop { node, keep } => {
                self.may_lose(node, keep);
                self.stopping = Some((node, keep));
            }
            RollStep::CutInbound | RollStep::RejoinInbound => panic!("nothing is linked"),
            RollStep::Usual(step) => self.usual(step),
        }
    }

    fn usual(&mut self, step: Step) {
        match step {
            Step::Remember(memory) => self.memory = memory,
            Step::Start {
                node,
                upstream,
                saved,
                ..
            } => self.start(node, upstream, saved),
            Step::Follow { node, upstream } => {
                let process = self.processes.get_mut(&node).unwrap();
                (process.upstream, process.connected) = (Some(upstream), 0);
            }
            Step::StandAlone { node } => self.promote(node),
            Step::Pause { node } => self.processes.get_mut(&node).unwrap().paused = true,
            Step::Resume { node } => {
                self.processes.get_mut(&node).unwrap().paused = false;
                self.late = 0;
            }
            Step::TakeServiceAddress { node } => self.service = node,
            Step::SetGate { node, gate } => {
                self.processes.get_mut(&node).unwrap().shut = gate == Gate::Shut;
            }
            Step::LiftFence => {}
            Step::Restore { .. }
            | Step::Stop { .. }
            | Step::Retire { .. }
            | Step::TakePauseOver { .. }
            | Step::ExpectFence
            | Step::DeclareBarrier { .. }
            | Step::Drain
            | Step::SaveLost { .. } => panic!("nobody asked for {step:?}"),
        }
    }

    fn start(&mut self, node: u8, upstream: Option<Upstream>, saved: bool) {
        let build = self.roll.builds.get(&node).or(self.pinned.as_ref());
        let build = build.unwrap().clone();
        if Some(&build) == self.bad.as_ref() {
            self.failure = Some("it ends at once".to_owned());
            return;
        }
        let kept = self.saved.get(&node).copied().filter(|_| saved);
        if upstream.is_none() {
            let kept = kept.expect("a leader comes back with its data");
            assert!(kept.offset.0 >= self.taken, "{self:?}");
        }
        self.saved.remove(&node);
        let process = Process {
            upstream,
            position: kept.unwrap_or_else(|| at(0)),
            paused: false,
            shut: false,
            build,
            connected: 0,
        };
        self.processes.insert(node, process);
    }

    fn promote(&mut self, node: u8) {
        for (other, process) in &self.processes {
            let writes = process.upstream.is_none() && *other != node;
            assert!(!writes, "two take writes: {self:?}");
        }
        self.histories += 1;
        let history = id(char::from(b'a' + self.histories % 6));
        let process = self.processes.get_mut(&node).unwrap();
        assert!(process.position.offset.0 >= self.taken, "writes are lost");
        process.upstream = None;
        process.position.replid = history;
    }

    /// A process that was told to stop ends.
    fn end_what_stops(&mut self) {
        let Some((node, keep)) = self.stopping.take() else {
            return;
        };
        let gone = self.processes.remove(&node);
        let kept = gone.filter(|_| keep != Keep::Nothing);
        if let Some(process) = &kept {
            self.saved.insert(node, process.position);
        }
        self.stopped = Some((node, kept.is_some()));
    }

    fn kill_agent(&mut self) {
        // The engine goes on with what it was told.
        self.end_what_stops();
        (self.stopped, self.failure, self.late) = (None, None, 0);
        for process in self.processes.values_mut() {
            process.paused = false;
        }
    }
}

#[derive(Debug, Clone)]
struct Luck {
    writes: u64,
    applies: u64,
    ends: bool,
    steps: usize,
    kills: bool,
}

fn luck() -> impl Strategy<Value = Luck> {
    let kills = prop::bool::weighted(0.1);
    (0..4u64, 0..5u64, any::<bool>(), 0..9usize, kills).prop_map(
        |(writes, applies, ends, steps, kills)| Luck {
            writes,
            applies,
            ends,
            steps,
            kills,
        },
    )
}

const KIND: Luck = Luck {
    writes: 1,
    applies: 9,
    ends: true,
    steps: 99,
    kills: false,
};

fn run(world: &mut World, order: &RollOrder, replicas: u8, fortune: &[Luck]) -> RollStanding {
    let calm = std::iter::repeat_n(&KIND, 200);
    for luck in fortune.iter().chain(calm) {
        world.live(luck.writes, luck.applies);
        if luck.ends {
            world.end_what_stops();
        }
        let paused = world.processes.values().any(|process| process.paused);
        world.late = if paused { world.late + 1 } else { 0 };
        let plan = world.plan(order, replicas);
        for step in plan.steps.into_iter().take(luck.steps) {
            world.carry_out(step);
        }
        if luck.kills {
            world.kill_agent();
        }
        if let Some(end @ (RollStanding::Done | RollStanding::Stopped { .. })) = plan.order {
            return end;
        }
    }
    panic!("it does not end: {world:?}");
}

proptest! {
    #[test]
    fn reboots_end_and_lose_nothing(
        which in 0..3usize,
        fortune in prop::collection::vec(luck(), 0..80),
    ) {
        let kinds = [RebootNodes::Primary, RebootNodes::Replicas, RebootNodes::All];
        let order = reboot(kinds[which].clone());
        let mut world = World::new(2);
        prop_assert_eq!(run(&mut world, &order, 1, &fortune), RollStanding::Done);
        let due = [1, 1, 2][which];
        prop_assert_eq!(world.roll.restarted.len(), due);
        prop_assert!(world.processes.values().any(|p| p.position.offset.0 >= world.taken));
    }

    #[test]
    fn a_cache_of_one_node_comes_back_with_its_data(
        fortune in prop::collection::vec(luck(), 0..40),
    ) {
        let mut world = World::new(1);
        let order = reboot(RebootNodes::All);
        prop_assert_eq!(run(&mut world, &order, 0, &fortune), RollStanding::Done);
        prop_assert!(world.processes[&0].position.offset.0 >= world.taken);
    }

    #[test]
    fn upgrades_reach_every_node_or_leave_them_as_they_were(
        bad in any::<bool>(),
        fortune in prop::collection::vec(luck(), 0..80),
    ) {
        let mut world = World::new(2);
        world.bad = bad.then(|| build(2));
        let end = run(&mut world, &upgrade(), 1, &fortune);
        let expected = if bad { build(1) } else { build(2) };
        prop_assert_eq!(end == RollStanding::Done, !bad);
        for process in world.processes.values() {
            prop_assert_eq!(&process.build, &expected);
        }
        if bad {
            prop_assert_eq!(world.memory.leader, 0, "the leader was never touched");
        }
    }
}
