use axum::http::StatusCode;
use model::{
    Epoch, HandoffObserved, HandoffStep, HandoffStepObserved, LinkPhase, LinkRecord, ShardStanding,
    Standing,
};
use serde_json::{Value, json};

use crate::harness::{Agent, Answer, World, premium, region};

impl World {
    /// Asks that `new` takes over from `old`.
    pub(super) async fn fail_over(&self, new: &str, old: &str, how: Value) -> Answer {
        let mut body = self.link_body(old, "Secondary");
        body["properties"]["failover"] = how;
        let path = format!("{}/linkedServers/{old}", self.cache(new));
        self.put(&path, body).await
    }

    pub(super) fn the_link(&self) -> LinkRecord {
        LinkRecord::clone(self.plane.store.state().links.iter().next().unwrap())
    }

    /// Has an agent die.
    pub(super) async fn kill(&self, agent: &Agent, place: &str) {
        agent.set(|b| b.silent = true);
        let place = region(place);
        self.until("it is not heard from", || {
            self.plane.observations.age(&place);
            self.plane.observations.seen().region(&place).is_none()
        })
        .await;
    }
}

fn refused(world: &World, answer: &Answer, status: StatusCode, words: &str, before: u64) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.message().contains(words), "{}", answer.message());
    assert_eq!(world.revision(), before, "a refused request writes nothing");
}

#[tokio::test]
async fn a_planned_failover_has_the_bound_and_the_limits_that_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    let before = world.revision();
    for (how, words) in [
        (json!({"abortAfterMs": 499}), "from 500 to 60000"),
        (
            json!({"abortAfterMs": "10s"}),
            "`properties.failover.abortAfterMs` is a text",
        ),
        (json!({"maxLagMs": -1}), "less than nothing"),
        (json!({"force": 1}), "it takes true or false"),
        (
            json!({"force": true, "abortAfterMs": 600}),
            "nothing is asked of it",
        ),
        (
            json!({"gently": true}),
            "`properties.failover.gently` is not known",
        ),
    ] {
        let answer = world.fail_over("west", "east", how).await;
        refused(&world, &answer, StatusCode::BAD_REQUEST, words, before);
    }
    east.set(|b| b.lag_ms = Some(700.0));
    world
        .eventually("the lag is told", async || {
            let path = format!("{}/linkedServers/west/runtimeStatus", world.cache("east"));
            (world.get(&path).await.body["shards"][0]["lagMs"] == 700.0).then_some(())
        })
        .await;
    let slow = world
        .fail_over("west", "east", json!({"maxLagMs": 500}))
        .await;
    assert_eq!(slow.code(), "LagAboveLimit");
    let words = "shard 0 is 700.0 ms behind, more than the 500 ms";
    refused(&world, &slow, StatusCode::CONFLICT, words, before);

    west.set(|b| b.never_takes = true);
    let how = json!({"maxLagMs": 700, "maxLagBytes": 0, "abortAfterMs": 500});
    let asked = world.fail_over("west", "east", how).await;
    assert_eq!(asked.status, StatusCode::OK, "{asked:?}");
    let ended = world.ended(&asked).await;
    assert_eq!(ended.body["status"], "Failed");
    let why = ended.body["error"]["message"].as_str().unwrap();
    assert!(why.contains("given up, and nothing changed"), "{why}");
    assert_eq!(world.the_link().phase, LinkPhase::Linked);
    world.stop().await;
}

#[tokio::test]
async fn a_forced_failover_needs_nothing_of_the_old_primary() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    let epoch = world.the_link().epoch;
    world.kill(&east, "eastus").await;
    west.set(|b| b.secondary = Some(ShardStanding::Cut));
    let before = world.revision();
    let planned = world.link("west", "east", "Secondary").await;
    assert_ne!(planned.status, StatusCode::OK);
    assert_eq!(world.revision(), before);
    let cut = async || {
        let path = format!("{}/runtimeStatus", world.cache("west"));
        (world.get(&path).await.body["shards"][0]["standing"] == "Cut").then_some(())
    };
    world.eventually("west is cut off", cut).await;
    let limited = world
        .fail_over("west", "east", json!({"force": true, "maxLagMs": 0}))
        .await;
    assert_eq!(limited.code(), "LagAboveLimit", "{limited:?}");

    let asked = world
        .fail_over("west", "east", json!({"force": true}))
        .await;
    assert_eq!(asked.status, StatusCode::OK, "{asked:?}");
    assert!(asked.header("location").contains("linkedServers/east"));
    world.done(&asked).await;
    let link = world.the_link();
    assert_eq!(link.primary.id.name.as_str(), "west");
    assert_eq!(link.epoch, epoch.next());
    let Standing::Forced { at, forks } = &link.standing else {
        panic!("{:?}", link.standing)
    };
    assert_eq!((*at, forks.as_ref().map(Vec::len)), (epoch.next(), Some(1)));
    // Asked again, it is so.
    let again = world
        .fail_over("west", "east", json!({"force": true}))
        .await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.header("azure-asyncoperation"), "");

    west.set(|b| b.secondary = None);
    east.set(|b| b.silent = false);
    world
        .until("east follows", || {
            world.the_link().phase == LinkPhase::Linked
        })
        .await;
    assert_eq!(world.the_link().epoch, Epoch(epoch.0 + 1));
    world.stop().await;
}

