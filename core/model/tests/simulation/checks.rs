//! What must hold after every step.

use std::collections::{BTreeMap, BTreeSet};

use model::{Epoch, LinkPhase, LinkRecord, Standing};
use psync::Position;

use crate::{
    engine::{Address, Chunk, Engine, Following, Snapshot, WRITES, Writes},
    histories::Histories,
    journal::Journal,
    world::World,
};

/// What clients were told, and what may be lost of it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    next: usize,
    acknowledged: Writes,
    /// Lost by the rules: with the last node that had it, with a leader whose heir did not have it,
    /// or by a person who failed over from a lost primary.
    excused: Writes,
    pub(crate) histories: Histories,
    ends: BTreeMap<u64, &'static str>,
    epochs: [Epoch; 3],
    /// Epochs in which an empty geo-primary may replace what the geo-secondary holds.
    words: BTreeSet<Epoch>,
    /// The secondary's own data is gone, as a link begins.
    joined: bool,
    unlinked: bool,
}

impl Ledger {
    pub(crate) fn next_write(&mut self) -> Option<usize> {
        let write = self.next;
        self.next += 1;
        (write < WRITES).then_some(write)
    }

    pub(crate) fn acknowledge(&mut self, write: usize) {
        self.acknowledged.insert(write);
    }

    /// The link was whole once.
    pub(crate) fn joined(&self) -> bool {
        self.joined
    }

    /// A person gave up what is not in `kept`.
    pub(crate) fn forced(&mut self, kept: Writes) {
        self.excused = self.excused.with(self.acknowledged.without(kept));
    }

    /// Writes that went with the last that had them.
    pub(crate) fn forget(&mut self, gone: Writes) {
        self.excused = self.excused.with(gone);
    }

    /// A client removed everything.
    pub(crate) fn flushed(&mut self) {
        self.excused = self.excused.with(self.acknowledged);
    }

    /// Every write that somebody must still have.
    pub(crate) fn due(&self) -> Writes {
        self.acknowledged.without(self.excused)
    }
}

impl World {
    pub(crate) fn held_in(&self, r: usize) -> Writes {
        let nodes = self.regions[r].nodes.iter();
        nodes.fold(Writes::default(), |held, node| {
            let engine = node.engine.as_ref().map(|engine| engine.held());
            let saved = node.saved.map(|saved| saved.data.writes);
            held.with(engine.unwrap_or_default())
                .with(saved.unwrap_or_default())
        })
    }

    /// Every write that was saved because the other side did not have it.
    pub(crate) fn receipts(&self) -> Writes {
        let receipts = |r: usize| self.regions[r].disk.lost_writes.values();
        let all = receipts(0).chain(receipts(1));
        all.fold(Writes::default(), |all, receipt| all.with(receipt.writes))
    }

    /// Every write that some engine has.
    pub(crate) fn held(&self) -> Writes {
        self.held_in(0).with(self.held_in(1))
    }

    /// Every write that a journal has.
    pub(crate) fn journaled(&self, r: usize) -> Writes {
        let journal = self.regions[r].disk.journal.as_ref();
        journal.map_or_else(Writes::default, Journal::writes)
    }

    /// Every write that is sure to be held by those who live. What a full sync is about to take the
    /// place of does not count, nor does a replica of a geo-secondary: it follows its leader.
    fn held_for_sure(&self) -> Writes {
        (0..2).fold(Writes::default(), |held, r| {
            let region = &self.regions[r];
            let leader = usize::from(region.disk.memory.leader);
            let leader = region.nodes[leader].engine.as_ref();
            let follows = |engine: &&Engine| matches!(engine.upstream, Some(Address::Inbound(_)));
            held.with(match leader.filter(follows) {
                Some(_) if self.awaits_full_sync(r) => Writes::default(),
                Some(leader) => leader.kept(),
                None => {
                    let nodes = region.nodes.iter();
                    let kept = nodes.filter_map(|node| Some(node.engine.as_ref()?.kept()));
                    let saved = region.nodes.iter().filter_map(|node| node.saved);
                    let saved = saved.map(|saved| saved.data.writes);
                    kept.chain(saved).fold(Writes::default(), Writes::with)
                }
            })
        })
    }

