//! A limit on bytes a second, with bursts.

use std::{num::NonZeroU64, time::Duration};

use tokio::time::Instant;

/// What may go at once after a pause, as time at the full rate.
const BURST: Duration = Duration::from_millis(250);

/// A token bucket. Its rate may change at any time; what was sent before still counts.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Option<NonZeroU64>,
    /// When the bytes sent so far will have been paid for.
    paid: Instant,
}

impl Bucket {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            rate: None,
            paid: now,
        }
    }

    /// Sets the rate, in bytes a second; `None` lets everything through.
    pub(crate) fn set_rate(&mut self, rate: Option<NonZeroU64>, now: Instant) {
        if self.rate != rate {
            self.rate = rate;
            // A debt at a low rate is not owed at a high one.
            self.paid = self.paid.min(now);
        }
    }

    /// `bytes` were sent; tells until when nothing more may be.
    pub(crate) fn sent(&mut self, bytes: u64, now: Instant) -> Option<Instant> {
        let rate = self.rate?;
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.get());
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.paid = self.paid.max(earliest) + cost;
        (self.paid > now).then_some(self.paid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_of_bytes_takes_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        assert_eq!(bucket.sent(1 << 30, start), None);
        bucket.set_rate(NonZeroU64::new(1000), start);
        let mut now = start;
        for _ in 0..100 {
            now = bucket.sent(100, now).unwrap_or(now);
        }
        // There was no pause, so there is no burst.
        assert_eq!(now - start, Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_pause_gives_a_burst_and_no_more() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        bucket.set_rate(NonZeroU64::new(1000), start);
        let later = start + Duration::from_secs(3600);
        assert_eq!(bucket.sent(250, later), None);
        assert_eq!(
            bucket.sent(100, later),
            Some(later + Duration::from_millis(100))
        );
    }

    #[tokio::test]
    async fn a_higher_rate_counts_at_once() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        bucket.set_rate(NonZeroU64::new(1), start);
        assert!(bucket.sent(1000, start).is_some());
        bucket.set_rate(NonZeroU64::new(1_000_000), start);
        assert_eq!(bucket.sent(1000, start + BURST), None);
    }
}
