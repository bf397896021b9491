//! Two looks at a key, one on each side, and what differs.

use serde::{Deserialize, Serialize};

use crate::{Facts, Kind, Measure, Seen};

/// One of the two caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The geo-primary.
    Primary,
    /// The geo-secondary.
    Secondary,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Difference {
    /// The key is not there on one side.
    MissingOn(Side),
    /// It is of another type; nothing else is compared then.
    Type {
        /// On the geo-primary.
        primary: Kind,
        /// On the geo-secondary.
        secondary: Kind,
    },
    /// It expires at another time: milliseconds since the Unix epoch, `None` for never.
    Expiry {
        /// On the geo-primary.
        primary: Option<u64>,
        /// On the geo-secondary.
        secondary: Option<u64>,
    },
    /// It has another value.
    Value {
        /// What the lengths count.
        kind: Kind,
        /// On the geo-primary.
        primary: Measure,
        /// On the geo-secondary.
        secondary: Measure,
    },
}

/// The time of day on each side, by its own clock, when it was looked at or a little later:
/// milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// On the geo-primary.
    pub primary: u64,
    /// On the geo-secondary.
    pub secondary: u64,
}

/// What a comparison of two looks says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// They saw the same.
    Same,
    /// They did not.
    Differs(Vec<Difference>),
    /// One of them saw a key that was being changed.
    Torn,
}

/// Compares two looks. Times of expiry may be `tolerance_ms` apart, and a key whose time has come
/// by the clock of the side that does not have it any more is no difference.
#[must_use]
pub fn compare(primary: &Seen, secondary: &Seen, clocks: Clocks, tolerance_ms: u64) -> Compared {
    let expired = |facts: &Facts, now: u64| {
        let due = facts.expires;
        due.is_some_and(|due| due <= now.saturating_add(tolerance_ms))
    };
    match (primary, secondary) {
        (Seen::Torn, _) | (_, Seen::Torn) => Compared::Torn,
        (Seen::Missing, Seen::Missing) => Compared::Same,
        (Seen::There(facts), Seen::Missing) if expired(facts, clocks.secondary) => Compared::Same,
        (Seen::Missing, Seen::There(facts)) if expired(facts, clocks.primary) => Compared::Same,
        (Seen::There(_), Seen::Missing) => {
            Compared::Differs(vec![Difference::MissingOn(Side::Secondary)])
        }
        (Seen::Missing, Seen::There(_)) => {
            Compared::Differs(vec![Difference::MissingOn(Side::Primary)])
        }
        (Seen::There(one), Seen::There(other)) => match differences(one, other, tolerance_ms) {
            none if none.is_empty() => Compared::Same,
            some => Compared::Differs(some),
        },
    }
}

fn differences(primary: &Facts, secondary: &Facts, tolerance_ms: u64) -> Vec<Difference> {
    let mut found = Vec::new();
    if primary.kind != secondary.kind {
        found.push(Difference::Type {
            primary: primary.kind.clone(),
            secondary: secondary.kind.clone(),
        });
    } else if primary.value != secondary.value {
        found.push(Difference::Value {
            kind: primary.kind.clone(),
            primary: primary.value,
            secondary: secondary.value,
        });
    }
    let together = match (primary.expires, secondary.expires) {
        (Some(one), Some(other)) => one.abs_diff(other) <= tolerance_ms,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if !together {
        found.push(Difference::Expiry {
            primary: primary.expires,
            secondary: secondary.expires,
        });
    }
    found
}
