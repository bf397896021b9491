use axum::http::StatusCode;
use model::{Region, RegionDesired};
use serde_json::{Value, json};

use crate::harness::{Answer, World, region};

impl World {
    pub(super) async fn rule(&self, cache: &str, name: &str, start: &str, end: &str) -> Answer {
        let body = json!({"properties": {"startIP": start, "endIP": end}});
        self.put(&self.rule_path(cache, name), body).await
    }

    fn rule_path(&self, cache: &str, name: &str) -> String {
        format!("{}/firewallRules/{name}", self.cache(cache))
    }

    pub(super) async fn patch(&self, cache: &str, properties: Value) -> Answer {
        let body = json!({ "properties": properties });
        self.ask("PATCH", &self.cache(cache), Some(body)).await
    }

    /// What a region's agent is told, once `is_so`.
    pub(super) async fn told(&self, place: &Region, is_so: impl Fn(&RegionDesired) -> bool) {
        let told = || self.plane.desired.of(place).unwrap();
        self.until("the agent is told", || is_so(&told())).await;
    }
}

#[tokio::test]
async fn rules_are_made_replaced_listed_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let made = world.rule("east", "Office", "10.0.0.1", "10.0.0.9").await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.header("azure-asyncoperation"), "");
    let id = format!(
        "{}/firewallRules/Office",
        world.cache("east").replace("/redis/", "/Redis/")
    );
    let shown = json!({
        "id": id, "name": "Office", "type": "Microsoft.Cache/Redis/firewallRules",
        "properties": {"startIP": "10.0.0.1", "endIP": "10.0.0.9"},
    });
    assert_eq!(made.body, shown);
    assert_eq!(
        world.get(&world.rule_path("east", "OFFICE")).await.body,
        shown
    );

    let six = world
        .rule("east", "a6", "2001:DB8::1", "2001:db8::ff")
        .await;
    assert_eq!(six.body["properties"]["startIP"], "2001:db8::1");
    let again = world.rule("east", "office", "10.0.0.2", "10.0.0.2").await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    assert_eq!(again.body["name"], "Office");
    let before = world.revision();
    let same = world
        .put(&world.rule_path("east", "office"), again.body)
        .await;
    assert_eq!((same.status, world.revision()), (StatusCode::OK, before));

    let listed = world
        .get(&format!("{}/firewallRules", world.cache("east")))
        .await;
    let names: Vec<_> = listed.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["name"].clone())
        .collect();
    assert_eq!(names, ["a6", "Office"]);
    let told = |names: &'static [&'static str]| {
        move |desired: &RegionDesired| {
            let rules = &desired.caches[0].door.firewall;
            rules
                .iter()
                .map(|rule| rule.name.as_str())
                .eq(names.iter().copied())
        }
    };
    world.told(&region("eastus"), told(&["a6", "Office"])).await;

    let gone = world.delete(&world.rule_path("east", "oFFice")).await;
    assert_eq!((gone.status, gone.body), (StatusCode::OK, Value::Null));
    let gone = world.delete(&world.rule_path("east", "office")).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let none = world.get(&world.rule_path("east", "office")).await;
    assert_eq!(
        (none.status, none.code()),
        (StatusCode::NOT_FOUND, "ResourceNotFound")
    );
    world.told(&region("eastus"), told(&["a6"])).await;
    world.stop().await;
}

