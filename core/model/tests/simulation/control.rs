//! The control plane: what it heard, what it plans, and what it commits.

use model::{
    Advance, CacheObserved, Decision, ForcedBy, GeoRole, LinkPhase, LinkRecord, LinkSeen,
    PromotionRequest, Standing, Timestamp,
};

use crate::{
    engine::Writes,
    world::{Desired, World},
};

/// An agent that was silent for longer is not heard from.
const FRESH_MS: u64 = 5_000;

/// What a control plane has in memory.
#[derive(Debug)]
pub(crate) struct Control {
    heard: [Option<(u64, CacheObserved)>; 2],
    started: u64,
    planned: Option<(u64, Advance)>,
}

impl Control {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            heard: [None, None],
            started: now,
            planned: None,
        }
    }

    pub(crate) fn seen(&self, r: usize, now: u64) -> Option<&CacheObserved> {
        let (at, report) = self.heard[r].as_ref()?;
        (now <= at + FRESH_MS).then_some(report)
    }

    fn seen_of<'a>(&'a self, link: &LinkRecord, primary: usize, now: u64) -> LinkSeen<'a> {
        assert!(link.primary.uid != link.secondary.uid, "two members");
        LinkSeen {
            primary: self.seen(primary, now),
            secondary: self.seen(1 - primary, now),
            ..LinkSeen::default()
        }
    }
}

impl World {
    /// The region of the record's primary.
    pub(crate) fn primary_region(&self, link: &LinkRecord) -> usize {
        usize::from(link.primary.uid != self.regions[0].member.uid)
    }

    /// Commits a record, or the end of the link.
    pub(crate) fn store(&mut self, next: Option<LinkRecord>, why: &str) {
        self.check_commit(next.as_ref());
        self.note(|| {
            let next = next.as_ref();
            let of = next.map(|l| (l.primary.region.clone(), l.epoch, &l.phase, &l.standing));
            format!("{why}: {of:?}")
        });
        self.store.version += 1;
        let epoch = next.as_ref().map(|link| link.epoch);
        self.store.epoch = epoch.unwrap_or(self.store.epoch);
        self.store.link = next;
        for r in 0..2 {
            let uid = &self.regions[r].member.uid;
            let source = Some(([127, 0, 0, 1], 7000).into());
            let link = self.store.link.as_ref();
            let role = link.map_or(GeoRole::Alone, |link| link.role_of(uid, source));
            let known = &mut self.store.desired[r];
            if known.role != role || known.epoch != self.store.epoch {
                *known = Desired {
                    generation: self.store.version,
                    epoch: self.store.epoch,
                    role,
                };
            }
        }
    }

    pub(crate) fn hear(&mut self, r: usize, report: CacheObserved) {
        let now = self.now;
        if let Some(control) = &mut self.control {
            control.heard[r] = Some((now, report));
        }
    }

    /// Answers an agent's poll.
    pub(crate) fn poll(&mut self, r: usize) {
        if self.control.is_none() || self.regions[r].agent.is_none() {
            return;
        }
        let region = &self.regions[r];
        let known = region.disk.desired.as_ref().map(|known| known.generation);
        let desired = &self.store.desired[r];
        let news = known.is_none_or(|known| known < desired.generation);
        if news && !region.orders.contains(desired) {
            let desired = desired.clone();
            self.regions[r].orders.push(desired);
        }
    }

    /// Plans the link's next step on what is seen now.
    pub(crate) fn reconcile(&mut self) {
        let now = self.now;
        let (Some(control), Some(link)) = (&self.control, &self.store.link) else {
            return;
        };
        let primary = self.primary_region(link);
        let seen = control.seen_of(link, primary, now);
        let heard = seen.primary.is_some() && seen.secondary.is_some();
        if link.is_unlinking() && now <= control.started + FRESH_MS && !heard {
            return;
        }
        let planned = match link.advance(seen, Timestamp(now)) {
            Advance::Stay => None,
            advance @ (Advance::Become(_) | Advance::Remove) => Some((self.store.version, advance)),
        };
        if let Some(control) = &mut self.control {
            control.planned = planned;
        }
    }

    /// Commits what was planned, if nobody was faster.
    pub(crate) fn commit(&mut self) {
        let planned = self.control.as_mut().and_then(|c| c.planned.take());
        let Some((version, advance)) = planned else {
            return;
        };
        if version != self.store.version {
            self.count("conflicts");
            return;
        }
        match advance {
            Advance::Stay => {}
            Advance::Become(next) => self.store(Some(*next), "advance"),
            Advance::Remove => {
                self.count("unlinked");
                self.store(None, "remove");
            }
        }
    }

