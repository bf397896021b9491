//! What must hold after every step.

use std::collections::BTreeMap;

use model::{Epoch, LinkPhase, LinkRecord, Standing};
use psync::{Position, ReplicationId};

use crate::{
    engine::{Chunk, Following, Snapshot, WRITES, Writes},
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
    /// What each position of each history is.
    histories: BTreeMap<(ReplicationId, u64), u64>,
    ends: BTreeMap<u64, &'static str>,
    epochs: [Epoch; 3],
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

    fn held(&self) -> Writes {
        self.held_in(0).with(self.held_in(1))
    }

    /// Equal positions are equal data, for ever and everywhere.
    pub(crate) fn check_history(&mut self, r: usize, n: usize) {
        let Some(engine) = self.engine(r, n) else {
            return;
        };
        let key = (engine.replid, engine.offset);
        let digest = engine.data.digest;
        let known = *self.ledger.histories.entry(key).or_insert(digest);
        assert_eq!(known, digest, "{r}.{n} differs from others at {key:?}");
    }

    /// An empty data set never replaces the only copy.
    pub(crate) fn check_wipe(&mut self, r: usize, n: usize, by: &Snapshot) {
        let mut others = (0..2).flat_map(|r| (0..2).map(move |n| (r, n)));
        let copies = others.any(|other| {
            let engine = self.regions[other.0].nodes[other.1].engine.as_ref();
            other != (r, n) && engine.is_some_and(|e| !e.held().is_empty())
        });
        let due = self.ledger.due();
        let has_due = self
            .engine(r, n)
            .is_some_and(|e| !due.without(due.without(e.data.writes)).is_empty());
        assert!(
            by.data.keys > 0 || copies || !has_due,
            "the only copy, at {r}.{n}, is wiped by an empty one"
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
        let following = engine.following;
        let Some(model::GeoRole::Primary { standing, .. }) = desired.map(|d| d.role) else {
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
            Standing::AsFound => {
                assert!(
                    following != Following::Syncing,
                    "{r}.{n} is promoted in a full sync"
                );
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
            assert!(accepts(0) + accepts(1) <= 1, "two engines accept writes");
        }
        let lost = self.ledger.due().without(self.held());
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
        let mut gone = acknowledged.without(self.held());
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
        let due = self.ledger.due();
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
