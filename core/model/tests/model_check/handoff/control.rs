//! The control plane: the real record, committed by compare-and-swap, and what follows from it.

use std::{net::SocketAddr, rc::Rc};

use model::{
    Advance, CacheObserved, Decision, ForcedBy, LinkPhase, LinkRecord, LinkSeen, Standing,
    Timestamp,
};

use super::{
    model::{Broken, Desired, Handoff, member},
    mutation::Mutation,
    promises,
    state::{End, Place, SHARDS, State, small},
    step::Step,
};

/// How long a handoff may take. The moment before its end is 0, the moment behind it this.
const PATIENCE_MS: u64 = 1;

impl Handoff {
    pub(crate) fn control_steps(&self, state: &State, into: &mut Vec<(Step, bool)>) {
        let record = self.records.get(state.record);
        if state.planned.is_some() {
            into.push((Step::Commit, true));
        } else {
            if self.advanced(state, false).is_some() {
                into.push((Step::Reconcile, true));
            }
            if self.advanced(state, true).is_some() && self.advanced(state, false).is_none() {
                into.push((Step::PassDeadline, true));
            }
        }
        if state.left.attempts > 0 {
            let forced = state.left.forces > 0;
            let (primary, secondary) = self.heard(state, &record);
            let seen = seen(primary.as_deref(), secondary.as_deref());
            if record.fail_over(seen, Timestamp(0), PATIENCE_MS).is_ok() {
                into.push((Step::FailOver, false));
            }
            if forced && record.force(seen, ForcedBy::Person, Timestamp(0)).is_ok() {
                into.push((Step::Force, false));
            }
        }
        if state.left.crashes > 0 && (state.heard != [0; 2] || state.planned.is_some()) {
            into.push((Step::CrashControl, false));
        }
        if state.late.request.is_some() {
            into.push((Step::LateRequest, false));
        }
    }

    pub(crate) fn primary_side(record: &LinkRecord) -> usize {
        usize::from(record.primary.uid != member(0).uid)
    }

    fn heard(
        &self,
        state: &State,
        record: &LinkRecord,
    ) -> (Option<Rc<CacheObserved>>, Option<Rc<CacheObserved>>) {
        let reports = self.reports.borrow();
        let of = |side: usize| {
            let heard = usize::from(state.heard[side]);
            heard.checked_sub(1).map(|at| Rc::clone(&reports[at]))
        };
        let primary = Self::primary_side(record);
        (of(primary), of(1 - primary))
    }

    fn advanced(&self, state: &State, late: bool) -> Option<u16> {
        let record = self.records.get(state.record);
        let now = match record.phase {
            LinkPhase::HandingOff { deadline } if late => deadline,
            LinkPhase::HandingOff { .. }
            | LinkPhase::Creating
            | LinkPhase::Syncing
            | LinkPhase::Linked
            | LinkPhase::Forcing { .. }
            | LinkPhase::Promoting
            | LinkPhase::UnlinkingPrimary
            | LinkPhase::UnlinkingSecondary => Timestamp(0),
        };
        let key = (state.record, state.heard, now > Timestamp(0));
        if let Some(known) = self.advances.borrow().get(&key) {
            return *known;
        }
        let (primary, secondary) = self.heard(state, &record);
        let next = match record.advance(seen(primary.as_deref(), secondary.as_deref()), now) {
            Advance::Become(next) => Some(self.records.id(plain(*next))),
            Advance::Stay | Advance::Remove => None,
        };
        self.advances.borrow_mut().insert(key, next);
        next
    }

    pub(crate) fn reconcile(&self, state: &mut State, late: bool) -> Result<(), Broken> {
        let Some(next) = self.advanced(state, late) else {
            return Ok(());
        };
        if self.bounds.plans_apart {
            state.planned = Some((state.version, next));
            return Ok(());
        }
        self.commit(state, (*self.records.get(next)).clone())
    }

    pub(crate) fn commit_planned(&self, state: &mut State) -> Result<(), Broken> {
        let Some((version, next)) = state.planned.take() else {
            return Ok(());
        };
        let blindly = self.mutation == Some(Mutation::CommitsBlindly);
        if version == state.version || blindly {
            return self.commit(state, (*self.records.get(next)).clone());
        }
        Ok(())
    }

    pub(crate) fn fail_over(&self, state: &mut State) -> Result<(), Broken> {
        state.left.attempts -= 1;
        let record = self.records.get(state.record);
        let (primary, secondary) = self.heard(state, &record);
        let seen = seen(primary.as_deref(), secondary.as_deref());
        match record.fail_over(seen, Timestamp(0), PATIENCE_MS) {
            Ok(next) => self.commit(state, next),
            Err(_) => Ok(()),
        }
    }

