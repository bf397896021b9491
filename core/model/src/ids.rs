//! Identities that are made, not chosen: caches in their scope, incarnations, links, epochs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{CacheName, GroupName, SubscriptionId};

/// Where a cache stands: subscription, resource group and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CacheId {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The resource group.
    pub group: GroupName,
    /// The cache's name.
    pub name: CacheName,
}

impl CacheId {
    /// Tells whether it stands in that resource group.
    #[must_use]
    pub fn is_in(&self, subscription: &SubscriptionId, group: &GroupName) -> bool {
        self.subscription == *subscription && self.group == *group
    }
}

impl fmt::Display for CacheId {
    /// The resource ID in the managed service's spelling (capital R in `Redis`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            subscription,
            group,
            name,
        } = self;
        write!(
            f,
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Cache/Redis/{name}"
        )
    }
}

/// The text is not the resource ID of a cache.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the resource ID of a cache (/subscriptions/…/resourceGroups/…/providers/Microsoft.Cache/Redis/…)"
)]
pub struct ParseCacheIdError(String);

impl FromStr for CacheId {
    type Err = ParseCacheIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseCacheIdError(text.chars().take(300).collect());
        let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
        let [
            first,
            subscriptions,
            subscription,
            groups,
            group,
            providers,
            namespace,
            kind,
            name,
        ] = parts.as_slice()
        else {
            return Err(bad());
        };
        let fixed = [
            (*first, ""),
            (*subscriptions, "subscriptions"),
            (*groups, "resourceGroups"),
            (*providers, "providers"),
            (*namespace, "Microsoft.Cache"),
            (*kind, "Redis"),
        ];
        if !fixed
            .iter()
            .all(|(have, want)| have.eq_ignore_ascii_case(want))
        {
            return Err(bad());
        }
        Ok(Self {
            subscription: subscription.parse().map_err(|_invalid| bad())?,
            group: group.parse().map_err(|_invalid| bad())?,
            name: name.parse().map_err(|_invalid| bad())?,
        })
    }
}

macro_rules! made_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes a text made by the caller (a GUID, from the caller's randomness).
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

made_id! {
    /// One incarnation of a cache: a cache that is deleted and made again has another, so that the
    /// new one never meets the old one's files.
    CacheUid
}
made_id! {
    /// One link, from its creation to its removal.
    LinkId
}
made_id! {
    /// One store. An agent follows the store that it met first and refuses every other.
    StoreId
}
made_id! {
    /// One long-running operation.
    OperationId
}

/// Counts role changes. An agent persists the highest it has seen and refuses lower ones.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A shard of a cache, counted from 0. A cache without clustering is one shard.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ShardIndex(pub u16);

impl fmt::Display for ShardIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds since the Unix epoch, as the control plane's clock tells it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This moment plus `ms` milliseconds.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_ids_are_read_without_case_and_written_with_capital_r() {
        let text = "/SUBSCRIPTIONS/5d0c4f30-0000-4000-8000-000000000001/resourcegroups/G/providers/microsoft.cache/redis/N";
        let id: CacheId = text.parse().unwrap();
        assert_eq!(
            id.to_string(),
            "/subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/G/providers/Microsoft.Cache/Redis/N"
        );
        assert_eq!(id.to_string().parse::<CacheId>().unwrap(), id);
    }

    #[test]
    fn other_resources_are_not_caches() {
        for bad in ["", "/", "demo-east", "/subscriptions/x/resourceGroups/g"] {
            assert!(bad.parse::<CacheId>().is_err(), "{bad}");
        }
    }
}
