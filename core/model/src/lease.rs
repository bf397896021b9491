//! Leases: a geo-primary's right to take writes for a while, where a link asks for it.
//!
//! The control plane grants one with each report that it hears, and lets a forced failover go ahead
//! only when the last one has surely ended. The agent counts from the moment it *sent* the report,
//! the control plane from the moment it *answered*, so the agent's count always ends first; each
//! counts on a monotonic clock of its own, and no clock of two hosts is compared. What the agent
//! cannot do because it is dead or stopped, its engines do: they take writes only while the agent
//! acknowledges like a replica (`min-replicas-to-write`), and [`DEAD_MAN`] is kept back for that.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{CacheUid, Epoch};

/// The engines take writes for at most so long after their agent's last acknowledgement: two whole
/// seconds of `min-replicas-max-lag`, the second that they round down, and the second between two
/// looks at it (`replicationCron`).
pub const DEAD_MAN: Duration = Duration::from_secs(4);
/// The engines' setting `min-replicas-max-lag`, in seconds, that [`DEAD_MAN`] is made of.
pub const DEAD_MAN_LAG_SECONDS: u32 = 2;
/// Two monotonic clocks may run apart by one part in so many.
const DRIFT: u32 = 50;

/// A geo-primary's right to take writes, as the control plane answers a report with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// The cache.
    pub cache: CacheUid,
    /// The epoch in which it counts.
    pub epoch: Epoch,
    /// How long it lasts, in milliseconds from the moment the report was sent.
    pub ms: u64,
}

/// What the control plane has granted since it started. Moments are what a monotonic clock shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Leases {
    started: Duration,
    granted: BTreeMap<CacheUid, Granted>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Granted {
    until: Duration,
}

impl Leases {
    /// Nothing is granted; an earlier run may have granted anything until `started`.
    #[must_use]
    pub fn new(started: Duration) -> Self {
        Self {
            started,
            granted: BTreeMap::new(),
        }
    }

    /// Grants a lease of `length` to a report that is answered now.
    pub fn grant(
        &mut self,
        cache: &CacheUid,
        epoch: Epoch,
        length: Duration,
        now: Duration,
    ) -> Lease {
        let until = now.saturating_add(length);
        let granted = self.granted.entry(cache.clone());
        let granted = granted.or_insert(Granted { until });
        granted.until = granted.until.max(until);
        Lease {
            cache: cache.clone(),
            epoch,
            ms: u64::try_from(length.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// How long the last lease of a cache may still count, when none was longer than `longest`: zero
    /// when it is surely over. What was granted before this run counts from its start.
    #[must_use]
    pub fn left(&self, cache: &CacheUid, longest: Duration, now: Duration) -> Duration {
        let before = self.started.saturating_add(longest);
        let granted = self.granted.get(cache).map(|granted| granted.until);
        let until = granted.map_or(before, |until| until.max(before));
        until.saturating_sub(now)
    }

    /// Forgets what is surely over, so that removed caches are not remembered for ever.
    pub fn tidy(&mut self, now: Duration) {
        self.granted.retain(|_, granted| granted.until > now);
    }
}

/// The lease that an agent holds for one cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct HeldLease {
    epoch: Epoch,
    /// Writes may be taken, and acknowledgements given, until then.
    until: Duration,
}

impl HeldLease {
    /// Takes a lease that answers a report which was sent at `asked`.
    pub fn renew(&mut self, lease: &Lease, asked: Duration) {
        let length = Duration::from_millis(lease.ms);
        let usable = length
            .saturating_sub(length / DRIFT)
            .saturating_sub(DEAD_MAN);
        let until = asked.saturating_add(usable);
        if lease.epoch > self.epoch {
            *self = Self {
                epoch: lease.epoch,
                until,
            };
        } else if lease.epoch == self.epoch {
            self.until = self.until.max(until);
        }
    }

    /// Tells whether writes of this epoch may be taken.
    #[must_use]
    pub fn is_held(&self, epoch: Epoch, now: Duration) -> bool {
        self.epoch == epoch && now < self.until
    }

    /// How long it still counts in this epoch.
    #[must_use]
    pub fn left(&self, epoch: Epoch, now: Duration) -> Duration {
        if self.epoch == epoch {
            self.until.saturating_sub(now)
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(10);

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn the_holder_stops_before_the_grantor_counts_it_as_over() {
        let (uid, epoch) = (CacheUid::new("a"), Epoch(3));
        let mut leases = Leases::new(Duration::ZERO);
        let mut held = HeldLease::default();
        assert!(!held.is_held(epoch, Duration::ZERO));
        let lease = leases.grant(&uid, epoch, LENGTH, seconds(100));
        held.renew(&lease, seconds(99));
        assert!(held.is_held(epoch, seconds(104)));
        assert!(!held.is_held(epoch, seconds(105)));
        assert!(!held.is_held(Epoch(4), seconds(100)), "of another epoch");
        assert_eq!(leases.left(&uid, LENGTH, seconds(109)), seconds(1));
        assert_eq!(leases.left(&uid, LENGTH, seconds(110)), Duration::ZERO);
    }

    #[test]
    fn what_an_earlier_run_granted_counts_from_the_start_of_this_one() {
        let uid = CacheUid::new("a");
        let mut leases = Leases::new(seconds(50));
        assert_eq!(leases.left(&uid, LENGTH, seconds(55)), seconds(5));
        leases.grant(&uid, Epoch(1), LENGTH, seconds(52));
        assert_eq!(leases.left(&uid, LENGTH, seconds(55)), seconds(7));
        leases.tidy(seconds(62));
        assert_eq!(leases.left(&uid, LENGTH, seconds(62)), Duration::ZERO);
    }

    #[test]
    fn a_lease_of_an_older_epoch_renews_nothing() {
        let uid = CacheUid::new("a");
        let mut leases = Leases::new(Duration::ZERO);
        let old = leases.grant(&uid, Epoch(1), LENGTH, seconds(100));
        let new = leases.grant(&uid, Epoch(2), LENGTH, seconds(100));
        let mut held = HeldLease::default();
        held.renew(&new, seconds(100));
        held.renew(&old, seconds(500));
        assert!(!held.is_held(Epoch(2), seconds(200)));
        assert!(!held.is_held(Epoch(1), seconds(200)));
    }

    proptest! {
        /// Whatever the clocks show and however far they run apart within reason, no engine takes a
        /// write when the grantor says that the lease is over.
        #[test]
        fn engines_have_stopped_when_the_grantor_says_so(
            (sent, way, length, fast) in (0_u64..100_000, 0_u64..30_000, 8_000_u64..120_000, 980_u64..1_020)
        ) {
            let ms = Duration::from_millis;
            let uid = CacheUid::new("a");
            let mut leases = Leases::new(Duration::ZERO);
            // The agent's clock is `fast` thousandths of the control plane's, from the same zero.
            let lease = leases.grant(&uid, Epoch(1), ms(length), ms(sent + way));
            let mut held = HeldLease::default();
            held.renew(&lease, ms(sent * fast / 1000));
            let over = sent + way + length;
            prop_assert_eq!(leases.left(&uid, ms(length), ms(over)), Duration::ZERO);
            let last_acknowledged = over.saturating_sub(4_000) * fast / 1000;
            prop_assert!(!held.is_held(Epoch(1), ms(last_acknowledged + 1)));
        }
    }
}
