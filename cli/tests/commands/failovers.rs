//! Failovers: what they would meet, forced ones, and how they are told.

use serde_json::{Value, json};

use crate::{
    fake::{Fake, OPERATION, accepted, says},
    linked,
};

pub(crate) const PREFLIGHT: &str = "POST /redis/a/linkedServers/b/failoverPreflight";
const PUT: &str = "PUT /redis/b/linkedServers/a";

/// A preflight with nothing in the way.
pub(crate) fn possible() -> Value {
    json!({
        "link": "l", "primary": "a", "secondary": "b", "kind": "Planned", "possible": true,
        "findings": [{"level": "Ok", "code": "SizesMatch", "message": "the sizes match"}],
        "shards": [{"shard": 0, "bytesBehind": 14, "lagMs": 0.8, "asOfMs": 40}],
        "primaryHeard": true, "primaryLastHeardMs": 40, "fencing": "none", "leaseLeftMs": 0,
    })
}

/// One of a geo-primary that is gone.
fn away(kind: &str, possible: bool) -> Value {
    let level = if possible { "Warning" } else { "Blocker" };
    json!({
        "link": "l", "primary": "a", "secondary": "b", "kind": kind, "possible": possible,
        "findings": [{
            "level": level, "code": "PrimaryUnseen", "message": "the agent of `a` does not report",
        }],
        "shards": [{"shard": 0, "bytesBehind": 2048, "lagMs": 1500.0, "asOfMs": 90_000}],
        "primaryHeard": false, "primaryLastHeardMs": 90_000, "fencing": "none", "leaseLeftMs": 0,
    })
}

fn done(kind: &str, steps: &Value) -> Value {
    let failover = json!({"kind": kind, "attempt": 1, "writePauseMs": 84.4, "steps": steps});
    json!({"status": "Succeeded", "properties": {"phase": "Linked", "failover": failover}})
}

async fn meeting(preflight: Value) -> Fake {
    let fake = Fake::start(linked()).await;
    fake.also(PREFLIGHT, says(200, preflight)).await;
    fake
}

#[tokio::test]
async fn a_dry_run_says_what_a_failover_would_meet_and_changes_nothing() {
    let fake = meeting(possible()).await;
    let ran = fake
        .run(["failover", "b", "--dry-run", "--max-lag", "500ms"])
        .await;
    let expected = "\
geo-primary    a
geo-secondary  b
failover       planned
possible       yes

ok       the sizes match

SHARD  BEHIND  LAG     AS OF
0      14 B    0.8 ms  40 ms ago
";
    assert_eq!((ran.out.as_str(), ran.code), (expected, 0), "{}", ran.err);
    assert_eq!(fake.writes().await, [PREFLIGHT]);
    assert_eq!(fake.body(PREFLIGHT).await, json!({"maxLagMs": 500}));
    let ran = fake.run(["failover", "b", "--dry-run", "-ojson"]).await;
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((printed, ran.code), (possible(), 0));
}

#[tokio::test]
async fn an_impossible_failover_is_not_begun() {
    let fake = meeting(away("Planned", false)).await;
    for command in [
        vec!["failover", "b"],
        vec!["failover", "b", "--dry-run"],
        vec!["failover", "b", "--dry-run", "-ojson"],
    ] {
        let ran = fake.run(command.clone()).await;
        assert_eq!(ran.code, 1, "{command:?}");
        for words in [
            "error: cannot fail over to `b`: the agent of `a` does not report",
            "`godwit failover b --force --dry-run",
        ] {
            assert!(ran.err.contains(words), "{command:?}: {}", ran.err);
        }
    }
    assert!(fake.writes().await.iter().all(|asked| asked == PREFLIGHT));
}

