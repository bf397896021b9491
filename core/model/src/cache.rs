//! A cache as the store keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Access, AccessKeys, CacheId, CacheUid, Epoch, FrontDoor, LinkId, Region, Sku, Timestamp,
    TlsVersion, TransferOrder,
};

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
    /// Who may come in.
    #[serde(default)]
    pub access: Access,
    /// The epoch of its role; carried on when a link ends, so that it never goes back.
    pub epoch: Epoch,
    /// The link that it is part of.
    pub link: Option<LinkId>,
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// Counts changes of `spec`, `keys` and `access`.
    pub revision: u64,
    /// When it was created.
    pub created: Timestamp,
    /// An export, import or flush that is under way; gone when it has ended.
    #[serde(default)]
    pub transfer: Option<TransferOrder>,
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

impl CacheRecord {
    /// What its gateway is told.
    #[must_use]
    pub fn front_door(&self) -> FrontDoor {
        let spec = &self.spec;
        FrontDoor {
            plain: spec.enable_non_ssl_port,
            public: spec.is_public(),
            minimum_tls: spec.minimum_tls(),
            access_keys: !spec.disable_access_key_authentication,
            firewall: self.access.firewall.clone(),
            users: if spec.takes_tokens() {
                self.access.users()
            } else {
                Vec::new()
            },
        }
    }
}

impl CacheSpec {
    /// Tells whether clients may connect at all (`publicNetworkAccess`).
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.public_network_access != "Disabled"
    }

    /// The lowest version of TLS that is spoken.
    #[must_use]
    pub fn minimum_tls(&self) -> TlsVersion {
        match self.minimum_tls_version.as_deref() {
            Some("1.3") => TlsVersion::V1_3,
            Some(_) | None => TlsVersion::V1_2,
        }
    }

    /// Tells whether tokens let clients in (`aad-enabled`).
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        let value = self.configuration.get("aad-enabled");
        value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

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
