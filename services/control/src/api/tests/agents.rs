use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use model::{
    GeoRole, LinkId, LinkPhase, LinkRecord, Presence, PromotionRequest, RegionDesired,
    RegionObserved,
};
use tokio::time::Instant;

use crate::{
    harness::{AGENT_TOKEN, Answer, World, engine, position, premium, region},
    store::Change,
};

async fn agent(world: &World, method: &str, path: &str, body: Option<Vec<u8>>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {AGENT_TOKEN}"));
    let body = Body::from(body.unwrap_or_default());
    world.send(request.body(body).unwrap()).await
}

async fn desired(world: &World, query: &str) -> Answer {
    agent(world, "GET", &format!("/agents/v1/desired?{query}"), None).await
}

fn report(name: &str) -> RegionObserved {
    RegionObserved {
        region: region(name),
        generation: 0,
        relay_address: Some("127.0.0.1:4000".parse().unwrap()),
        engine: Some(engine()),
        installed: None,
        problem: None,
        caches: vec![],
        events: vec![],
    }
}

async fn send_report(world: &World, report: &RegionObserved) -> Answer {
    let body = serde_json::to_vec(report).unwrap();
    agent(world, "POST", "/agents/v1/report", Some(body)).await
}

#[tokio::test]
async fn a_long_poll_ends_when_its_region_changes_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let first = desired(&world, "region=East%20US").await;
    let first: RegionDesired = serde_json::from_value(first.body).unwrap();
    assert!(first.caches.is_empty());
    let poll = format!("region=eastus&after={}&wait_ms=10000", first.generation);
    let (polled, made) = tokio::join!(desired(&world, &poll), async {
        // The other region's cache is no news to this one.
        world.put(&world.cache("w"), premium("westus")).await;
        world.put(&world.cache("e"), premium("eastus")).await
    });
    assert_eq!(made.status, StatusCode::CREATED);
    let polled: RegionDesired = serde_json::from_value(polled.body).unwrap();
    assert_eq!(polled.store, first.store);
    assert!(polled.generation > first.generation);
    let names: Vec<_> = polled.caches.iter().map(|c| c.id.name.as_str()).collect();
    assert_eq!(names, ["e"]);
    assert_eq!(
        (polled.caches[0].presence, &polled.caches[0].role),
        (Presence::Present, &GeoRole::Alone)
    );
    let quiet = format!("region=eastus&after={}&wait_ms=30", polled.generation);
    assert_eq!(desired(&world, &quiet).await.status, StatusCode::NO_CONTENT);
    world.stop().await;
}

#[tokio::test]
async fn generations_never_go_back_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let before = desired(&world, "region=eastus").await.body["generation"]
        .as_u64()
        .unwrap();
    let revision = world.revision();
    world.stop().await;
    let world = World::start(dir.path()).await;
    let after = desired(&world, "region=eastus").await.body["generation"]
        .as_u64()
        .unwrap();
    assert!(after >= before && after >= revision, "{before} {after}");
    let ahead = desired(&world, &format!("region=eastus&after={}", after + 1)).await;
    assert_eq!(ahead.status, StatusCode::CONFLICT, "{ahead:?}");
    assert!(ahead.message().contains("older copy"));
    world.stop().await;
}

#[tokio::test]
async fn strangers_and_nonsense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let before = world.revision();
    assert_eq!(
        send_report(&world, &report("japaneast")).await.code(),
        "RegionNotFound"
    );
    assert_eq!(
        desired(&world, "region=japaneast").await.code(),
        "RegionNotFound"
    );
    assert_eq!(
        desired(&world, "region=").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        desired(&world, "after=1").await.status,
        StatusCode::BAD_REQUEST
    );
    let bad = agent(&world, "POST", "/agents/v1/report", Some(b"{}".to_vec())).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    assert!(bad.message().contains("region"), "{}", bad.message());
    assert_eq!(world.revision(), before);
    world.stop().await;
}

#[tokio::test]
async fn only_news_about_an_agent_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let before = world.revision();
    for _ in 0..3 {
        assert_eq!(
            send_report(&world, &report("eastus")).await.status,
            StatusCode::OK
        );
    }
    assert_eq!(world.revision(), before + 1);
    let mut starting = report("eastus");
    starting.relay_address = None;
    send_report(&world, &starting).await;
    assert_eq!(
        world.revision(),
        before + 1,
        "an agent that starts is where it was"
    );
    starting.relay_address = Some("127.0.0.1:4001".parse().unwrap());
    send_report(&world, &starting).await;
    assert_eq!(world.revision(), before + 2);
    world.stop().await;
}

