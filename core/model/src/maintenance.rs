//! When a cache's nodes are restarted, and for what: its patch windows, the order that is under way,
//! and the upgrades of its engine.

mod schedule;
mod upgrade;

use serde::{Deserialize, Serialize};

pub use schedule::{Day, LONGEST_WINDOW, PatchSchedule, PatchWindow, SHORTEST_WINDOW, WindowError};
pub use upgrade::{Hindrance, Newer, PairEngines, hindrance, newer};

use crate::{
    CacheObserved, EngineBuild, OperationId, RollOrder, RollStanding, RollWhat, Timestamp,
};

/// Upgrades that are remembered.
const PAST: usize = 20;

/// What a cache's record says of its maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Maintenance {
    /// When a newer engine may be brought in by itself; `None`: when somebody says so.
    #[serde(default)]
    pub schedule: Option<PatchSchedule>,
    /// Orders given so far.
    #[serde(default)]
    pub given: u64,
    /// The order that is under way.
    #[serde(default)]
    pub order: Option<GivenOrder>,
    /// Upgrades that have ended, the latest last.
    #[serde(default)]
    pub past: Vec<PastUpgrade>,
}

/// An order to a cache's agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenOrder {
    /// What is to be done.
    pub order: RollOrder,
    /// When it was given.
    pub at: Timestamp,
    /// The operation that ends with it.
    pub operation: OperationId,
    /// What its nodes ran then, when it is an upgrade.
    #[serde(default)]
    pub from: Option<EngineBuild>,
}

/// An upgrade that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastUpgrade {
    /// When it ended.
    pub at: Timestamp,
    /// What the nodes ran before.
    pub from: Option<EngineBuild>,
    /// What they were to run.
    pub to: EngineBuild,
    /// Why they do not, or not all of them.
    pub failed: Option<String>,
}

impl Maintenance {
    /// The same with one more order.
    #[must_use]
    pub fn with_order(
        &self,
        what: RollWhat,
        at: Timestamp,
        operation: OperationId,
        from: Option<EngineBuild>,
    ) -> Self {
        let id = self.given + 1;
        Self {
            given: id,
            order: Some(GivenOrder {
                order: RollOrder { id, what },
                at,
                operation,
                from,
            }),
            ..self.clone()
        }
    }

    /// The same without its order, which has ended.
    #[must_use]
    pub fn after_order(&self, at: Timestamp, failed: Option<&str>) -> Self {
        let mut next = self.clone();
        let ended = next.order.take();
        if let Some(GivenOrder { order, from, .. }) = ended
            && let RollWhat::Upgrade { to } = order.what
        {
            next.past.push(PastUpgrade {
                at,
                from,
                to,
                failed: failed.map(str::to_owned),
            });
            let too_many = next.past.len().saturating_sub(PAST);
            next.past.drain(..too_many);
        }
        next
    }

    /// The last upgrade to this build failed: it is not tried again without somebody's word.
    #[must_use]
    pub fn has_failed(&self, to: &EngineBuild) -> bool {
        let last = self.past.iter().rev().find(|past| past.to == *to);
        last.is_some_and(|past| past.failed.is_some())
    }
}

impl GivenOrder {
    /// How its agent says that it stands; `None`: it has not taken it up.
    #[must_use]
    pub fn standing<'a>(&self, seen: &'a CacheObserved) -> Option<&'a RollStanding> {
        let roll = seen.roll.as_ref()?;
        (roll.order == self.order.id).then_some(&roll.standing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EngineKind, EngineVersion, RebootNodes};

    fn build(patch: u16) -> EngineBuild {
        let version = EngineVersion {
            kind: EngineKind::Valkey,
            major: 8,
            minor: 0,
            patch,
        };
        EngineBuild::new(version, "a")
    }

    fn upgraded(of: &Maintenance, patch: u16, failed: Option<&str>) -> Maintenance {
        let what = RollWhat::Upgrade { to: build(patch) };
        let operation = OperationId::new("o");
        let given = of.with_order(what, Timestamp(1), operation, Some(build(1)));
        given.after_order(Timestamp(2), failed)
    }

    #[test]
    fn orders_are_counted_and_upgrades_remembered() {
        let mut maintenance = Maintenance::default();
        for _ in 0..PAST + 3 {
            maintenance = upgraded(&maintenance, 2, None);
        }
        assert_eq!(maintenance.past.len(), PAST);
        assert_eq!(maintenance.given, 23);
        let reboot = RollWhat::Reboot {
            shard: None,
            nodes: RebootNodes::All,
        };
        let given = maintenance.with_order(reboot, Timestamp(3), OperationId::new("p"), None);
        assert_eq!(given.order.as_ref().unwrap().order.id, 24);
        assert_eq!(given.after_order(Timestamp(4), None).past.len(), PAST);
    }

    #[test]
    fn a_failed_upgrade_counts_until_one_to_the_same_build_succeeds() {
        let failed = upgraded(&Maintenance::default(), 2, Some("it does not start"));
        assert!(failed.has_failed(&build(2)) && !failed.has_failed(&build(3)));
        let later = upgraded(&failed, 2, None);
        assert!(!later.has_failed(&build(2)));
    }

    #[test]
    fn a_record_of_before_has_none() {
        let none: Maintenance = serde_json::from_str("{}").unwrap();
        assert_eq!(none, Maintenance::default());
    }
}
