//! Export, import and flush: what is refused, how they are followed, and that no signature is shown.

use axum::http::StatusCode;
use model::{ShardStanding, TransferFigures, TransferOutcome};
use serde_json::{Value, json};

use crate::harness::{Answer, World};

/// A signature that is good for years.
const SAS: &str = "sv=2023-11-03&sp=racwdl&se=2999-01-01T00:00:00Z&sr=c&sig=hunter2%3D";

fn blob(path: &str) -> String {
    format!("https://store.blob.core.windows.net/{path}?{SAS}")
}

fn exports() -> Value {
    json!({"prefix": "nightly", "container": blob("box"), "format": "RDB"})
}

fn imports() -> Value {
    json!({"files": [blob("box/a.rdb"), "file:///srv/b.rdb", "s3://bucket/c.rdb"]})
}

fn done(notes: &[&str]) -> TransferOutcome {
    TransferOutcome::Done(TransferFigures {
        bytes: 4_096,
        keys: Some(7),
        files: vec!["file:///srv/nightly.rdb".to_owned()],
        notes: notes.iter().map(|&note| note.to_owned()).collect(),
    })
}

impl World {
    async fn begin_transfer(&self, cache: &str, what: &str, body: Value) -> Answer {
        let path = format!("{}/{what}", self.cache(cache));
        self.ask("POST", &path, Some(body)).await
    }

    fn has_order(&self, name: &str) -> bool {
        let state = self.plane.store.state();
        let cache = state
            .caches
            .iter()
            .find(|cache| cache.id.name.as_str() == name);
        cache.unwrap().transfer.is_some()
    }
}

#[tokio::test]
async fn exports_and_imports_are_followed_as_deletions_are() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    for (what, body) in [("export", exports()), ("import", imports())] {
        east.set(|agent| agent.transfers = None);
        let begun = world.begin_transfer("east", what, body).await;
        assert_eq!(
            (begun.status, &begun.body),
            (StatusCode::ACCEPTED, &Value::Null)
        );
        let (operation, result) = (begun.leads("azure-asyncoperation"), begun.leads("location"));
        assert!(result.contains("/operationresults/"), "{result}");
        let running = world
            .eventually("the agent tells how far it is", async || {
                let seen = world.get(&operation).await;
                (seen.body["properties"]["phase"] == "Loading").then_some(seen)
            })
            .await;
        assert_eq!(running.body["percentComplete"], 61.2);
        assert_eq!(running.body["properties"]["bytesDone"], 250);
        assert_eq!(world.get(&result).await.status, StatusCode::ACCEPTED);

        east.set(|agent| agent.transfers = Some(done(&["a note"])));
        world.done(&begun).await;
        let ended = world.get(&operation).await.body;
        let told = &ended["properties"]["transfer"];
        assert_eq!(ended["percentComplete"], 100.0);
        assert_eq!((&told["bytes"], &told["keys"]), (&json!(4_096), &json!(7)));
        assert_eq!(told["notes"], json!(["a note"]));
        let result = world.get(&result).await;
        assert_eq!(
            (result.status, &result.body["status"]),
            (StatusCode::OK, &json!("Succeeded"))
        );
        assert!(
            !world.has_order("east"),
            "an order that is over is not kept"
        );
    }
}

#[tokio::test]
async fn a_flush_leads_to_a_json_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    east.set(|agent| agent.transfers = Some(done(&[])));
    let path = format!("{}/flush", world.cache("east"));
    let begun = world.ask("POST", &path, None).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    world.done(&begun).await;
    let result = world.get(&begun.leads("location")).await;
    assert_eq!(
        (result.status, &result.body["status"]),
        (StatusCode::OK, &json!("Succeeded"))
    );
}

#[tokio::test]
async fn a_failure_is_told_and_the_order_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    let why = "the file is cut off; the cache has the data of before".to_owned();
    east.set(|agent| agent.transfers = Some(TransferOutcome::Failed { why: why.clone() }));
    let begun = world.begin_transfer("east", "import", imports()).await;
    let ended = world.ended(&begun).await;
    assert_eq!(ended.body["status"], "Failed");
    assert_eq!(ended.body["error"]["message"], why);
    assert!(!world.has_order("east"));
    assert_eq!(world.state_of("east").await, "Succeeded");
}

#[tokio::test]
async fn one_transfer_at_a_time_and_none_beside_what_changes_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let begun = world.begin_transfer("east", "import", imports()).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    for (what, body) in [
        ("export", exports()),
        ("import", imports()),
        ("flush", json!({})),
    ] {
        let second = world.begin_transfer("east", what, body).await;
        assert_eq!(
            (second.status, second.code()),
            (StatusCode::CONFLICT, "Conflict")
        );
        assert!(
            second.message().contains("an import of it is under way"),
            "{second:?}"
        );
    }
    let link = world.link("east", "west", "Secondary").await;
    assert_eq!(link.status, StatusCode::CONFLICT, "{link:?}");
    let other = world.link("west", "east", "Secondary").await;
    assert_eq!(other.status, StatusCode::CONFLICT, "{other:?}");
    let scaled = json!({"properties": {"redisConfiguration": {"maxmemory-policy": "noeviction"}}});
    let scaled = world.ask("PATCH", &world.cache("east"), Some(scaled)).await;
    assert_eq!(scaled.status, StatusCode::CONFLICT, "{scaled:?}");
    let tagged = world
        .ask(
            "PATCH",
            &world.cache("east"),
            Some(json!({"tags": {"a": "b"}})),
        )
        .await;
    assert_eq!(tagged.status, StatusCode::OK, "{tagged:?}");

    let gone = world.delete(&world.cache("east")).await;
    assert_eq!(gone.status, StatusCode::ACCEPTED);
    let ended = world.ended(&begun).await;
    assert_eq!(ended.body["status"], "Failed");
    let why = ended.body["error"]["message"].as_str().unwrap();
    assert!(why.contains("was deleted meanwhile"), "{why}");
}

