//! Two regions, a control plane, and everything that is under way between them.

use std::collections::BTreeMap;

use model::{
    CacheId, CacheObserved, CacheUid, Epoch, GeoRole, LinkId, LinkRecord, Member, PromotionRequest,
    Timestamp, shard::ShardMemory,
};
use psync::{Position, ReplicationId};

use crate::{
    agent::Agent,
    checks::Ledger,
    control::Control,
    dice::Dice,
    engine::{Address, Chunk, Data, Engine, Item, Pipe, Snapshot},
    inbound::Spool,
    journal::Journal,
    lost_writes::Receipt,
};

/// What a run may meet, chosen by its seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// Engines are killed.
    pub(crate) deaths: bool,
    /// Engines stop answering for a while.
    pub(crate) silences: bool,
    /// Agents are stopped in order, and save.
    pub(crate) stops: bool,
    /// The link is removed some time.
    pub(crate) unlink: bool,
    /// Engines' commands and the agents' disks fail.
    pub(crate) failures: bool,
    /// Journals and spools are damaged, or cannot be written.
    pub(crate) damage: bool,
    /// Replicas beside a leader are slow.
    pub(crate) lag: bool,
    /// Clients remove everything, some times.
    pub(crate) flushes: bool,
    /// A person forces failovers, some times.
    pub(crate) forces: bool,
    /// Stream units that an engine keeps for a partial resync.
    pub(crate) backlog: usize,
}

/// What an agent's directory holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    pub(crate) desired: Option<Desired>,
    pub(crate) epoch: Epoch,
    pub(crate) memory: ShardMemory,
    /// The shard was in step with this link once.
    pub(crate) in_step_once: bool,
    pub(crate) journal: Option<Journal>,
    pub(crate) spool: Option<Spool>,
    /// What the other side of a forced failover did not have, by its epoch.
    pub(crate) lost_writes: BTreeMap<Epoch, Receipt>,
}

/// The part of the desired state that moves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Desired {
    pub(crate) generation: u64,
    pub(crate) epoch: Epoch,
    pub(crate) role: GeoRole,
}

/// One node's directory, and its process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) engine: Option<Engine>,
    pub(crate) saved: Option<Snapshot>,
}

#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) member: Member,
    pub(crate) nodes: [Node; 2],
    pub(crate) disk: Disk,
    pub(crate) agent: Option<Agent>,
    /// The address of the inbound half; another one after the port was taken.
    pub(crate) inbound: u32,
    /// Messages under way.
    pub(crate) reports: Vec<CacheObserved>,
    pub(crate) orders: Vec<Desired>,
    pub(crate) requests: Vec<PromotionRequest>,
    pub(crate) answers: Vec<(u64, bool)>,
    /// The epoch in which nothing here is known to take a write any more.
    pub(crate) shut_in: Option<Epoch>,
}

/// The store: survives everything.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) version: u64,
    pub(crate) link: Option<LinkRecord>,
    /// The caches' own epoch.
    pub(crate) epoch: Epoch,
    /// What each region is to be, with the version at which that changed.
    pub(crate) desired: [Desired; 2],
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) weather: Weather,
    pub(crate) now: u64,
    pub(crate) regions: [Region; 2],
    pub(crate) store: Store,
    pub(crate) control: Option<Control>,
    pub(crate) ledger: Ledger,
    /// Faults are over.
    pub(crate) calm: bool,
    /// Of a thousand turns, the outbound half misses so many in the calm.
    pub(crate) stalls: u64,
    lives: u32,
    trace: Option<Vec<String>>,
    /// How often what happened, so that a run that tests nothing is noticed.
    pub(crate) tally: BTreeMap<&'static str, u64>,
}

impl World {
    pub(crate) fn new(seed: u64, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let weather = Weather {
            deaths: dice.permille(600),
            silences: dice.permille(300),
            stops: dice.permille(300),
            unlink: dice.permille(250),
            failures: dice.permille(500),
            damage: dice.permille(400),
            lag: dice.permille(300),
            flushes: dice.permille(250),
            forces: dice.permille(600),
            backlog: dice.between(2, 60).try_into().unwrap(),
        };
        let alone = Desired {
            generation: 0,
            epoch: Epoch::default(),
            role: GeoRole::Alone,
        };
        let mut world = Self {
            dice,
            weather,
            now: 10_000,
            regions: [region("east", "eastus"), region("west", "westus")],
            store: Store {
                version: 1,
                link: None,
                epoch: Epoch::default(),
                desired: [alone.clone(), alone],
            },
            control: Some(Control::new(0)),
            ledger: Ledger::default(),
            calm: false,
            stalls: 0,
            lives: 0,
            trace: traced.then(Vec::new),
            tally: BTreeMap::new(),
        };
        world.found();
        world
    }

    /// Two caches that have run for a while: the second has data that the link will erase.
    fn found(&mut self) {
        for r in 0..2 {
            let mut engine = self.fresh_engine(None, None);
            engine.at_service = true;
            let data = Data {
                keys: 1,
                digest: self.dice.roll(),
                foreign: r == 1,
                ..Data::default()
            };
            if r == 1 || self.dice.permille(500) {
                engine.data = data;
            }
            let region = &mut self.regions[r];
            region.disk.memory.founded = true;
            region.disk.memory.lineage = vec![engine.replid];
            region.nodes[0].engine = Some(engine);
            self.regions[r].agent = Some(Agent::new());
        }
        let [a, b] = &self.regions;
        let link = LinkRecord::begin(
            LinkId::new("l"),
            a.member.clone(),
            b.member.clone(),
            Epoch(1),
            Timestamp(self.now),
        );
        self.store(Some(link), "begin");
    }

