use axum::http::StatusCode;
use serde_json::json;

use crate::harness::{World, premium};

#[tokio::test]
async fn groups_live_from_put_to_delete() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let path = format!("{}/resourceGroups/My-Group", world.sub);
    assert_eq!(world.get(&path).await.code(), "ResourceGroupNotFound");
    assert_eq!(
        world.ask("HEAD", &path, None).await.status,
        StatusCode::NOT_FOUND
    );
    let made = world
        .put(&path, json!({"location": "East US", "tags": {"a": "b"}}))
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.body["location"], "eastus");
    assert_eq!(made.body["properties"]["provisioningState"], "Succeeded");
    let again = world
        .put(&path.to_lowercase(), json!({"location": "eastus"}))
        .await;
    assert_eq!(
        (again.status, &again.body["name"]),
        (StatusCode::OK, &json!("My-Group"))
    );
    assert_eq!(again.body["tags"], json!({"a": "b"}));
    assert_eq!(
        world.ask("HEAD", &path, None).await.status,
        StatusCode::NO_CONTENT
    );
    let tagged = world
        .ask("PATCH", &path, Some(json!({"tags": {"c": "d"}})))
        .await;
    assert_eq!(tagged.body["tags"], json!({"c": "d"}));
    let listed = world.get(&format!("{}/resourcegroups", world.sub)).await;
    assert_eq!(listed.body["value"][0]["name"], "My-Group");

    let before = world.revision();
    let moved = world.put(&path, json!({"location": "westus"})).await;
    assert_eq!(
        (moved.status, moved.code()),
        (StatusCode::CONFLICT, "InvalidResourceGroupLocation")
    );
    let bad = world
        .put(
            &format!("{}/resourceGroups/bad.", world.sub),
            json!({"location": "eastus"}),
        )
        .await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let odd = world.put(&path, json!({"locatoin": "eastus"})).await;
    assert!(odd.message().contains("`locatoin`"), "{odd:?}");
    assert_eq!(world.revision(), before);

    let gone = world.delete(&path).await;
    assert_eq!(gone.status, StatusCode::ACCEPTED);
    world.done(&gone).await;
    assert_eq!(world.get(&path).await.status, StatusCode::NOT_FOUND);
    world.stop().await;
}

#[tokio::test]
async fn deleting_a_group_spares_linked_caches_until_they_are_unlinked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let third = world.put(&world.cache("third"), premium("eastus")).await;
    world.done(&third).await;
    let group = format!("{}/resourcegroups/g", world.sub);
    let going = world.delete(&group).await;
    assert_eq!(going.status, StatusCode::ACCEPTED);
    let gone = || {
        let state = world.plane.store.state();
        state
            .caches
            .iter()
            .all(|cache| cache.id.name.as_str() != "third")
    };
    world.until("the third cache goes", gone).await;
    assert_eq!(world.state_of("east").await, "Succeeded");
    assert_eq!(
        world.get(&group).await.body["properties"]["provisioningState"],
        "Deleting"
    );
    let refused = world.put(&world.cache("fourth"), premium("eastus")).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::CONFLICT, "ResourceGroupBeingDeleted")
    );
    let again = world.delete(&group).await;
    assert_eq!(
        again.header("azure-asyncoperation"),
        going.header("azure-asyncoperation")
    );
    let running = world.get(&going.leads("azure-asyncoperation")).await;
    let waits = running.body["properties"]["waitingFor"].as_str().unwrap();
    assert_eq!(
        waits,
        "`east` and `west` to be unlinked: a linked cache is not deleted"
    );
    let unlinked = world
        .delete(&format!("{}/linkedServers/west", world.cache("east")))
        .await;
    assert_eq!(unlinked.status, StatusCode::ACCEPTED);
    world.done(&going).await;
    assert_eq!(world.get(&group).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.plane.store.state().caches.iter().count(), 0);
    world.stop().await;
}

