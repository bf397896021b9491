use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{World, premium, region};

impl World {
    async fn candidates(&self, primary: &str, query: &str) -> Value {
        let path = format!("{}/linkCandidates{query}", self.cache(primary));
        let answer = self.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body
    }
}

fn codes(candidate: &Value) -> Vec<&str> {
    let reasons = candidate["reasons"].as_array().unwrap();
    reasons
        .iter()
        .map(|reason| reason["code"].as_str().unwrap())
        .collect()
}

fn named<'a>(all: &'a Value, name: &str) -> &'a Value {
    let mut each = all["value"].as_array().unwrap().iter();
    let found = each.find(|candidate| candidate["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {all}"))
}

#[tokio::test]
async fn every_reason_is_told_and_what_can_be_linked_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let mut small = premium("westus");
    small["properties"]["sku"] = json!({"name": "Standard", "family": "C", "capacity": 0});
    let mut large = premium("eastus");
    large["properties"]["sku"]["capacity"] = json!(2);
    let mut replicated = premium("westus");
    replicated["properties"]["replicasPerPrimary"] = json!(2);
    for (name, body) in [
        ("small", small),
        ("large", large),
        ("replicated", replicated),
    ] {
        let made = world.put(&world.cache(name), body).await;
        world.done(&made).await;
    }
    let all = world.candidates("east", "").await;
    let names: Vec<_> = all["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|candidate| candidate["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["west", "large", "replicated", "small"]);
    assert_eq!(
        all["recommendedRegion"],
        json!({"name": "westus", "displayName": "West US", "isInDeployment": true})
    );
    let west = named(&all, "west");
    assert_eq!(
        (
            &west["isCompatible"],
            &west["canFailOver"],
            &west["inRecommendedRegion"]
        ),
        (&json!(true), &json!(true), &json!(true))
    );
    let large = named(&all, "large");
    assert_eq!(large["isCompatible"], true);
    assert_eq!(large["canFailOver"], false);
    assert_eq!(large["failoverReasons"][0]["code"], "UnequalSizes");
    let small = named(&all, "small");
    assert_eq!(codes(small), ["NotPremium", "Smaller"]);
    assert_eq!(small["reasons"][0]["cache"], "small");
    assert_eq!(
        small["reasons"][0]["message"],
        "The cache `small` is in the Standard tier, and only Premium caches can be linked."
    );
    assert_eq!(codes(named(&all, "replicated")), ["Replicas"]);
    // Seen from the small one, everything is in its own way.
    let from_small = world.candidates("small", "").await;
    assert_eq!(codes(named(&from_small, "west")), ["NotPremium"]);
    // The large one would need a large one.
    let from_large = world
        .candidates("large", "?region=westus&compatible=true")
        .await;
    assert_eq!(from_large["value"], json!([]));
    let west_only = world.candidates("east", "?region=West%20US").await;
    assert_eq!(west_only["value"].as_array().unwrap().len(), 3);
    let odd = format!("{}/linkCandidates?compatible=perhaps", world.cache("east"));
    assert_eq!(world.get(&odd).await.code(), "InvalidQuery");
    world.stop().await;
}

#[tokio::test]
async fn links_engines_and_groups_that_go_are_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, west) = World::with_caches(dir.path()).await;
    let made = world.put(&world.cache("west2"), premium("westus")).await;
    world.done(&made).await;
    let linked = world.link("east", "west2", "Secondary").await;
    world.done(&linked).await;
    let all = world.candidates("west", "").await;
    for name in ["east", "west2"] {
        assert_eq!(codes(named(&all, name)), ["AlreadyLinked"]);
        assert_eq!(named(&all, name)["reasons"][0]["cache"], name);
    }
    west.set(|agent| agent.silent = true);
    world.plane.observations.forget(&region("westus"));
    let all = world.candidates("west", "").await;
    assert_eq!(
        codes(named(&all, "east")),
        ["AlreadyLinked", "EngineUnknown"]
    );
    west.set(|agent| agent.silent = false);

    let group = format!("{}/resourcegroups/g", world.sub);
    let going = world.delete(&group).await;
    assert_eq!(going.status, StatusCode::ACCEPTED);
    let all = world.candidates("east", "").await;
    let other = named(&all, "west2");
    assert_eq!(
        codes(other)[..2],
        ["GroupBeingDeleted", "GroupBeingDeleted"],
        "{other}"
    );
    world.stop().await;
}
