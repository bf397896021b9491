//! The bytes' way: engines that connect, the halves of the link, and what arrives.

use std::collections::VecDeque;

use model::Epoch;
use psync::{Offset, Position};

use crate::{
    engine::{Address, Chunk, Data, Engine, Following, Pipe},
    world::World,
};

/// What the outbound half was told of a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fence {
    Open,
    Expected,
    Declared(u64, Position),
}

/// The outbound half: served from an address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outbound {
    pub(crate) epoch: Epoch,
    pub(crate) node: usize,
    pub(crate) at_service: bool,
    pub(crate) fence: Fence,
}

/// A session of the inbound half with its engine, and with the outbound half once that answered.
#[derive(Debug)]
pub(crate) struct Geo {
    /// The engine that asked.
    pub(crate) engine: (usize, u32),
    pub(crate) have: Option<Position>,
    pub(crate) open: Option<Open>,
}

#[derive(Debug)]
pub(crate) struct Open {
    /// The engine beside the outbound half.
    pub(crate) engine: (usize, u32),
    /// Its bytes; none once it let go.
    pub(crate) from: Option<Pipe>,
    pub(crate) wan: VecDeque<Frame>,
    pub(crate) sent: Option<Position>,
    barrier_sent: Option<(u64, Position)>,
    received: Option<Position>,
    stopped: bool,
}

#[derive(Debug)]
pub(crate) enum Frame {
    Chunk(Chunk),
    Barrier(u64, Position),
}

/// What is sent or received after a chunk, of what there was before.
fn after(chunk: Chunk, before: Option<Position>, have: Option<Position>) -> Option<Position> {
    match chunk {
        Chunk::Continue(replid) => have.map(|have| Position::new(replid, have.offset)),
        Chunk::FullSync => None,
        Chunk::Snapshot(snapshot) => Some(snapshot.position),
        Chunk::Item(_) => before.map(|p| Position::new(p.replid, Offset(p.offset.0 + 1))),
    }
}

impl World {
    /// A replica without a connection tries to get one.
    pub(crate) fn connect(&mut self, r: usize, n: usize) {
        let Some(engine) = self.answering(r, n) else {
            return;
        };
        if engine.following != Following::Down || engine.loading.is_some() {
            return;
        }
        let life = engine.life;
        let have = engine.resumable.then(|| engine.position());
        match engine.upstream {
            None => {}
            Some(Address::Inbound(address)) => {
                let here = self.regions[r].inbound == address;
                let Some(agent) = self.regions[r].agent.as_mut() else {
                    return;
                };
                if !here || !agent.inbound_up {
                    return;
                }
                // A newer connection of an engine takes over from an older one.
                self.end_session(r, "superseded");
                if let Some(agent) = self.regions[r].agent.as_mut() {
                    agent.geo = Some(Geo {
                        engine: (n, life),
                        have,
                        open: None,
                    });
                }
                if let Some(engine) = self.engine(r, n) {
                    engine.input = Some(Pipe::default());
                    engine.following = Following::Asked;
                }
            }
            Some(Address::Node { node, at_service }) => {
                let leader = self.regions[r].nodes[node].engine.as_ref();
                let leader = leader.filter(|leader| leader.at_service == at_service);
                let Some(chunks) = leader.and_then(|leader| leader.answer(have)) else {
                    return;
                };
                if let Some(engine) = self.engine(r, n) {
                    engine.input = Some(Pipe {
                        chunks,
                        closed: false,
                    });
                    engine.following = Following::Asked;
                }
            }
        }
    }

    /// A node takes one chunk of what arrived, or sees that the connection is gone.
    pub(crate) fn take(&mut self, r: usize, n: usize) {
        let now = self.now;
        let Some(engine) = self.answering(r, n) else {
            return;
        };
        if engine.loading.is_some() || now < engine.paused_until {
            return;
        }
        let Some(pipe) = engine.input.as_mut() else {
            return;
        };
        let Some(chunk) = pipe.chunks.pop_front() else {
            if pipe.closed {
                engine.input = None;
                engine.following = Following::Down;
            }
            return;
        };
        self.note(|| format!("{r}.{n} takes {chunk:?}"));
        match chunk {
            Chunk::Continue(replid) => self.continued(r, n, replid),
            Chunk::FullSync => {
                self.count("full syncs");
                if let Some(engine) = self.engine(r, n) {
                    engine.resumable = false;
                    engine.following = Following::Syncing;
                }
            }
            Chunk::Snapshot(snapshot) => {
                self.drop_replicas(r, n);
                self.check_wipe(r, n, &snapshot);
                if let Some(engine) = self.engine(r, n) {
                    engine.backlog.clear();
                    engine.data = Data::default();
                    engine.loading = Some(snapshot);
                }
            }
            Chunk::Item(item) => self.emit(r, n, item),
        }
    }

