//! Caches to test with.

use std::collections::BTreeMap;

use crate::{
    AccessKeys, CacheId, CacheRecord, CacheSpec, CacheUid, Epoch, Lifecycle, Secret, Sku, Tier,
    Timestamp,
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
        epoch: Epoch(0),
        link: None,
        lifecycle: Lifecycle::Ready,
        revision: 1,
        created: Timestamp(0),
    }
}