#[tokio::test]
async fn a_geo_secondary_is_exported_and_takes_no_other_data() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    for (what, body) in [("import", imports()), ("flush", json!({}))] {
        let refused = world.begin_transfer("west", what, body).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::BAD_REQUEST, "InvalidRequestBody")
        );
        assert!(
            refused
                .message()
                .contains("it is the geo-secondary of a link")
                && refused.message().contains("those of `east`"),
            "{refused:?}"
        );
    }
    for agent in [&east, &west] {
        agent.set(|agent| agent.transfers = Some(done(&[])));
    }
    for name in ["east", "west"] {
        let exported = world.begin_transfer(name, "export", exports()).await;
        world.done(&exported).await;
    }
    for (what, body) in [("import", imports()), ("flush", json!({}))] {
        let taken = world.begin_transfer("east", what, body).await;
        world.done(&taken).await;
    }
    east.set(|agent| agent.transfers = None);
    world.begin_transfer("east", "import", imports()).await;
    let failover = world.link("west", "east", "Secondary").await;
    assert_eq!(failover.status, StatusCode::CONFLICT, "{failover:?}");
    assert!(
        failover.message().contains("an import of it is under way"),
        "{failover:?}"
    );
}

#[tokio::test]
async fn no_data_are_exchanged_while_roles_are() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, west) = World::with_link(dir.path()).await;
    west.set(|agent| {
        agent.never_takes = true;
        agent.secondary = Some(ShardStanding::Following);
    });
    let failover = world.link("west", "east", "Secondary").await;
    assert_eq!(failover.status, StatusCode::OK, "{failover:?}");
    let refused = world.begin_transfer("east", "import", imports()).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
}

#[tokio::test]
async fn only_premium_caches_are_exported_and_all_are_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_agents(dir.path()).await;
    east.set(|agent| agent.transfers = Some(done(&[])));
    let sku = json!({"name": "Standard", "family": "C", "capacity": 1});
    let small = json!({"location": "eastus", "properties": {"sku": sku}});
    let made = world.put(&world.cache("small"), small).await;
    world.done(&made).await;
    for (what, body) in [("export", exports()), ("import", imports())] {
        let refused = world.begin_transfer("small", what, body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.message().contains("Standard tier"), "{refused:?}");
    }
    let flushed = world.begin_transfer("small", "flush", json!({})).await;
    world.done(&flushed).await;
    let missing = world.begin_transfer("absent", "flush", json!({})).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn bodies_are_read_field_by_field_and_signatures_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let expired = blob("box").replace("2999", "2019");
    let with = |field: &str, value: Value| {
        let mut body = exports();
        body[field] = value;
        body
    };
    let voice = "One of the SAS URIs provided could not be used for the following reason:";
    for (what, body, says) in [
        ("export", json!({"prefix": "a"}), "`container` is missing"),
        (
            "export",
            json!({"container": blob("box")}),
            "`prefix` is missing",
        ),
        (
            "export",
            with("prefix", json!("../x")),
            "no prefix of a file's name",
        ),
        (
            "export",
            with("format", json!("AOF")),
            "`format` is `AOF`; it takes RDB",
        ),
        (
            "export",
            with("container", json!("/srv")),
            "it is none of file:///folder",
        ),
        ("export", with("container", json!(expired)), voice),
        (
            "export",
            with(
                "container",
                json!("https://store.blob.core.windows.net/box"),
            ),
            voice,
        ),
        (
            "export",
            with(
                "preferred-data-archive-auth-method",
                json!("ManagedIdentity"),
            ),
            "no managed identities",
        ),
        (
            "export",
            with("storage-subscription-id", json!("x")),
            "managed identities",
        ),
        (
            "export",
            with("color", json!("red")),
            "`color` is not known",
        ),
        ("import", json!({}), "`files` is missing"),
        ("import", json!({"files": []}), "it has 0 files"),
        ("import", json!({"files": [blob("box")]}), "names no file"),
        (
            "import",
            json!({"files": ["file:///srv/../etc/x"]}),
            "`files` cannot be taken",
        ),
        ("flush", json!({"force": true}), "`force` is not known"),
    ] {
        let refused = world.begin_transfer("east", what, body).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::BAD_REQUEST, "InvalidRequestBody"),
            "{refused:?}"
        );
        assert!(refused.message().contains(says), "{says}: {refused:?}");
        assert!(!refused.message().contains("hunter2"), "{refused:?}");
    }
    let begun = world.begin_transfer("east", "export", exports()).await;
    for path in [begun.leads("azure-asyncoperation"), world.cache("east")] {
        let shown = world.get(&path).await.body.to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
