//! What a WAN is like.

use std::{fmt, num::NonZeroU64, str::FromStr, time::Duration};

/// How connections are carried, in each direction alike. The default is a wire without properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// From one side to the other; a round trip takes twice as long.
    pub latency: Duration,
    /// Added to the latency: anything from nothing to this. The order of bytes stays.
    pub jitter: Duration,
    /// Bytes a second that all connections share; `None`: as fast as it goes.
    pub rate: Option<NonZeroU64>,
}

/// On the way without a rate, at most: 1 GB/s at 64 ms.
const UNLIMITED_FLIGHT: u64 = 64 << 20;
/// On the way, at least: enough that small latencies do not limit the rate.
const LEAST_FLIGHT: u64 = 256 << 10;
/// Read at once, at most.
pub(crate) const LARGEST_READ: usize = 64 << 10;
/// Read at once, at least.
const LEAST_READ: u64 = 1024;

impl Weather {
    /// Bytes of one connection that may be on the way in one direction.
    pub(crate) fn flight(&self) -> u64 {
        let Some(rate) = self.rate else {
            return UNLIMITED_FLIGHT;
        };
        let longest = self.latency.saturating_add(self.jitter);
        let product = u128::from(rate.get()) * longest.as_micros() / 1_000_000;
        let product = u64::try_from(product).unwrap_or(u64::MAX);
        product.clamp(LEAST_FLIGHT, UNLIMITED_FLIGHT)
    }

    /// Bytes to read at once: 5 ms of the rate.
    pub(crate) fn read(&self) -> usize {
        let Some(rate) = self.rate else {
            return LARGEST_READ;
        };
        let bytes = usize::try_from((rate.get() / 200).max(LEAST_READ));
        bytes.unwrap_or(LARGEST_READ).min(LARGEST_READ)
    }
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From those who dial.
    ToServer,
    /// To those who dial.
    ToClient,
}

impl Direction {
    /// Both of them.
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToServer => "to-server",
            Self::ToClient => "to-client",
        })
    }
}

impl FromStr for Direction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::BOTH.into_iter().find(|way| way.to_string() == text);
        found.ok_or_else(|| format!("`{text}` is not a direction (`to-server` or `to-client`)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weather(latency_ms: u64, rate: u64) -> Weather {
        Weather {
            latency: Duration::from_millis(latency_ms),
            jitter: Duration::ZERO,
            rate: NonZeroU64::new(rate),
        }
    }

    #[test]
    fn on_the_way_is_what_the_rate_brings_in_the_latency() {
        assert_eq!(weather(100, 100_000_000).flight(), 10_000_000);
        assert_eq!(weather(1, 1_000_000).flight(), LEAST_FLIGHT);
        assert_eq!(weather(60_000, u64::MAX).flight(), UNLIMITED_FLIGHT);
        assert_eq!(weather(40, 0).flight(), UNLIMITED_FLIGHT);
    }

    #[test]
    fn slow_links_are_fed_in_small_pieces() {
        assert_eq!(weather(1, 1_000_000).read(), 5_000);
        assert_eq!(weather(1, 1).read(), 1024);
        assert_eq!(weather(1, u64::MAX).read(), LARGEST_READ);
    }

    #[test]
    fn directions_are_read_as_they_are_written() {
        for way in Direction::BOTH {
            assert_eq!(way.to_string().parse(), Ok(way));
        }
        assert!("up".parse::<Direction>().unwrap_err().contains("`up`"));
    }
}