#[tokio::test]
async fn a_moved_relay_reaches_the_other_region() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, west) = World::with_link(dir.path()).await;
    west.set(|b| b.silent = true);
    let source = |answer: &Answer| {
        let desired: RegionDesired = serde_json::from_value(answer.body.clone()).unwrap();
        let GeoRole::Secondary { source, .. } = &desired.caches[0].role else {
            panic!("{desired:?}")
        };
        *source
    };
    let there = desired(&world, "region=westus").await;
    assert_eq!(source(&there).unwrap().port(), 7000);
    let after = there.body["generation"].as_u64().unwrap();
    // The east agent's own reports go on with the old address; one with another comes between.
    let mut moved = report("eastus");
    moved.relay_address = Some("127.0.0.1:7777".parse().unwrap());
    let query = format!("region=westus&after={after}&wait_ms=10000");
    let (polled, _) = tokio::join!(desired(&world, &query), send_report(&world, &moved));
    assert_eq!(source(&polled).unwrap().port(), 7777);
    world.stop().await;
}

fn handing_off(world: &World) -> Change {
    let state = world.plane.store.state();
    let link = state.links.iter().next().unwrap();
    let next = LinkRecord {
        phase: LinkPhase::HandingOff {
            deadline: world.plane.clock.now().plus_ms(60_000),
        },
        attempt: 1,
        ..LinkRecord::clone(link)
    };
    Change::new().replace(link, &next)
}

#[tokio::test]
async fn a_promotion_is_decided_once_and_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, west) = World::with_link(dir.path()).await;
    west.set(|b| b.never_takes = true);
    world.plane.store.commit(handing_off(&world)).await.unwrap();
    let link = world
        .plane
        .store
        .state()
        .links
        .iter()
        .next()
        .unwrap()
        .id
        .clone();
    let ask = |link: LinkId, attempt: u64, barriers: usize| {
        let request = PromotionRequest {
            link,
            attempt,
            barriers: vec![position(100); barriers],
        };
        let body = serde_json::to_vec(&request).unwrap();
        agent(&world, "POST", "/agents/v1/promotions", Some(body))
    };
    let before = world.revision();
    assert_eq!(
        ask(LinkId::new("other"), 1, 1).await.body["promoted"],
        false
    );
    assert_eq!(ask(link.clone(), 2, 1).await.body["promoted"], false);
    assert_eq!(
        ask(link.clone(), 1, 2).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(world.revision(), before);

    let published = || {
        let watched = world.plane.desired.watch(&region("westus")).unwrap();
        let desired = watched.borrow().clone();
        matches!(desired.caches[0].role, GeoRole::Taking { .. }).then_some(desired.generation)
    };
    world
        .until("west is told to take over", || published().is_some())
        .await;
    let generation = published().unwrap();
    let poll = format!("region=westus&after={generation}&wait_ms=10000");
    let (told, (one, other)) = tokio::join!(desired(&world, &poll), async {
        tokio::join!(ask(link.clone(), 1, 1), ask(link.clone(), 1, 1))
    });
    assert_eq!(
        (&one.body["promoted"], &other.body["promoted"]),
        (&true.into(), &true.into())
    );
    let told: RegionDesired = serde_json::from_value(told.body).unwrap();
    assert!(
        matches!(told.caches[0].role, GeoRole::Primary { .. }),
        "{:?}",
        told.caches[0].role
    );
    world.stop().await;
}

#[tokio::test]
async fn a_decision_travels_from_the_store_to_a_long_poll_without_a_wait() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    east.set(|b| b.silent = true);
    west.set(|b| b.silent = true);
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let generation = desired(&world, "region=westus").await.body["generation"]
            .as_u64()
            .unwrap();
        let query = format!("region=westus&after={generation}&wait_ms=10000");
        let state = world.plane.store.state();
        let link = state.links.iter().next().unwrap();
        let toggled = LinkRecord {
            epoch: link.epoch.next(),
            ..LinkRecord::clone(link)
        };
        let (polled, committed) = tokio::join!(
            async {
                let polled = desired(&world, &query).await;
                assert_eq!(polled.status, StatusCode::OK);
                Instant::now()
            },
            async {
                let change = Change::new().replace(link, &toggled);
                world.plane.store.commit(change).await.unwrap();
                Instant::now()
            }
        );
        best = best.min(polled.saturating_duration_since(committed));
    }
    // The claim is about one millisecond; a busy machine gets some grace, a timer would not pass.
    assert!(best < Duration::from_millis(15), "{best:?}");
    world.stop().await;
}