#[tokio::test]
async fn of_a_pair_in_two_groups_the_one_stays_when_the_other_s_group_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let other = format!("{}/resourcegroups/other", world.sub);
    world.put(&other, json!({"location": "westus"})).await;
    let west = world.cache("west").replace("/g/", "/other/");
    for (path, place) in [(world.cache("east"), "eastus"), (west.clone(), "westus")] {
        let made = world.put(&path, premium(place)).await;
        world.done(&made).await;
    }
    let mut body = world.link_body("west", "Secondary");
    body["properties"]["linkedRedisCacheId"] = json!(west);
    let link = format!("{}/linkedServers/west", world.cache("east"));
    let linked = world.put(&link, body.clone()).await;
    assert_eq!(linked.status, StatusCode::CREATED, "{linked:?}");
    world.done(&linked).await;
    let going = world.delete(&other).await;
    let operation = going.leads("azure-asyncoperation");
    let running = world.get(&operation).await;
    assert_eq!(running.body["properties"]["phase"], "Deleting");
    assert_eq!(
        running.body["properties"]["waitingFor"],
        "`west` to be unlinked from `east`: a linked cache is not deleted"
    );
    // The caches go on, and so does what concerns them.
    let swapped = format!("{west}/linkedServers/east");
    let swapped = world
        .put(&swapped, world.link_body("east", "Secondary"))
        .await;
    world.done(&swapped).await;
    // Once it is unlinked nobody can link it anew before it goes.
    let unlinked = world.delete(&link).await;
    assert_eq!(unlinked.status, StatusCode::ACCEPTED);
    let refused = world.put(&link, body).await;
    assert!(refused.status.is_client_error(), "{refused:?}");
    world.done(&going).await;
    assert_eq!(world.get(&west).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get(&other).await.code(), "ResourceGroupNotFound");
    assert_eq!(world.state_of("east").await, "Succeeded");
    world.stop().await;
}

#[tokio::test]
async fn a_cache_of_a_group_that_goes_is_not_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    east.set(|agent| agent.keeps = true);
    let going = world
        .delete(&format!("{}/resourcegroups/g", world.sub))
        .await;
    let refused = world.link("east", "west", "Secondary").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert!(
        refused
            .message()
            .contains("the resource group `g` of the cache `east` is being deleted"),
        "{refused:?}"
    );
    east.set(|agent| agent.keeps = false);
    world.done(&going).await;
    world.stop().await;
}

#[tokio::test]
async fn what_surrounds_the_caches_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let sub = &world.sub;
    let subscriptions = world.get("/subscriptions").await;
    assert_eq!(subscriptions.body["value"][0]["id"], *sub);
    assert_eq!(world.get(sub).await.body["state"], "Enabled");
    let other = world
        .get("/subscriptions/5d0c4f30-0000-4000-8000-000000000001")
        .await;
    assert_eq!(
        (other.status, other.code()),
        (StatusCode::NOT_FOUND, "SubscriptionNotFound")
    );
    let tenant = &world.get("/tenants").await.body["value"][0]["tenantId"];
    assert_eq!(*tenant, subscriptions.body["value"][0]["tenantId"]);
    let places = world.get(&format!("{sub}/locations")).await;
    assert_eq!(places.body["value"][0]["displayName"], "East US");
    for path in [
        format!("{sub}/resources"),
        format!("{sub}/resourceGroups/g/resources"),
    ] {
        assert_eq!(
            world.get(&path).await.body["value"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    }
    let provider = format!("{sub}/providers/Microsoft.Cache");
    assert_eq!(
        world.get(&provider).await.body["registrationState"],
        "Registered"
    );
    let registered = world
        .ask("POST", &format!("{provider}/register"), None)
        .await;
    assert_eq!(registered.status, StatusCode::OK);
    assert_eq!(
        world.get(&format!("{sub}/providers")).await.body["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let operations = world.get("/providers/Microsoft.Cache/operations").await;
    assert!(operations.body["value"].as_array().unwrap().len() > 3);
    world.stop().await;
}
