//! What is set on a link, seen of it, and given up for it.

use serde_json::{Value, json};

use crate::{
    fake::{Fake, accepted, cache, list, refused, says},
    linked, settings,
};

const SETTINGS: &str = "/redis/a/linkedServers/b/replicationSettings";
const EVENTS: &str = "GET /redis/a/linkedServers/b/events";

fn event(number: u64, kind: &str) -> Value {
    json!({
        "number": number, "time": "2026-03-01T12:00:00Z", "kind": kind, "shard": 0,
        "reportedBy": "westus", "text": format!("why {number}"),
    })
}

#[tokio::test]
async fn a_link_is_changed_by_what_is_named_alone() {
    let fake = Fake::start(linked()).await;
    let changed = settings("off", json!(10_000_000));
    fake.also(&format!("PATCH {SETTINGS}"), says(200, changed))
        .await;
    let ran = fake
        .run([
            "link",
            "update",
            "b",
            "--compression",
            "off",
            "--rate-limit",
            "10MB/s",
        ])
        .await;
    let expected = "\
snapshots from        replica
compression           off
rate limit            9.54 MiB/s
journal               1.00 GiB
reads in a full sync  refused
";
    assert_eq!((ran.out.as_str(), ran.code), (expected, 0), "{}", ran.err);
    let sent = fake.body(&format!("PATCH {SETTINGS}")).await;
    assert_eq!(sent, json!({"compression": "off", "rateLimit": 10_000_000}));
    let ran = fake
        .run([
            "link",
            "update",
            "a",
            "--rate-limit",
            "none",
            "--journal",
            "unlimited",
        ])
        .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let sent = fake.body(&format!("PATCH {SETTINGS}")).await;
    assert_eq!(sent, json!({"rateLimit": null, "journal": "unlimited"}));
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_before_anything_is_sent() {
    let fake = Fake::start(linked()).await;
    for (wrong, words) in [
        (vec!["link", "update", "a"], "nothing is to be changed"),
        (
            vec!["link", "update", "a", "--compression", "10"],
            "a level from 1 to 9",
        ),
        (
            vec!["link", "update", "a", "--rate-limit", "1kB"],
            "the least is 64.00 KiB/s",
        ),
        (
            vec!["link", "update", "a", "--journal", "1MB"],
            "the least is 128.00 MiB",
        ),
        (
            vec!["link", "update", "a", "--source", "both"],
            "`replica` or `primary`",
        ),
    ] {
        let ran = fake.run(wrong.clone()).await;
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{wrong:?}");
        assert!(ran.err.contains(words), "{wrong:?}: {}", ran.err);
    }
    assert!(fake.writes().await.is_empty());
}

#[tokio::test]
async fn a_new_link_has_its_settings_from_the_beginning() {
    let fake = Fake::start([
        list("GET /redis", [cache("a", ""), cache("b", "")]),
        list("GET /redis/a/linkedServers", []),
        (
            "PUT /redis/a/linkedServers/b".into(),
            accepted(201, json!({})),
        ),
    ])
    .await;
    let ran = fake
        .run([
            "link",
            "create",
            "a",
            "b",
            "--yes",
            "--no-wait",
            "--secondary-reads",
            "stale",
        ])
        .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let sent = fake.body("PUT /redis/a/linkedServers/b").await;
    assert_eq!(
        sent["properties"]["replicationSettings"],
        json!({"secondaryReads": "stale"})
    );
    let linked = Fake::start(linked()).await;
    let ran = linked
        .run(["link", "create", "a", "b", "--yes", "--compression", "9"])
        .await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("`godwit link update a"), "{}", ran.err);
}

