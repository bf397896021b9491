use axum::http::StatusCode;
use model::{Epoch, LinkPhase, LinkRecord, ShardStanding, Standing};
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
