//! Engines that connect to what they follow, and take what it sends.

use crate::{
    engine::{Address, Chunk, Data, Following, Pipe},
    world::World,
};

impl World {
    /// A replica without a connection tries to get one.
    pub(crate) fn connect(&mut self, r: usize, n: usize) {
        let Some(engine) = self.answering(r, n) else {
            return;
        };
        if engine.following != Following::Down || engine.loading.is_some() {
            return;
        }
        let have = engine.resumable.then(|| engine.position());
        match engine.upstream {
            None => {}
            Some(Address::Inbound(address)) => {
                let region = &self.regions[r];
                let up = region.agent.as_ref().is_some_and(|agent| agent.inbound_up);
                if up && region.inbound == address {
                    self.answer_engine(r, n, have);
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
        let beside = usize::from(self.regions[r].disk.memory.leader) != n;
        if beside && self.weather.lag && !self.calm && self.dice.permille(800) {
            return;
        }
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
