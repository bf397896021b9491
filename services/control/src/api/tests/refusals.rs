//! Refused requests about single caches: each names the field, and none writes.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{World, premium};

/// A creation with one field set, given as a path.
fn with(path: &str, value: Value) -> Value {
    let mut body = premium("eastus");
    let mut at = &mut body;
    for part in path.split('.') {
        at = &mut at[part];
    }
    *at = value;
    body
}

/// Fields of a wrong type, missing fields, sizes that do not exist.
fn bad_shapes() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"location": "eastus"}), "`properties.sku` is missing"),
        (with("location", json!(null)), "`location` is missing"),
        (
            with("location", json!(5)),
            "`location` is a number; it takes a text",
        ),
        (
            with("properties.sku", json!("P1")),
            "`properties.sku` is a text; it takes an object",
        ),
        (
            with("properties.sku.name", json!("Gold")),
            "`properties.sku.name` is `Gold`; it takes Basic or Standard or Premium",
        ),
        (
            with("properties.sku.family", json!("C")),
            "Premium caches are of family P",
        ),
        (
            with("properties.sku.capacity", json!(9)),
            "has no capacity 9",
        ),
        (
            with("properties.sku.capacity", json!("1")),
            "`properties.sku.capacity` is a text; it takes a whole number",
        ),
        (
            with("properties.sku.capacity", json!(1.5)),
            "it takes a whole number",
        ),
        (
            with("properties.sku.size", json!(1)),
            "`properties.sku.size` is not known",
        ),
    ]
}

/// What this version does not do.
fn unsupported() -> Vec<(Value, &'static str)> {
    vec![
        (
            with("properties.shardCount", json!(2)),
            "makes no clustered caches",
        ),
        (
            with("properties.subnetId", json!("/subscriptions/s")),
            "virtualNetworks",
        ),
        (
            with("properties.staticIP", json!("10.0.0.1")),
            "without `properties.subnetId`",
        ),
        (
            with("properties.staticIP", json!("ten")),
            "it takes an IPv4 address",
        ),
        (
            with("properties.disableAccessKeyAuthentication", json!(true)),
            "nobody could come in",
        ),
        (
            with("properties.minimumTlsVersion", json!("1.0")),
            "use 1.2 or 1.3",
        ),
        (
            with("properties.minimumTlsVersion", json!("2")),
            "`properties.minimumTlsVersion` is `2`",
        ),
        (
            with("properties.publicNetworkAccess", json!("Private")),
            "`properties.publicNetworkAccess` is `Private`; it takes Enabled or Disabled",
        ),
        (with("properties.redisVersion", json!("4")), "use `6`"),
        (with("properties.replicasPerMaster", json!(4)), "1 to 3"),
        (
            with("properties.enableNonSslPort", json!("yes")),
            "it takes true or false",
        ),
    ]
}

/// Settings that are not taken, and fields that nobody knows.
fn bad_values() -> Vec<(Value, &'static str)> {
    vec![
        (
            with(
                "properties.redisConfiguration",
                json!({"appendonly": "yes"}),
            ),
            "has no key `appendonly`",
        ),
        (
            with(
                "properties.redisConfiguration",
                json!({"maxmemory-policy": []}),
            ),
            "`properties.redisConfiguration.maxmemory-policy` is a list",
        ),
        (
            with(
                "properties.redisConfiguration",
                json!({"rdb-backup-enabled": "sometimes"}),
            ),
            "use `true` or `false`",
        ),
        (
            with(
                "properties.redisConfiguration",
                json!({"aad-enabled": "perhaps"}),
            ),
            "use `true` or `false`",
        ),
        (
            with("properties.color", json!("red")),
            "`properties.color` is not known",
        ),
        (with("colour", json!("red")), "`colour` is not known"),
        (
            with("identity", json!({"type": "UserAssigned"})),
            "come together",
        ),
        (
            with("identity", json!({"type": "Everybody"})),
            "`identity.type` is `Everybody`",
        ),
        (
            with("zones", json!("1")),
            "`zones` is a text; it takes a list of texts",
        ),
        (with("tags", json!({"a": {}})), "`tags.a` is an object"),
    ]
}

