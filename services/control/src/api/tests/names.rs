use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use model::{Leads, PublishedNames, RegionObserved};

use crate::harness::{
    AGENT_TOKEN, Answer, NAMES_TOKEN, TOKEN, VERSION, World, engine, premium, region,
};

const PATH: &str = "/providers/Godwit.Cache/names";

async fn ask_as(world: &World, token: &str, path: &str) -> Answer {
    let request = Request::builder()
        .uri(path)
        .header("authorization", format!("Bearer {token}"));
    world.send(request.body(Body::empty()).unwrap()).await
}

async fn ask(world: &World, query: &str) -> Answer {
    ask_as(world, NAMES_TOKEN, &format!("{PATH}?{VERSION}{query}")).await
}

async fn names(world: &World) -> PublishedNames {
    let answer = ask(world, "").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    serde_json::from_value(answer.body).unwrap()
}

/// `name=where` for each name; an address is `*`, since every fake agent tells the same one.
fn shown(names: &PublishedNames) -> String {
    let one = |name: &model::PublishedName| {
        let leads = match &name.leads {
            Leads::Addresses(all) => "*".repeat(all.len()),
            Leads::Alias(other) => other.clone(),
        };
        format!("{}={leads}", name.name)
    };
    names.names.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn geo_names_of_both_lead_to_the_primary_while_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let alone = names(&world).await;
    assert_eq!((alone.zone.as_str(), alone.ttl_seconds), ("zone.test", 5));
    assert_eq!(shown(&alone), "east=* west=*");

    let made = world.link("east", "west", "Secondary").await;
    world.done(&made).await;
    let linked = names(&world).await;
    assert_eq!(shown(&linked), "east=* east.geo=* west=* west.geo=east.geo");
    assert!(linked.generation > alone.generation);

    let swapped = world.link("west", "east", "Secondary").await;
    world.done(&swapped).await;
    let after = names(&world).await;
    assert_eq!(shown(&after), "east=* east.geo=west.geo west=* west.geo=*");
    assert!(after.generation > linked.generation);

    let link = format!("{}/linkedServers/east", world.cache("west"));
    let gone = world.delete(&link).await;
    world.done(&gone).await;
    assert_eq!(shown(&names(&world).await), "east=* west=*");
    world.stop().await;
}

#[tokio::test]
async fn the_primary_keeps_the_name_until_the_decision() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, west) = World::with_link(dir.path()).await;
    west.set(|behaviour| behaviour.never_takes = true);
    let before = names(&world).await;
    let begun = world.link("west", "east", "Secondary").await;
    assert!(begun.status.is_success(), "{begun:?}");
    assert_eq!(shown(&names(&world).await), shown(&before));
    west.set(|behaviour| behaviour.never_takes = false);
    world.done(&begun).await;
    assert_ne!(shown(&names(&world).await), shown(&before));
    world.stop().await;
}

#[tokio::test]
async fn a_long_poll_ends_with_news_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let first = names(&world).await;
    assert_eq!(shown(&first), "");
    let quiet = format!("&generation={}&wait=30", first.generation);
    assert_eq!(ask(&world, &quiet).await.status, StatusCode::NO_CONTENT);
    let poll = format!("&generation={}&wait=20000", first.generation);
    let (polled, ()) = tokio::join!(ask(&world, &poll), async {
        world
            .until("the poll waits", || world.plane.names.polls() > 0)
            .await;
        world.put(&world.cache("e"), premium("eastus")).await;
    });
    let polled: PublishedNames = serde_json::from_value(polled.body).unwrap();
    assert!(polled.generation > first.generation);
    // The name is there from the beginning, whether or not its agent has told an address.
    assert!(shown(&polled).starts_with("e="), "{polled:?}");
    world.stop().await;
}

#[tokio::test]
async fn names_and_generation_survive_a_restart_without_agents() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let before = names(&world).await;
    world.stop().await;
    let again = World::start(dir.path()).await;
    let after = names(&again).await;
    assert!(after.generation >= before.generation);
    assert_eq!(after.names, before.names);
    assert_eq!(after.store, before.store);
    let ahead = format!("&generation={}", again.revision() + 1);
    let refused = ask(&again, &ahead).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    again.stop().await;
}

#[tokio::test]
async fn addresses_are_kept_while_an_agent_tells_none_and_go_with_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    let uid = world
        .plane
        .store
        .state()
        .caches
        .iter()
        .next()
        .unwrap()
        .uid
        .clone();
    east.set(|behaviour| behaviour.silent = true);
    let mut report = RegionObserved {
        region: region("eastus"),
        generation: 0,
        relay_address: Some("127.0.0.1:7000".parse().unwrap()),
        engine: Some(engine()),
        installed: None,
        problem: None,
        caches: Vec::new(),
        events: Vec::new(),
    };
    world.report(&report).await;
    assert_eq!(shown(&names(&world).await), "east=* west=*");
    let revision = world.revision();
    world.report(&report).await;
    assert_eq!(world.revision(), revision, "nothing is news");

    east.set(|behaviour| behaviour.silent = false);
    let gone = world.delete(&world.cache("east")).await;
    world.done(&gone).await;
    assert_eq!(shown(&names(&world).await), "west=*");
    report.generation = world.revision();
    world.report(&report).await;
    let state = world.plane.store.state();
    assert!(state.addresses.iter().all(|known| known.uid != uid));
    world.stop().await;
}

#[tokio::test]
async fn its_token_opens_the_names_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_agents(dir.path()).await;
    let names = format!("{PATH}?{VERSION}");
    for (token, path, status) in [
        (NAMES_TOKEN, names.as_str(), StatusCode::OK),
        (TOKEN, &names, StatusCode::OK),
        (AGENT_TOKEN, &names, StatusCode::UNAUTHORIZED),
        ("", &names, StatusCode::UNAUTHORIZED),
        (NAMES_TOKEN, PATH, StatusCode::BAD_REQUEST),
        (
            NAMES_TOKEN,
            "/subscriptions?api-version=2024-11-01",
            StatusCode::UNAUTHORIZED,
        ),
        (NAMES_TOKEN, "/metrics", StatusCode::UNAUTHORIZED),
        (
            NAMES_TOKEN,
            "/agents/v1/desired?region=eastus",
            StatusCode::UNAUTHORIZED,
        ),
    ] {
        let answer = ask_as(&world, token, path).await;
        assert_eq!(answer.status, status, "{token} {path}: {answer:?}");
    }
    for bad in ["&generation=-1", "&wait=soon"] {
        let answer = ask(&world, bad).await;
        assert_eq!(answer.code(), "InvalidQuery", "{bad}");
    }
    world.stop().await;
}
