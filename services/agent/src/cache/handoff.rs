//! What this side does in a handoff, and when: for people, and for whoever makes it shorter.

use std::collections::BTreeMap;

use model::{
    CacheDesired, EventKind, GeoRole, HandoffObserved, HandoffStep, HandoffStepObserved, LinkId,
    ShardIndex, Standing,
};
use tokio::time::Instant;

use super::Host;

/// The latest handoff that this side took part in since the agent started.
pub(super) struct Handoff {
    link: LinkId,
    attempt: u64,
    began: Instant,
    /// When each shard did each step for the first time.
    done: BTreeMap<HandoffStep, BTreeMap<ShardIndex, Instant>>,
    told: Vec<HandoffStepObserved>,
}

/// The handoff that an order is of, while it is under way.
pub(super) fn attempt_of(order: &CacheDesired) -> Option<u64> {
    match &order.role {
        GeoRole::Yielding { attempt, .. } | GeoRole::Taking { attempt, .. } => Some(*attempt),
        GeoRole::Alone | GeoRole::Primary { .. } | GeoRole::Secondary { .. } => None,
    }
}

/// The side that an order continues: a step of the other one is not its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Primary,
    Secondary,
}

impl Handoff {
    /// The handoff of this order; `before` goes on when it is the same one.
    pub(super) fn of(before: Option<Self>, order: &CacheDesired) -> Option<Self> {
        let link = order.role.link();
        let (Some(attempt), Some(link)) = (attempt_of(order), link) else {
            return before.filter(|before| link.is_none_or(|link| *link == before.link));
        };
        let goes_on = |before: &Self| before.attempt == attempt && before.link == *link;
        before.filter(goes_on).or_else(|| {
            Some(Self {
                link: link.clone(),
                attempt,
                began: Instant::now(),
                done: BTreeMap::new(),
                told: Vec::new(),
            })
        })
    }

    /// A shard did a step just now. What it did before is not done again.
    pub(super) fn note(&mut self, shard: ShardIndex, step: HandoffStep, at: Instant) {
        let shards = self.done.entry(step).or_default();
        shards.entry(shard).or_insert(at);
    }

    /// The step that a shard has come to with nothing left to do but what its role asks.
    pub(super) fn settled(&self, order: &CacheDesired) -> Option<HandoffStep> {
        let began = |step| self.done.contains_key(&step);
        let ends = [
            HandoffStep::Promoted,
            HandoffStep::Followed,
            HandoffStep::Resumed,
        ];
        if self.told.iter().any(|told| ends.contains(&told.step)) {
            return None;
        }
        let side = if began(HandoffStep::BarrierReceived) {
            Side::Secondary
        } else if began(HandoffStep::WritesPaused) {
            Side::Primary
        } else {
            return None;
        };
        match (&order.role, side) {
            (GeoRole::Secondary { .. }, Side::Primary) => Some(HandoffStep::Followed),
            (GeoRole::Primary { .. }, Side::Primary) => Some(HandoffStep::Resumed),
            (GeoRole::Primary { standing, .. }, Side::Secondary) => match standing {
                Standing::AtBarrier { attempt, .. } if *attempt == self.attempt => {
                    Some(HandoffStep::Promoted)
                }
                Standing::AtBarrier { .. }
                | Standing::Founder
                | Standing::AsFound
                | Standing::Forced { .. } => None,
            },
            (GeoRole::Secondary { .. }, Side::Secondary)
            | (GeoRole::Alone | GeoRole::Yielding { .. } | GeoRole::Taking { .. }, _) => None,
        }
    }

    /// Tells of the steps that every shard has done by now.
    pub(super) fn tell(&mut self, host: &Host, shards: usize) {
        for (step, done) in &self.done {
            if done.len() < shards || self.told.iter().any(|told| told.step == *step) {
                continue;
            }
            let last = done.values().max().copied().unwrap_or(self.began);
            let ms = last.saturating_duration_since(self.began).as_secs_f64() * 1_000.0;
            self.told.push(HandoffStepObserved { step: *step, ms });
            let text = format!(
                "{} after {ms:.1} ms (handoff {})",
                said(*step),
                self.attempt
            );
            let kind = EventKind::HandoffStep;
            host.board.tell_of(self.link.clone(), None, kind, text);
        }
    }

    pub(super) fn observed(&self) -> HandoffObserved {
        HandoffObserved {
            attempt: self.attempt,
            steps: self.told.clone(),
        }
    }
}

fn said(step: HandoffStep) -> &'static str {
    match step {
        HandoffStep::WritesPaused => "geo-primary: writes stopped",
        HandoffStep::Sent => "geo-primary: everything is sent",
        HandoffStep::Fenced => "geo-primary: fenced",
        HandoffStep::BarrierDeclared => "geo-primary: the barrier is declared",
        HandoffStep::BarrierReceived => "geo-secondary: the barrier is there",
        HandoffStep::Applied => "geo-secondary: everything is applied",
        HandoffStep::DecisionAsked => "geo-secondary: the decision is asked for",
        HandoffStep::Decided => "geo-secondary: decided",
        HandoffStep::Promoted => "the former geo-secondary takes writes",
        HandoffStep::Followed => "the former geo-primary follows",
        HandoffStep::Resumed => "geo-primary: given up, writes are taken again",
    }
}