    pub(crate) fn force(&self, state: &mut State) -> Result<(), Broken> {
        state.left.attempts -= 1;
        state.left.forces -= 1;
        let record = self.records.get(state.record);
        let (primary, secondary) = self.heard(state, &record);
        let seen = seen(primary.as_deref(), secondary.as_deref());
        match record.force(seen, ForcedBy::Person, Timestamp(0)) {
            Ok(next) => {
                state.ledger.forced = true;
                self.commit(state, next)
            }
            Err(_) => Ok(()),
        }
    }

    pub(crate) fn ask(&self, state: &mut State, side: usize) -> Result<(), Broken> {
        let Some((attempt, barriers)) = self.request(state, side) else {
            return Ok(());
        };
        self.decide(state, attempt, barriers)
    }

    /// Read, decide, compare and swap until nobody was faster: one step.
    pub(crate) fn decide(
        &self,
        state: &mut State,
        attempt: u8,
        barriers: [Place; SHARDS],
    ) -> Result<(), Broken> {
        let record = self.records.get(state.record);
        let barriers: Vec<_> = self.shards().map(|s| self.position(barriers[s])).collect();
        match Mutation::decide(self.mutation, &record, u64::from(attempt), &barriers) {
            Decision::Promote(next) => self.commit(state, *next),
            Decision::AlreadyPromoted | Decision::TooLate => Ok(()),
        }
    }

    fn commit(&self, state: &mut State, next: LinkRecord) -> Result<(), Broken> {
        let before = self.records.get(state.record);
        let next = plain(next);
        if next.epoch < before.epoch {
            return Err(promises::FORWARD);
        }
        self.note_end(state, &before, &next)?;
        if before.phase == LinkPhase::Promoting && !self.forks_are_right(state, &next) {
            return Err(promises::RIGHT);
        }
        if Self::primary_side(&next) == 1 {
            state.ledger.owners |= 1 << next.epoch.0;
        } else {
            state.ledger.owners &= !(1 << next.epoch.0);
        }
        state.version += 1;
        for side in 0..2 {
            let known = self.orders.get(state.desired[side]);
            let order = self.order_of(&next, side, state.version);
            let given = self.orders.get(order);
            if known.role != given.role || known.epoch != given.epoch {
                state.desired[side] = order;
            }
        }
        state.record = self.records.id(next);
        Ok(())
    }

    fn note_end(
        &self,
        state: &mut State,
        before: &LinkRecord,
        next: &LinkRecord,
    ) -> Result<(), Broken> {
        let hands_off = |record: &LinkRecord| matches!(record.phase, LinkPhase::HandingOff { .. });
        let forced = matches!(next.standing, Standing::Forced { forks: None, .. })
            && next.phase == LinkPhase::Promoting;
        let ended = hands_off(before) && !hands_off(next);
        // By somebody who has not looked at what there is.
        let unended = before.phase == LinkPhase::Promoting && next.phase == LinkPhase::Linked;
        let end = if forced {
            End::Forced
        } else if next.phase == LinkPhase::Promoting {
            End::Promoted
        } else {
            End::Aborted
        };
        let ends = &mut state.ledger.ends;
        if ended || unended {
            let known = &mut ends[usize::from(small(before.attempt))];
            if *known != End::Open {
                return Err(promises::ENDS_ONCE);
            }
            *known = end;
        }
        if forced {
            ends[usize::from(small(next.attempt))] = end;
        }
        Ok(())
    }

    pub(crate) fn order_of(&self, record: &LinkRecord, side: usize, generation: u8) -> u16 {
        let source = Some(SocketAddr::from(([127, 0, 0, 1], 7000)));
        self.orders.id(Desired {
            generation,
            epoch: record.epoch,
            role: record.role_of(&member(side).uid, source),
        })
    }
}

fn seen<'a>(
    primary: Option<&'a CacheObserved>,
    secondary: Option<&'a CacheObserved>,
) -> LinkSeen<'a> {
    LinkSeen {
        primary,
        secondary,
        ..LinkSeen::default()
    }
}

/// Without what nothing depends on: when a phase began, and the words for an abort.
fn plain(mut record: LinkRecord) -> LinkRecord {
    record.since = Timestamp(0);
    if let Some((_, why)) = &mut record.last_abort {
        why.clear();
    }
    record
}
