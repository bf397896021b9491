//! Caches, and what agents report of them, to test with.

use std::collections::BTreeMap;

use psync::{Offset, Position};

use crate::{
    AccessKeys, CacheId, CacheObserved, CacheRecord, CacheSpec, CacheUid, Epoch, Lifecycle, Member,
    RoleKind, Secret, ShardIndex, ShardObserved, ShardStanding, Sku, Tier, Timestamp,
};

pub(crate) fn cache(name: &str, region: &str) -> CacheRecord {
    CacheRecord {
        id: CacheId {
            subscription: "5d0c4f30-0000-4000-8000-000000000001".parse().unwrap(),
            group: "g".parse().unwrap(),
            name: name.parse().unwrap(),
        },
        uid: CacheUid::new(format!("uid-{name}")),
        region: region.parse().unwrap(),
        spec: CacheSpec {
            sku: Sku::new(Tier::Premium, 1).unwrap(),
            shards: None,
            replicas: 1,
            configuration: BTreeMap::new(),
            enable_non_ssl_port: false,
            minimum_tls_version: None,
            public_network_access: "Enabled".to_owned(),
            update_channel: "Stable".to_owned(),
            zonal_allocation_policy: None,
            disable_access_key_authentication: false,
            tenant_settings: BTreeMap::new(),
            zones: Vec::new(),
            tags: BTreeMap::new(),
        },
        keys: AccessKeys {
            primary: Secret::new("k1"),
            secondary: Secret::new("k2"),
        },
        access: crate::Access::default(),
        epoch: Epoch(0),
        link: None,
        lifecycle: Lifecycle::Ready,
        revision: 1,
        created: Timestamp(0),
        transfer: None,
    }
}

pub(crate) fn member(name: &str, region: &str) -> Member {
    let cache = cache(name, region);
    Member {
        uid: cache.uid,
        id: cache.id,
        region: cache.region,
    }
}

/// A place in the one history of these tests.
pub(crate) fn position(offset: u64) -> Position {
    Position::new("a".repeat(40).parse().unwrap(), Offset(offset))
}

/// A report of a cache with one shard that stands so, holds nothing and has no link.
pub(crate) fn observed(
    uid: &CacheUid,
    epoch: u64,
    role: RoleKind,
    standing: ShardStanding,
) -> CacheObserved {
    CacheObserved {
        uid: uid.clone(),
        settled_revision: 1,
        epoch: Epoch(epoch),
        role,
        doors: None,
        engine: None,
        shards: vec![ShardObserved {
            shard: ShardIndex(0),
            standing,
            position: None,
            keys: 0,
            used_memory: 0,
            ops_per_second: 0,
            clients: 0,
            nodes: vec![],
            link: None,
            fork: None,
        }],
        problem: None,
        lost_writes: vec![],
        handoff: None,
        transfer: None,
    }
}
