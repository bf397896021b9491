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
        for HandoffStepObserved { step, ms } in self.news(shards) {
            let text = format!("{} after {ms:.1} ms (handoff {})", said(step), self.attempt);
            let kind = EventKind::HandoffStep;
            host.board.tell_of(self.link.clone(), None, kind, text);
        }
    }

    /// The steps that every one of so many shards has done by now, each once.
    fn news(&mut self, shards: usize) -> Vec<HandoffStepObserved> {
        let known = self.told.len();
        for (step, done) in &self.done {
            if done.len() < shards || self.told.iter().any(|told| told.step == *step) {
                continue;
            }
            let last = done.values().max().copied().unwrap_or(self.began);
            let ms = last.saturating_duration_since(self.began).as_secs_f64() * 1_000.0;
            self.told.push(HandoffStepObserved { step: *step, ms });
        }
        self.told.get(known..).unwrap_or_default().to_vec()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{
        AccessKeys, CacheId, CacheUid, EngineSettings, Epoch, FrontDoor, Presence, Rejoin, Secret,
    };

    use super::*;

    fn order(role: GeoRole) -> CacheDesired {
        let key = || Secret::new("k");
        CacheDesired {
            uid: CacheUid::new("u"),
            id: CacheId {
                subscription: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
                group: "g".parse().unwrap(),
                name: "east".parse().unwrap(),
            },
            revision: 1,
            epoch: Epoch(1),
            presence: Presence::Present,
            role,
            replication: None,
            shards: 2,
            replicas: 1,
            settings: EngineSettings {
                maxmemory_bytes: 1,
                maxmemory_policy: "noeviction".to_owned(),
                maxclients: 1,
                databases: 16,
                notify_keyspace_events: String::new(),
            },
            keys: AccessKeys {
                primary: key(),
                secondary: key(),
            },
            door: FrontDoor::default(),
            transfer: None,
        }
    }

    fn link() -> LinkId {
        LinkId::new("l")
    }

    fn yielding(attempt: u64) -> CacheDesired {
        order(GeoRole::Yielding {
            link: link(),
            attempt,
        })
    }

    fn following() -> CacheDesired {
        order(GeoRole::Secondary {
            link: link(),
            source: None,
            rejoin: Rejoin::Freely,
        })
    }

    #[test]
    fn a_step_is_done_when_the_last_shard_has_done_it_and_is_told_once() {
        let mut handoff = Handoff::of(None, &yielding(4)).unwrap();
        let (one, two) = (ShardIndex(0), ShardIndex(1));
        let at = |ms| handoff.began + Duration::from_millis(ms);
        let (early, late, later) = (at(5), at(9), at(50));
        let paused = HandoffStep::WritesPaused;
        handoff.note(one, paused, early);
        assert_eq!(handoff.news(2), []);
        handoff.note(two, paused, late);
        let told = handoff.news(2);
        assert_eq!(told.len(), 1);
        assert!((told[0].ms - 9.0).abs() < 0.001, "{told:?}");
        handoff.note(one, paused, later);
        assert_eq!(handoff.news(2), [], "it is not done twice");
        assert_eq!(handoff.observed().steps, told);
    }

    #[test]
    fn the_last_handoff_is_kept_until_the_next_one() {
        let mut handoff = Handoff::of(None, &yielding(4)).unwrap();
        let now = handoff.began;
        assert_eq!(handoff.settled(&following()), None, "nothing was done");
        handoff.note(ShardIndex(0), HandoffStep::WritesPaused, now);
        assert_eq!(handoff.settled(&following()), Some(HandoffStep::Followed));
        handoff.note(ShardIndex(0), HandoffStep::Followed, now);
        assert_eq!(handoff.news(1).len(), 2);
        assert_eq!(handoff.settled(&following()), None, "that was told");
        let kept = Handoff::of(Some(handoff), &following()).unwrap();
        assert_eq!(kept.observed().steps.len(), 2);
        let next = Handoff::of(Some(kept), &yielding(5)).unwrap();
        assert_eq!(
            (next.observed().attempt, next.observed().steps),
            (5, vec![])
        );
    }
}
