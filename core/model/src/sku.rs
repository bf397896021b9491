//! The sizes a cache can have, as the managed service names and counts them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The service tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tier {
    /// One node, for trying things.
    Basic,
    /// A primary and a replica.
    Standard,
    /// A primary and one to three replicas; may be geo-replicated.
    Premium,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A tier and a capacity: `C0`-`C6` in Basic and Standard, `P1`-`P5` in Premium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sku {
    tier: Tier,
    capacity: u8,
}

/// The tier does not have that capacity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tier} has no capacity {capacity}: Basic and Standard have C0-C6, Premium has P1-P5")]
pub struct SkuError {
    /// The tier that was asked for.
    pub tier: Tier,
    /// The capacity that it does not have.
    pub capacity: i64,
}

const MB: u64 = 1 << 20;
const GB: u64 = 1 << 30;

/// Memory in bytes, client connections and databases, by capacity.
const C_SIZES: [(u64, u32, u16); 7] = [
    (250 * MB, 256, 16),
    (GB, 1_000, 16),
    (2_560 * MB, 2_000, 16),
    (6 * GB, 5_000, 16),
    (13 * GB, 10_000, 32),
    (26 * GB, 15_000, 48),
    (53 * GB, 20_000, 64),
];
/// As `C_SIZES`, from P1 on.
const P_SIZES: [(u64, u32, u16); 5] = [
    (6 * GB, 7_500, 16),
    (13 * GB, 15_000, 32),
    (26 * GB, 30_000, 48),
    (53 * GB, 40_000, 64),
    (120 * GB, 40_000, 64),
];

impl Sku {
    /// Makes a SKU of a tier that has that capacity.
    pub fn new(tier: Tier, capacity: i64) -> Result<Self, SkuError> {
        let allowed = match tier {
            Tier::Basic | Tier::Standard => 0..=6,
            Tier::Premium => 1..=5,
        };
        match u8::try_from(capacity) {
            Ok(small) if allowed.contains(&small) => Ok(Self {
                tier,
                capacity: small,
            }),
            Ok(_) | Err(_) => Err(SkuError { tier, capacity }),
        }
    }

    /// The tier.
    #[must_use]
    pub fn tier(self) -> Tier {
        self.tier
    }

    /// The number behind the family letter.
    #[must_use]
    pub fn capacity(self) -> u8 {
        self.capacity
    }

    /// The family letter of the API: `C` or `P`.
    #[must_use]
    pub fn family(self) -> &'static str {
        match self.tier {
            Tier::Basic | Tier::Standard => "C",
            Tier::Premium => "P",
        }
    }

    fn size(self) -> (u64, u32, u16) {
        let capacity = usize::from(self.capacity);
        let row = match self.tier {
            Tier::Basic | Tier::Standard => C_SIZES.get(capacity),
            Tier::Premium => P_SIZES.get(capacity.saturating_sub(1)),
        };
        row.copied().unwrap_or((250 * MB, 256, 16))
    }

    /// Memory of one shard, in bytes.
    #[must_use]
    pub fn memory_bytes(self) -> u64 {
        self.size().0
    }

    /// Client connections that are let in.
    #[must_use]
    pub fn max_clients(self) -> u32 {
        self.size().1
    }

    /// Databases, counted from 0.
    #[must_use]
    pub fn databases(self) -> u16 {
        self.size().2
    }

    /// Replicas of each primary when nobody says otherwise.
    #[must_use]
    pub fn default_replicas(self) -> u8 {
        match self.tier {
            Tier::Basic => 0,
            Tier::Standard | Tier::Premium => 1,
        }
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.tier, self.family(), self.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_managed_service_s() {
        let p1 = Sku::new(Tier::Premium, 1).unwrap();
        assert_eq!(
            (p1.memory_bytes(), p1.max_clients(), p1.databases()),
            (6 * GB, 7_500, 16)
        );
        let c0 = Sku::new(Tier::Basic, 0).unwrap();
        assert_eq!((c0.memory_bytes(), c0.max_clients()), (250 * MB, 256));
        assert_eq!(p1.to_string(), "Premium P1");
    }

    #[test]
    fn capacities_outside_the_tier_are_refused() {
        for (tier, capacity) in [
            (Tier::Premium, 0),
            (Tier::Premium, 6),
            (Tier::Basic, 7),
            (Tier::Standard, -1),
        ] {
            assert!(Sku::new(tier, capacity).is_err(), "{tier} {capacity}");
        }
    }
}
