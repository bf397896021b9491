//! The names of the steps at which a test can have the agent die.

use model::shard::{Step, Upstream};

/// The step, by what it is and not by what it is done to; what concerns a sibling alone has a name
/// of its own.
pub(super) fn name(step: &Step) -> &'static str {
    match step {
        Step::Remember(_) => "Remember",
        Step::Start { .. } => "Start",
        Step::Retire { .. } => "Retire",
        Step::Install { .. } => "Install",
        Step::Follow {
            upstream: Upstream::Inbound,
            ..
        } => "Follow",
        Step::Follow { .. } => "FollowNode",
        Step::StandAlone { .. } => "StandAlone",
        Step::TakeServiceAddress { .. } => "TakeServiceAddress",
        Step::Pause { .. } => "Pause",
        Step::TakePauseOver { .. } => "TakePauseOver",
        Step::SetGate { .. } => "SetGate",
        Step::Resume { .. } => "Resume",
        Step::ExpectFence => "ExpectFence",
        Step::DeclareBarrier { .. } => "DeclareBarrier",
        Step::LiftFence => "LiftFence",
        Step::Drain => "Drain",
        Step::SaveLost { .. } => "SaveLost",
    }
}
