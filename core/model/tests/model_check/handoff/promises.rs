//! What must hold in every state, at every step, and in the end.

use model::{GeoRole, LinkPhase, LinkRecord, Standing};

use super::{
    model::{Broken, Handoff},
    state::{End, LOOK, State},
};

pub(crate) const NOTHING_LOST: Broken = "an acknowledged write is in the new primary at promotion";
pub(crate) const HELD: Broken = "an acknowledged write is in some engine or in a receipt";
pub(crate) const NOTED: Broken = "where it took over is on disk before it takes writes";
pub(crate) const RIGHT: Broken = "the record says where each shard took over";
pub(crate) const ONE_SIDE: Broken = "client writes are taken on one side at most";
pub(crate) const DECIDED: Broken = "nothing is promoted without the decision";
pub(crate) const FENCED: Broken = "a fence is lifted by the record once the barrier may be sent";
pub(crate) const FORWARD: Broken = "epochs and generations never go back";
pub(crate) const ENDS_ONCE: Broken = "a handoff ends once";

/// What a step must keep.
pub(crate) fn kept_by(before: &State, after: &State) -> Result<(), Broken> {
    let epochs = |state: &State| [state.sides[0].epoch, state.sides[1].epoch];
    let (old, new) = (epochs(before), epochs(after));
    if new[0] < old[0] || new[1] < old[1] || after.version < before.version {
        return Err(FORWARD);
    }
    Ok(())
}

impl Handoff {
    /// `REPLICAOF NO ONE` is about to be said.
    pub(crate) fn may_stand_alone(
        &self,
        state: &State,
        side: usize,
        shard: usize,
    ) -> Result<(), Broken> {
        let now = &state.sides[side];
        let engine = &now.engines[shard];
        // Behind a shut gate it is only read.
        if !engine.follows || engine.shut {
            return Ok(());
        }
        let owner = usize::from(state.ledger.owners & (1 << now.epoch) != 0);
        if !engine.follower {
            let lifted = match state.ledger.ends[usize::from(engine.declared)] {
                End::Open => engine.declared == 0,
                End::Aborted | End::Forced => true,
                // The other side was to take over; by force the role may come back since.
                End::Promoted => state.ledger.forced && owner == side,
            };
            return if lifted { Ok(()) } else { Err(FENCED) };
        }
        let order = self.orders.get(now.agent.order);
        let GeoRole::Primary { standing, .. } = &order.role else {
            return Err(DECIDED);
        };
        if owner != side {
            return Err(DECIDED);
        }
        let lacks = state.ledger.acknowledged[shard] & !engine.log.set();
        let planned = matches!(standing, Standing::AtBarrier { .. }) && !state.ledger.forced;
        if planned && lacks != 0 {
            return Err(NOTHING_LOST);
        }
        Ok(())
    }

    pub(crate) fn broken_in(&self, state: &State) -> Option<Broken> {
        let takes = |side: usize| {
            let mut shards = self.shards();
            shards.any(|shard| state.sides[side].engines[shard].takes_writes())
        };
        if takes(0) && takes(1) && (!state.ledger.forced || self.both_know(state)) {
            return Some(ONE_SIDE);
        }
        let lost = |shard: usize| {
            let held = |side: usize| state.sides[side].engines[shard].log.set();
            let kept = held(0) | held(1) | state.ledger.saved;
            state.ledger.acknowledged[shard] & !kept != 0
        };
        if self.shards().any(lost) {
            return Some(HELD);
        }
        let unnoted = |side: usize| {
            self.shards()
                .any(|shard| self.forks_unnoted(state, side, shard))
        };
        (unnoted(0) || unnoted(1)).then_some(NOTED)
    }

    /// It took over by force, takes writes, and where that was is not on disk.
    fn forks_unnoted(&self, state: &State, side: usize, shard: usize) -> bool {
        let now = &state.sides[side];
        let order = self.orders.get(now.order);
        let memory = self.memories.get(now.memory[shard]);
        let GeoRole::Primary {
            standing: Standing::Forced { at, .. },
            ..
        } = &order.role
        else {
            return false;
        };
        let adopted = now.agent.order == now.order;
        let noted = memory.fork.is_some_and(|(of, _)| of == *at);
        adopted && now.engines[shard].takes_writes() && !noted
    }

    /// The record says of each shard where it took over.
    pub(crate) fn forks_are_right(&self, state: &State, record: &LinkRecord) -> bool {
        let Standing::Forced {
            forks: Some(forks), ..
        } = &record.standing
        else {
            return true;
        };
        let side = Self::primary_side(record);
        let right = |(shard, fork): (usize, &psync::Position)| {
            state.sides[side].engines[shard].before == Some(self.place(*fork))
        };
        forks.iter().enumerate().all(right)
    }

    /// Both agents have done what the present epoch asks of them.
    fn both_know(&self, state: &State) -> bool {
        let record = self.records.get(state.record);
        (0..2).all(|side| {
            let now = &state.sides[side];
            let reported = self.told.find(now.agent.board);
            u64::from(now.epoch) == record.epoch.0
                && now.agent.order == state.desired[side]
                && now.agent.at == LOOK
                && now.agent.shard == 0
                && reported.is_some_and(|told| told.epoch == record.epoch)
        })
    }

    /// One side serves, the other follows and has everything, and every handoff has ended.
    pub(crate) fn at_rest(&self, state: &State) -> bool {
        let record = self.records.get(state.record);
        if record.phase != LinkPhase::Linked || state.planned.is_some() {
            return false;
        }
        let primary = Self::primary_side(&record);
        let (leads, follows) = (&state.sides[primary], &state.sides[1 - primary]);
        let idle = |side: usize| {
            let now = &state.sides[side];
            let agent = &now.agent;
            now.order == state.desired[side]
                && agent.order == now.order
                && agent.at == LOOK
                && agent.shard == 0
                && state.heard[side] == agent.board
        };
        let ended = (1..=record.attempt)
            .all(|attempt| state.ledger.ends[usize::try_from(attempt).unwrap()] != End::Open);
        let whole = |shard: usize| {
            let (here, there) = (&leads.engines[shard], &follows.engines[shard]);
            let half = &leads.agent.halves[shard];
            let lacks = state.ledger.acknowledged[shard] & !here.log.set();
            here.takes_writes()
                && !half.paused
                && there.follows
                && here.place() == there.place()
                && here.log == there.log
                && half.session == Some(here.log.len)
                && (lacks == 0 || state.ledger.forced)
        };
        idle(0) && idle(1) && ended && self.shards().all(whole)
    }
}
