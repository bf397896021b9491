//! How old the oldest byte is that was sent and is not applied.

use std::{collections::VecDeque, time::Duration};

use psync::Offset;
use tokio::time::Instant;

/// Samples kept; beyond them neighbours are joined, which only makes the answer older.
const SAMPLES: usize = 4096;
/// Bytes that came within this time share a sample.
const FINEST: Duration = Duration::from_millis(1);

/// Samples of (offset of the last byte, time of the first byte), in order.
#[derive(Debug)]
pub(crate) struct LagMeter {
    samples: VecDeque<(Offset, Instant)>,
    grain: Duration,
}

impl LagMeter {
    pub(crate) fn new() -> Self {
        Self {
            samples: VecDeque::new(),
            grain: FINEST,
        }
    }

    /// The stream came up to `end` at `now`.
    pub(crate) fn read(&mut self, end: Offset, now: Instant) {
        if let Some((last, since)) = self.samples.back_mut()
            && now.saturating_duration_since(*since) < self.grain
        {
            *last = end;
            return;
        }
        if self.samples.len() >= SAMPLES {
            self.coarsen();
        }
        self.samples.push_back((end, now));
    }

    /// Everything up to `offset` was applied by `now`; tells how old the oldest of it was, when
    /// any of it was waited for.
    pub(crate) fn applied(&mut self, offset: Offset, now: Instant) -> Option<Duration> {
        let mut oldest = None;
        while let Some((end, since)) = self.samples.front().copied()
            && end <= offset
        {
            oldest.get_or_insert_with(|| now.saturating_duration_since(since));
            self.samples.pop_front();
        }
        if self.samples.is_empty() {
            self.grain = FINEST;
        }
        oldest
    }

    /// Forgets what was read: it belongs to another history.
    pub(crate) fn clear(&mut self) {
        self.samples.clear();
        self.grain = FINEST;
    }

    /// The age at `now` of the oldest byte that is not applied; zero when there is none.
    pub(crate) fn lag(&self, now: Instant) -> Duration {
        let oldest = self.samples.front();
        oldest.map_or(Duration::ZERO, |(_, since)| {
            now.saturating_duration_since(*since)
        })
    }

    fn coarsen(&mut self) {
        self.grain = self.grain.saturating_mul(2);
        let mut joined = VecDeque::with_capacity(SAMPLES);
        let mut samples = self.samples.drain(..);
        while let Some((end, since)) = samples.next() {
            let end = samples.next().map_or(end, |(later, _)| later);
            joined.push_back((end, since));
        }
        drop(samples);
        self.samples = joined;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[tokio::test]
    async fn the_oldest_byte_not_applied_counts() {
        let start = Instant::now();
        let mut meter = LagMeter::new();
        assert_eq!(meter.lag(start), ms(0));
        meter.read(Offset(10), start);
        meter.read(Offset(20), start + ms(100));
        assert_eq!(meter.lag(start + ms(150)), ms(150));
        let now = start + ms(150);
        assert_eq!(meter.applied(Offset(9), now), None);
        assert_eq!(meter.lag(now), ms(150));
        assert_eq!(meter.applied(Offset(10), now), Some(ms(150)));
        assert_eq!(meter.lag(now), ms(50));
        assert_eq!(meter.applied(Offset(20), now), Some(ms(50)));
        assert_eq!(meter.lag(start + ms(150)), ms(0));
    }

    #[tokio::test]
    async fn memory_is_bounded_and_the_answer_only_gets_older() {
        let start = Instant::now();
        let mut meter = LagMeter::new();
        for n in 0..100_000 {
            meter.read(Offset(n + 1), start + ms(2 * n));
        }
        assert!(meter.samples.len() <= SAMPLES);
        let now = start + ms(200_000);
        for applied in [0, 1, 777, 50_000, 99_999] {
            meter.applied(Offset(applied), now);
            let exact = ms(200_000 - 2 * applied);
            let lag = meter.lag(now);
            assert!(lag >= exact && lag < exact + ms(2000), "{lag:?} {exact:?}");
        }
    }
}
