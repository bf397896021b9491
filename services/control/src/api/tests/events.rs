use axum::http::StatusCode;
use model::{EventKind, EventObserved, LinkId, LinkObserved, ShardIndex, Timestamp};
use serde_json::Value;

use crate::harness::{Agent, World};

impl World {
    fn link_id(&self) -> LinkId {
        let state = self.plane.store.state();
        state.links.iter().next().unwrap().id.clone()
    }

    async fn events(&self, query: &str) -> Vec<Value> {
        let path = format!("{}/linkedServers/east/events{query}", self.cache("west"));
        let answer = self.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["value"].as_array().unwrap().clone()
    }

    async fn until_told(&self, kind: &str) -> Vec<Value> {
        let told = async || {
            let events = self.events("").await;
            let has = events.iter().any(|event| event["kind"] == kind);
            has.then_some(events)
        };
        self.eventually(kind, told).await
    }
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let kinds = events.iter().map(|event| event["kind"].as_str());
    kinds.map(Option::unwrap).collect()
}

fn tell(agent: &Agent, link: &LinkId, boot: u64, sequence: u64, kind: EventKind) {
    let event = EventObserved {
        boot,
        sequence,
        at: Timestamp(1_772_366_400_000 + sequence),
        link: link.clone(),
        shard: Some(ShardIndex(0)),
        kind,
        text: format!("{kind} number {sequence}"),
    };
    agent.set(|b| b.events.push(event));
}

#[tokio::test]
async fn events_of_agents_are_kept_once_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    let link = world.link_id();
    tell(&east, &link, 9, 1, EventKind::Stalled);
    tell(&west, &link, u64::MAX, 1, EventKind::Disconnected);
    world.until_told("Stalled").await;
    tell(&east, &link, 9, 2, EventKind::StallEnded);
    world.until_told("StallEnded").await;
    let events = world.until_told("Disconnected").await;
    let of_agents = |events: &[Value]| {
        let mut all: Vec<Value> = events.to_vec();
        all.retain(|event| event["reportedBy"] != "control plane");
        all
    };
    let told = of_agents(&events);
    assert_eq!(
        told.len(),
        3,
        "each once, however often it is reported: {told:?}"
    );
    let stall = told
        .iter()
        .find(|event| event["kind"] == "Stalled")
        .unwrap();
    assert_eq!(
        (
            &stall["time"],
            &stall["reportedBy"],
            &stall["shard"],
            &stall["text"]
        ),
        (
            &"2026-03-01T12:00:00.001Z".into(),
            &"eastus".into(),
            &0.into(),
            &"Stalled number 1".into()
        )
    );
    world.stop().await;

    let world = World::start(dir.path()).await;
    let (east, _west) = (world.agent("eastus"), world.agent("westus"));
    // A new agent process repeats none; an old one, all of its.
    tell(&east, &link, 9, 1, EventKind::Stalled);
    tell(&east, &link, 9, 2, EventKind::StallEnded);
    tell(&east, &link, 10, 1, EventKind::Connected);
    let events = world.until_told("Connected").await;
    assert_eq!(of_agents(&events).len(), 4, "{events:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_list_of_events_may_be_cut_and_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_link(dir.path()).await;
    let link = world.link_id();
    for sequence in 1..=20 {
        tell(&east, &link, 1, sequence, EventKind::Stalled);
    }
    tell(&east, &link, 1, 21, EventKind::SourceLost);
    let all = world.until_told("SourceLost").await;
    let last = world.events("?top=2").await;
    assert_eq!(kinds(&last), ["Stalled", "SourceLost"]);
    let number = |event: &Value| event["number"].as_u64().unwrap();
    let middle = number(&all[all.len() - 10]);
    let rest = world.events(&format!("?since={middle}&top=3")).await;
    let numbers: Vec<_> = rest.iter().map(number).collect();
    assert_eq!(
        numbers,
        [middle + 1, middle + 2, middle + 3],
        "the first after it"
    );
    let newest = number(all.iter().max_by_key(|event| number(event)).unwrap());
    assert!(world.events(&format!("?since={newest}")).await.is_empty());
    let from_then = world.events("?since=2026-03-01T12%3A00%3A00.021Z").await;
    assert!(kinds(&from_then).contains(&"SourceLost"));
    assert!(!kinds(&from_then).contains(&"Stalled"));
    let path = format!("{}/linkedServers/west/events", world.cache("east"));
    for bad in ["top=0", "top=1001", "top=x", "since=then"] {
        let refused = world.get(&format!("{path}?{bad}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(refused.code(), "InvalidQuery", "{bad}");
    }
    world.stop().await;
}

#[tokio::test]
async fn the_control_plane_tells_what_it_does_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let settings = format!(
        "{}/linkedServers/west/replicationSettings",
        world.cache("east")
    );
    let body = serde_json::json!({"compression": "off", "rateLimit": 1_000_000});
    world.ask("PATCH", &settings, Some(body)).await;
    world.until_told("SettingsChanged").await;
    let failover = world.link("west", "east", "Secondary").await;
    world.done(&failover).await;
    let events = world.until_told("FailoverDecided").await;
    let found = kinds(&events);
    for kind in ["LinkCreated", "InStep", "SettingsChanged", "FailoverBegun"] {
        assert!(found.contains(&kind), "{kind}: {found:?}");
    }
    let text = |kind: &str| {
        let event = events.iter().find(|event| event["kind"] == kind);
        event.unwrap()["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        text("SettingsChanged"),
        "compression from 1 to off, rateLimit from none to 1000000"
    );
    assert!(text("FailoverDecided").contains("`west` is the geo-primary"));
    assert!(
        events
            .iter()
            .all(|event| event["reportedBy"] == "control plane")
    );
    world.stop().await;
}

#[tokio::test]
async fn a_report_counts_although_the_history_cannot_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_link(dir.path()).await;
    let link = world.link_id();
    world.plane.history.close().await;
    tell(&east, &link, 1, 1, EventKind::Stalled);
    east.set(|b| {
        b.half = LinkObserved {
            partial_syncs: 5,
            stalled: Some("x".to_owned()),
            ..LinkObserved::default()
        }
    });
    let path = format!("{}/linkedServers/west/runtimeStatus", world.cache("east"));
    let unhealthy = async || {
        let status = world.get(&path).await.body;
        (status["state"] == "Unhealthy").then_some(())
    };
    world.eventually("the report counts", unhealthy).await;
    let events = format!("{}/linkedServers/west/events", world.cache("east"));
    let refused = world.get(&events).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    world.stop().await;
}
