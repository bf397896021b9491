use axum::http::StatusCode;
use model::WireObserved;
use serde_json::{Value, json};

use crate::harness::{Agent, World};

fn sends(agent: &Agent, count: u64, raw_bytes: u64, sent_bytes: u64) {
    agent.set(|b| {
        b.half.wire = WireObserved {
            count,
            raw_bytes,
            sent_bytes,
            ..WireObserved::default()
        };
    });
}

impl World {
    fn sent_path(&self, query: &str) -> String {
        format!("{}/linkedServers/west/egress{query}", self.cache("east"))
    }

    async fn sent(&self) -> Value {
        let mut answer = self.get(&self.sent_path("")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["properties"].take()
    }

    /// Waits until so much was counted, and not a byte more.
    async fn until_sent(&self, raw: u64, wire: u64) -> Value {
        let counted = async || {
            let shown = self.sent().await;
            let total = &shown["total"];
            let now = (total["rawBytes"].as_u64()?, total["wireBytes"].as_u64()?);
            assert!(now <= (raw, wire), "{shown}");
            (now == (raw, wire)).then_some(shown)
        };
        self.eventually("it is counted", counted).await
    }
}

#[tokio::test]
async fn bytes_are_counted_once_through_restarts_of_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_link(dir.path()).await;
    assert_eq!(world.sent().await["rows"], json!([]));
    sends(&east, 1, 1_000, 250);
    world.until_sent(1_000, 250).await;
    sends(&east, 1, 3_000, 600);
    world.until_sent(3_000, 600).await;
    // The agent starts anew, and its counters with it.
    sends(&east, 2, 500, 100);
    world.until_sent(3_500, 700).await;
    world.stop().await;

    // Nobody counts while no control plane runs; the agent's counter tells it all the same.
    let world = World::start(dir.path()).await;
    let (east, _west) = (world.agent("eastus"), world.agent("westus"));
    sends(&east, 2, 900, 150);
    let shown = world.until_sent(3_900, 750).await;
    assert_eq!(shown["rows"][0]["from"], "eastus");
    assert_eq!(shown["rows"][0]["to"], "westus");
    assert_eq!(shown["rows"][0]["fromCache"], "east");
    let metrics = world.get("/metrics").await;
    let metrics = metrics.body.as_str().unwrap();
    for (kind, bytes) in [("raw", 3_900), ("wire", 750)] {
        let line = format!(
            "godwit_control_link_egress_bytes_total{{from_cache=\"east\",to_cache=\"west\",from_region=\"eastus\",to_region=\"westus\",kind=\"{kind}\"}} {bytes}"
        );
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    world.stop().await;
}

#[tokio::test]
async fn both_ways_are_told_apart_and_stay_readable_when_the_link_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    sends(&east, 1, 2_000_000_000, 1_000_000_000);
    world.until_sent(2_000_000_000, 1_000_000_000).await;
    let prices = json!({"properties": {"currency": "EUR", "prices": [
        {"from": "eastus", "to": "West US", "perGb": "0.02"},
    ]}});
    let path = format!("{}/providers/Godwit.Cache/egressPrices/default", world.sub);
    assert_eq!(
        world.put(&path, prices.clone()).await.status,
        StatusCode::CREATED
    );
    assert_eq!(world.put(&path, prices).await.status, StatusCode::OK);
    let told = world
        .until_in_log(1, |event| {
            event["operationName"]["value"] == "Godwit.Cache/egressPrices/write"
        })
        .await;
    let changes = told[0]["properties"]["changes"].as_str().unwrap();
    assert!(
        changes.contains("prices.eastus to westus.perGb"),
        "{changes}"
    );
    let shown = world.sent().await;
    assert_eq!(shown["currency"], "EUR");
    assert_eq!(shown["rows"][0]["cost"], 0.02);
    assert_eq!(shown["total"]["savedPercent"], 50.0);

    let failover = world.link("west", "east", "Secondary").await;
    world.done(&failover).await;
    sends(&west, 7, 100, 90);
    world.until_sent(2_000_000_100, 1_000_000_090).await;
    let shown = world.sent().await;
    assert_eq!(shown["rows"].as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(shown["total"]["cost"], Value::Null, "one way has no price");
    assert_eq!(
        shown["unpriced"],
        json!([{"from": "westus", "to": "eastus"}])
    );

    let unlink = format!("{}/linkedServers/west", world.cache("east"));
    world.done(&world.delete(&unlink).await).await;
    let gone = world.get(&unlink).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    world.until_sent(2_000_000_100, 1_000_000_090).await;
    let other_side = format!("{}/linkedServers/east/egress", world.cache("west"));
    assert_eq!(world.get(&other_side).await.status, StatusCode::OK);
    let month = world.get(&world.sent_path("?period=2020-01")).await;
    assert_eq!(
        month.status,
        StatusCode::NOT_FOUND,
        "nothing of then, and no link"
    );
    world.stop().await;
}

#[tokio::test]
async fn prices_that_cannot_be_are_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let path = format!("{}/providers/Godwit.Cache/egressPrices/default", world.sub);
    let empty = world.get(&path).await;
    assert_eq!(empty.body["properties"]["prices"], json!([]));
    let price =
        |from: &str, to: &str, per_gb: Value| json!({"from": from, "to": to, "perGb": per_gb});
    for prices in [
        json!([price("eastus", "westus", json!(-1))]),
        json!([price("eastus", "eastus", json!(1))]),
        json!([price("a", "b", json!(1)), price("A", "b", json!(2))]),
        json!([price("a/b", "b", json!(1))]),
        json!([{"from": "a"}]),
        json!({}),
    ] {
        let body = json!({"properties": {"prices": prices}});
        let refused = world.put(&path, body).await;
        assert_eq!(refused.code(), "InvalidRequestBody", "{refused:?}");
    }
    let body = json!({"properties": {"prices": [price("a", "b", json!(0.0875))]}});
    let set = world.put(&path, body).await;
    assert_eq!(set.body["properties"]["prices"][0]["perGb"], "0.0875");
    assert_eq!(world.delete(&path).await.status, StatusCode::OK);
    assert_eq!(world.delete(&path).await.status, StatusCode::NO_CONTENT);
    for bad in ["?granularity=year", "?period=x"] {
        let path = format!("{}/linkedServers/west/egress{bad}", world.cache("east"));
        assert_eq!(world.get(&path).await.code(), "InvalidQuery", "{bad}");
    }
    let other = path.replace("/default", "/other");
    assert_eq!(world.get(&other).await.status, StatusCode::NOT_FOUND);
    world.stop().await;
}