#[tokio::test]
async fn a_handoff_that_goes_nowhere_can_be_forced_and_its_own_operation_ends_too() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, west) = World::with_link(dir.path()).await;
    west.set(|b| b.never_takes = true);
    let planned = world
        .fail_over("west", "east", json!({"abortAfterMs": 60_000}))
        .await;
    let taking = || {
        let seen = world.plane.observations.seen();
        let cache = seen.cache(&region("westus"), &world.the_link().secondary.uid);
        cache.is_some_and(|cache| cache.role == model::RoleKind::Taking)
    };
    world.until("the handoff has begun", taking).await;
    let forced = world
        .fail_over("west", "east", json!({"force": true}))
        .await;
    assert_eq!(forced.status, StatusCode::OK, "{forced:?}");
    assert_ne!(
        forced.header("azure-asyncoperation"),
        planned.header("azure-asyncoperation")
    );
    world.done(&forced).await;
    world.done(&planned).await;
    world.stop().await;
}

#[tokio::test]
async fn a_larger_cache_takes_over_when_that_is_forced() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let mut bigger = premium("westus");
    bigger["properties"]["sku"]["capacity"] = json!(2);
    world
        .done(&world.put(&world.cache("west"), bigger).await)
        .await;
    let how = json!({"force": true});
    let unlinked = world.fail_over("east", "west", how.clone()).await;
    let words = "are not linked; leave it out";
    refused(
        &world,
        &unlinked,
        StatusCode::BAD_REQUEST,
        words,
        world.revision(),
    );
    world
        .done(&world.link("east", "west", "Secondary").await)
        .await;
    let asked = world.fail_over("west", "east", how).await;
    world.done(&asked).await;
    assert_eq!(world.the_link().primary.id.name.as_str(), "west");
    world.stop().await;
}

