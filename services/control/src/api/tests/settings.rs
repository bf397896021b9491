use axum::http::StatusCode;
use model::{Compression, LinkRecord, ReplicationSettings, SecondaryReads};
use serde_json::{Value, json};

use crate::harness::{Answer, World};

impl World {
    fn settings_path(&self, own: &str, other: &str) -> String {
        format!(
            "{}/linkedServers/{other}/replicationSettings",
            self.cache(own)
        )
    }

    async fn change(&self, own: &str, other: &str, body: Value) -> Answer {
        let path = self.settings_path(own, other);
        self.ask("PATCH", &path, Some(body)).await
    }

    fn stored(&self) -> ReplicationSettings {
        let state = self.plane.store.state();
        let link = state.links.iter().next().unwrap();
        LinkRecord::clone(link).settings
    }
}

fn defaults() -> Value {
    json!({
        "source": "replica", "compression": "1", "rateLimit": null,
        "journal": "1073741824", "secondaryReads": "refused",
        "fencing": "none", "leaseSeconds": 10, "autoFailover": null,
    })
}

fn without_id(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    body.as_object_mut().unwrap().remove("id");
    body
}

#[tokio::test]
async fn settings_change_one_by_one_from_either_cache_and_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let shown = world.get(&world.settings_path("east", "west")).await;
    assert_eq!(without_id(&shown), defaults());
    let id = shown.body["id"].as_str().unwrap();
    assert!(
        id.ends_with("/Redis/east/linkedServers/west/replicationSettings"),
        "{id}"
    );
    let before = world.revision();
    let unchanged = world.change("east", "west", shown.body.clone()).await;
    assert_eq!(
        (unchanged.status, world.revision()),
        (StatusCode::OK, before)
    );

    let changed = world
        .change(
            "west",
            "east",
            json!({"Compression": "off", "rateLimit": 131_072}),
        )
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert_eq!(changed.header("azure-asyncoperation"), "");
    let changed = world
        .change(
            "east",
            "west",
            json!({
                "source": "primary", "secondaryReads": "Stale", "journal": 268_435_456,
                "fencing": "Lease", "leaseSeconds": 30, "autoFailover": {"after": 40, "maxLag": 5},
            }),
        )
        .await;
    let expected = json!({
        "source": "primary", "compression": "off", "rateLimit": 131_072,
        "journal": "268435456", "secondaryReads": "stale",
        "fencing": "lease", "leaseSeconds": 30, "autoFailover": {"after": 40, "maxLag": 5},
    });
    assert_eq!(without_id(&changed), expected);
    // What agents are told, and what the status shows, is the same.
    let region = "westus".parse().unwrap();
    world
        .until("agents are told", || {
            let desired = world.plane.desired.of(&region).unwrap();
            let replication = desired.caches[0].replication.as_ref().unwrap();
            replication.settings == world.stored()
        })
        .await;
    let status = world.cache("west") + "/linkedServers/east/runtimeStatus";
    let status = world.get(&status).await;
    assert_eq!(status.body["replicationSettings"], expected);
    // null puts a setting back.
    let back = json!({
        "source": null, "compression": null, "rateLimit": null, "journal": null,
        "secondaryReads": null, "fencing": null, "leaseSeconds": null, "autoFailover": null,
    });
    let changed = world.change("east", "west", back).await;
    assert_eq!(without_id(&changed), defaults());
    assert_eq!(world.stored(), ReplicationSettings::default());
    world.stop().await;
}

