use axum::http::StatusCode;
use model::{LinkObserved, LinkRecord, ShardStanding};
use serde_json::{Value, json};

use crate::harness::{Answer, World};

impl World {
    async fn accept(&self, own: &str, other: &str) -> Answer {
        let path = format!(
            "{}/linkedServers/{other}/acceptEmptySource",
            self.cache(own)
        );
        self.ask("POST", &path, None).await
    }

    async fn seen(&self) -> Value {
        let path = format!("{}/linkedServers/west/runtimeStatus", self.cache("east"));
        self.get(&path).await.body
    }

    fn link_record(&self) -> LinkRecord {
        LinkRecord::clone(self.plane.store.state().links.iter().next().unwrap())
    }

    async fn until_state(&self, state: &str) -> Value {
        let is_so = async || Some(self.seen().await).filter(|status| status["state"] == state);
        self.eventually(state, is_so).await
    }
}

#[tokio::test]
async fn a_person_may_give_up_what_a_lost_primary_s_secondary_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    let before = world.revision();
    let refused = world.accept("east", "west").await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    assert!(
        refused.message().contains("`east` has not lost its data"),
        "{}",
        refused.message()
    );
    assert_eq!(world.revision(), before);

    east.set(|b| b.primary = Some(ShardStanding::Lost));
    west.set(|b| b.secondary = Some(ShardStanding::Cut));
    let status = world.until_state("SourceLost").await;
    let reason = status["reasons"][0].as_str().unwrap();
    assert!(
        reason.contains("`west` still has 7 keys")
            && reason.contains("godwit link resume east --accept-empty-source"),
        "{reason}"
    );
    let epoch = world.link_record().epoch;
    let unknown = format!(
        "{}/linkedServers/west/acceptEmptySource",
        world.cache("east")
    );
    let unknown = world
        .ask("POST", &unknown, Some(json!({"force": true})))
        .await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    // The agent starts it empty as it hears the word.
    east.set(|b| b.starts_empty = true);
    let accepted = world.accept("west", "east").await;
    assert_eq!(accepted.status, StatusCode::OK, "{accepted:?}");
    assert_eq!(accepted.body["epoch"], epoch.0 + 1);
    world
        .until("the word is used up", || !world.link_record().accept_empty)
        .await;
    east.set(|b| b.primary = None);
    west.set(|b| b.secondary = None);
    world.until_state("Healthy").await;
    assert_eq!(world.link_record().epoch, epoch.next());
    world.stop().await;
}

#[tokio::test]
async fn a_primary_that_was_emptied_is_a_lost_source() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    east.set(|b| {
        b.half = LinkObserved {
            source_empty: true,
            ..LinkObserved::default()
        }
    });
    west.set(|b| b.secondary = Some(ShardStanding::Cut));
    let status = world.until_state("SourceLost").await;
    let reason = status["reasons"][0].as_str().unwrap();
    assert!(
        reason.contains("`east` is empty and began another history"),
        "{reason}"
    );
    assert!(!reason.contains("fail over"), "{reason}");
    let epoch = world.link_record().epoch;
    assert_eq!(world.accept("east", "west").await.status, StatusCode::OK);
    assert_eq!(world.link_record().epoch, epoch.next());
    world.stop().await;
}

#[tokio::test]
async fn a_stalled_shard_makes_a_link_unhealthy_with_its_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_link(dir.path()).await;
    world.until_state("Healthy").await;
    east.set(|b| b.half.stalled = Some("14 bytes wait for `west` to apply them".to_owned()));
    let status = world.until_state("Unhealthy").await;
    assert_eq!(
        status["reasons"],
        json!(["the link is stalled: 14 bytes wait for `west` to apply them"])
    );
    assert_eq!(
        status["shards"][0]["stalled"],
        "14 bytes wait for `west` to apply them"
    );
    east.set(|b| b.half.stalled = None);
    world.until_state("Healthy").await;
    world.stop().await;
}

#[tokio::test]
async fn the_status_of_a_shard_carries_every_figure() {
    use model::{JournalObserved, LagObserved, OffsetsObserved, WireObserved};
    use psync::Offset;

    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    east.set(|b| {
        b.half = LinkObserved {
            offsets: OffsetsObserved {
                received: Some(Offset(114)),
                journaled: Some(Offset(113)),
                shipped: Some(Offset(112)),
                applied: None,
            },
            last_minute: Some(LagObserved {
                p50_ms: 1.0,
                p99_ms: 2.0,
                max_ms: 3.0,
            }),
            wire: WireObserved {
                count: 9,
                raw_bytes: 100,
                sent_bytes: 25,
                bypassed_bytes: 1,
                bypassing: true,
                reconnects: 2,
                stalls: 3,
            },
            journal: Some(JournalObserved {
                bytes: 10,
                oldest_ms: Some(20),
                snapshot_bytes: 30,
                queued_bytes: 40,
            }),
            ..LinkObserved::default()
        }
    });
    west.set(|b| b.half.offsets.applied = Some(Offset(100)));
    let told = async || {
        let shard = world.seen().await["shards"][0].clone();
        let whole = shard["offsets"]["applied"] == 100 && shard["wire"]["rawBytes"] == 100;
        whole.then_some(shard)
    };
    let shard = world.eventually("every figure", told).await;
    assert_eq!(
        shard["offsets"],
        json!({"received": 114, "journaled": 113, "shipped": 112, "applied": 100})
    );
    let lag = json!({"p50Ms": 1.0, "p99Ms": 2.0, "maxMs": 3.0});
    assert_eq!(
        (&shard["lastMinute"], &shard["lastHour"]),
        (&lag, &Value::Null)
    );
    let wire = json!({
        "rawBytes": 100, "sentBytes": 25, "ratio": 4.0, "bypassedBytes": 1, "bypassing": true,
        "reconnects": 2, "stalls": 3,
    });
    assert_eq!(shard["wire"], wire);
    assert_eq!(shard["primary"]["link"]["wire"], wire);
    let journal = json!({"bytes": 10, "oldestMs": 20, "snapshotBytes": 30, "queuedBytes": 40});
    assert_eq!(shard["journal"], journal);
    assert_eq!(shard["secondary"]["link"]["journal"], Value::Null);
    world.stop().await;
}
