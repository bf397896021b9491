//! A cache as the store keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AccessKeys, CacheId, CacheUid, Epoch, LinkId, Region, Sku, Timestamp};

/// One cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheRecord {
    /// Name and place.
    pub id: CacheId,
    /// Incarnation.
    pub uid: CacheUid,
    /// Region.
    pub region: Region,
    /// What its owner asked for.
    pub spec: CacheSpec,
    /// Its access keys.
    pub keys: AccessKeys,
    /// The epoch of its role; carried on when a link ends, so that it never goes back.
    pub epoch: Epoch,
    /// The link that it is part of.
    pub link: Option<LinkId>,
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// Counts changes of `spec` and `keys`.
    pub revision: u64,
    /// When it was created.
    pub created: Timestamp,
}

/// Where a cache is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifecycle {
    /// Its engines are started for the first time.
    Creating,
    /// It runs.
    Ready,
    /// A change of its specification is on its way to the engines.
    Updating,
    /// Its size is changing.
    Scaling,
    /// It is being removed.
    Deleting,
    /// It could not be created.
    Failed {
        /// Why, in a sentence.
        why: String,
    },
}

/// What the owner of a cache asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheSpec {
    /// Tier and size.
    pub sku: Sku,
    /// Shards, when clustered. A clustered cache of one shard is not an unclustered one.
    pub shards: Option<u16>,
    /// Replicas of each primary.
    pub replicas: u8,
    /// `redisConfiguration` as it was set.
    pub configuration: BTreeMap<String, String>,
    /// `enableNonSslPort`.
    pub enable_non_ssl_port: bool,
    /// `minimumTlsVersion`, when set.
    pub minimum_tls_version: Option<String>,
    /// `publicNetworkAccess`: `Enabled` or `Disabled`.
    pub public_network_access: String,
    /// `updateChannel`: `Stable` or `Preview`.
    pub update_channel: String,
    /// `zonalAllocationPolicy`, when set.
    pub zonal_allocation_policy: Option<String>,
    /// `disableAccessKeyAuthentication`.
    pub disable_access_key_authentication: bool,
    /// `tenantSettings`.
    pub tenant_settings: BTreeMap<String, String>,
    /// Availability zones, as given.
    pub zones: Vec<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

impl CacheSpec {
    /// Tells whether the cache is to survive a restart of everything by itself. Such a cache
    /// cannot be linked.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        ["rdb-backup-enabled", "aof-backup-enabled"]
            .iter()
            .any(|key| {
                self.configuration
                    .get(*key)
                    .is_some_and(|value| value.eq_ignore_ascii_case("true"))
            })
    }
}
