//! Persistence as the service's settings name it.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, World, premium};

const ACCOUNT: &str =
    "DefaultEndpointsProtocol=https;AccountName=mine;AccountKey=c2VjcmV0;EndpointSuffix=core.test";

async fn set(world: &World, configuration: Value) -> Answer {
    let body = json!({"properties": {"redisConfiguration": configuration}});
    world.ask("PATCH", &world.cache("east"), Some(body)).await
}

async fn configuration(world: &World) -> Value {
    let shown = world.get(&world.cache("east")).await.body;
    shown["properties"]["redisConfiguration"].clone()
}

#[tokio::test]
async fn one_kind_takes_the_place_of_the_other_in_one_request() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let rdb = json!({
        "rdb-backup-enabled": "true", "rdb-backup-frequency": "15",
        "rdb-backup-max-snapshot-count": "3",
    });
    let changed = set(&world, rdb).await;
    assert_eq!(changed.body["properties"]["provisioningState"], "Updating");
    world.done(&changed).await;
    let both = set(&world, json!({"aof-backup-enabled": "true"})).await;
    assert_eq!(both.status, StatusCode::BAD_REQUEST);
    assert!(
        both.message().contains("one kind of persistence"),
        "{both:?}"
    );
    let other = json!({"aof-backup-enabled": "true", "rdb-backup-enabled": "false"});
    let changed = set(&world, other).await;
    world.done(&changed).await;
    let status = world
        .get(&format!("{}/runtimeStatus", world.cache("east")))
        .await
        .body;
    assert_eq!(status["persistence"]["kind"], "AOF");
    assert_eq!(configuration(&world).await["rdb-backup-frequency"], "15");
    world.stop().await;
}

#[tokio::test]
async fn connection_strings_come_back_without_their_key_and_are_kept_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let rdb = json!({
        "rdb-backup-enabled": "true", "rdb-storage-connection-string": ACCOUNT,
        "preferred-data-persistence-auth-method": "SAS",
        "storage-subscription-id": "5d0c4f30-0000-4000-8000-000000000001",
    });
    let changed = set(&world, rdb).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert!(!changed.body.to_string().contains("c2VjcmV0"));
    world.done(&changed).await;
    let shown = configuration(&world).await;
    let hidden = ACCOUNT.replace("c2VjcmV0", "[key hidden]");
    assert_eq!(shown["rdb-storage-connection-string"], hidden);
    let stored = format!("{:?}", world.plane.store.state().caches.iter().next());
    assert!(!stored.contains("c2VjcmV0"));
    let status = world
        .get(&format!("{}/runtimeStatus", world.cache("east")))
        .await
        .body;
    assert_eq!(
        status["persistence"]["unusedStorageAccounts"],
        json!(["rdb-storage-connection-string"])
    );
    // Both what was sent and what was shown change nothing.
    let before = world
        .plane
        .store
        .state()
        .caches
        .iter()
        .next()
        .unwrap()
        .revision;
    for again in [shown, json!({"rdb-storage-connection-string": ACCOUNT})] {
        let same = set(&world, again).await;
        assert_eq!(same.body["properties"]["provisioningState"], "Succeeded");
    }
    let after = world
        .plane
        .store
        .state()
        .caches
        .iter()
        .next()
        .unwrap()
        .revision;
    assert_eq!(after, before);
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let before = world.revision();
    for (configuration, words) in [
        (
            json!({"rdb-backup-frequency": "20"}),
            "15, 30, 60, 360, 720 or 1440",
        ),
        (
            json!({"rdb-backup-max-snapshot-count": "0"}),
            "use 1 to 100",
        ),
        (
            json!({"aof-storage-connection-string-0": "hunter2"}),
            "connection string",
        ),
        (
            json!({"preferred-data-persistence-auth-method": "ManagedIdentity"}),
            "no managed identity",
        ),
        (json!({"storage-subscription-id": "mine"}), "GUID"),
        (
            json!({"aof-backup-enabled": "perhaps"}),
            "`true` or `false`",
        ),
    ] {
        let refused = set(&world, configuration).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
        assert!(refused.message().contains(words), "{}", refused.message());
    }
    assert_eq!(world.revision(), before);
    let mut standard = premium("eastus");
    standard["properties"]["sku"] = json!({"name": "Standard", "family": "C", "capacity": 1});
    standard["properties"]["redisConfiguration"] = json!({"rdb-backup-enabled": "true"});
    let refused = world.put(&world.cache("s"), standard).await;
    assert!(
        refused.message().contains("Premium tier"),
        "{}",
        refused.message()
    );
    world.stop().await;
}

#[tokio::test]
async fn a_persistent_cache_is_not_linked_on_either_side() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    for kind in ["rdb-backup-enabled", "aof-backup-enabled"] {
        let changed = set(&world, json!({ kind: "true" })).await;
        world.done(&changed).await;
        for (own, other) in [("east", "west"), ("west", "east")] {
            let refused = world.link(own, other, "Secondary").await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
            assert!(
                refused
                    .message()
                    .contains("persistence is enabled on the cache `east`"),
                "{}",
                refused.message()
            );
        }
        let changed = set(&world, json!({ kind: "false" })).await;
        world.done(&changed).await;
    }
    let made = world.link("east", "west", "Secondary").await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    world.stop().await;
}