    /// A full sync of a geo-secondary is decided, or under way.
    fn awaits_full_sync(&self, r: usize) -> bool {
        let agent = |r: usize| self.regions[r].agent.as_ref();
        let geo = agent(r).and_then(|agent| agent.geo.as_ref());
        let session = agent(1 - r).and_then(|peer| peer.outbound.as_ref()?.session);
        geo.is_some_and(|geo| geo.awaits_snapshot())
            || session.is_some_and(|session| session.gives_snapshot())
    }

    /// An empty geo-primary of another history replaces nothing of the link, unless somebody said so
    /// or emptied it. One with a single key is not empty.
    pub(crate) fn check_wipe(&mut self, r: usize, n: usize, by: &Snapshot) {
        // The side that starts empty hears the word first.
        let epoch = self.regions[1 - r].disk.epoch;
        let asked = self.ledger.words.contains(&epoch);
        let told = self.regions[r].agent.as_ref();
        let told = told.is_some_and(|agent| agent.keys_told > 0);
        let Some(engine) = self.engine(r, n) else {
            return;
        };
        let follows = matches!(engine.upstream, Some(Address::Inbound(_)));
        let (data, here) = (engine.data, engine.position());
        if !follows || !told || data.foreign || data.keys == 0 || by.data.keys > 0 {
            return;
        }
        // What it is rolled back over, the other side's journal brings again.
        let there = self.held_in(1 - r).with(self.journaled(1 - r));
        let there = there.with(self.receipts());
        let engines = self.regions[1 - r].nodes.iter();
        let engines: Vec<_> = engines.filter_map(|node| node.engine.as_ref()).collect();
        let empty = !engines.is_empty() && engines.iter().all(|engine| engine.data.keys == 0);
        let gone = data.writes.without(there);
        let histories = &self.ledger.histories;
        let now = engines.iter().map(|engine| engine.position());
        let flushed = now
            .chain([by.position])
            .any(|there| histories.flushed(here, there));
        assert!(
            !empty || asked || flushed || gone.is_empty(),
            "writes {:?} at {r}.{n} are wiped unasked in epoch {epoch}",
            gone.list()
        );
    }

    /// A follower becomes primary at its barrier, or behind it no node of that history does.
    pub(crate) fn check_promotion(&mut self, r: usize, n: usize) {
        let desired = self.regions[r].disk.desired.clone();
        let Some(engine) = self.engine(r, n) else {
            return;
        };
        if engine.upstream.is_none() || engine.originates {
            return;
        }
        let here = engine.position();
        let syncs = matches!(engine.upstream, Some(Address::Inbound(_)))
            && engine.following == Following::Syncing;
        let Some(model::GeoRole::Primary {
            standing,
            // Whatever data a node has is better than none.
            accept_empty: None,
            ..
        }) = desired.map(|d| d.role)
        else {
            return;
        };
        match standing {
            Standing::AtBarrier { barriers, .. } => {
                let barrier: Position = barriers[0];
                assert!(
                    here.replid != barrier.replid || here == barrier,
                    "{r}.{n} is promoted at {here}, and the barrier is {barrier}"
                );
            }
            Standing::AsFound | Standing::Forced { .. } => {
                assert!(!syncs, "{r}.{n} is promoted in a full sync");
            }
            Standing::Founder => {}
        }
    }

    /// Epochs go up, and a handoff ends once.
    pub(crate) fn check_commit(&mut self, next: Option<&LinkRecord>) {
        let Some(before) = &self.store.link else {
            return;
        };
        let attempt = before.attempt;
        let Some(next) = next else { return };
        assert!(next.epoch >= before.epoch, "the link's epoch goes back");
        let decided = matches!(before.phase, LinkPhase::HandingOff { .. })
            && !matches!(next.phase, LinkPhase::HandingOff { .. });
        if next.epoch == before.epoch {
            assert_eq!(next.primary, before.primary, "a role change has its epoch");
        }
        let told = |link: &LinkRecord| match &link.standing {
            Standing::Forced { forks, .. } => forks.clone(),
            Standing::Founder | Standing::AtBarrier { .. } | Standing::AsFound => None,
        };
        let news = told(next).filter(|_| told(before).is_none());
        let new_primary = self.primary_region(next);
        if next.accept_empty {
            self.ledger.words.insert(next.epoch);
        }
        let (phase, joined) = (next.phase.clone(), next.is_unlinking());
        if decided {
            let end = if phase == LinkPhase::Promoting {
                "promoted"
            } else {
                "aborted"
            };
            let known = self.ledger.ends.insert(attempt, end);
            assert_eq!(known, None, "handoff {attempt} ended twice");
            if end == "aborted" {
                self.count("handoffs aborted");
            }
        }
        if matches!(before_phase(&self.store.link), Some(LinkPhase::Promoting))
            && phase == LinkPhase::Promoting
        {
            self.count("roles given back");
        }
        if let Some(forks) = news {
            self.check_fork(new_primary, forks[0]);
        }
        if phase == LinkPhase::Linked {
            self.ledger.joined = true;
        }
        if joined {
            self.ledger.unlinked = true;
        }
    }

