//! What the managed service promises and refuses for linked caches, a test for each sentence;
//! `docs/behaviour.md` lists them with those that other files show.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, World, premium},
    records::{GroupRecord, SubscriptionRecord},
    store::Change,
};

impl World {
    async fn creates(&self, name: &str, properties: Value) {
        let place = if name.starts_with("west") {
            "westus"
        } else {
            "eastus"
        };
        let mut body = premium(place);
        for (field, value) in properties.as_object().unwrap() {
            body["properties"][field] = value.clone();
        }
        let made = self.put(&self.cache(name), body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        self.done(&made).await;
    }

    /// Links `east` to a cache, which must be refused with these words and change nothing.
    async fn cannot_link(&self, other: &str, words: &str) {
        let before = self.revision();
        let refused = self.link("east", other, "Secondary").await;
        self.refused_with(&refused, words, before);
    }

    fn refused_with(&self, refused: &Answer, words: &str, before: u64) {
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::BAD_REQUEST, "InvalidRequestBody"),
            "{refused:?}"
        );
        assert!(refused.message().contains(words), "{refused:?}");
        assert_eq!(self.revision(), before, "a refused request writes nothing");
    }

    /// Changes both caches of a link, which must be refused with these words and change nothing.
    async fn cannot_change_while_linked(&self, properties: Value, words: &str) {
        for name in ["east", "west"] {
            let before = self.revision();
            let refused = self.patch(name, properties.clone()).await;
            self.refused_with(&refused, words, before);
        }
    }
}

fn sku(tier: &str, family: &str, capacity: u8) -> Value {
    json!({"sku": {"name": tier, "family": family, "capacity": capacity}})
}

#[tokio::test]
async fn only_premium_caches_are_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    world.creates("west-basic", sku("Basic", "C", 6)).await;
    world
        .creates("west-standard", sku("Standard", "C", 6))
        .await;
    for other in ["west-basic", "west-standard"] {
        world
            .cannot_link(other, "only Premium caches can be linked")
            .await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_cache_with_more_than_one_replica_is_not_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    world
        .creates("west3", json!({"replicasPerPrimary": 3}))
        .await;
    world.cannot_link("west3", "must have exactly one").await;
    world.stop().await;
}

#[tokio::test]
async fn caches_of_two_subscriptions_are_not_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let theirs = SubscriptionRecord {
        id: "5d0c4f30-0000-4000-8000-00000000000f".parse().unwrap(),
        display_name: "Theirs".to_owned(),
        tenant: "5d0c4f30-0000-4000-8000-00000000000e".to_owned(),
    };
    let group = GroupRecord {
        subscription: theirs.id.clone(),
        name: "g".parse().unwrap(),
        location: "westus".parse().unwrap(),
        tags: [].into(),
        deleting: false,
    };
    let change = Change::new().insert(&theirs).insert(&group);
    world.plane.store.commit(change).await.unwrap();
    let path = format!(
        "/subscriptions/{}/resourceGroups/g/providers/Microsoft.Cache/redis/west-theirs",
        theirs.id
    );
    let made = world.put(&path, premium("westus")).await;
    world.done(&made).await;
    let before = world.revision();
    let mut body = world.link_body("west-theirs", "Secondary");
    body["properties"]["linkedRedisCacheId"] = json!(path);
    let link = format!("{}/linkedServers/west-theirs", world.cache("east"));
    let refused = world.put(&link, body).await;
    world.refused_with(&refused, "must be in the same subscription", before);
    world.stop().await;
}

#[tokio::test]
async fn a_secondary_that_is_smaller_is_not_linked_and_one_that_is_larger_is() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    world.creates("east2", sku("Premium", "P", 2)).await;
    let before = world.revision();
    let refused = world.link("east2", "west", "Secondary").await;
    world.refused_with(&refused, "is smaller than", before);
    let linked = world.link("west", "east2", "Secondary").await;
    assert_eq!(linked.status, StatusCode::CREATED, "{linked:?}");
    world.done(&linked).await;
    world.stop().await;
}

#[tokio::test]
async fn a_cache_that_does_not_run_yet_is_not_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, west) = World::with_caches(dir.path()).await;
    west.set(|agent| agent.stuck = true);
    let made = world.put(&world.cache("west-new"), premium("westus")).await;
    assert_eq!(made.status, StatusCode::CREATED);
    world
        .cannot_link("west-new", "wait until it is `Succeeded`")
        .await;
    world.stop().await;
}