#[tokio::test]
async fn a_planned_failover_has_bounds_and_tells_its_steps() {
    let fake = meeting(possible()).await;
    let steps = json!([
        {"side": "primary", "region": "eastus", "step": "WritesPaused", "ms": 1.25},
        {"side": "secondary", "region": "westus", "step": "Promoted", "ms": 80.0},
    ]);
    fake.also(PUT, accepted(200, json!({}))).await;
    fake.also(OPERATION, says(200, done("Planned", &steps)))
        .await;
    let command = ["failover", "b", "--max-lag", "1s", "--abort-after", "5s"];
    let ran = fake.run(command).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let expected = "\
no cache took writes for 84 ms
STEP          SIDE       REGION  AFTER
WritesPaused  primary    eastus  1.2 ms
Promoted      secondary  westus  80 ms
";
    assert!(ran.err.ends_with(expected), "{}", ran.err);
    let sent = fake.body(PUT).await;
    let options = json!({"abortAfterMs": 5000, "maxLagMs": 1000});
    assert_eq!(sent["properties"]["failover"], options);
    let ran = fake.run(["failover", "b", "-ojson"]).await;
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed["failover"]["writePauseMs"], 84.4);
    assert_eq!(printed["name"], "a");
    let plain = fake.body(PUT).await;
    assert_eq!(plain["properties"]["failover"], Value::Null);
}

#[tokio::test]
async fn a_forced_failover_without_a_terminal_needs_a_yes() {
    let fake = meeting(away("Forced", true)).await;
    let ran = fake.run(["failover", "b", "--force"]).await;
    assert_eq!(ran.code, 64);
    for words in [
        "0      2.00 KiB  1.5 s  90 s ago",
        "`a` was last heard from 90 s ago",
        "fencing is `none`: `a` goes on taking writes",
        "error: this promotes `b` without `a`, and nobody is there to confirm it",
        "hint: add --yes",
    ] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
    assert_eq!(fake.writes().await, [PREFLIGHT]);
    assert_eq!(fake.body(PREFLIGHT).await, json!({"force": true}));
}

#[tokio::test]
async fn a_forced_failover_says_what_it_may_lose_and_what_comes_afterwards() {
    let fake = meeting(away("Forced", true)).await;
    fake.also(PUT, accepted(200, json!({}))).await;
    fake.also(OPERATION, says(200, done("Forced", &json!([]))))
        .await;
    let ran = fake.run(["failover", "b", "--force", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    for words in [
        "what `b` has not got is lost to it",
        "`b` is the geo-primary now and takes writes (",
        "when `a` is back, its agent refuses client writes",
        "`godwit lost-writes list a",
    ] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
    assert_eq!(
        fake.body(PUT).await["properties"]["failover"],
        json!({"force": true})
    );
    assert_eq!(fake.writes().await, [PREFLIGHT, PUT]);
}

#[tokio::test]
async fn an_unawaited_failover_says_how_to_look() {
    let fake = meeting(away("Forced", true)).await;
    fake.also(PUT, accepted(200, json!({"name": "a"}))).await;
    let ran = fake
        .run(["failover", "b", "--force", "--yes", "--no-wait"])
        .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("godwit link watch b"), "{}", ran.out);
}

#[tokio::test]
async fn an_automatic_failover_is_acknowledged_from_either_side() {
    let fake = Fake::start(linked()).await;
    const ACKNOWLEDGE: &str = "POST /redis/a/linkedServers/b/acknowledgeAutoFailover";
    fake.also(ACKNOWLEDGE, says(200, json!({"phase": "Linked"})))
        .await;
    for cache in ["a", "b"] {
        let ran = fake.run(["failover", cache, "--acknowledge"]).await;
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
        assert!(ran.err.contains("need not wait"), "{}", ran.err);
    }
    assert_eq!(fake.writes().await, [ACKNOWLEDGE, ACKNOWLEDGE]);
}

#[tokio::test]
async fn options_that_exclude_each_other_are_refused() {
    let fake = Fake::start(linked()).await;
    for (wrong, words) in [
        (vec!["failover", "b", "--yes"], "--force"),
        (
            vec!["failover", "b", "--force", "--abort-after", "5s"],
            "cannot be used with",
        ),
        (
            vec!["failover", "b", "--abort-after", "400ms"],
            "400 is not a number of milliseconds from 500 to 60000",
        ),
        (
            vec!["failover", "b", "--acknowledge", "--force"],
            "cannot be used with",
        ),
        (vec!["failover", "b", "--max-lag", "5"], "a time such as"),
    ] {
        let ran = fake.run(wrong.clone()).await;
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{wrong:?}");
        assert!(ran.err.contains(words), "{wrong:?}: {}", ran.err);
    }
    assert!(fake.writes().await.is_empty());
}
