use std::sync::Arc;

use axum::http::StatusCode;
use model::Leads;
use serde_json::{Value, json};

use crate::harness::{Answer, World, region};

impl World {
    fn endpoint_path(&self, cache: &str, name: &str) -> String {
        format!("{}/privateEndpointConnections/{name}", self.cache(cache))
    }

    async fn endpoint(&self, cache: &str, name: &str, properties: Value) -> Answer {
        let body = json!({ "properties": properties });
        self.put(&self.endpoint_path(cache, name), body).await
    }

    /// Where the names of the private endpoints, and of the cache itself, lead.
    fn leads(&self, cache: &str) -> Vec<(String, Vec<String>)> {
        let published = Arc::clone(&self.plane.names.watch().borrow());
        let names = self.plane.names.shown(&published);
        let of = names
            .names
            .into_iter()
            .filter(|name| name.name.starts_with(cache));
        of.map(|name| match name.leads {
            Leads::Addresses(all) => {
                let all = all.iter().map(ToString::to_string).collect();
                (name.name, all)
            }
            Leads::Alias(other) => (name.name, vec![other]),
        })
        .collect()
    }
}

fn state(status: &str) -> Value {
    json!({"privateLinkServiceConnectionState": {"status": status, "description": "for us"}})
}

#[tokio::test]
async fn an_approved_endpoint_listens_and_has_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let made = world.endpoint("east", "Office", state("Approved")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.body["properties"]["provisioningState"], "Creating");
    assert_eq!(
        world.get(&made.leads("location")).await.body["id"],
        made.body["id"]
    );
    world.done(&made).await;
    let shown = world.get(&world.endpoint_path("east", "OFFICE")).await.body;
    let id = format!(
        "{}/privateEndpointConnections/Office",
        world.cache("east").replace("/redis/", "/Redis/")
    );
    let expected = json!({
        "id": id, "name": "Office", "type": "Microsoft.Cache/Redis/privateEndpointConnections",
        "properties": {
            "provisioningState": "Succeeded",
            "groupIds": ["redisCache"],
            "privateLinkServiceConnectionState": {
                "status": "Approved", "description": "for us", "actionsRequired": "",
            },
            "hostName": "east.privatelink.zone.test",
            "address": "127.9.9.1", "tlsPort": 6380, "plainPort": null, "problem": null,
        },
    });
    assert_eq!(shown, expected);
    let cache = world.get(&world.cache("east")).await.body;
    assert_eq!(
        cache["properties"]["privateEndpointConnections"][0],
        expected
    );
    let listed = world.get(&world.endpoint_path("east", "")).await.body;
    assert_eq!(listed["value"], json!([expected]));
    world
        .until("its name leads there", || {
            let leads = world.leads("east");
            leads.contains(&("east.privatelink".to_owned(), vec!["127.9.9.1".to_owned()]))
        })
        .await;
    // Who approves sends back what they were shown.
    let again = world
        .put(&world.endpoint_path("east", "office"), shown)
        .await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    world.done(&again).await;

    let gone = world.delete(&world.endpoint_path("east", "office")).await;
    assert_eq!(gone.status, StatusCode::OK);
    let gone = world.delete(&world.endpoint_path("east", "office")).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let absent = world.get(&world.endpoint_path("east", "office")).await;
    assert_eq!(absent.code(), "ResourceNotFound");
    world
        .until("its name goes", || world.leads("east").len() == 1)
        .await;
    world.stop().await;
}

#[tokio::test]
async fn what_nobody_approved_listens_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let theirs = "/subscriptions/s/resourceGroups/r/providers/Microsoft.Network/privateEndpoints/p";
    let asked = world
        .endpoint("east", "theirs", json!({"privateEndpoint": {"id": theirs}}))
        .await;
    assert_eq!(asked.status, StatusCode::CREATED, "{asked:?}");
    let of = |answer: &Answer, field: &str| {
        answer.body["properties"]["privateLinkServiceConnectionState"][field].clone()
    };
    assert_eq!(of(&asked, "status"), "Pending");
    assert_eq!(asked.body["properties"]["privateEndpoint"]["id"], theirs);
    world.done(&asked).await;
    let told = |world: &World| {
        let desired = world.plane.desired.of(&region("eastus")).unwrap();
        desired.caches[0].door.private.len()
    };
    assert_eq!(told(&world), 0);
    let approved = world.endpoint("east", "theirs", state("Approved")).await;
    world.done(&approved).await;
    assert_eq!(told(&world), 1);
    let rejected = world.endpoint("east", "theirs", state("Rejected")).await;
    assert_eq!(rejected.status, StatusCode::OK);
    world.done(&rejected).await;
    let shown = world.get(&world.endpoint_path("east", "theirs")).await;
    assert_eq!(of(&shown, "status"), "Rejected");
    assert_eq!(shown.body["properties"]["tlsPort"], json!(null));
    assert_eq!(told(&world), 0);
    world.stop().await;
}