#[tokio::test]
async fn show_tells_settings_shards_and_the_last_events() {
    let fake = Fake::start(linked()).await;
    let (_, events) = list("", [event(1, "FullSyncStarted"), event(2, "Stalled")]);
    fake.also(EVENTS, events).await;
    let ran = fake.run(["link", "show", "a"]).await;
    let expected = "\
geo-primary    a
geo-secondary  b
state          Succeeded
health         healthy
phase          Linked
epoch          1
behind         14 B
lag            0.8 ms
geo name       b.geo.zone
leads to       a.zone

settings
  snapshots from        replica
  compression           level 1
  rate limit            none
  journal               1.00 GiB
  reads in a full sync  refused

shard 0
  standing  Writable -> Following
  behind    14 B
  lag       0.8 ms
  offsets   received 114, journaled 114, shipped 114, applied 100

last events
  TIME                  SHARD  KIND             WHAT   TOLD BY
  2026-03-01T12:00:00Z  0      FullSyncStarted  why 1  westus
  2026-03-01T12:00:00Z  0      Stalled          why 2  westus
";
    assert_eq!((ran.out.as_str(), ran.code), (expected, 0), "{}", ran.err);
    let ran = fake.run(["link", "show", "a", "-o", "json"]).await;
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed["properties"]["serverRole"], "Secondary");
    assert_eq!(
        printed["runtimeStatus"]["shards"][0]["offsets"]["applied"],
        100
    );
    assert_eq!(printed["events"][1]["kind"], "Stalled");
}

#[tokio::test]
async fn events_are_listed_and_followed_until_the_link_is_gone() {
    let fake = Fake::start(linked()).await;
    for answer in [
        list("", [event(1, "Stalled")]).1,
        list("", [event(2, "StallEnded")]).1,
        refused(503, "ServiceUnavailable", "later"),
        refused(404, "ResourceNotFound", "gone"),
    ] {
        fake.also(EVENTS, answer).await;
    }
    let ran = fake.run(["link", "events", "a", "--follow"]).await;
    let expected = "\
2026-03-01T12:00:00Z  0      Stalled            why 1 (westus)
2026-03-01T12:00:00Z  0      StallEnded         why 2 (westus)
";
    assert_eq!((ran.out.as_str(), ran.code), (expected, 3));
    assert!(
        ran.err.contains("later (asking again)") && ran.err.contains("no longer linked"),
        "{}",
        ran.err
    );
}

/// The two caches of `linked`, with a geo-primary that lost its data.
async fn lost(keys: Value) -> Fake {
    let mut answers = linked();
    let status = json!({
        "phase": "Linked", "state": "SourceLost", "healthy": false, "epoch": 1,
        "reasons": ["no node of the geo-primary `a` holds its data any more"],
        "provisioningState": "Succeeded", "primary": "a", "secondary": "b",
        "shards": [{"primary": {"standing": "Lost"}, "secondary": {"standing": "Cut", "keys": keys}}],
    });
    answers.retain(|(request, _)| !request.ends_with("/runtimeStatus"));
    answers.push((
        "GET /redis/a/linkedServers/b/runtimeStatus".to_owned(),
        says(200, status.clone()),
    ));
    answers.push((
        "POST /redis/a/linkedServers/b/acceptEmptySource".to_owned(),
        says(200, status),
    ));
    Fake::start(answers).await
}

#[tokio::test]
async fn an_empty_source_is_accepted_only_by_a_word_that_knows_what_is_lost() {
    let fake = lost(json!(42)).await;
    let ran = fake.run(["link", "resume", "a"]).await;
    assert_eq!(ran.code, 64);
    assert!(ran.err.contains("--accept-empty-source"), "{}", ran.err);
    let ran = fake
        .run(["link", "resume", "b", "--accept-empty-source"])
        .await;
    assert_eq!(ran.code, 64);
    assert!(
        ran.err.starts_with(
            "error: all 42 keys that `b` still holds will be lost: `a` goes on empty, and nobody is there"
        ),
        "{}",
        ran.err
    );
    assert!(fake.writes().await.is_empty());
    let ran = fake
        .run(["link", "resume", "b", "--accept-empty-source", "--yes"])
        .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.err, "`a` goes on empty, and `b` follows it\n");
    assert_eq!(
        fake.writes().await,
        ["POST /redis/a/linkedServers/b/acceptEmptySource"]
    );
    let unknown = lost(Value::Null).await;
    let ran = unknown
        .run(["link", "resume", "a", "--accept-empty-source"])
        .await;
    assert!(ran.err.contains("how much is not known"), "{}", ran.err);
}

#[tokio::test]
async fn a_healthy_link_has_nothing_to_accept() {
    let fake = Fake::start(linked()).await;
    let ran = fake
        .run(["link", "resume", "a", "--accept-empty-source", "--yes"])
        .await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("there is nothing to accept"),
        "{}",
        ran.err
    );
    assert!(fake.writes().await.is_empty());
}