    fn continued(&mut self, r: usize, n: usize, replid: psync::ReplicationId) {
        let differs = self.engine(r, n).is_some_and(|e| e.replid != replid);
        if differs {
            self.drop_replicas(r, n);
        }
        self.count("partial syncs");
        if let Some(engine) = self.engine(r, n) {
            if differs {
                engine.second = Some((engine.replid, engine.offset));
                engine.replid = replid;
            }
            engine.following = Following::Up;
            engine.originates = false;
        }
        self.check_history(r, n);
    }

    /// A node has loaded its full sync.
    pub(crate) fn load(&mut self, r: usize, n: usize) {
        let Some(engine) = self.answering(r, n) else {
            return;
        };
        let Some(snapshot) = engine.loading.take() else {
            return;
        };
        engine.data = snapshot.data;
        engine.replid = snapshot.position.replid;
        engine.offset = snapshot.position.offset.0;
        engine.second = None;
        engine.following = Following::Up;
        engine.resumable = true;
        engine.originates = false;
        self.check_history(r, n);
    }

    /// The inbound half of `r` reaches for the outbound half.
    pub(crate) fn dial(&mut self, r: usize) {
        let Some(agent) = self.regions[r].agent.as_ref() else {
            return;
        };
        let Some(geo) = agent.geo.as_ref().filter(|geo| geo.open.is_none()) else {
            return;
        };
        let (target, have) = (agent.target, geo.have);
        let peer = self.regions[1 - r].agent.as_ref();
        let Some(outbound) = peer.and_then(|peer| peer.outbound) else {
            return;
        };
        if target != Some(outbound.epoch) {
            return;
        }
        // The address that clients use belongs to whoever leads.
        let mut nodes = self.regions[1 - r].nodes.iter().enumerate();
        let listens = nodes.find_map(|(n, node)| {
            let engine = node.engine.as_ref()?;
            let there = engine.at_service == outbound.at_service
                && (outbound.at_service || n == outbound.node);
            there.then_some((n, engine))
        });
        let (node, engine) = listens.map_or((0, None), |(n, engine)| (n, Some(engine)));
        let life = engine.map_or(0, |engine| engine.life);
        let (from, wan, sent) = match outbound.fence {
            Fence::Expected => return,
            Fence::Declared(_, barrier) => {
                if have != Some(barrier) {
                    return;
                }
                let first = Frame::Chunk(Chunk::Continue(barrier.replid));
                (None, VecDeque::from([first]), have)
            }
            Fence::Open => {
                let Some(chunks) = engine.and_then(|engine| engine.answer(have)) else {
                    return;
                };
                let pipe = Pipe {
                    chunks,
                    closed: false,
                };
                (Some(pipe), VecDeque::new(), None)
            }
        };
        self.note(|| format!("the inbound of {r} is attached, have {have:?}"));
        let open = Open {
            engine: (node, life),
            from,
            wan,
            sent,
            barrier_sent: None,
            received: None,
            stopped: false,
        };
        if let Some(geo) = self.geo(r) {
            geo.open = Some(open);
        }
    }

    pub(crate) fn geo(&mut self, r: usize) -> Option<&mut Geo> {
        self.regions[r].agent.as_mut()?.geo.as_mut()
    }

    fn open(&mut self, r: usize) -> Option<&mut Open> {
        self.geo(r)?.open.as_mut()
    }