#[tokio::test]
async fn a_linked_cache_gets_no_private_endpoint_and_one_with_them_can_be_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    for (name, status) in [("before", "Approved"), ("asked", "Pending")] {
        let made = world.endpoint("east", name, state(status)).await;
        world.done(&made).await;
    }
    let linked = world.link("east", "west", "Secondary").await;
    world.done(&linked).await;
    let before = world.revision();
    for (cache, name, other) in [
        ("east", "new", "west"),
        ("west", "new", "east"),
        ("east", "asked", "west"),
    ] {
        let refused = world.endpoint(cache, name, state("Approved")).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::BAD_REQUEST, "InvalidRequestBody"),
            "{refused:?}"
        );
        assert_eq!(
            refused.message(),
            format!(
                "A private endpoint cannot be added to the cache `{cache}`, since it is linked to `{other}`. Unlink the two, add the private endpoint, then link them again."
            )
        );
    }
    assert_eq!(world.revision(), before);
    // What there is stays as it is, and may go.
    let same = world.endpoint("east", "before", state("Approved")).await;
    assert_eq!(same.status, StatusCode::OK, "{same:?}");
    let gone = world.delete(&world.endpoint_path("east", "asked")).await;
    assert_eq!(gone.status, StatusCode::OK);
    // Unlink, add, link again.
    let link = format!("{}/linkedServers/west", world.cache("east"));
    world.done(&world.delete(&link).await).await;
    let added = world.endpoint("east", "new", state("Approved")).await;
    world.done(&added).await;
    let linked = world.link("east", "west", "Secondary").await;
    assert_eq!(linked.status, StatusCode::CREATED, "{linked:?}");
    world.done(&linked).await;
    world.stop().await;
}

#[tokio::test]
async fn a_cache_that_is_closed_to_the_public_is_named_by_its_private_endpoints() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let mut properties = state("Approved");
    properties["address"] = json!("10.0.0.9");
    let made = world.endpoint("east", "office", properties).await;
    world.done(&made).await;
    let closed = world
        .patch("east", json!({"publicNetworkAccess": "Disabled"}))
        .await;
    world.done(&closed).await;
    let there = vec!["10.0.0.9".to_owned()];
    let all = ["east", "east.privatelink"].map(|name| (name.to_owned(), there.clone()));
    world
        .until("the names lead there", || world.leads("east") == all)
        .await;
    let refused = world.rule("east", "r", "10.0.0.1", "10.0.0.2").await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    let linked = world.link("east", "west", "Secondary").await;
    world.done(&linked).await;
    let geo = ("east.geo".to_owned(), there);
    world
        .until("the geo name does, too", || {
            world.leads("east").contains(&geo)
        })
        .await;
    world.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_opened_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    let why = "cannot listen on 10.0.0.9:6380: the host of the cache's region has no such address";
    east.set(|agent| agent.private_problem = Some(why.to_owned()));
    let mut properties = state("Approved");
    properties["address"] = json!("10.0.0.9");
    let made = world.endpoint("east", "office", properties).await;
    let path = world.endpoint_path("east", "office");
    let shown = world
        .eventually("the endpoint has a problem", async || {
            let shown = world.get(&path).await.body;
            (shown["properties"]["provisioningState"] == "Failed").then_some(shown)
        })
        .await;
    assert_eq!(shown["properties"]["problem"], why);
    let running = world.get(&made.leads("azure-asyncoperation")).await;
    assert_eq!(running.body["status"], "InProgress");
    // Its host gets the address.
    east.set(|agent| agent.private_problem = None);
    world.done(&made).await;
    world.stop().await;
}

#[tokio::test]
async fn what_is_no_private_endpoint_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let made = world
        .endpoint("east", "there", json!({"address": "10.0.0.9"}))
        .await;
    world.done(&made).await;
    let before = world.revision();
    for (properties, words) in [
        (
            json!({"address": "0.0.0.0"}),
            "`properties.address` cannot be taken",
        ),
        (
            json!({"address": "office"}),
            "`properties.address` cannot be taken",
        ),
        (
            json!({"adress": "10.0.0.1"}),
            "`properties.adress` is not known",
        ),
        (
            json!({"privateEndpoint": {"id": "x"}}),
            "`properties.privateEndpoint.id`",
        ),
        (
            state("Disconnected"),
            "it takes Approved or Pending or Rejected",
        ),
        (json!({"groupIds": ["sql"]}), "`redisCache`"),
    ] {
        let refused = world.endpoint("east", "a", properties.clone()).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
        assert!(
            refused.message().contains(words),
            "{properties}: {refused:?}"
        );
        assert!(refused.body["error"]["target"].is_string(), "{refused:?}");
    }
    let moved = world
        .endpoint("east", "there", json!({"address": "10.0.0.10"}))
        .await;
    assert!(moved.message().contains("keeps its address"), "{moved:?}");
    let twice = world
        .endpoint("east", "other", json!({"address": "10.0.0.9"}))
        .await;
    assert_eq!(twice.status, StatusCode::CONFLICT, "{twice:?}");
    let odd = world.endpoint("east", "-a", state("Approved")).await;
    assert_eq!(odd.code(), "InvalidResourceName");
    let nowhere = world.endpoint("nowhere", "a", state("Approved")).await;
    assert_eq!(nowhere.code(), "ResourceNotFound");
    assert_eq!(world.revision(), before);
    let resources = format!("{}/privateLinkResources", world.cache("east"));
    let resource = &world.get(&resources).await.body["value"][0];
    assert_eq!(resource["properties"]["groupId"], "redisCache");
    assert_eq!(
        resource["properties"]["requiredZoneNames"],
        json!(["privatelink.zone.test"])
    );
    world.stop().await;
}
