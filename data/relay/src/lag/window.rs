//! Lags of the last minute and of the last hour, as a histogram of bounded size.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Buckets for each doubling: a quantile is at most an eighth too high.
const STEPS: u64 = 8;
/// From one microsecond to more than a year.
const BUCKETS: usize = 48 * 8;
/// Spans that a window consists of; the oldest leaves as a whole.
const SPANS: usize = 12;

/// Lags of a window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LagSpread {
    /// Half of the writes were younger.
    pub p50: Duration,
    /// 99 of 100 were younger.
    pub p99: Duration,
    /// The oldest.
    pub max: Duration,
}

/// The lags of one window.
#[derive(Debug)]
pub(crate) struct Window {
    span: Duration,
    spans: VecDeque<Span>,
}

#[derive(Debug)]
struct Span {
    since: Instant,
    counts: Box<[u32]>,
    max: Duration,
}

impl Window {
    /// A window of this length.
    pub(crate) fn of(length: Duration) -> Self {
        Self {
            span: length / u32::try_from(SPANS).unwrap_or(1),
            spans: VecDeque::with_capacity(SPANS + 1),
        }
    }

    pub(crate) fn record(&mut self, lag: Duration, now: Instant) {
        self.forget(now);
        let begin = self
            .spans
            .back()
            .is_none_or(|last| now.saturating_duration_since(last.since) >= self.span);
        if begin {
            self.spans.push_back(Span {
                since: now,
                counts: vec![0; BUCKETS].into_boxed_slice(),
                max: Duration::ZERO,
            });
        }
        if let Some(span) = self.spans.back_mut() {
            if let Some(count) = span.counts.get_mut(bucket(lag)) {
                *count = count.saturating_add(1);
            }
            span.max = span.max.max(lag);
        }
    }

    /// What was recorded within the window; `None` when that is nothing.
    pub(crate) fn spread(&self, now: Instant) -> Option<LagSpread> {
        let length = self.span * u32::try_from(SPANS).unwrap_or(1);
        let live = || {
            let recent = move |span: &&Span| now.saturating_duration_since(span.since) < length;
            self.spans.iter().filter(recent)
        };
        let total: u64 = live()
            .flat_map(|span| span.counts.iter())
            .map(|c| u64::from(*c))
            .sum();
        let max = live().map(|span| span.max).max()?;
        let quantile = |share: u64| {
            let wanted = (total * share).div_ceil(100).max(1);
            let mut seen = 0;
            for index in 0..BUCKETS {
                seen += live()
                    .filter_map(|span| span.counts.get(index))
                    .map(|count| u64::from(*count))
                    .sum::<u64>();
                if seen >= wanted {
                    return upper(index).min(max);
                }
            }
            max
        };
        Some(LagSpread {
            p50: quantile(50),
            p99: quantile(99),
            max,
        })
    }

    fn forget(&mut self, now: Instant) {
        let length = self.span * u32::try_from(SPANS).unwrap_or(1);
        while self
            .spans
            .front()
            .is_some_and(|span| now.saturating_duration_since(span.since) >= length)
        {
            self.spans.pop_front();
        }
    }
}

/// Which bucket a lag falls into: eight for each doubling of microseconds.
fn bucket(lag: Duration) -> usize {
    let micros = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX).max(1);
    let doublings = u64::from(micros.ilog2());
    let step = ((u128::from(micros) * u128::from(STEPS)) >> doublings) - u128::from(STEPS);
    let index = doublings * STEPS + u64::try_from(step).unwrap_or(0);
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The longest lag of a bucket.
fn upper(index: usize) -> Duration {
    let index = index as u64 + 1;
    let (doublings, step) = (index / STEPS, index % STEPS);
    let micros = ((u128::from(STEPS + step)) << doublings) / u128::from(STEPS);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_is_an_eighth_wide_at_most(micros in 1_u64..(1 << 45)) {
            let lag = Duration::from_micros(micros);
            let top = upper(bucket(lag));
            prop_assert!(top >= lag, "{lag:?} {top:?}");
            prop_assert!(top <= lag + lag / 8 + Duration::from_micros(1), "{lag:?} {top:?}");
        }
    }

    #[tokio::test]
    async fn quantiles_are_of_the_window_alone() {
        let start = Instant::now();
        let mut window = Window::of(Duration::from_secs(60));
        assert_eq!(window.spread(start), None);
        window.record(Duration::from_secs(100), start);
        let later = start + Duration::from_secs(61);
        assert_eq!(window.spread(later), None);
        for ms in 1..=100 {
            window.record(Duration::from_millis(ms), later);
        }
        let spread = window.spread(later).unwrap();
        let near = |found: Duration, ms: u64| {
            let exact = Duration::from_millis(ms);
            assert!(
                found >= exact && found <= exact + exact / 7,
                "{found:?} {exact:?}"
            );
        };
        near(spread.p50, 50);
        near(spread.p99, 99);
        assert_eq!(spread.max, Duration::from_millis(100));
    }
}