    /// A person asks for a failover, of which the handoff may take so long. Tells whether it began.
    pub(crate) fn fail_over(&mut self, patience: u64) -> bool {
        let now = self.now;
        let (Some(control), Some(link)) = (&self.control, &self.store.link) else {
            return false;
        };
        let primary = self.primary_region(link);
        let seen = control.seen_of(link, primary, now);
        let Ok(next) = link.fail_over(seen, Timestamp(now), patience) else {
            return false;
        };
        if next.phase == LinkPhase::Promoting {
            self.count("failovers from a lost primary");
        } else {
            self.count("handoffs begun");
        }
        self.store(Some(next), "failover");
        true
    }

    /// A person has the secondary take over with what it has. Tells whether that counted.
    pub(crate) fn force(&mut self) -> bool {
        let now = self.now;
        let (Some(control), Some(link)) = (&self.control, &self.store.link) else {
            return false;
        };
        let primary = self.primary_region(link);
        let seen = control.seen_of(link, primary, now);
        let Ok(next) = link.force(seen, ForcedBy::Person, Timestamp(now)) else {
            return false;
        };
        let again = matches!(link.standing, Standing::Forced { .. });
        let (lives, handing_off) = (
            seen.primary.is_some(),
            matches!(link.phase, LinkPhase::HandingOff { .. }),
        );
        self.count(match (lives, handing_off) {
            (_, true) => "failovers forced in a handoff",
            (true, false) => "failovers forced from a living primary",
            (false, false) => "failovers forced from a dead primary",
        });
        if again {
            self.count("second failovers forced");
        }
        self.store(Some(next), "force");
        true
    }

    /// A person gives up what a former primary cannot save. Tells whether that counted.
    pub(crate) fn accept_unsaved(&mut self) -> bool {
        let now = self.now;
        let (Some(control), Some(link)) = (&self.control, &self.store.link) else {
            return false;
        };
        let primary = self.primary_region(link);
        let seen = control.seen_of(link, primary, now);
        let Some(next) = link.accept_unsaved(seen).filter(|next| next != link) else {
            return false;
        };
        self.count("unsaved writes accepted");
        self.ledger.forced(self.held_in(primary));
        self.store(Some(next), "accept unsaved");
        true
    }

    /// A person gives up what the secondary holds of a lost primary's data. Tells whether that
    /// counted.
    pub(crate) fn accept_empty(&mut self) -> bool {
        let now = self.now;
        let (Some(control), Some(link)) = (&self.control, &self.store.link) else {
            return false;
        };
        let primary = self.primary_region(link);
        let seen = control.seen_of(link, primary, now);
        let Ok(next) = link.accept_empty_source(seen) else {
            return false;
        };
        if next.epoch == link.epoch {
            return false;
        }
        self.count("empty sources accepted");
        self.ledger.forced(Writes::default());
        self.store(Some(next), "accept empty");
        true
    }

    /// A person removes the link.
    pub(crate) fn unlink(&mut self) {
        let now = Timestamp(self.now);
        if self.control.is_none() {
            return;
        }
        if let Some(next) = self.store.link.as_ref().and_then(|link| link.unlink(now)) {
            self.store(Some(next), "unlink");
        }
    }

    /// The secondary's agent asks for the decision.
    pub(crate) fn decide(&mut self, r: usize, request: &PromotionRequest) {
        let now = Timestamp(self.now);
        if self.control.is_none() {
            return;
        }
        let link = self.store.link.as_ref();
        let link = link.filter(|link| link.id == request.link);
        let decision = link.map(|link| link.decide(request.attempt, &request.barriers, now));
        let promoted = match decision {
            Some(Decision::Promote(next)) => {
                self.count("handoffs promoted");
                assert!(matches!(next.standing, Standing::AtBarrier { .. }));
                self.store(Some(*next), "promote");
                true
            }
            Some(Decision::AlreadyPromoted) => true,
            Some(Decision::TooLate) | None => false,
        };
        self.regions[r].answers.push((request.attempt, promoted));
    }

    /// Whether the store's primary holds a role in a link that nobody is taking down.
    pub(crate) fn linked(&self) -> Option<&LinkRecord> {
        let link = self.store.link.as_ref()?;
        (!link.is_unlinking()).then_some(link)
    }
}