#[tokio::test]
async fn what_is_no_rule_is_refused_by_its_field_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let before = world.revision();
    let ends = |start: Value, end: Value| json!({"properties": {"startIP": start, "endIP": end}});
    for (body, why) in [
        (json!({}), "`properties` is missing"),
        (
            json!({"properties": {"startIP": "10.0.0.1"}}),
            "`properties.endIP` is missing",
        ),
        (
            ends(json!(7), json!("10.0.0.1")),
            "`properties.startIP` is a number; it takes a text",
        ),
        (
            ends(json!("10.0.0"), json!("10.0.0.1")),
            "`10.0.0` is no IPv4 or IPv6 address",
        ),
        (
            ends(json!("10.0.0.1/8"), json!("10.0.0.1")),
            "is no IPv4 or IPv6 address",
        ),
        (
            ends(json!("10.0.0.2"), json!("10.0.0.1")),
            "10.0.0.1 lies before 10.0.0.2",
        ),
        (ends(json!("10.0.0.2"), json!("::1")), "of different kinds"),
        (
            json!({"properties": {"startIP": "10.0.0.1", "endIP": "10.0.0.1", "port": 1}}),
            "`properties.port` is not known",
        ),
        (json!({"startIP": "10.0.0.1"}), "`properties` is missing"),
    ] {
        let refused = world.put(&world.rule_path("east", "r"), body).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::BAD_REQUEST, "InvalidRequestBody"),
            "{why}: {refused:?}"
        );
        assert!(refused.message().contains(why), "{why}: {refused:?}");
    }
    let refused = world
        .rule("east", "not%20a%20rule", "10.0.0.1", "10.0.0.1")
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::BAD_REQUEST, "InvalidResourceName")
    );
    let nowhere = world.rule("nowhere", "r", "10.0.0.1", "10.0.0.1").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    assert_eq!(world.revision(), before);
    world.stop().await;
}

#[tokio::test]
async fn rules_and_a_closed_door_exclude_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let made = world.rule("east", "office", "10.0.0.1", "10.0.0.9").await;
    assert_eq!(made.status, StatusCode::CREATED);
    let refused = world
        .patch("east", json!({"publicNetworkAccess": "Disabled"}))
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::BAD_REQUEST, "InvalidRequestBody")
    );
    assert!(
        refused
            .message()
            .contains("`east` has firewall rules, and it has 1"),
        "{refused:?}"
    );
    world.delete(&world.rule_path("east", "office")).await;

    let closed = world
        .patch("east", json!({"publicNetworkAccess": "disabled"}))
        .await;
    assert_eq!(closed.status, StatusCode::OK, "{closed:?}");
    assert_eq!(closed.body["properties"]["publicNetworkAccess"], "Disabled");
    world.done(&closed).await;
    world
        .told(&region("eastus"), |desired| !desired.caches[0].door.public)
        .await;
    let refused = world.rule("east", "office", "10.0.0.1", "10.0.0.9").await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::CONFLICT, "Conflict")
    );
    assert!(
        refused
            .message()
            .contains("`publicNetworkAccess` is Disabled"),
        "{refused:?}"
    );
    let opened = world
        .patch("east", json!({"publicNetworkAccess": "Enabled"}))
        .await;
    world.done(&opened).await;
    let made = world.rule("east", "office", "10.0.0.1", "10.0.0.9").await;
    assert_eq!(made.status, StatusCode::CREATED);
    world.stop().await;
}

#[tokio::test]
async fn rules_go_with_their_cache_and_one_has_so_many_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    for number in 0..model::MOST_ACCESS_ENTRIES {
        let made = world
            .rule("east", &format!("r{number}"), "10.0.0.1", "10.0.0.1")
            .await;
        assert_eq!(made.status, StatusCode::CREATED);
    }
    let refused = world.rule("east", "more", "10.0.0.1", "10.0.0.1").await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::CONFLICT, "Conflict")
    );
    let replaced = world.rule("east", "r7", "10.0.0.1", "10.0.0.2").await;
    assert_eq!(replaced.status, StatusCode::OK);
    let deleted = world.delete(&world.cache("east")).await;
    let late = world.rule("east", "r7", "10.0.0.1", "10.0.0.3").await;
    assert!(
        [StatusCode::CONFLICT, StatusCode::NOT_FOUND].contains(&late.status),
        "{late:?}"
    );
    world.done(&deleted).await;
    let made = world
        .put(&world.cache("east"), crate::harness::premium("eastus"))
        .await;
    world.done(&made).await;
    let listed = world
        .get(&format!("{}/firewallRules", world.cache("east")))
        .await;
    assert_eq!(listed.body, json!({"value": []}));
    world.stop().await;
}
