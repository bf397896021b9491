use axum::http::StatusCode;
use serde_json::json;

use crate::harness::{World, premium};

#[tokio::test]
async fn a_cache_is_created_as_az_does_it() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let path = world.cache("azp");
    // The body that `az redis create` sends.
    let body = json!({"location":"eastus","properties":{"redisConfiguration":{},"tenantSettings":{},"sku":{"name":"Premium","family":"p","capacity":1}}});
    let made = world.put(&path, body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let properties = &made.body["properties"];
    assert_eq!(properties["provisioningState"], "Creating");
    assert_eq!(
        properties["sku"],
        json!({"name": "Premium", "family": "P", "capacity": 1})
    );
    assert_eq!(
        properties["accessKeys"]["primaryKey"]
            .as_str()
            .unwrap()
            .len(),
        44
    );
    assert_eq!(made.body["location"], "East US");
    assert_eq!(made.body["type"], "Microsoft.Cache/Redis");
    assert_eq!(made.header("retry-after"), "1");
    let op = made.leads("azure-asyncoperation");
    assert!(
        op.contains("/locations/East%20US/asyncOperations/")
            && op.ends_with("?api-version=2024-11-01"),
        "{op}"
    );
    assert_eq!(
        world.get(&made.leads("location")).await.body["id"],
        made.body["id"]
    );
    world.done(&made).await;

    let shown = world.get(&path).await;
    let properties = &shown.body["properties"];
    assert_eq!(properties["provisioningState"], "Succeeded");
    assert_eq!(properties["accessKeys"], json!(null));
    assert_eq!(properties["linkedServers"], json!([]));
    assert_eq!(properties["hostName"], "azp.zone.test");
    assert_eq!(properties["redisVersion"], "6.0");
    assert_eq!(properties["replicasPerMaster"], 1);
    assert_eq!(properties["replicasPerPrimary"], 1);
    assert!(properties.get("shardCount").is_none());
    assert_eq!(properties["instances"][0]["isPrimary"], true);
    assert_eq!(properties["instances"][1]["sslPort"], 15_001);
    assert_eq!(properties["redisConfiguration"]["maxclients"], "7500");
    assert_eq!(
        properties["redisConfiguration"]["maxmemory-reserved"],
        "642"
    );
    assert_eq!(shown.header("retry-after"), "");
    world.stop().await;
}

#[tokio::test]
async fn lists_and_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let path = world.cache("east");
    let by_group = format!(
        "{}/resourceGroups/g/providers/Microsoft.Cache/Redis",
        world.sub
    );
    let by_subscription = format!("{}/providers/Microsoft.Cache/Redis", world.sub);
    for list in [by_group, by_subscription] {
        let listed = world.get(&list).await;
        let names: Vec<_> = listed.body["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].clone())
            .collect();
        assert_eq!(names, ["east", "west"]);
        assert!(listed.body.get("nextLink").is_none());
        assert!(!listed.body.to_string().contains("primaryKey"));
    }
    let keys = world
        .ask("POST", &format!("{path}/listKeys"), None)
        .await
        .body;
    let before = world
        .plane
        .store
        .state()
        .caches
        .iter()
        .next()
        .unwrap()
        .revision;
    let fresh = world
        .ask(
            "POST",
            &format!("{path}/regenerateKey"),
            Some(json!({"keyType": "Secondary"})),
        )
        .await;
    assert_eq!(fresh.status, StatusCode::OK);
    assert_eq!(fresh.body["primaryKey"], keys["primaryKey"]);
    assert_ne!(fresh.body["secondaryKey"], keys["secondaryKey"]);
    assert_eq!(
        world
            .plane
            .store
            .state()
            .caches
            .iter()
            .next()
            .unwrap()
            .revision,
        before + 1
    );
    assert_eq!(
        world
            .ask("POST", &format!("{path}/listKeys"), None)
            .await
            .body,
        fresh.body
    );

    world.stop().await;
}

#[tokio::test]
async fn names_are_checked_before_they_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let check = format!(
        "{}/providers/Microsoft.Cache/CheckNameAvailability",
        world.sub
    );
    let ask = |name: &str| {
        world.ask(
            "POST",
            &check,
            Some(json!({"name": name, "type": "Microsoft.Cache/Redis"})),
        )
    };
    let free = ask("free").await;
    assert_eq!((free.status, &free.body), (StatusCode::OK, &json!(null)));
    let taken = ask("EAST").await;
    assert_eq!(
        (taken.status, taken.code()),
        (StatusCode::CONFLICT, "NameNotAvailable")
    );
    assert_eq!(ask("bad--name").await.status, StatusCode::BAD_REQUEST);
    world.stop().await;
}

#[tokio::test]
async fn an_update_that_changes_nothing_for_the_engines_is_done_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    east.set(|b| b.stuck = true);
    let path = world.cache("east");
    let shown = world.get(&path).await.body;
    // What `az redis update --set tags.x=y` sends: everything that it was shown.
    let body = json!({"properties": {
        "sku": shown["properties"]["sku"], "redisConfiguration": shown["properties"]["redisConfiguration"],
        "redisVersion": "6.0", "enableNonSslPort": false, "tenantSettings": {}, "shardCount": null,
        "publicNetworkAccess": "Enabled", "updateChannel": "Stable",
        "disableAccessKeyAuthentication": false, "zonalAllocationPolicy": null,
    }, "tags": {"x": "y"}});
    let updated = world.ask("PATCH", &path, Some(body)).await;
    assert_eq!(updated.status, StatusCode::OK, "{updated:?}");
    assert_eq!(updated.body["tags"], json!({"x": "y"}));
    world.done(&updated).await;
    let set = world
        .plane
        .store
        .state()
        .caches
        .iter()
        .next()
        .unwrap()
        .spec
        .configuration
        .clone();
    assert!(set.is_empty(), "what was only shown is not set: {set:?}");
    world.stop().await;
}