#[tokio::test]
async fn a_preflight_tells_what_a_failover_would_meet_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    let before = world.revision();
    let path = format!(
        "{}/linkedServers/east/failoverPreflight",
        world.cache("west")
    );
    let ask = async |body: Value| world.ask("POST", &path, Some(body)).await;
    let codes = |answer: &Answer, level: &str| {
        let findings = answer.body["findings"].as_array().unwrap().iter();
        let of_level = findings.filter(|finding| finding["level"] == level);
        of_level
            .map(|finding| finding["code"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let planned = ask(json!({})).await;
    assert_eq!(planned.status, StatusCode::OK, "{planned:?}");
    assert_eq!(codes(&planned, "Blocker"), Vec::<String>::new());
    // The fake agents run one node of two.
    assert_eq!(codes(&planned, "Warning"), ["ReplicaMissing"]);
    assert_eq!(codes(&planned, "Advice"), ["AccessKeysDiffer"]);
    for (field, value) in [
        ("link", json!(world.the_link().id)),
        ("primary", json!("east")),
        ("secondary", json!("west")),
        ("kind", json!("Planned")),
        ("possible", json!(true)),
        ("primaryHeard", json!(true)),
        ("fencing", json!("none")),
        ("leaseLeftMs", json!(0)),
    ] {
        assert_eq!(planned.body[field], value, "{field}");
    }
    let shard = &planned.body["shards"][0];
    assert_eq!(
        (&shard["bytesBehind"], &shard["lagMs"]),
        (&json!(0), &json!(0.5))
    );

    east.set(|b| b.lag_ms = Some(900.0));
    world
        .eventually("the lag is found", async || {
            let late = ask(json!({"maxLagMs": 500, "abortAfterMs": 600})).await;
            let blocked = codes(&late, "Blocker") == ["LagAboveLimit"];
            (blocked && late.body["possible"] == false).then_some(())
        })
        .await;
    world.kill(&east, "eastus").await;
    west.set(|b| b.secondary = Some(ShardStanding::Cut));
    let planned = ask(json!({})).await;
    assert!(codes(&planned, "Blocker").contains(&"PrimaryUnseen".to_owned()));
    let forced = ask(json!({"force": true})).await;
    assert_eq!(
        (&forced.body["kind"], &forced.body["possible"]),
        (&json!("Forced"), &json!(true))
    );
    let warned = codes(&forced, "Warning");
    assert_eq!(warned, ["KnownLoss", "NotFenced", "ReplicaMissing"]);
    assert!(forced.body["primaryLastHeardMs"].as_u64().unwrap() >= 5_000);
    assert!(forced.body["shards"][0]["asOfMs"].as_u64().unwrap() >= 5_000);
    let unknown = ask(json!({"softly": true})).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.revision(), before);
    world.stop().await;
}

/// One side's part of the first handoff.
fn told(steps: &[(HandoffStep, f64)]) -> HandoffObserved {
    let steps = steps.iter();
    HandoffObserved {
        attempt: 1,
        steps: steps
            .map(|(step, ms)| HandoffStepObserved {
                step: *step,
                ms: *ms,
            })
            .collect(),
    }
}

#[tokio::test]
async fn a_failover_s_operation_keeps_what_its_steps_took() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    let paused = told(&[
        (HandoffStep::WritesPaused, 1.0),
        (HandoffStep::BarrierDeclared, 5.0),
    ]);
    let promoted = told(&[
        (HandoffStep::BarrierReceived, 30.0),
        (HandoffStep::Promoted, 33.0),
    ]);
    for (agent, handoff) in [(&east, paused), (&west, promoted)] {
        agent.set(|b| {
            b.handoff = Some(handoff);
            b.half.round_trip_ms = Some(40.0);
        });
    }
    let seen = || {
        let seen = world.plane.observations.seen();
        let link = world.the_link();
        let trip = crate::handoff::round_trip(crate::reconciler::link_seen(&seen, &link));
        let cache = seen.cache(&region("westus"), &link.secondary.uid);
        trip.is_some() && cache.is_some_and(|cache| cache.handoff.is_some())
    };
    world.until("the figures are told", seen).await;
    let asked = world.link("west", "east", "Secondary").await;
    let ended = world.ended(&asked).await.body;
    assert_eq!(ended["status"], "Succeeded", "{ended}");
    let failover = &ended["properties"]["failover"];
    assert_eq!(
        (&failover["kind"], &failover["attempt"]),
        (&json!("Planned"), &json!(1))
    );
    assert_eq!(failover["writePauseMs"], 27.0, "{failover}");
    assert_eq!(failover["steps"].as_array().unwrap().len(), 4);
    let first = json!({
        "side": "primary", "region": "East US", "step": "WritesPaused", "ms": 1.0,
    });
    assert_eq!(failover["steps"][0], first);
    // The agents have forgotten it; the operation has not.
    for agent in [&east, &west] {
        agent.set(|b| b.handoff = None);
    }
    let again = world.get(&asked.leads("azure-asyncoperation")).await.body;
    assert_eq!(&again["properties"]["failover"], failover);

    let forced = world
        .fail_over("east", "west", json!({"force": true}))
        .await;
    let ended = world.ended(&forced).await.body;
    let failover = &ended["properties"]["failover"];
    assert_eq!(
        (&failover["kind"], &failover["writePauseMs"]),
        (&json!("Forced"), &Value::Null)
    );
    let metrics = world
        .eventually("both are counted", async || {
            let metrics = world.get("/metrics").await.body;
            let metrics = metrics.as_str().unwrap().to_owned();
            metrics
                .contains(r#"kind="forced",outcome="decided""#)
                .then_some(metrics)
        })
        .await;
    for line in [
        r#"godwit_control_failovers_total{kind="planned",outcome="decided"} 1"#,
        r#"godwit_control_failovers_total{kind="forced",outcome="decided"} 1"#,
        r#"godwit_control_failover_write_pause_seconds{primary="east",secondary="west"} 0.027"#,
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    world.stop().await;
}
