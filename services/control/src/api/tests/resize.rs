//! Sizes, replicas: what is taken, what is refused, and how a change ends.

use axum::http::StatusCode;
use model::Lifecycle;
use serde_json::{Value, json};

use crate::harness::{Answer, World, premium};

const GB: u64 = 1 << 30;

fn sku(name: &str, family: &str, capacity: u8) -> Value {
    json!({"properties": {"sku": {"name": name, "family": family, "capacity": capacity}}})
}

async fn patch(world: &World, name: &str, body: Value) -> Answer {
    world.ask("PATCH", &world.cache(name), Some(body)).await
}

async fn make(world: &World, name: &str, size: Value) {
    let mut body = premium("eastus");
    body["properties"]["sku"] = size["properties"]["sku"].clone();
    let made = world.put(&world.cache(name), body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    world.done(&made).await;
}

#[tokio::test]
async fn a_cache_grows_from_basic_to_premium_and_gets_its_replica_on_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    make(&world, "a", sku("Basic", "C", 1)).await;
    for (to, nodes) in [
        (sku("Standard", "C", 1), 2),
        (sku("Standard", "C", 4), 2),
        (sku("Premium", "P", 2), 2),
    ] {
        let scaled = patch(&world, "a", to.clone()).await;
        assert_eq!(scaled.status, StatusCode::OK, "{scaled:?}");
        assert_eq!(scaled.body["properties"]["provisioningState"], "Scaling");
        let running = world.get(&scaled.leads("azure-asyncoperation")).await;
        if running.body["status"] == "InProgress" {
            // The cache may have arrived, and its operation not.
            let phase = running.body["properties"]["phase"].as_str().unwrap();
            assert!(["Scaling", "Updating"].contains(&phase), "{running:?}");
        }
        world.done(&scaled).await;
        let shown = world.get(&world.cache("a")).await.body;
        let instances = shown["properties"]["instances"].as_array().unwrap().len();
        assert_eq!(instances, nodes, "{to}");
        assert_eq!(shown["properties"]["provisioningState"], "Succeeded");
    }
    world.stop().await;
}

#[tokio::test]
async fn no_tier_becomes_a_lower_one() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    make(&world, "s", sku("Standard", "C", 1)).await;
    let before = world.revision();
    for (name, to, words) in [
        (
            "east",
            sku("Standard", "C", 6),
            "a Premium cache cannot become Standard",
        ),
        (
            "east",
            sku("Basic", "C", 1),
            "a Premium cache cannot become Basic",
        ),
        (
            "s",
            sku("Basic", "C", 1),
            "a Standard cache cannot become Basic",
        ),
    ] {
        let refused = patch(&world, name, to).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
        assert!(refused.message().contains(words), "{}", refused.message());
    }
    assert_eq!(world.revision(), before);
    world.stop().await;
}

#[tokio::test]
async fn a_smaller_size_is_refused_with_both_numbers_while_the_data_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_agents(dir.path()).await;
    make(&world, "a", sku("Premium", "P", 2)).await;
    east.set(|b| b.used_memory = Some(6 * GB));
    let used = || {
        let seen = world.plane.observations.seen();
        let of = |record: &model::CacheRecord| {
            let seen = seen.cache(&record.region, &record.uid);
            seen.is_some_and(|seen| seen.shards[0].used_memory == 6 * GB)
        };
        world
            .plane
            .store
            .state()
            .caches
            .iter()
            .all(|cache| of(cache))
    };
    world.until("the agent tells what is used", used).await;
    let before = world.revision();
    let refused = patch(&world, "a", sku("Premium", "P", 1)).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::BAD_REQUEST, "InvalidRequestBody")
    );
    for part in ["6144 MB", "5502 MB", "delete or expire data"] {
        assert!(refused.message().contains(part), "{}", refused.message());
    }
    // More memory kept free is less for data, too.
    let reserve = json!({"properties": {"redisConfiguration": {"maxmemory-reserved": "7900"}}});
    let refused = patch(&world, "a", reserve).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert_eq!(world.revision(), before);
    east.set(|b| b.used_memory = Some(GB));
    let fits = world
        .eventually("it fits by now", async || {
            let scaled = patch(&world, "a", sku("Premium", "P", 1)).await;
            (scaled.status == StatusCode::OK).then_some(scaled)
        })
        .await;
    world.done(&fits).await;
    let shown = world.get(&world.cache("a")).await.body;
    // The databases that there are stay.
    assert_eq!(shown["properties"]["redisConfiguration"]["databases"], "32");
    world.stop().await;
}

#[tokio::test]
async fn a_smaller_size_needs_an_agent_that_tells_what_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_agents(dir.path()).await;
    make(&world, "a", sku("Premium", "P", 2)).await;
    east.set(|b| b.silent = true);
    world
        .eventually("the agent is silent", async || {
            world
                .plane
                .observations
                .forget(&crate::harness::region("eastus"));
            let refused = patch(&world, "a", sku("Premium", "P", 1)).await;
            refused
                .message()
                .contains("the agent of East US")
                .then_some(())
        })
        .await;
    world.stop().await;
}