#[tokio::test]
async fn updates_and_scaling_wait_for_the_engines() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    east.set(|b| b.stuck = true);
    let path = world.cache("east");
    let patch = json!({"properties": {"redisConfiguration": {"maxmemory-policy": "allkeys-lru"}}});
    let updated = world.ask("PATCH", &path, Some(patch)).await;
    assert_eq!(updated.body["properties"]["provisioningState"], "Updating");
    let running = world.get(&updated.leads("azure-asyncoperation")).await;
    assert_eq!(running.body["status"], "InProgress");
    assert_eq!(running.body["properties"]["phase"], "Updating");
    assert_eq!(running.header("retry-after"), "1");
    east.set(|b| b.stuck = false);
    world.done(&updated).await;
    // The tier and size may grow, and so do the databases that nobody has chosen.
    let mut bigger = premium("eastus");
    bigger["properties"]["sku"]["capacity"] = json!(2);
    let scaled = world.put(&path, bigger).await;
    assert_eq!(
        (
            scaled.status,
            &scaled.body["properties"]["provisioningState"]
        ),
        (StatusCode::OK, &json!("Scaling"))
    );
    world.done(&scaled).await;
    let configuration = &world.get(&path).await.body["properties"]["redisConfiguration"];
    assert!(configuration.get("databases").is_none());
    assert_eq!(configuration["maxmemory-policy"], "allkeys-lru");
    assert_eq!(configuration["maxmemory-reserved"], "1391");
    world.stop().await;
}

#[tokio::test]
async fn a_cache_that_cannot_start_fails_and_can_be_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_agents(dir.path()).await;
    east.set(|b| b.no_engine = true);
    let made = world.put(&world.cache("a"), premium("eastus")).await;
    let ended = world.ended(&made).await;
    assert_eq!(ended.body["status"], "Failed");
    assert!(
        ended.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("valkey-server is not installed")
    );
    assert_eq!(world.state_of("a").await, "Failed");
    let gone = world.delete(&world.cache("a")).await;
    world.done(&gone).await;
    world.stop().await;
}

#[tokio::test]
async fn deletion_is_followed_through_operationresults() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    east.set(|b| b.keeps = true);
    let path = world.cache("east");
    let going = world.delete(&path).await;
    assert_eq!(
        (going.status, &going.body),
        (StatusCode::ACCEPTED, &json!(null))
    );
    let result = going.leads("location");
    assert!(result.contains("/operationresults/"), "{result}");
    let running = world.get(&result).await;
    assert_eq!(
        (running.status, &running.body["status"]),
        (StatusCode::ACCEPTED, &json!("InProgress"))
    );
    assert!(!running.header("azure-asyncoperation").is_empty());
    assert!(!running.header("location").is_empty());
    assert_eq!(world.state_of("east").await, "Deleting");
    let again = world.delete(&path).await;
    assert_eq!(again.header("location"), going.header("location"));
    east.set(|b| b.keeps = false);
    world.done(&going).await;
    let ended = world.get(&result).await;
    assert_eq!(
        (ended.status, &ended.body["status"]),
        (StatusCode::OK, &json!("Succeeded"))
    );
    assert_eq!(ended.header("location"), "");
    let absent = world.delete(&path).await;
    assert_eq!(absent.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get(&path).await.code(), "ResourceNotFound");
    let made = world.put(&path, premium("westus")).await;
    assert_eq!(
        made.status,
        StatusCode::CREATED,
        "the name is free for another region"
    );
    world.stop().await;
}

#[tokio::test]
async fn what_runs_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    let status = world
        .get(&format!("{}/runtimeStatus", world.cache("east")))
        .await
        .body;
    assert_eq!(status["role"], "Alone");
    assert_eq!(
        status["endpoint"],
        json!({"host": "127.0.0.1", "port": 7001})
    );
    assert_eq!(status["engine"], "valkey 8.0.1");
    assert_eq!(status["shards"][0]["standing"], "Writable");
    assert_eq!(status["settled"], true);
    assert_eq!(status["problem"], json!(null));
    assert!(status["msSinceReport"].as_u64().is_some());
    east.set(|b| b.problem = Some("the disk is full".to_owned()));
    let told = || {
        let seen = world.plane.observations.seen();
        let report = &seen
            .region(&crate::harness::region("eastus"))
            .unwrap()
            .report;
        report.caches.iter().any(|cache| cache.problem.is_some())
    };
    world.until("the problem is reported", told).await;
    let status = world
        .get(&format!("{}/runtimeStatus", world.cache("east")))
        .await
        .body;
    assert_eq!(status["problem"], "the disk is full");
    let none = world
        .get(&format!("{}/patchSchedules/default", world.cache("east")))
        .await;
    assert_eq!(
        (none.status, none.code()),
        (StatusCode::NOT_FOUND, "ResourceNotFound")
    );
    world.stop().await;
}
