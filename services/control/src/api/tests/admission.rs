use axum::http::StatusCode;
use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn a_link_that_a_firewall_keeps_apart_says_so_in_one_sentence() {
    const BARRED: &str = "the firewall of `east` does not admit 127.0.0.1, from which `west` follows; add a rule for it";
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_caches(dir.path()).await;
    world.rule("east", "office", "10.0.0.1", "10.0.0.9").await;
    for agent in [&east, &west] {
        agent.set(|behaviour| {
            behaviour.secondary = Some(model::ShardStanding::Cut);
            behaviour.half.not_admitted = Some(BARRED.to_owned());
            behaviour.half.peer_address = Some("127.0.0.1".parse().unwrap());
            behaviour.half.stalled = Some("nobody reads".to_owned());
            behaviour.half.last_error = Some(BARRED.to_owned());
        });
    }
    let made = world.link("east", "west", "Secondary").await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.body["properties"]["warnings"], json!([BARRED]));
    let path = format!("{}/linkedServers/west", world.cache("east"));
    assert!(
        world.get(&path).await.body["properties"]
            .get("warnings")
            .is_none()
    );
    let waits = made.leads("azure-asyncoperation");
    world
        .eventually("the operation says what it waits for", async || {
            let shown = world.get(&waits).await;
            let waits = shown.body["properties"]["waitingFor"].as_str()?.to_owned();
            waits.contains(BARRED).then_some(())
        })
        .await;
    let status = world
        .eventually("both sides have taken their roles", async || {
            let status = world.get(&format!("{path}/runtimeStatus")).await.body;
            (status["reasons"] == json!([BARRED])).then_some(status)
        })
        .await;
    assert_eq!(status["healthy"], false);
    assert_eq!(status["warnings"], json!([]));
    let half = &status["shards"][0]["primary"]["link"];
    assert_eq!(
        (&half["notAdmitted"], &half["peerAddress"]),
        (&json!(BARRED), &json!("127.0.0.1"))
    );

    for agent in [&east, &west] {
        agent.set(|behaviour| {
            behaviour.secondary = None;
            behaviour.half = model::LinkObserved::default();
        });
    }
    world.done(&made).await;
    let healthy = world.get(&format!("{path}/runtimeStatus")).await.body;
    assert_eq!(healthy["healthy"], true, "{healthy}");
    // It was seen there, and its rules say that it would not be admitted.
    assert_eq!(healthy["warnings"], json!([BARRED]));
    world.stop().await;
}

#[tokio::test]
async fn a_firewall_that_would_keep_the_old_primary_out_is_told_before_a_failover() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let preflight = format!(
        "{}/linkedServers/west/failoverPreflight",
        world.cache("east")
    );
    let status = format!("{}/linkedServers/west/runtimeStatus", world.cache("east"));
    let found = async |code: &str| {
        let answer = world.ask("POST", &preflight, Some(json!({}))).await;
        let findings = answer.body["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|finding| finding["code"] == code)
    };
    assert!(found("FirewallExcludesAgent").await.is_none());
    let made = world.rule("west", "office", "10.0.0.1", "10.0.0.9").await;
    assert_eq!(made.status, StatusCode::CREATED);
    let finding = found("FirewallExcludesAgent").await.unwrap();
    assert_eq!(finding["level"], "Warning");
    let would = "he firewall of `west` does not admit 127.0.0.1, from which `east` would follow; add a rule for it";
    assert_eq!(finding["message"], format!("T{would}."));
    let shown = world.get(&status).await.body;
    assert_eq!(
        (&shown["healthy"], &shown["warnings"]),
        (&json!(true), &json!([format!("t{would}")]))
    );
    world.rule("west", "east", "127.0.0.1", "127.0.0.1").await;
    assert!(found("FirewallExcludesAgent").await.is_none());
    assert!(found("FirewallAdmitsAgent").await.is_some());
    assert_eq!(world.get(&status).await.body["warnings"], json!([]));
    world.stop().await;
}
