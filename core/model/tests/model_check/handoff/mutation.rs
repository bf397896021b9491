//! Planted mistakes: each is a wrapper round the real machine, and the search has to find it.

use model::{
    Decision, GeoRole, LinkRecord, Timestamp,
    shard::{LinkView, Plan, Situation, Stance, Step, Upstream, plan},
};
use psync::Position;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mutation {
    /// The record decides whatever the attempt.
    DecidesAnyAttempt,
    /// The control plane commits over what others have committed.
    CommitsBlindly,
    /// The planner lifts a fence that it has declared when the other side is not there.
    LiftsItsFence,
    /// The barrier is declared while clients are only paused.
    DeclaresUnfenced,
    /// The fence is not on disk.
    ForgetsTheFence,
    /// The decision is asked for when one shard is ready.
    ReadyWithOneShard,
    /// A shard is ready when its barrier is there, wherever it stands.
    ReadyBehindTheBarrier,
    /// A barrier of another attempt counts.
    ReadyAtAnyBarrier,
    /// A ready side is promoted without the decision.
    PromotesUndecided,
    /// An agent takes an older desired state.
    TakesOlderOrders,
    /// The new primary does not look where it stands, and the decision not whether the barriers are there.
    AbortsAfterTheDecision,
}

impl Mutation {
    pub(crate) fn decide(
        mutation: Option<Self>,
        record: &LinkRecord,
        attempt: u64,
        barriers: &[Position],
    ) -> Decision {
        let attempt = match mutation {
            Some(Self::DecidesAnyAttempt) => record.attempt,
            _ => attempt,
        };
        record.decide(attempt, barriers, Timestamp(0))
    }

    /// The plan of the real planner, or what the mistake makes of it.
    pub(crate) fn plan(mutation: Option<Self>, now: &Situation<'_>) -> Plan {
        let mut planned = match (mutation, now.role) {
            (Some(Self::ReadyAtAnyBarrier), GeoRole::Taking { attempt, .. }) => plan(&Situation {
                link: LinkView {
                    barrier: now.link.barrier.map(|(_, barrier)| (*attempt, barrier)),
                    ..now.link
                },
                ..*now
            }),
            _ => plan(now),
        };
        match (mutation, now.role) {
            (Some(Self::LiftsItsFence), GeoRole::Yielding { .. }) => {
                let declared = matches!(now.memory.stance, Stance::Fenced { declared: true, .. });
                if declared && now.link.sent.is_none() {
                    planned.steps = vec![Step::LiftFence, Step::StandAlone { node: 0 }];
                }
            }
            (Some(Self::DeclaresUnfenced), GeoRole::Yielding { attempt, .. }) => {
                let fences = planned.steps.iter().position(follows_inbound);
                if let Some(at) = fences
                    && let Some(position) = now.link.sent
                {
                    planned.steps[at] = Step::DeclareBarrier {
                        attempt: *attempt,
                        position,
                    };
                    planned.steps.retain(|s| !matches!(s, Step::Resume { .. }));
                }
            }
            (Some(Self::ForgetsTheFence), GeoRole::Yielding { .. }) => {
                planned.steps.retain(|step| !remembers_fence(step));
            }
            (Some(Self::ReadyBehindTheBarrier), GeoRole::Taking { attempt, .. }) => {
                planned.ready = now.link.barrier.filter(|(of, _)| of == attempt);
            }
            (Some(Self::PromotesUndecided), GeoRole::Taking { .. }) if planned.ready.is_some() => {
                planned.steps = vec![Step::StandAlone { node: 0 }];
            }
            _ => {}
        }
        planned
    }
}

fn follows_inbound(step: &Step) -> bool {
    matches!(
        step,
        Step::Follow {
            upstream: Upstream::Inbound,
            ..
        }
    )
}

fn remembers_fence(step: &Step) -> bool {
    matches!(step, Step::Remember(memory) if matches!(memory.stance, Stance::Fenced { .. }))
}