#[tokio::test]
async fn what_is_no_setting_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let before = world.revision();
    for (body, words) in [
        (json!({"compression": "12"}), "`12` is not a compression"),
        (
            json!({"compression": true}),
            "is a truth value; it takes `off` or a level",
        ),
        (json!({"rateLimit": 1}), "a rate limit of at least 65536"),
        (
            json!({"fencing": "fence"}),
            "`fence` is not `none` or `lease`",
        ),
        (json!({"leaseSeconds": 7}), "a lease of 8 to 300 seconds"),
        (
            json!({"leaseSeconds": -1}),
            "`-1` is not a whole number of seconds",
        ),
        (
            json!({"autoFailover": {"after": 30, "maxLag": 5}}),
            "not allowed without `fencing: lease`",
        ),
        (
            json!({"fencing": "lease", "autoFailover": {"after": 9, "maxLag": 5}}),
            "at least 10 seconds for `autoFailover.after`",
        ),
        (
            json!({"fencing": "lease", "autoFailover": {"after": 30}}),
            "`autoFailover.maxLag` is missing",
        ),
        (
            json!({"fencing": "lease", "autoFailover": "on"}),
            "`autoFailover` is a text; it takes an object",
        ),
        (
            json!({"rateLimit": 0}),
            "`0` is not a whole number of bytes",
        ),
        (
            json!({"rateLimit": "10MB"}),
            "is a text; it takes a whole number",
        ),
        (json!({"journal": "1"}), "a journal of at least"),
        (json!({"journal": "much"}), "`much` is not a journal size"),
        (
            json!({"source": "both"}),
            "`both` is not `replica` or `primary`",
        ),
        (json!({"secondaryReads": "maybe"}), "`refused` or `stale`"),
        (
            json!({"compression": "off", "speed": 9}),
            "The field `speed` is not known",
        ),
    ] {
        let refused = world.change("east", "west", body.clone()).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{body}: {refused:?}"
        );
        assert_eq!(refused.code(), "InvalidRequestBody", "{body}");
        assert!(refused.message().contains(words), "{}", refused.message());
    }
    assert_eq!(world.revision(), before);
    let nobody = world.change("east", "nobody", json!({})).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    world.stop().await;
}

#[tokio::test]
async fn settings_hold_still_while_a_link_changes_hands_or_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    west.set(|b| b.never_takes = true);
    let failover = world.link("west", "east", "Secondary").await;
    assert_eq!(failover.status, StatusCode::OK);
    let body = || json!({"compression": "off"});
    let refused = world.change("east", "west", body()).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    west.set(|b| b.never_takes = false);
    world.done(&failover).await;
    for agent in [&east, &west] {
        agent.set(|b| b.stuck = true);
    }
    let path = format!("{}/linkedServers/west", world.cache("east"));
    assert_eq!(world.delete(&path).await.status, StatusCode::ACCEPTED);
    let refused = world.change("east", "west", body()).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    assert_eq!(world.stored(), ReplicationSettings::default());
    world.stop().await;
}

#[tokio::test]
async fn a_link_may_be_created_with_its_settings() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let path = format!("{}/linkedServers/west", world.cache("east"));
    let with = |settings: Value| {
        let mut body = world.link_body("west", "Secondary");
        body["properties"]["replicationSettings"] = settings;
        body
    };
    let before = world.revision();
    let refused = world.put(&path, with(json!({"compression": "x"}))).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert_eq!(world.revision(), before);
    let settings = json!({"compression": 6, "secondaryReads": "stale"});
    let made = world.put(&path, with(settings.clone())).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let expected = ReplicationSettings {
        compression: Compression::Level(6),
        secondary_reads: SecondaryReads::Stale,
        ..ReplicationSettings::default()
    };
    assert_eq!(world.stored(), expected);
    world.done(&made).await;
    // The same again, or none at all, is a repetition; others are not taken by the way.
    for body in [with(settings), world.link_body("west", "Secondary")] {
        assert_eq!(world.put(&path, body).await.status, StatusCode::OK);
    }
    let other = world.put(&path, with(json!({"compression": "off"}))).await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    assert!(other.message().contains("PATCH"), "{}", other.message());
    assert_eq!(world.stored(), expected);
    let shown = world.get(&path).await;
    assert!(shown.body["properties"]["replicationSettings"].is_null());
    world.stop().await;
}
