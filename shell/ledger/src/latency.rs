//! How long answers take: counts in buckets that are a sixteenth of their value wide.

use std::time::Duration;

use serde::Serialize;

const STEPS: u64 = 16;
/// Enough for a week.
const BUCKETS: usize = 40 * 16;

/// How long answers took.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Box<[u64]>,
    longest: u64,
}

/// What is told of a [`Histogram`], in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// Half of the answers took no longer.
    pub p50_ms: f64,
    /// All but one in a hundred took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS].into_boxed_slice(),
            longest: 0,
        }
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.longest = self.longest.max(micros);
        let at = bucket(micros).min(BUCKETS - 1);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
    }

    /// Adds what another one counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.longest = self.longest.max(other.longest);
    }

    pub(crate) fn latency(&self) -> Latency {
        Latency {
            p50_ms: self.at_most(50),
            p99_ms: self.at_most(99),
            max_ms: millis(self.longest),
        }
    }

    fn at_most(&self, percent: u64) -> f64 {
        let total: u64 = self.counts.iter().sum();
        let wanted = (total * percent).div_ceil(100);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return millis(top(at).min(self.longest));
            }
        }
        0.0
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "what takes centuries is not told to the microsecond"
)]
pub(crate) fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

fn bucket(micros: u64) -> usize {
    let shift = (64 - micros.leading_zeros()).saturating_sub(5);
    let step = micros >> shift;
    let index = u64::from(shift) * STEPS + step;
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The greatest number of a bucket.
fn top(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_a_bucket_that_is_little_wider() {
        for n in (0..2_000).chain([65_535, 65_536, 1 << 30, (1 << 40) - 1]) {
            let top = top(bucket(n));
            assert!(top >= n && top <= n + n / 16, "{n} in {top}");
            assert!(bucket(n) < BUCKETS);
            assert_eq!(bucket(top), bucket(n));
            assert_eq!(bucket(top + 1), bucket(n) + 1);
        }
    }

    #[test]
    fn percentiles_are_counted() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.latency(), Latency::default());
        for n in 1..=100 {
            histogram.add(Duration::from_millis(n));
        }
        let told = histogram.latency();
        assert!((50.0..54.0).contains(&told.p50_ms), "{told:?}");
        assert!((99.0..=100.0).contains(&told.p99_ms), "{told:?}");
        assert!((told.max_ms - 100.0).abs() < f64::EPSILON, "{told:?}");
    }
}
