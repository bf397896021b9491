//! The calm after the faults, in which all comes to rest.

use model::{LinkPhase, ShardStanding};

use crate::{engine::Following, world::World};

/// Rounds in which everybody gets a turn, until the link has to be at rest.
const ROUNDS: usize = 3_000;
/// Rounds in which the link is watched while it is at rest.
const WRITING: usize = 5;
/// How long a handoff may take.
const PATIENCE_MS: u64 = 10_000;
/// Full syncs between the regions that may be needed after the faults, or after a person's word.
const FULL_SYNCS: u64 = 3;

impl World {
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
        self.come_to_rest();
        self.stay_at_rest();
        self.check_end();
        if self.dice.permille(500) && self.fail_over(PATIENCE_MS) {
            self.check_handoff();
            self.check_end();
        }
        if self.dice.permille(500) {
            self.check_forced();
        }
    }

    /// A failover that nothing disturbs succeeds at the first attempt, whatever is still to be sent
    /// when it begins.
    fn check_handoff(&mut self) {
        let Some(before) = self.store.link.clone() else {
            return;
        };
        let primary = self.primary_region(&before);
        for _ in 0..self.dice.between(0, 12) {
            self.write(primary);
        }
        self.stalls = self.dice.between(0, 950);
        let (full_syncs, histories) = (self.full_syncs(), self.ledger.histories.count());
        self.come_to_rest();
        let after = self.linked().map(|link| (&link.primary, &link.secondary));
        let swapped = Some((&before.secondary, &before.primary));
        assert_eq!(
            after, swapped,
            "a handoff that nobody disturbs ends otherwise"
        );
        assert_eq!(
            self.full_syncs(),
            full_syncs,
            "a handoff needs no full sync"
        );
        let begun = self.ledger.histories.count() - histories;
        assert_eq!(begun, 1, "a handoff needs one promotion, and no other");
        self.count("undisturbed handoffs");
        self.stalls = 0;
    }

    /// A forced failover that nothing disturbs swaps the roles, whatever is still to be sent; the
    /// former primary is back after one full sync at most.
    fn check_forced(&mut self) {
        let Some(before) = self.linked().cloned() else {
            return;
        };
        let primary = self.primary_region(&before);
        let full_syncs = self.full_syncs();
        for _ in 0..self.dice.between(0, 6) {
            self.write(primary);
        }
        if !self.force() {
            return;
        }
        for _ in 0..self.dice.between(0, 6) {
            self.write(primary);
            self.work(primary);
        }
        self.come_to_rest();
        let after = self.linked().map(|link| (&link.primary, &link.secondary));
        let swapped = Some((&before.secondary, &before.primary));
        assert_eq!(after, swapped, "a forced failover ends otherwise");
        let more = self.full_syncs() - full_syncs;
        assert!(more <= 1, "a forced failover needs one full sync at most");
        if more == 0 {
            self.count("former primaries back without a full sync");
        }
        self.count("undisturbed forced failovers");
        self.check_end();
    }

    fn come_to_rest(&mut self) {
        let (mut stuck, mut persons) = (0, 0);
        let before = self.full_syncs();
        for _ in 0..ROUNDS {
            self.round();
            if self.at_rest() {
                return;
            }
            let full_syncs = self.full_syncs() - before;
            assert!(
                full_syncs <= FULL_SYNCS * (persons + 1),
                "full syncs never end"
            );
            stuck = if self.asks_for_a_person() {
                stuck + 1
            } else {
                0
            };
            if stuck > 200 {
                stuck = 0;
                persons += 1;
                self.count("a person is asked");
                let gives_up =
                    self.accept_unsaved() || self.dice.permille(300) && self.accept_empty();
                if !gives_up && !self.fail_over(PATIENCE_MS) {
                    self.unlink();
                }
            }
        }
        panic!("the link does not come to rest");
    }

    /// Clients go on writing, and nothing but the stream moves.
    fn stay_at_rest(&mut self) {
        let before = self.full_syncs();
        for _ in 0..WRITING {
            for r in 0..2 {
                self.write(r);
            }
            self.round();
        }
        for _ in 0..ROUNDS {
            if self.at_rest() {
                assert_eq!(self.full_syncs(), before, "a full sync that nobody needs");
                return;
            }
            self.round();
        }
        panic!("the link does not stay at rest");
    }

    fn full_syncs(&self) -> u64 {
        let known = self.tally.get("full syncs between regions");
        known.copied().unwrap_or_default()
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
                self.report_applied(r);
                self.hear_inbound(r);
                self.take_snapshot(r);
                if !self.dice.permille(self.stalls) {
                    self.follow_source(r);
                    self.pump(r);
                }
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
            && self.sent(primary) == first
            && self.standing(primary) == Some(&ShardStanding::Writable)
            && self.standing(1 - primary) == Some(&ShardStanding::Following)
    }

    /// A state that stays until somebody decides.
    fn asks_for_a_person(&self) -> bool {
        let Some(link) = self.linked() else {
            return false;
        };
        let primary = self.primary_region(link);
        let stands = matches!(
            self.standing(primary),
            Some(ShardStanding::Lost | ShardStanding::Unpromotable { .. })
        );
        let outbound = self.regions[primary].agent.as_ref();
        let outbound = outbound.and_then(|agent| agent.outbound.as_ref());
        let unsaved = matches!(
            self.standing(1 - primary),
            Some(ShardStanding::Unsaved { .. })
        );
        stands || unsaved || outbound.is_some_and(|outbound| outbound.source_empty)
    }
}