#[tokio::test]
async fn bad_creations_name_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let before = world.revision();
    let cases = bad_shapes()
        .into_iter()
        .chain(unsupported())
        .chain(bad_values());
    for (body, words) in cases {
        let refused = world.put(&world.cache("a"), body.clone()).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::BAD_REQUEST, "InvalidRequestBody"),
            "{body} {refused:?}"
        );
        assert!(
            refused.message().contains(words),
            "{body}: {}",
            refused.message()
        );
    }
    let mut both = premium("eastus");
    both["properties"]["replicasPerMaster"] = json!(1);
    both["properties"]["replicasPerPrimary"] = json!(2);
    assert!(
        world
            .put(&world.cache("a"), both)
            .await
            .message()
            .contains("means the same")
    );
    let far = world.put(&world.cache("a"), premium("japaneast")).await;
    assert_eq!(far.code(), "LocationNotAvailableForResourceType");
    assert!(
        far.message().contains("eastus, westus"),
        "{}",
        far.message()
    );
    let bad = world.put(&world.cache("a--b"), premium("eastus")).await;
    assert_eq!(
        (bad.status, bad.code()),
        (StatusCode::BAD_REQUEST, "InvalidResourceName")
    );
    let nowhere = world.cache("a").replace("/g/", "/other/");
    assert_eq!(
        world.put(&nowhere, premium("eastus")).await.code(),
        "ResourceGroupNotFound"
    );
    assert_eq!(world.revision(), before, "a refused request writes nothing");
    world.stop().await;
}

#[tokio::test]
async fn what_clients_send_back_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let path = world.cache("east");
    let mut shown = world.get(&path).await.body;
    shown["identity"] =
        json!({"type": "None", "principalId": null, "userAssignedIdentities": null});
    shown["properties"]["subnetId"] = json!(null);
    shown["systemData"] = json!({"createdAt": "then"});
    let same = world.put(&path, shown).await;
    assert_eq!(same.status, StatusCode::OK, "{same:?}");
    world.done(&same).await;
    world.stop().await;
}

#[tokio::test]
async fn bad_updates_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    let before = world.revision();
    let path = world.cache("east");
    let moved = world.put(&path, premium("westus")).await;
    assert_eq!(
        (moved.status, moved.code()),
        (StatusCode::CONFLICT, "InvalidResourceLocation")
    );
    for (body, words) in [
        (
            json!({"properties": {"sku": {"name": "Standard", "family": "C", "capacity": 3}}}),
            "cannot become Standard",
        ),
        (
            json!({"properties": {"redisConfiguration": {"databases": "8"}}}),
            "cannot be changed",
        ),
        (
            json!({"properties": {"redisConfiguration": {"maxclients": "5"}}}),
            "follows from the size",
        ),
    ] {
        let refused = world.ask("PATCH", &path, Some(body.clone())).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{body} {refused:?}"
        );
        assert!(
            refused.message().contains(words),
            "{body}: {}",
            refused.message()
        );
    }
    let absent = world
        .ask("PATCH", &world.cache("absent"), Some(json!({})))
        .await;
    assert_eq!(
        (absent.status, absent.code()),
        (StatusCode::NOT_FOUND, "ResourceNotFound")
    );
    let key = world
        .ask(
            "POST",
            &format!("{path}/regenerateKey"),
            Some(json!({"keyType": "Third"})),
        )
        .await;
    assert!(key.message().contains("`keyType` is `Third`"), "{key:?}");
    assert_eq!(world.revision(), before);

    east.set(|b| b.stuck = true);
    let other = world.put(&world.cache("slow"), premium("eastus")).await;
    assert_eq!(other.status, StatusCode::CREATED);
    let before = world
        .eventually("its agent has seen it", async || {
            let shown = world.get(&world.cache("slow")).await.body;
            let leads = shown["properties"]["instances"][0]["isPrimary"] == true;
            let reached = shown["properties"]["port"] != 6379;
            (leads && reached).then_some(shown)
        })
        .await;
    let busy = world
        .ask("PATCH", &world.cache("slow"), Some(json!({"tags": {}})))
        .await;
    assert_eq!(busy.status, StatusCode::CONFLICT);
    // The name is a DNS label of the whole deployment.
    let group = format!("{}/resourcegroups/g2", world.sub);
    world.put(&group, json!({"location": "eastus"})).await;
    let elsewhere = world.cache("slow").replace("/g/", "/g2/");
    let taken = world.put(&elsewhere, premium("eastus")).await;
    assert_eq!(
        (taken.status, taken.code()),
        (StatusCode::CONFLICT, "NameNotAvailable")
    );
    assert_eq!(world.get(&world.cache("slow")).await.body, before);
    let absent = world.get(&elsewhere).await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    world.stop().await;
}