    fn life(&mut self) -> u32 {
        self.lives += 1;
        self.lives
    }

    /// A replication ID that nobody had before, of a history that goes on from `fork`.
    pub(crate) fn history(&mut self, fork: Option<Position>) -> ReplicationId {
        self.ledger.histories.begin(fork)
    }

    pub(crate) fn fresh_engine(
        &mut self,
        fork: Option<Position>,
        upstream: Option<Address>,
    ) -> Engine {
        let (life, replid) = (self.life(), self.history(fork));
        Engine::new(life, replid, upstream)
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let line = what();
            trace.push(format!("{:>7} {line}", self.now));
        }
    }

    pub(crate) fn last_words(&self, lines: usize) -> String {
        let trace = self.trace.as_deref().unwrap_or_default();
        trace[trace.len().saturating_sub(lines)..].join("\n")
    }

    pub(crate) fn engine(&mut self, r: usize, n: usize) -> Option<&mut Engine> {
        self.regions[r].nodes[n].engine.as_mut()
    }

    /// An engine that answers commands.
    pub(crate) fn answering(&mut self, r: usize, n: usize) -> Option<&mut Engine> {
        self.engine(r, n).filter(|engine| !engine.silent)
    }

    /// Puts one unit into a node's stream, and on its way to whoever follows.
    pub(crate) fn emit(&mut self, r: usize, n: usize, item: Item) {
        let backlog = self.weather.backlog;
        let Some(engine) = self.engine(r, n) else {
            return;
        };
        engine.append(item, backlog);
        let (life, position) = (engine.life, engine.position());
        self.check_emitted(r, n, position, item);
        for pipe in self.outputs(r, n, life) {
            pipe.chunks.push_back(Chunk::Item(item));
        }
        self.check_history(r, n);
    }

    /// The connections of those who follow a node: its sibling, and the outbound half.
    fn outputs(&mut self, r: usize, n: usize, life: u32) -> Vec<&mut Pipe> {
        let region = &mut self.regions[r];
        let sibling = region.nodes[1 - n].engine.as_mut();
        let sibling = sibling
            .filter(
                |sibling| matches!(sibling.upstream, Some(Address::Node { node, .. }) if node == n),
            )
            .and_then(|sibling| sibling.input.as_mut());
        let outbound = region
            .agent
            .as_mut()
            .and_then(|agent| agent.outbound.as_mut());
        let geo = outbound
            .and_then(|outbound| outbound.follows.as_mut())
            .filter(|follows| follows.engine == (n, life))
            .map(|follows| &mut follows.pipe);
        let both = sibling.into_iter().chain(geo);
        both.filter(|pipe| !pipe.closed).collect()
    }

    /// Ends the connections of those who follow a node: some of what was sent still arrives.
    pub(crate) fn drop_replicas(&mut self, r: usize, n: usize) {
        let Some(life) = self.engine(r, n).map(|engine| engine.life) else {
            return;
        };
        self.drop_taker(r, (n, life));
        let arrive = self.dice.roll();
        for pipe in self.outputs(r, n, life) {
            let length = u64::try_from(pipe.chunks.len()).unwrap() + 1;
            pipe.chunks
                .truncate(usize::try_from(arrive % length).unwrap());
            pipe.closed = true;
        }
    }

    /// A client writes where it finds the cache.
    pub(crate) fn write(&mut self, r: usize) {
        let now = self.now;
        let accepts = |node: &Node| node.engine.as_ref().is_some_and(|e| e.accepts_writes(now));
        let Some(n) = self.regions[r].nodes.iter().position(accepts) else {
            return;
        };
        let flushes = self.weather.flushes && self.ledger.joined() && !self.calm;
        if flushes && self.dice.permille(120) {
            self.note(|| format!("everything is removed at {r}.{n}"));
            self.ledger.flushed();
            return self.emit(r, n, Item::Flush);
        }
        let Some(write) = self.ledger.next_write() else {
            return;
        };
        self.note(|| format!("write {write} at {r}.{n}"));
        self.emit(r, n, Item::Write(write));
        // What the secondary has of its own is erased as the link begins.
        if r == 0 || self.ledger.joined() {
            self.ledger.acknowledge(write);
        }
    }

    /// A primary with replicas pings them.
    pub(crate) fn ping(&mut self, r: usize, n: usize) {
        let Some(engine) = self.engine(r, n) else {
            return;
        };
        let silent = engine.silent || engine.loading.is_some();
        let life = engine.life;
        let (primary, pings) = (engine.upstream.is_none(), engine.pings);
        // Keys expire behind a shut gate, too.
        let expires = !pings && !self.calm && self.dice.permille(100);
        if primary && (pings || expires) && !silent && !self.outputs(r, n, life).is_empty() {
            self.emit(r, n, Item::Ping);
        }
    }
}

fn region(name: &str, place: &str) -> Region {
    let member = Member {
        uid: CacheUid::new(name),
        id: CacheId {
            subscription: "5d0c4f30-0000-4000-8000-000000000001".parse().unwrap(),
            group: "g".parse().unwrap(),
            name: name.parse().unwrap(),
        },
        region: place.parse().unwrap(),
    };
    Region {
        member,
        nodes: [Node::default(), Node::default()],
        disk: Disk::default(),
        agent: None,
        inbound: 0,
        reports: Vec::new(),
        orders: Vec::new(),
        requests: Vec::new(),
        answers: Vec::new(),
        shut_in: None,
    }
}
