//! Planted mistakes: each is a wrapper round the real machine, and the search has to find it.

use model::{
    Decision, GeoRole, LinkRecord, Rejoin, Standing, Timestamp,
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
    /// That the barrier may have been sent is not on disk.
    ForgetsTheBarrier,
    /// The decision is asked for when one shard is ready.
    ReadyWithOneShard,
    /// A shard is ready when its barrier is there, wherever it stands.
    ReadyBehindTheBarrier,
    /// A barrier of another attempt counts.
    ReadyAtAnyBarrier,
    /// A ready side is promoted without the decision.
    PromotesUndecided,
    /// A fence is not taken back when the handoff was aborted.
    StaysFenced,
    /// A former primary of a forced failover follows at once.
    RejoinsWithoutSaving,
    /// It does not shut its gate.
    LeavesItsGateOpen,
    /// The new primary of a forced failover does not note where it took over.
    ForgetsTheFork,
    /// An agent takes an older desired state.
    TakesOlderOrders,
}

impl Mutation {
    pub(crate) fn decide(
        mutation: Option<Self>,
        record: &LinkRecord,
        attempt: u64,
        barriers: &[Position],
    ) -> Decision {
        let any = mutation == Some(Self::DecidesAnyAttempt);
        let attempt = if any { record.attempt } else { attempt };
        record.decide(attempt, barriers, Timestamp(0))
    }

    /// The plan of the real planner, or what the mistake makes of it.
    pub(crate) fn plan(mutation: Option<Self>, now: &Situation<'_>) -> Plan {
        let Some(mutation) = mutation else {
            return plan(now);
        };
        let mut planned = match (mutation, now.role) {
            (Self::ReadyAtAnyBarrier, GeoRole::Taking { attempt, .. }) => plan(&Situation {
                link: LinkView {
                    barrier: now.link.barrier.map(|(_, barrier)| (*attempt, barrier)),
                    ..now.link
                },
                ..*now
            }),
            (
                Self::RejoinsWithoutSaving,
                GeoRole::Secondary {
                    link,
                    source,
                    rejoin: _,
                },
            ) => plan(&Situation {
                role: &GeoRole::Secondary {
                    link: link.clone(),
                    source: *source,
                    rejoin: Rejoin::Freely,
                },
                ..*now
            }),
            (_, _) => plan(now),
        };
        if let GeoRole::Yielding { attempt, .. } = now.role {
            mutation.yields_wrongly(now, *attempt, &mut planned);
        }
        if mutation == Self::StaysFenced && founded(now) {
            let stands_alone = |step: &Step| matches!(step, Step::StandAlone { .. });
            planned.steps.retain(|step| !stands_alone(step));
        }
        if gate_shuts(now) && mutation == Self::LeavesItsGateOpen {
            planned.steps.clear();
        }
        if mutation == Self::ForgetsTheFork {
            for step in &mut planned.steps {
                if let Step::Remember(memory) = step {
                    memory.fork = None;
                }
            }
        }
        if let GeoRole::Taking { attempt, .. } = now.role {
            if mutation == Self::ReadyBehindTheBarrier {
                planned.ready = now.link.barrier.filter(|(of, _)| of == attempt);
            }
            if mutation == Self::PromotesUndecided && planned.ready.is_some() {
                planned.steps = vec![Step::StandAlone { node: 0 }];
            }
        }
        planned
    }

    fn yields_wrongly(self, now: &Situation<'_>, attempt: u64, planned: &mut Plan) {
        let declared = matches!(now.memory.stance, Stance::Fenced { declared: true, .. });
        if self == Self::LiftsItsFence && declared && now.link.sent.is_none() {
            planned.steps = vec![Step::LiftFence, Step::StandAlone { node: 0 }];
        }
        if self == Self::ForgetsTheBarrier {
            planned.steps.retain(|step| !remembers_barrier(step));
        }
        if self == Self::DeclaresUnfenced
            && let Some(at) = planned.steps.iter().position(follows_inbound)
            && let Some(position) = now.link.sent
        {
            planned.steps[at] = Step::DeclareBarrier { attempt, position };
            let resumes = |step: &Step| matches!(step, Step::Resume { .. });
            planned.steps.retain(|step| !resumes(step));
        }
    }
}

fn founded(now: &Situation<'_>) -> bool {
    let founder = Standing::Founder;
    matches!(now.role, GeoRole::Primary { standing, .. } if *standing == founder)
}

fn gate_shuts(now: &Situation<'_>) -> bool {
    matches!(
        now.role,
        GeoRole::Secondary {
            rejoin: Rejoin::AfterForce { .. },
            ..
        }
    )
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

fn remembers_barrier(step: &Step) -> bool {
    matches!(step, Step::Remember(memory) if matches!(memory.stance, Stance::Fenced { declared: true, .. }))
}
