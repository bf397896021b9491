//! When bytes leave, and when they arrive.

use std::{num::NonZeroU64, time::Duration};

use tokio::time::Instant;

/// One direction's share of the rate: bytes leave one behind the other, whatever connection they
/// belong to.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    free: Option<Instant>,
}

impl Pace {
    /// When `count` bytes that are there at `now` have left.
    pub(crate) fn leave(
        &mut self,
        now: Instant,
        count: usize,
        rate: Option<NonZeroU64>,
    ) -> Instant {
        let begin = self.free.map_or(now, |free| free.max(now));
        let Some(rate) = rate else {
            // Bytes that wait for a former rate hold nobody up.
            self.free = None;
            return now;
        };
        let micros = u128::from(count as u64) * 1_000_000 / u128::from(rate.get());
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        let left = begin + Duration::from_micros(micros).min(LONGEST);
        self.free = Some(left);
        left
    }
}

/// No read takes longer to leave: `Instant` cannot count much further than this.
const LONGEST: Duration = Duration::from_secs(3600);

/// One connection's arrivals in one direction, which keep their order.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    last: Option<Instant>,
}

impl Arrivals {
    /// When bytes arrive that left at `left` and travel for `travel`.
    pub(crate) fn due(&mut self, left: Instant, travel: Duration) -> Instant {
        let due = left + travel.min(LONGEST);
        let due = self.last.map_or(due, |last| last.max(due));
        self.last = Some(due);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[tokio::test]
    async fn bytes_leave_one_behind_the_other() {
        let now = Instant::now();
        let (mut pace, rate) = (Pace::default(), NonZeroU64::new(1_000_000));
        assert_eq!(pace.leave(now, 10_000, rate), now + ms(10));
        assert_eq!(pace.leave(now, 5_000, rate), now + ms(15));
        // Time in which nothing was to be sent is not made up for.
        assert_eq!(pace.leave(now + ms(100), 1_000, rate), now + ms(101));
        assert_eq!(pace.leave(now + ms(100), 1 << 30, None), now + ms(100));
        assert_eq!(pace.leave(now + ms(100), 1_000, rate), now + ms(101));
    }

    #[tokio::test]
    async fn arrivals_keep_their_order() {
        let now = Instant::now();
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.due(now, ms(50)), now + ms(50));
        assert_eq!(arrivals.due(now + ms(1), ms(10)), now + ms(50));
        assert_eq!(arrivals.due(now + ms(45), ms(10)), now + ms(55));
    }
}
