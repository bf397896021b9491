//! The halves of the link, the engines, and the clients.

use super::{
    model::Handoff,
    state::{Fence, Place, State},
    step::Step,
};

impl Handoff {
    pub(crate) fn relay_steps(
        &self,
        state: &State,
        side: usize,
        shard: usize,
        into: &mut Vec<(Step, bool)>,
    ) {
        let now = &state.sides[side];
        let (engine, half) = (&now.engines[shard], &now.agent.halves[shard]);
        if engine.takes_writes() && state.left.writes > 0 {
            into.push((Step::Write { side, shard }, false));
        }
        if engine.paused {
            into.push((Step::PauseEnds { side, shard }, true));
        } else if half.paused {
            into.push((Step::PauseForgotten { side, shard }, true));
        }
        if let Some(until) = engine.tail {
            if engine.log.len < until {
                into.push((Step::TakeTail { side, shard }, true));
            }
            into.push((Step::TailEnds { side, shard }, true));
        }
        if self.can_connect(state, side, shard) {
            into.push((Step::Connect { side, shard }, true));
        }
        if let Some(sent) = half.session {
            let other = &state.sides[1 - side].engines[shard];
            if sent < engine.log.len && !engine.dry {
                into.push((Step::Pump { side, shard }, true));
            }
            if other.log.len < sent {
                into.push((
                    Step::Take {
                        side: 1 - side,
                        shard,
                    },
                    true,
                ));
            }
            if state.left.cuts > 0 {
                into.push((Step::Cut { side, shard }, false));
            }
            if let Fence::Declared(attempt, barrier) = half.fence {
                let stands = sent == barrier.offset && barrier.history == engine.history;
                let known = state.sides[1 - side].agent.halves[shard].barrier;
                if stands && known != Some((attempt, barrier)) {
                    into.push((
                        Step::TakeBarrier {
                            side: 1 - side,
                            shard,
                        },
                        true,
                    ));
                }
            }
        }
    }

    /// `side` is the following one.
    fn can_connect(&self, state: &State, side: usize, shard: usize) -> bool {
        let (here, there) = (&state.sides[side], &state.sides[1 - side]);
        let target = here.agent.halves[shard].target;
        let half = &there.agent.halves[shard];
        here.engines[shard].follows
            && here.engines[shard].tail.is_none()
            && target != 0
            && half.serves == target
            && half.session.is_none()
            // A fenced engine gives nobody a snapshot.
            && (self.goes_on(state, side, shard) || !there.engines[shard].follows)
    }

    /// The other side's history is the one of this engine, and has not ended before it.
    fn goes_on(&self, state: &State, side: usize, shard: usize) -> bool {
        let have = state.sides[side].engines[shard].place();
        let there = &state.sides[1 - side].engines[shard];
        let within = |end: Place| have.history == end.history && have.offset <= end.offset;
        within(there.place()) || there.before.is_some_and(within)
    }

    /// The engine of `side` gets what it asked for: the stream from where it stands, or everything.
    pub(crate) fn connect(&self, state: &mut State, side: usize, shard: usize) {
        let goes_on = self.goes_on(state, side, shard);
        let there = state.sides[1 - side].engines[shard];
        let engine = &mut state.sides[side].engines[shard];
        if !goes_on {
            engine.log = there.log;
        }
        if engine.history != there.history {
            engine.before = Some(engine.place());
            engine.history = there.history;
        }
        (engine.follower, engine.declared, engine.dry) = (true, 0, false);
        let sent = engine.log.len;
        state.sides[side].agent.halves[shard].barrier = None;
        state.sides[1 - side].agent.halves[shard].session = Some(sent);
    }

    /// The barrier arrives at the following `side`, perhaps before the last bytes are applied.
    pub(crate) fn take_barrier(&self, state: &mut State, side: usize, shard: usize) {
        if let Fence::Declared(attempt, at) = state.sides[1 - side].agent.halves[shard].fence {
            state.sides[side].agent.halves[shard].barrier = Some((attempt, at));
        }
    }

    pub(crate) fn write(&self, state: &mut State, side: usize, shard: usize) {
        state.left.writes -= 1;
        state.ledger.writes += 1;
        let write = state.ledger.writes;
        state.sides[side].engines[shard].log.push(write);
        state.ledger.acknowledged[shard] |= 1 << write;
    }
}