#[tokio::test]
async fn caches_in_one_network_or_in_two_are_linked_like_any() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let subnet = |network: &str| {
        let id = format!(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/{network}/subnets/x"
        );
        json!({ "subnetId": id })
    };
    for (name, network) in [("east", "a"), ("east2", "a"), ("west", "b")] {
        world.creates(name, subnet(network)).await;
    }
    for other in ["east2", "west"] {
        let linked = world.link("east", other, "Secondary").await;
        assert_eq!(linked.status, StatusCode::CREATED, "{linked:?}");
        world.done(&linked).await;
        let unlinked = format!("{}/linkedServers/{other}", world.cache("east"));
        world.done(&world.delete(&unlinked).await).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn no_more_than_two_caches_are_linked_together() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    world.creates("west3", json!({})).await;
    world
        .cannot_link("west3", "this cache is already linked to another cache")
        .await;
    let before = world.revision();
    for (own, other) in [("west3", "east"), ("west", "west3"), ("west3", "west")] {
        let refused = world.link(own, other, "Secondary").await;
        world.refused_with(&refused, "already linked", before);
    }
    world.stop().await;
}

#[tokio::test]
async fn neither_cache_is_scaled_while_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let larger = sku("Premium", "P", 2);
    world
        .cannot_change_while_linked(larger, "a linked cache cannot be scaled")
        .await;
    world.stop().await;
}

#[tokio::test]
async fn the_shards_of_neither_cache_change_while_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let more = json!({"shardCount": 2});
    world
        .cannot_change_while_linked(more, "`properties.shardCount`")
        .await;
    world.stop().await;
}

#[tokio::test]
async fn neither_cache_gets_more_replicas_while_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let more = json!({"replicasPerMaster": 2});
    world
        .cannot_change_while_linked(more, "the number of its replicas cannot be changed")
        .await;
    world.stop().await;
}

#[tokio::test]
async fn neither_cache_is_made_persistent_while_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    for key in ["rdb-backup-enabled", "aof-backup-enabled"] {
        let on = json!({"redisConfiguration": {key: "true"}});
        world
            .cannot_change_while_linked(on, "persistence cannot be enabled")
            .await;
    }
    world.stop().await;
}

#[tokio::test]
async fn neither_cache_is_deleted_while_linked_and_both_are_once_unlinked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    for (name, other) in [("east", "west"), ("west", "east")] {
        let refused = world.delete(&world.cache(name)).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
        let way = format!(
            "Unlink them first: DELETE {}",
            world.cache(name).replace("/redis/", "/Redis/")
        );
        assert!(refused.message().contains(&way), "{refused:?}");
        assert!(refused.message().contains(&format!("linked to `{other}`")));
        assert_eq!(world.state_of(name).await, "Succeeded");
    }
    let unlinked = world
        .delete(&format!("{}/linkedServers/west", world.cache("east")))
        .await;
    world.done(&unlinked).await;
    for name in ["east", "west"] {
        world.done(&world.delete(&world.cache(name)).await).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn what_is_as_it_was_may_be_sent_again_while_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    for name in ["east", "west"] {
        let shown = world.get(&world.cache(name)).await.body;
        let of = &shown["properties"];
        // As `az redis update --set tags.x=y` does.
        let body = json!({"tags": {"x": "y"}, "properties": {
            "sku": of["sku"], "redisConfiguration": of["redisConfiguration"],
            "redisVersion": of["redisVersion"], "enableNonSslPort": of["enableNonSslPort"],
            "replicasPerMaster": 1, "publicNetworkAccess": of["publicNetworkAccess"],
        }});
        let passed = world.ask("PATCH", &world.cache(name), Some(body)).await;
        assert_eq!(passed.status, StatusCode::OK, "{passed:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn each_cache_keeps_its_own_keys_through_a_failover() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let keys = async |name: &str| {
        let path = format!("{}/listKeys", world.cache(name));
        world.ask("POST", &path, None).await.body
    };
    let before = [keys("east").await, keys("west").await];
    assert_ne!(before[0], before[1]);
    world
        .done(&world.link("west", "east", "Secondary").await)
        .await;
    assert_eq!([keys("east").await, keys("west").await], before);
    world.stop().await;
}

#[tokio::test]
async fn nobody_fails_over_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_link(dir.path()).await;
    let epoch = || world.plane.store.state().links.iter().next().unwrap().epoch;
    let before = epoch();
    east.set(|agent| agent.silent = true);
    world
        .plane
        .observations
        .age(&crate::harness::region("eastus"));
    let mut reports = world.plane.observations.watch();
    for _ in 0..20 {
        reports.changed().await.unwrap();
    }
    assert_eq!(epoch(), before);
    let shown = world
        .get(&format!("{}/linkedServers/west", world.cache("east")))
        .await;
    assert_eq!(shown.body["properties"]["serverRole"], "Secondary");
    world.stop().await;
}
