//! A shard's part in a handoff: when its writes may be paused, and what it did when.

use std::time::Duration;

use model::{
    CacheDesired, GeoRole, HandoffStep, ShardStanding,
    shard::{ShardMemory, Stance, Step, Upstream},
};
use tokio::time::Instant;

use super::ShardRunner;
use crate::cache::{handoff::attempt_of, store::CacheStore};

/// Writes are paused when the other side has applied all but those of the last round trip and this
/// much more. The longer that takes, the longer a pause is put up with: a quarter of the wait.
const NEARLY: Duration = Duration::from_millis(20);
const PATIENCE: u32 = 4;

/// Where a shard is in a handoff.
#[derive(Default)]
pub(super) struct ShardHandoff {
    /// The one that is under way, and since when.
    attempt: Option<(u64, Instant)>,
    /// The one whose barrier this run of the agent has declared, whatever is on disk.
    declared: Option<u64>,
    steps: Vec<(HandoffStep, Instant)>,
}

impl ShardRunner {
    pub(super) fn follow_handoff(&mut self, desired: &CacheDesired) {
        let attempt = attempt_of(desired);
        if self.handoff.attempt.map(|(known, _)| known) == attempt {
            return;
        }
        self.handoff.attempt = attempt.map(|attempt| (attempt, Instant::now()));
        self.handoff.declared = None;
    }

    /// The other side is so far behind that a pause would be a long one.
    pub(super) fn lags(&self) -> bool {
        let Some((_, since)) = self.handoff.attempt else {
            return false;
        };
        let patience = NEARLY + since.elapsed() / PATIENCE;
        let lag = self.link.lag();
        lag.is_none_or(|(lag, round_trip)| lag > round_trip + patience)
    }

    /// What the planner is to know: what is on disk, and whether the barrier was declared although
    /// the disk does not say so yet.
    pub(super) fn memory(&self, store: &CacheStore) -> ShardMemory {
        let memory = store.shard(self.shard).memory;
        match memory.stance {
            Stance::Fenced { attempt, .. } if self.handoff.declared == Some(attempt) => {
                memory.recalled()
            }
            Stance::Fenced { .. } | Stance::Primary | Stance::Follower => memory,
        }
    }

    /// What the shard would write first under this order, as far as it is known without looking
    /// again; `None`: nothing, or something else comes first.
    pub(in crate::cache) fn foresee(
        &self,
        store: &CacheStore,
        order: &CacheDesired,
    ) -> Option<ShardMemory> {
        let plan = self.plan(store, order, self.link.is_held(), None);
        if let Step::Remember(memory) = plan.steps.into_iter().next()? {
            return Some(memory);
        }
        None
    }

    /// Notes what arrived.
    pub(super) fn note_arrivals(&mut self, desired: &CacheDesired) {
        let GeoRole::Taking { attempt, .. } = &desired.role else {
            return;
        };
        let barrier = self.link.view().barrier;
        if barrier.is_some_and(|(of, _)| of == *attempt) {
            self.note(HandoffStep::BarrierReceived);
        }
        if self.ready.is_some_and(|(of, _)| of == *attempt) {
            self.note(HandoffStep::Applied);
        }
    }

    /// Notes a step that was carried out.
    pub(super) fn note_step(&mut self, desired: &CacheDesired, step: &Step) {
        let GeoRole::Yielding { .. } = &desired.role else {
            return;
        };
        match step {
            Step::Pause { .. } => self.note(HandoffStep::WritesPaused),
            Step::ExpectFence => self.note(HandoffStep::Sent),
            Step::Follow {
                upstream: Upstream::Inbound,
                ..
            } => self.note(HandoffStep::Fenced),
            Step::DeclareBarrier { attempt, .. } => {
                self.handoff.declared = Some(*attempt);
                self.note(HandoffStep::BarrierDeclared);
            }
            Step::Remember(_)
            | Step::Start { .. }
            | Step::Retire { .. }
            | Step::Install { .. }
            | Step::Follow { .. }
            | Step::StandAlone { .. }
            | Step::TakeServiceAddress { .. }
            | Step::TakePauseOver { .. }
            | Step::SetGate { .. }
            | Step::Resume { .. }
            | Step::Drain
            | Step::SaveLost { .. }
            | Step::LiftFence => {}
        }
    }

    fn note(&mut self, step: HandoffStep) {
        self.handoff.steps.push((step, Instant::now()));
    }

    /// What was done since the last time, with its moment.
    pub(in crate::cache) fn take_steps(&mut self) -> Vec<(HandoffStep, Instant)> {
        std::mem::take(&mut self.handoff.steps)
    }

    /// It takes writes, or follows, as its role asks.
    pub(in crate::cache) fn has_settled(&self) -> bool {
        match self.observed.standing {
            ShardStanding::Writable | ShardStanding::Following => true,
            ShardStanding::Starting
            | ShardStanding::Yielded { .. }
            | ShardStanding::Syncing
            | ShardStanding::Cut
            | ShardStanding::Silent
            | ShardStanding::Lost
            | ShardStanding::Unpromotable { .. }
            | ShardStanding::Unleased
            | ShardStanding::Rejoining { .. }
            | ShardStanding::Unsaved { .. } => false,
        }
    }
}
