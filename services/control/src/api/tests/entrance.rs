use axum::http::StatusCode;
use model::{RegionDesired, TlsVersion};
use serde_json::json;

use crate::harness::{World, region};

#[tokio::test]
async fn the_door_of_a_cache_is_what_its_properties_say() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let door = |desired: &RegionDesired| desired.caches[0].door.clone();
    world
        .told(&region("eastus"), |desired| {
            let door = door(desired);
            desired.zone == "zone.test"
                && desired.issuers[0].issuer == "https://issuer.test"
                && (door.plain, door.public, door.access_keys) == (false, true, true)
                && door.minimum_tls == TlsVersion::V1_2
        })
        .await;
    let changed = world
        .patch(
            "east",
            json!({
                "enableNonSslPort": true, "minimumTlsVersion": "1.3",
                "disableAccessKeyAuthentication": true, "redisConfiguration": {"aad-enabled": "true"},
            }),
        )
        .await;
    assert_eq!(
        changed.body["properties"]["provisioningState"], "Updating",
        "{changed:?}"
    );
    world.done(&changed).await;
    let shown = world.get(&world.cache("east")).await;
    let properties = &shown.body["properties"];
    assert_eq!(properties["enableNonSslPort"], true);
    assert_eq!(properties["minimumTlsVersion"], "1.3");
    assert_eq!(properties["disableAccessKeyAuthentication"], true);
    assert_eq!(properties["redisConfiguration"]["aad-enabled"], "true");
    world
        .told(&region("eastus"), |desired| {
            let door = door(desired);
            door.plain && !door.access_keys && door.minimum_tls == TlsVersion::V1_3
        })
        .await;
    // What `az redis update` sends back as it got it changes nothing.
    let before = world
        .plane
        .desired
        .of(&region("eastus"))
        .unwrap()
        .generation;
    let again = world.patch("east", properties.clone()).await;
    assert_eq!(
        again.body["properties"]["provisioningState"], "Succeeded",
        "{again:?}"
    );
    assert_eq!(
        world
            .plane
            .desired
            .of(&region("eastus"))
            .unwrap()
            .generation,
        before
    );

    let refused = world
        .patch(
            "east",
            json!({"redisConfiguration": {"aad-enabled": "false"}}),
        )
        .await;
    assert!(
        refused.message().contains("nobody could come in"),
        "{refused:?}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_cache_can_be_made_closed_or_for_tokens_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let mut closed = crate::harness::premium("eastus");
    closed["properties"]["publicNetworkAccess"] = json!("Disabled");
    let made = world.put(&world.cache("closed"), closed).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let mut tokens = crate::harness::premium("westus");
    tokens["properties"]["disableAccessKeyAuthentication"] = json!(true);
    let refused = world.put(&world.cache("tokens"), tokens.clone()).await;
    assert!(
        refused.message().contains("nobody could come in"),
        "{refused:?}"
    );
    tokens["properties"]["redisConfiguration"] = json!({"aad-enabled": true});
    let made = world.put(&world.cache("tokens"), tokens).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    world
        .told(&region("eastus"), |told| {
            told.caches.len() == 1 && !told.caches[0].door.public
        })
        .await;
    world
        .told(&region("westus"), |told| {
            told.caches.len() == 1 && !told.caches[0].door.access_keys
        })
        .await;
    world.stop().await;
}

#[tokio::test]
async fn tokens_need_somebody_whose_tokens_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = crate::harness::config(dir.path());
    config.issuers.clear();
    let world = World::start_as(config).await;
    let _east = world.agent("eastus");
    let group = format!("{}/resourcegroups/g", world.sub);
    world.put(&group, json!({"location": "eastus"})).await;
    let mut body = crate::harness::premium("eastus");
    body["properties"]["redisConfiguration"] = json!({"aad-enabled": "true"});
    let refused = world.put(&world.cache("east"), body).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(
        refused.message().contains("`--token-issuer`"),
        "{refused:?}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_start_with_another_zone_or_other_issuers_is_news_to_agents() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let before = world
        .plane
        .desired
        .of(&region("eastus"))
        .unwrap()
        .generation;
    world.stop().await;
    let again = World::start(dir.path()).await;
    assert_eq!(
        again
            .plane
            .desired
            .of(&region("eastus"))
            .unwrap()
            .generation,
        before
    );
    again.stop().await;
    let mut other = crate::harness::config(dir.path());
    other
        .issuers
        .push(crate::harness::issuer("https://other.test"));
    let other = World::start_as(other).await;
    let told = other.plane.desired.of(&region("eastus")).unwrap();
    assert!(
        told.generation > before && told.issuers.len() == 2,
        "{told:?}"
    );
    other.stop().await;
}