    /// The outbound half moves one chunk to the WAN, and stands still at a barrier.
    pub(crate) fn pump(&mut self, r: usize) {
        let outbound = self.regions[1 - r].agent.as_ref();
        let Some(outbound) = outbound.and_then(|agent| agent.outbound) else {
            return;
        };
        let late = self.dice.permille(100);
        let Some(geo) = self.geo(r) else { return };
        let have = geo.have;
        let Some(open) = geo.open.as_mut() else {
            return;
        };
        if let Some(from) = &mut open.from {
            if let Some(chunk) = from.chunks.pop_front() {
                open.sent = after(chunk, open.sent, have);
                open.wan.push_back(Frame::Chunk(chunk));
            } else if from.closed {
                if outbound.fence == Fence::Open || open.sent.is_none() {
                    return self.end_session(r, "the outbound lost its engine");
                }
                open.from = None;
            }
        }
        match outbound.fence {
            Fence::Open if open.from.is_none() => self.end_session(r, "the fence was lifted"),
            Fence::Open | Fence::Expected => {}
            Fence::Declared(attempt, barrier) if open.sent == Some(barrier) => {
                open.from = None;
                if open.barrier_sent != Some((attempt, barrier)) {
                    open.barrier_sent = Some((attempt, barrier));
                    open.wan.push_back(Frame::Barrier(attempt, barrier));
                }
            }
            Fence::Declared(..) => {
                if open.from.is_none() || late {
                    self.end_session(r, "fenced elsewhere");
                }
            }
        }
    }

    /// The inbound half takes one frame and hands it to its engine.
    pub(crate) fn receive(&mut self, r: usize) {
        let Some(geo) = self.geo(r) else { return };
        let (have, (n, life)) = (geo.have, geo.engine);
        let Some(open) = geo.open.as_mut() else {
            return;
        };
        let (received, stopped) = (open.received, open.stopped);
        match open.wan.pop_front() {
            None => {}
            Some(Frame::Barrier(attempt, barrier)) => {
                if received.is_some_and(|received| received != barrier) {
                    return self.end_session(r, "a barrier elsewhere");
                }
                open.stopped = true;
                self.note(|| format!("{r} has the barrier {barrier} of {attempt}"));
                if let Some(agent) = self.regions[r].agent.as_mut() {
                    agent.barrier = Some((attempt, barrier));
                }
            }
            Some(Frame::Chunk(chunk)) => {
                if stopped {
                    return self.end_session(r, "bytes after a barrier");
                }
                open.received = after(chunk, received, have);
                match chunk {
                    Chunk::Continue(_) | Chunk::FullSync => {
                        if let Some(agent) = self.regions[r].agent.as_mut() {
                            agent.barrier = None;
                        }
                    }
                    Chunk::Snapshot(_) | Chunk::Item(_) => {}
                }
                let engine = self.engine(r, n).filter(|engine| engine.life == life);
                if let Some(pipe) = engine.and_then(|engine| engine.input.as_mut()) {
                    pipe.chunks.push_back(chunk);
                }
            }
        }
    }

    /// The inbound half notices that its engine went away.
    pub(crate) fn tend(&mut self, r: usize) {
        let inbound = self.regions[r].inbound;
        let Some((n, life)) = self.geo(r).map(|geo| geo.engine) else {
            return;
        };
        let follows = |engine: &Engine| {
            engine.life == life
                && engine.upstream == Some(Address::Inbound(inbound))
                && engine.following != Following::Down
        };
        if !self.engine(r, n).is_some_and(|engine| follows(engine)) {
            self.end_session(r, "the engine went away");
        }
    }

    /// Ends the session of the inbound half of `r`; its engine still takes what was handed over.
    pub(crate) fn end_session(&mut self, r: usize, why: &str) {
        let Some(agent) = self.regions[r].agent.as_mut() else {
            return;
        };
        let Some(geo) = agent.geo.take() else { return };
        self.note(|| format!("the session of {r} ends: {why}"));
        let (n, life) = geo.engine;
        let inbound = Address::Inbound(self.regions[r].inbound);
        let engine = self.engine(r, n);
        let engine = engine.filter(|e| e.life == life && e.upstream == Some(inbound));
        if let Some(pipe) = engine.and_then(|engine| engine.input.as_mut()) {
            pipe.closed = true;
        }
    }

    /// Ends the session if it is connected to the outbound half.
    pub(crate) fn cut(&mut self, r: usize, why: &str) {
        if self.open(r).is_some() {
            self.end_session(r, why);
        }
    }

    /// How far the outbound half of `r` has sent.
    pub(crate) fn sent(&self, r: usize) -> Option<Position> {
        let peer = self.regions[1 - r].agent.as_ref()?;
        let served = self.regions[r].agent.as_ref()?.outbound.is_some();
        let sent = peer.geo.as_ref()?.open.as_ref()?.sent;
        sent.filter(|_| served)
    }

    /// Gives a primary's client a way to write on every tick, and its replicas a ping.
    pub(crate) fn traffic(&mut self) {
        let r = self.dice.side();
        if self.dice.permille(700) {
            self.write(r);
        } else {
            let n = self.dice.side();
            self.ping(r, n);
        }
    }
}