    /// Looks at everything.
    pub(crate) fn check(&mut self) {
        let epochs = [
            self.store.epoch,
            self.regions[0].disk.epoch,
            self.regions[1].disk.epoch,
        ];
        for (now, before) in epochs.iter().zip(&self.ledger.epochs) {
            assert!(now >= before, "an epoch goes back from {before} to {now}");
        }
        self.ledger.epochs = epochs;
        if self.ledger.joined && !self.ledger.unlinked {
            let accepts = |r: usize| {
                let nodes = self.regions[r].nodes.iter();
                nodes
                    .filter_map(|node| node.engine.as_ref())
                    .filter(|engine| engine.accepts_writes(self.now))
                    .count()
            };
            match self.former_primary() {
                // It does not know yet, or its engine was not reached.
                Some((former, at)) if self.regions[former].shut_in < Some(at) => {}
                Some((former, _)) => {
                    assert_eq!(accepts(former), 0, "the former primary takes writes");
                }
                None => assert!(accepts(0) + accepts(1) <= 1, "two engines accept writes"),
            }
        }
        let mut lost = self.ledger.due().without(self.held());
        if !lost.is_empty() {
            lost = lost.without(self.receipts());
        }
        if !lost.is_empty() {
            // What a geo-secondary was rolled back over, the journal brings it again.
            lost = lost.without(self.journaled(0)).without(self.journaled(1));
        }
        assert!(lost.is_empty(), "writes {:?} are lost", lost.list());
    }

    /// An engine dies: what goes with it by the rules.
    pub(crate) fn kill(&mut self, r: usize, n: usize) {
        let Some(dead) = self.regions[r].nodes[n].engine.clone() else {
            return;
        };
        self.note(|| format!("{r}.{n} is killed"));
        self.drop_replicas(r, n);
        self.regions[r].nodes[n].engine = None;
        let acknowledged = self.ledger.acknowledged;
        let mut gone = acknowledged.without(self.held_for_sure());
        if dead.originates {
            let memory = &self.regions[r].disk.memory;
            let heir = self.regions[r].nodes[1 - n].engine.as_ref();
            let heirs = heir.and_then(|heir| {
                let kin = memory.lineage.contains(&heir.replid);
                let settles = heir.following == Following::Syncing
                    || heir.input.as_ref().is_some_and(|pipe| {
                        let whole = |chunk: &Chunk| matches!(chunk, Chunk::Snapshot(_));
                        pipe.chunks.iter().any(whole)
                    });
                (kin || settles).then(|| heir.held())
            });
            let kept = heirs.unwrap_or_else(|| self.held());
            gone = gone.with(dead.data.writes.without(kept));
        }
        self.ledger.excused = self.ledger.excused.with(gone);
    }

    /// Every write that is due is where clients are served.
    pub(crate) fn check_end(&self) {
        let due = self.ledger.due().without(self.receipts());
        let leader = |r: usize| {
            let region = &self.regions[r];
            let leader = usize::from(region.disk.memory.leader);
            region.nodes[leader].engine.as_ref().unwrap()
        };
        let (held, what) = match self.linked() {
            Some(link) => {
                let primary = self.primary_region(link);
                let (p, s) = (leader(primary), leader(1 - primary));
                assert_eq!(p.data, s.data, "the regions hold the same");
                (p.data.writes, "the geo-primary")
            }
            None => {
                let both = leader(0).data.writes.with(leader(1).data.writes);
                (both, "the unlinked caches")
            }
        };
        let lost = due.without(held);
        assert!(lost.is_empty(), "{what} lack {:?}", lost.list());
    }
}

fn before_phase(link: &Option<LinkRecord>) -> Option<&LinkPhase> {
    link.as_ref().map(|link| &link.phase)
}
