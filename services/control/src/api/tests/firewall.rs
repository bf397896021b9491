use axum::http::StatusCode;
use model::{Region, RegionDesired, TlsVersion};
use serde_json::{Value, json};

use crate::harness::{Answer, World, region};

impl World {
    async fn rule(&self, cache: &str, name: &str, start: &str, end: &str) -> Answer {
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

#[tokio::test]
async fn a_link_that_a_firewall_keeps_apart_says_so_in_one_sentence() {
    const BARRED: &str = "the firewall of `east` does not admit 127.0.0.1, from which `west` follows; add a rule for it";
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_caches(dir.path()).await;
    world.rule("east", "office", "10.0.0.1", "10.0.0.9").await;
    for agent in [&east, &west] {
        agent.set(|behaviour| {
            behaviour.secondary = Some(model::ShardStanding::Cut);
            behaviour.half.not_admitted = Some(BARRED.to_owned());
            behaviour.half.peer_address = Some("127.0.0.1".parse().unwrap());
            behaviour.half.stalled = Some("nobody reads".to_owned());
            behaviour.half.last_error = Some(BARRED.to_owned());
        });
    }
    let made = world.link("east", "west", "Secondary").await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.body["properties"]["warnings"], json!([BARRED]));
    let path = format!("{}/linkedServers/west", world.cache("east"));
    assert!(
        world.get(&path).await.body["properties"]
            .get("warnings")
            .is_none()
    );
    let waits = made.leads("azure-asyncoperation");
    world
        .eventually("the operation says what it waits for", async || {
            let shown = world.get(&waits).await;
            let waits = shown.body["properties"]["waitingFor"].as_str()?.to_owned();
            waits.contains(BARRED).then_some(())
        })
        .await;
    let status = world.get(&format!("{path}/runtimeStatus")).await.body;
    assert_eq!(status["healthy"], false);
    assert_eq!(status["reasons"], json!([BARRED]));
    assert_eq!(status["warnings"], json!([]));
    let half = &status["shards"][0]["primary"]["link"];
    assert_eq!(
        (&half["notAdmitted"], &half["peerAddress"]),
        (&json!(BARRED), &json!("127.0.0.1"))
    );

    for agent in [&east, &west] {
        agent.set(|behaviour| {
            behaviour.secondary = None;
            behaviour.half = model::LinkObserved::default();
        });
    }
    world.done(&made).await;
    let healthy = world.get(&format!("{path}/runtimeStatus")).await.body;
    assert_eq!(healthy["healthy"], true, "{healthy}");
    // It was seen there, and its rules say that it would not be admitted.
    assert_eq!(healthy["warnings"], json!([BARRED]));
    world.stop().await;
}

#[tokio::test]
async fn a_firewall_that_would_keep_the_old_primary_out_is_told_before_a_failover() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let preflight = format!(
        "{}/linkedServers/west/failoverPreflight",
        world.cache("east")
    );
    let status = format!("{}/linkedServers/west/runtimeStatus", world.cache("east"));
    let found = async |code: &str| {
        let answer = world.ask("POST", &preflight, Some(json!({}))).await;
        let findings = answer.body["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|finding| finding["code"] == code)
    };
    assert!(found("FirewallExcludesAgent").await.is_none());
    let made = world.rule("west", "office", "10.0.0.1", "10.0.0.9").await;
    assert_eq!(made.status, StatusCode::CREATED);
    let finding = found("FirewallExcludesAgent").await.unwrap();
    assert_eq!(finding["level"], "Warning");
    let would = "he firewall of `west` does not admit 127.0.0.1, from which `east` would follow; add a rule for it";
    assert_eq!(finding["message"], format!("T{would}."));
    let shown = world.get(&status).await.body;
    assert_eq!(
        (&shown["healthy"], &shown["warnings"]),
        (&json!(true), &json!([format!("t{would}")]))
    );
    world.rule("west", "east", "127.0.0.1", "127.0.0.1").await;
    assert!(found("FirewallExcludesAgent").await.is_none());
    assert!(found("FirewallAdmitsAgent").await.is_some());
    assert_eq!(world.get(&status).await.body["warnings"], json!([]));
    world.stop().await;
}
