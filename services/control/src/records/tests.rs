use std::collections::BTreeMap;

use model::{
    Access, AccessKeys, AccessPolicy, AccessProgress, CacheId, CacheRecord, CacheSpec, CacheUid,
    Epoch, FirewallRule, LinkId, LinkRecord, Member, OperationId, PolicyAssignment, Secret, Sku,
    Tier, Timestamp,
};

use super::*;
use crate::store::Record;

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
            configuration: BTreeMap::from([(
                "maxmemory-policy".to_owned(),
                "noeviction".to_owned(),
            )]),
            enable_non_ssl_port: false,
            minimum_tls_version: None,
            public_network_access: "Enabled".to_owned(),
            update_channel: "Stable".to_owned(),
            zonal_allocation_policy: None,
            disable_access_key_authentication: false,
            tenant_settings: BTreeMap::new(),
            zones: vec!["1".to_owned()],
            tags: BTreeMap::new(),
        },
        keys: AccessKeys {
            primary: Secret::new("k1"),
            secondary: Secret::new("k2"),
        },
        access: Access::default(),
        epoch: Epoch(3),
        link: None,
        lifecycle: model::Lifecycle::Ready,
        revision: 1,
        created: Timestamp(0),
        transfer: None,
    }
}

pub(crate) fn member(cache: &CacheRecord) -> Member {
    Member {
        uid: cache.uid.clone(),
        id: cache.id.clone(),
        region: cache.region.clone(),
    }
}

fn returns<T: Record + PartialEq + std::fmt::Debug>(record: &T, key: &str) {
    assert_eq!(record.key().as_str(), key);
    let text = serde_json::to_string(record).unwrap();
    let read: T = serde_json::from_str(&text).unwrap();
    assert_eq!(read, *record);
    assert_eq!(read.key(), record.key());
}

#[test]
fn every_record_returns_as_it_was_under_its_key() {
    let sub = "5d0c4f30-0000-4000-8000-000000000001";
    let (east, west) = (cache("East", "eastus"), cache("west", "westus"));
    returns(&east, "cache/east");
    let begun = LinkRecord::begin(
        LinkId::new("l1"),
        member(&east),
        member(&west),
        Epoch(4),
        Timestamp(5),
    );
    returns(&begun, "link/l1");
    returns(
        &SubscriptionRecord {
            id: sub.parse().unwrap(),
            display_name: "Godwit".to_owned(),
            tenant: "t".to_owned(),
        },
        &format!("subscription/{sub}"),
    );
    returns(
        &GroupRecord {
            subscription: sub.parse().unwrap(),
            name: "My-Group".parse().unwrap(),
            location: "eastus".parse().unwrap(),
            tags: BTreeMap::new(),
            deleting: true,
        },
        &format!("group/{sub}/my-group"),
    );
    returns(
        &AgentRecord {
            region: "eastus".parse().unwrap(),
            relay_address: Some("127.0.0.1:1".parse().unwrap()),
            engine: Some(crate::harness::engine()),
            peers: BTreeMap::from([("westus".parse().unwrap(), "192.0.2.7".parse().unwrap())]),
        },
        "agent/eastus",
    );
    returns(&with_access(&east), "cache/east");
    let op = OperationRecord {
        id: OperationId::new("o1"),
        subscription: sub.parse().unwrap(),
        region: "eastus".parse().unwrap(),
        work: Work::FailOver {
            link: LinkId::new("l1"),
            to: west.uid,
            from_epoch: Epoch(4),
            attempt: Some(1),
            forced: false,
        },
        started: Timestamp(6),
        outcome: Outcome::InProgress,
        failover: None,
        origin: None,
    };
    returns(&op, "operation/o1");
    returns(&op.failed(Timestamp(7), "no"), "operation/o1");
    let access = OperationRecord {
        work: Work::ChangeAccess {
            cache: east.id,
            uid: east.uid,
            revision: 7,
        },
        ..op
    };
    returns(&access, "operation/o1");
}

#[test]
fn what_names_and_agents_go_by_returns_as_it_was() {
    returns(
        &AddressRecord {
            uid: CacheUid::new("u1"),
            region: "eastus".parse().unwrap(),
            direct: "127.70.0.1".parse().unwrap(),
            geo: "::1".parse().unwrap(),
        },
        "address/u1",
    );
    returns(
        &DeploymentRecord {
            zone: "zone.test".to_owned(),
            issuers: vec![crate::harness::issuer("https://issuer.test")],
        },
        "deployment/settings",
    );
}

/// The cache, with one of everything that says who may come in.
fn with_access(cache: &CacheRecord) -> CacheRecord {
    let ip = |text: &str| text.parse().unwrap();
    CacheRecord {
        access: Access {
            firewall: vec![FirewallRule::new("office", ip("10.0.0.1"), ip("10.0.0.9")).unwrap()],
            policies: vec![AccessPolicy {
                name: "My Policy".parse().unwrap(),
                permissions: "+get ~a:*".to_owned(),
                progress: AccessProgress::begun(2),
            }],
            assignments: vec![PolicyAssignment {
                name: "anne".parse().unwrap(),
                object_id: "6f1c4f30-0000-4000-8000-00000000000a".parse().unwrap(),
                alias: "Anne".to_owned(),
                policy: "My Policy".parse().unwrap(),
                progress: AccessProgress::done(3),
            }],
        },
        ..cache.clone()
    }
}

#[test]
fn a_cache_from_before_it_could_be_said_who_comes_in_lets_everybody_in() {
    let mut old = serde_json::to_value(cache("east", "eastus")).unwrap();
    assert!(old.as_object_mut().unwrap().remove("access").is_some());
    let read: CacheRecord = serde_json::from_value(old).unwrap();
    assert_eq!(read, cache("east", "eastus"));
    assert_eq!(read.front_door(), model::FrontDoor::default());
}
