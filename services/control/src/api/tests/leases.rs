use axum::http::StatusCode;
use model::{Epoch, Lease, LinkPhase, ReportAnswer, RoleKind};
use serde_json::{Value, json};

use crate::harness::{World, region};

impl World {
    async fn fence(&self, settings: Value) {
        let path = format!(
            "{}/linkedServers/west/replicationSettings",
            self.cache("east")
        );
        let changed = self.ask("PATCH", &path, Some(settings)).await;
        assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    }

    /// What the report of a region's agent is answered with, with its caches at `epoch`.
    async fn answered(&self, place: &str, epoch: Option<Epoch>) -> ReportAnswer {
        let seen = self.plane.observations.seen();
        let mut report = seen.last(&region(place)).unwrap().report.clone();
        for cache in &mut report.caches {
            cache.epoch = epoch.unwrap_or(cache.epoch);
        }
        self.report(&report).await
    }
}

#[tokio::test]
async fn a_primary_s_report_is_answered_with_a_lease_where_the_link_asks_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    assert_eq!(world.answered("eastus", None).await.leases, vec![]);
    world
        .fence(json!({"fencing": "lease", "leaseSeconds": 8}))
        .await;
    let link = world.the_link();
    let expected = vec![Lease {
        cache: link.primary.uid.clone(),
        epoch: link.epoch,
        ms: 8_000,
    }];
    assert_eq!(world.answered("eastus", None).await.leases, expected);
    assert_eq!(world.answered("westus", None).await.leases, vec![]);
    let older = Epoch(link.epoch.0 - 1);
    let older = world.answered("eastus", Some(older)).await;
    assert_eq!(older.leases, vec![], "it has not adopted its role");
    world
        .until("the primary knows that it needs one", || {
            !world.the_link().lease_untold
        })
        .await;

    // In a handoff it goes on; nobody else has one before the decision.
    west.set(|b| b.never_takes = true);
    let planned = world
        .eventually("its own reports count again", async || {
            let how = json!({"abortAfterMs": 60_000});
            let planned = world.fail_over("west", "east", how).await;
            (planned.status == StatusCode::OK).then_some(planned)
        })
        .await;
    world
        .until("it yields", || {
            let seen = world.plane.observations.seen();
            let cache = seen.cache(&region("eastus"), &link.primary.uid);
            cache.is_some_and(|cache| cache.role == RoleKind::Yielding)
        })
        .await;
    assert_eq!(world.answered("eastus", None).await.leases, expected);
    west.set(|b| b.never_takes = false);
    world.done(&planned).await;
    let leases = world.answered("westus", None).await.leases;
    assert_eq!(leases[0].epoch, world.the_link().epoch);
    assert_eq!(world.answered("eastus", None).await.leases, vec![]);
    east.set(|b| b.silent = true);
    world.stop().await;
}

#[tokio::test]
async fn a_forced_failover_waits_for_the_last_lease_and_grants_none_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    world
        .fence(json!({"fencing": "lease", "leaseSeconds": 8}))
        .await;
    let link = world.the_link();
    assert_eq!(world.answered("eastus", None).await.leases.len(), 1);
    let asked = world
        .fail_over("west", "east", json!({"force": true}))
        .await;
    assert_eq!(asked.status, StatusCode::OK, "{asked:?}");
    assert_eq!(asked.body["properties"]["provisioningState"], "Deleting");
    assert!(matches!(world.the_link().phase, LinkPhase::Forcing { .. }));
    assert_eq!(world.answered("eastus", None).await.leases, vec![]);
    let running = world.get(&asked.leads("azure-asyncoperation")).await.body;
    assert_eq!(running["properties"]["phase"], "Forcing");
    assert_eq!(
        running["properties"]["waitingFor"],
        "the lease of `east` to be over"
    );
    let refused = world.link("east", "west", "Secondary").await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");

    world.done(&asked).await;
    let left = world.plane.observations.seen().away(&link).lease_left_ms;
    assert_eq!(left, 0, "nothing that was granted counts any more");
    assert_eq!(world.the_link().primary.id.name.as_str(), "west");
    world.stop().await;
}