#[tokio::test]
async fn what_the_agent_does_not_carry_out_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_agents(dir.path()).await;
    make(&world, "a", sku("Premium", "P", 2)).await;
    let why = "the data of shard 0 do not fit: it holds 6 MB, and there is room for 5 MB";
    east.set(|b| b.refuses = Some(why.to_owned()));
    let scaled = patch(&world, "a", sku("Premium", "P", 1)).await;
    assert_eq!(scaled.status, StatusCode::OK, "{scaled:?}");
    let ended = world.ended(&scaled).await.body;
    assert_eq!(ended["status"], "Failed");
    let told = ended["error"]["message"].as_str().unwrap();
    assert!(
        told.contains("nothing was changed") && told.contains(why),
        "{told}"
    );
    let shown = world.get(&world.cache("a")).await.body;
    assert_eq!(shown["properties"]["sku"]["capacity"], 2);
    east.set(|b| b.refuses = None);
    world
        .eventually("it runs as before", async || {
            (world.state_of("a").await == "Succeeded").then_some(())
        })
        .await;
    world.stop().await;
}

#[tokio::test]
async fn one_change_of_size_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    east.set(|b| b.stuck = true);
    let first = patch(&world, "east", sku("Premium", "P", 2)).await;
    assert_eq!(first.status, StatusCode::OK);
    for body in [
        sku("Premium", "P", 3),
        json!({"properties": {"replicasPerPrimary": 2}}),
        json!({"properties": {"redisConfiguration": {"aof-backup-enabled": "true"}}}),
        json!({"properties": {"redisConfiguration": {"maxmemory-policy": "noeviction"}}}),
    ] {
        let refused = patch(&world, "east", body).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::CONFLICT, "Conflict"),
            "{refused:?}"
        );
        assert!(
            refused.message().contains("is being changed"),
            "{refused:?}"
        );
    }
    // What no engine is told of is not in its way.
    let tagged = patch(&world, "east", json!({"tags": {"a": "b"}})).await;
    assert_eq!(tagged.status, StatusCode::OK, "{tagged:?}");
    let linked = world.link("east", "west", "Secondary").await;
    assert!(linked.message().contains("Scaling"), "{}", linked.message());
    east.set(|b| b.stuck = false);
    world.done(&first).await;
    world.stop().await;
}

#[tokio::test]
async fn replicas_come_and_go_on_a_premium_cache_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    for replicas in [2, 3, 1] {
        let changed = patch(
            &world,
            "east",
            json!({"properties": {"replicasPerMaster": replicas}}),
        )
        .await;
        assert_eq!(changed.body["properties"]["provisioningState"], "Scaling");
        world.done(&changed).await;
        let shown = world.get(&world.cache("east")).await.body;
        assert_eq!(shown["properties"]["replicasPerPrimary"], replicas);
    }
    make(&world, "s", sku("Standard", "C", 1)).await;
    let refused = patch(
        &world,
        "s",
        json!({"properties": {"replicasPerPrimary": 2}}),
    )
    .await;
    assert!(
        refused.message().contains("1 to 1"),
        "{}",
        refused.message()
    );
    world.stop().await;
}

#[tokio::test]
async fn a_linked_cache_keeps_its_size_and_takes_its_own_body_back() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let persistent = json!({"properties": {"redisConfiguration": {"rdb-backup-enabled": "true"}}});
    let cases = [
        (sku("Premium", "P", 2), "cannot be scaled"),
        (
            json!({"properties": {"shardCount": 2}}),
            "no clustered caches",
        ),
        (
            json!({"properties": {"replicasPerPrimary": 2}}),
            "replicas cannot be changed",
        ),
        (persistent, "persistence cannot be enabled"),
    ];
    let before = world.revision();
    for name in ["east", "west"] {
        for (body, words) in &cases {
            let refused = patch(&world, name, body.clone()).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
            assert!(refused.message().contains(words), "{}", refused.message());
        }
    }
    assert_eq!(world.revision(), before);
    // `az redis update --set tags.x=y` sends all that it was shown.
    for name in ["east", "west"] {
        let mut shown = world.get(&world.cache(name)).await.body;
        shown["tags"] = json!({"x": "y"});
        let same = patch(&world, name, shown).await;
        assert_eq!(same.status, StatusCode::OK, "{same:?}");
        world.done(&same).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_change_that_failed_can_be_gone_back_from() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let scaled = patch(&world, "east", sku("Premium", "P", 2)).await;
    world.done(&scaled).await;
    let record = || {
        let state = world.plane.store.state();
        let mut caches = state.caches.iter();
        let east = caches.find(|cache| cache.id.name.as_str() == "east");
        model::CacheRecord::clone(east.unwrap())
    };
    assert_eq!(
        (record().resize, record().lifecycle),
        (None, Lifecycle::Ready)
    );
    assert_eq!(record().spec.sku.capacity(), 2);
    world.stop().await;
}
