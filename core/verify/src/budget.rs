//! How fast the engines are asked: so much a second, and never more than a moment's worth at once.

use std::time::Duration;

/// What may be spent at once after a pause.
const BURST: Duration = Duration::from_millis(50);

/// An amount a second. What was spent beyond it is waited for before the next is.
#[derive(Debug, Clone)]
pub struct Budget {
    /// `None`: no limit.
    per_second: Option<u64>,
    /// When everything spent so far is paid for, since the beginning.
    paid: Duration,
}

impl Budget {
    /// Allows `per_second`, or everything.
    #[must_use]
    pub fn new(per_second: Option<u64>) -> Self {
        Self {
            per_second,
            paid: Duration::ZERO,
        }
    }

    /// How long to wait at `now` (since the beginning) before something is asked.
    #[must_use]
    pub fn wait(&self, now: Duration) -> Duration {
        self.paid.saturating_sub(now + BURST)
    }

    /// Notes what was spent.
    pub fn spend(&mut self, amount: u64, now: Duration) {
        if let Some(per_second) = self.per_second {
            let nanos = u128::from(amount) * 1_000_000_000 / u128::from(per_second.max(1));
            let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            self.paid = self.paid.max(now).saturating_add(cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_rate_is_kept_and_used(amounts in proptest::collection::vec(1_u64..5_000, 1..50)) {
            let mut budget = Budget::new(Some(1_000));
            let mut now = Duration::ZERO;
            for amount in &amounts {
                now += budget.wait(now);
                budget.spend(*amount, now);
            }
            now += budget.wait(now);
            let spent = Duration::from_millis(amounts.iter().sum());
            prop_assert!(now + BURST >= spent && now <= spent, "{now:?} {spent:?}");
        }
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let mut budget = Budget::new(None);
        budget.spend(u64::MAX, Duration::ZERO);
        assert_eq!(budget.wait(Duration::ZERO), Duration::ZERO);
    }
}
