use axum::http::StatusCode;
use model::{LinkPhase, LinkRecord, ShardStanding};
use serde_json::{Value, json};

use crate::{
    harness::{Agent, Answer, World, premium},
    store::Change,
};

impl World {
    async fn link_of(&self, own: &str, other: &str) -> Answer {
        self.get(&format!("{}/linkedServers/{other}", self.cache(own)))
            .await
    }

    async fn link_status(&self) -> Value {
        let path = format!("{}/linkedServers/west/runtimeStatus", self.cache("east"));
        self.get(&path).await.body
    }

    fn record(&self) -> LinkRecord {
        LinkRecord::clone(self.plane.store.state().links.iter().next().unwrap())
    }

    fn refuses(&self, answer: &Answer, status: StatusCode, words: &str, before: u64) {
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.message().contains(words), "{}", answer.message());
        assert_eq!(self.revision(), before, "a refused request writes nothing");
    }
}

#[tokio::test]
async fn two_caches_are_linked_as_az_does_it() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, west) = World::with_caches(dir.path()).await;
    west.set(|b| b.secondary = Some(ShardStanding::Syncing));
    let made = world.link("east", "west", "Secondary").await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let properties = &made.body["properties"];
    assert_eq!(properties["serverRole"], "Secondary");
    assert_eq!(properties["provisioningState"], "Creating");
    assert_eq!(
        properties["geoReplicatedPrimaryHostName"],
        "west.geo.zone.test"
    );
    assert_eq!(properties["primaryHostName"], "east.zone.test");
    assert_eq!(properties["linkedRedisCacheLocation"], "West US");
    assert_eq!(made.body["type"], "Microsoft.Cache/Redis/linkedServers");
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(
        (id.split('/').nth(8), id.split('/').nth(10)),
        (Some("east"), Some("west"))
    );
    assert!(
        id.contains("/Microsoft.Cache/Redis/east/linkedServers/west"),
        "{id}"
    );

    world
        .until("it syncs", || world.record().phase == LinkPhase::Syncing)
        .await;
    assert_eq!(world.state_of("east").await, "Linking");
    assert_eq!(world.state_of("west").await, "Linking");
    let running = world.get(&made.leads("azure-asyncoperation")).await.body;
    assert_eq!(
        running["properties"]["waitingFor"],
        "`west` to load the full sync"
    );
    assert_eq!(running["properties"]["bytesTotal"], 1_000);
    assert_eq!(running["percentComplete"], 25.0);
    let again = world.link("east", "west", "Secondary").await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(
        again.header("azure-asyncoperation"),
        made.header("azure-asyncoperation")
    );
    let busy = world.link("west", "east", "Secondary").await;
    world.refuses(
        &busy,
        StatusCode::CONFLICT,
        "the link is Syncing",
        world.revision(),
    );

    west.set(|b| b.secondary = None);
    world.done(&made).await;
    let ours = world.link_of("east", "west").await.body;
    assert_eq!(ours["properties"]["provisioningState"], "Succeeded");
    let mirror = world.link_of("west", "east").await.body;
    assert_eq!(mirror["properties"]["serverRole"], "Primary");
    assert_eq!(mirror["properties"]["linkedRedisCacheLocation"], "East US");
    assert_eq!(mirror["properties"]["primaryHostName"], "east.zone.test");
    let list = world
        .get(&format!("{}/linkedServers", world.cache("west")))
        .await;
    assert_eq!(list.body["value"], json!([mirror]));
    let cache = world.get(&world.cache("east")).await.body;
    assert_eq!(cache["properties"]["provisioningState"], "Succeeded");
    assert_eq!(cache["properties"]["linkedServers"], json!([{"id": id}]));
    // Repeated when all is well: the present state, with nothing to follow.
    let before = world.revision();
    let repeated = world.link("east", "west", "secondary").await;
    assert_eq!((repeated.status, &repeated.body), (StatusCode::OK, &ours));
    assert_eq!(repeated.header("azure-asyncoperation"), "");
    let mirrored = world.link("west", "east", "Primary").await;
    assert_eq!((mirrored.status, &mirrored.body), (StatusCode::OK, &mirror));
    assert_eq!(world.revision(), before);
    world.stop().await;
}

#[tokio::test]
async fn a_failover_is_the_reversed_request() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let epoch = world.record().epoch;
    let forms = [("west", "east", "Secondary"), ("west", "east", "Primary")];
    for (n, (own, other, role)) in forms.into_iter().enumerate() {
        let asked = world.link(own, other, role).await;
        assert_eq!(asked.status, StatusCode::OK, "{asked:?}");
        world.done(&asked).await;
        let new = ["west", "east"][n];
        let old = ["east", "west"][n];
        let record = world.record();
        assert_eq!(record.primary.id.name.as_str(), new);
        assert_eq!(record.epoch.0, epoch.0 + n as u64 + 1);
        let shown = world.link_of(new, old).await.body;
        assert_eq!(shown["properties"]["serverRole"], "Secondary");
        assert_eq!(shown["properties"]["provisioningState"], "Succeeded");
        assert_eq!(
            shown["properties"]["primaryHostName"],
            format!("{new}.zone.test")
        );
        assert_eq!(
            shown["properties"]["geoReplicatedPrimaryHostName"],
            format!("{old}.geo.zone.test")
        );
        assert_eq!(
            world.link_of(old, new).await.body["properties"]["serverRole"],
            "Primary"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn a_failover_under_way_is_followed_by_its_friends_and_refused_to_its_rivals() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, west) = World::with_link(dir.path()).await;
    west.set(|b| b.never_takes = true);
    let asked = world.link("west", "east", "Secondary").await;
    assert_eq!(asked.body["properties"]["provisioningState"], "Deleting");
    let before = world.revision();
    let again = world.link("east", "west", "Primary").await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(
        again.header("azure-asyncoperation"),
        asked.header("azure-asyncoperation")
    );
    let rival = world.link("east", "west", "Secondary").await;
    world.refuses(
        &rival,
        StatusCode::CONFLICT,
        "a failover to `west` is under way",
        before,
    );
    let told = || matches!(world.record().phase, LinkPhase::HandingOff { .. });
    assert!(told());
    west.set(|b| b.never_takes = false);
    world.done(&asked).await;
    world.stop().await;
}

#[tokio::test]
async fn a_failover_that_nobody_takes_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, west) = World::with_link(dir.path()).await;
    west.set(|b| b.never_takes = true);
    let epoch = world.record().epoch;
    let asked = world.link("west", "east", "Secondary").await;
    // The deadline of ten seconds, brought near.
    let state = world.plane.store.state();
    let link = state.links.iter().next().unwrap();
    let sooner = LinkRecord {
        phase: LinkPhase::HandingOff {
            deadline: world.plane.clock.now(),
        },
        ..LinkRecord::clone(link)
    };
    world
        .plane
        .store
        .commit(Change::new().replace(link, &sooner))
        .await
        .unwrap();
    let ended = world.ended(&asked).await;
    assert_eq!(ended.body["status"], "Failed");
    let why = ended.body["error"]["message"].as_str().unwrap();
    assert!(why.contains("given up, and nothing changed"), "{why}");
    assert_eq!(
        (world.record().epoch, world.record().phase),
        (epoch, LinkPhase::Linked)
    );
    assert_eq!(
        world.link_of("east", "west").await.body["properties"]["serverRole"],
        "Secondary"
    );
    west.set(|b| b.never_takes = false);
    let again = world.link("west", "east", "Secondary").await;
    world.done(&again).await;
    world.stop().await;
}

async fn unlink(world: &World, own: &str, other: &str) -> Answer {
    world
        .delete(&format!("{}/linkedServers/{other}", world.cache(own)))
        .await
}

#[tokio::test]
async fn unlinking_frees_first_the_primary_then_the_secondary() {
    for own in ["east", "west"] {
        let dir = tempfile::tempdir().unwrap();
        let (world, east, west) = World::with_link(dir.path()).await;
        let epoch = world.record().epoch;
        east.set(|b| b.silent = true);
        let other = if own == "east" { "west" } else { "east" };
        let going = unlink(&world, own, other).await;
        assert_eq!(going.status, StatusCode::ACCEPTED);
        assert_eq!(
            going.header("azure-asyncoperation"),
            going.header("location")
        );
        assert_eq!(world.state_of("east").await, "Unlinking");
        assert_eq!(world.state_of("west").await, "Succeeded");
        assert_eq!(
            world.link_of("east", "west").await.body["properties"]["provisioningState"],
            "Deleting"
        );
        let again = unlink(&world, other, own).await;
        assert_eq!(again.header("location"), going.header("location"));
        let relink = world.link("east", "west", "Secondary").await;
        world.refuses(
            &relink,
            StatusCode::CONFLICT,
            "being unlinked",
            world.revision(),
        );

        west.set(|b| b.silent = true);
        east.set(|b| b.silent = false);
        world
            .until("east is free", || {
                world.record().phase == LinkPhase::UnlinkingSecondary
            })
            .await;
        assert_eq!(world.state_of("east").await, "Succeeded");
        assert_eq!(world.state_of("west").await, "Unlinking");
        assert_eq!(
            world.link_of("east", "west").await.status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(world.link_of("west", "east").await.status, StatusCode::OK);
        west.set(|b| b.silent = false);
        world.done(&going).await;
        for (one, two) in [("east", "west"), ("west", "east")] {
            assert_eq!(world.link_of(one, two).await.code(), "ResourceNotFound");
            assert_eq!(world.state_of(one).await, "Succeeded");
            let cache = world.get(&world.cache(one)).await.body;
            assert_eq!(cache["properties"]["linkedServers"], json!([]));
        }
        // Gone already: never 204.
        assert_eq!(unlink(&world, own, other).await.status, StatusCode::OK);
        assert_eq!(
            unlink(&world, own, "nobody").await.status,
            StatusCode::NOT_FOUND
        );
        let relinked = world.link("west", "east", "Secondary").await;
        assert_eq!(relinked.status, StatusCode::CREATED);
        world.done(&relinked).await;
        assert!(world.record().epoch > epoch, "epochs never go back");
        world.stop().await;
    }
}

#[tokio::test]
async fn unmet_prerequisites_are_told_together() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let basic = json!({"location": "eastus", "properties": {"sku": {"name": "Basic", "family": "C", "capacity": 1}}});
    world
        .done(&world.put(&world.cache("basic"), basic).await)
        .await;
    let mut small = premium("eastus");
    small["properties"]["replicasPerMaster"] = json!(2);
    small["properties"]["sku"]["capacity"] = json!(2);
    world
        .done(&world.put(&world.cache("big"), small).await)
        .await;
    let before = world.revision();

    let refused = world.link("basic", "west", "Secondary").await;
    assert_eq!(refused.code(), "InvalidRequestBody");
    world.refuses(
        &refused,
        StatusCode::BAD_REQUEST,
        "Cannot create geo-replication link, since the cache `basic` is in the Basic tier",
        before,
    );
    let refused = world.link("big", "west", "Secondary").await;
    world.refuses(&refused, StatusCode::BAD_REQUEST, "has 2 replicas", before);
    assert_eq!(
        refused
            .message()
            .matches("Cannot create geo-replication link, since")
            .count(),
        2,
        "{}",
        refused.message()
    );
    assert!(
        refused.message().contains("is smaller than"),
        "{}",
        refused.message()
    );
    for role in ["Primary", "Secondary"] {
        let itself = world.link("east", "east", role).await;
        world.refuses(&itself, StatusCode::BAD_REQUEST, "linked to itself", before);
    }
    let absent = world.link("east", "west9", "Secondary").await;
    world.refuses(&absent, StatusCode::NOT_FOUND, "west9", before);
    world.stop().await;
}

#[tokio::test]
async fn link_requests_must_be_whole_and_agree_with_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, west) = World::with_caches(dir.path()).await;
    let before = world.revision();
    let path = format!("{}/linkedServers/west", world.cache("east"));
    let other = world.put(&path, world.link_body("east", "Secondary")).await;
    world.refuses(
        &other,
        StatusCode::BAD_REQUEST,
        "the path names the cache `west`",
        before,
    );
    let mut elsewhere = world.link_body("west", "Secondary");
    elsewhere["properties"]["linkedRedisCacheLocation"] = json!("Japan East");
    let elsewhere = world.put(&path, elsewhere).await;
    world.refuses(
        &elsewhere,
        StatusCode::BAD_REQUEST,
        "says 'Japan East'",
        before,
    );
    for (field, words) in [
        (
            "linkedRedisCacheId",
            "`properties.linkedRedisCacheId` is missing",
        ),
        (
            "linkedRedisCacheLocation",
            "`properties.linkedRedisCacheLocation` is missing",
        ),
        ("serverRole", "`properties.serverRole` is missing"),
    ] {
        let mut body = world.link_body("west", "Secondary");
        body["properties"].as_object_mut().unwrap().remove(field);
        let refused = world.put(&path, body).await;
        world.refuses(&refused, StatusCode::BAD_REQUEST, words, before);
    }
    west.set(|b| b.silent = true);
    // Older than what counts as heard from: as if the agent had been silent for long.
    world
        .plane
        .observations
        .forget(&crate::harness::region("westus"));
    let unseen = world.link("east", "west", "Secondary").await;
    world.refuses(
        &unseen,
        StatusCode::BAD_REQUEST,
        "the engine version of the cache `west` is not known",
        before,
    );
    world.stop().await;
}

#[tokio::test]
async fn linked_caches_keep_their_shape() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    let third = world.put(&world.cache("west3"), premium("westus")).await;
    world.done(&third).await;
    let before = world.revision();
    let link = world.link("east", "west3", "Secondary").await;
    world.refuses(
        &link,
        StatusCode::BAD_REQUEST,
        "Cannot create geo-replication link, since this cache is already linked to another cache.",
        before,
    );
    for name in ["east", "west"] {
        let deleted = world.delete(&world.cache(name)).await;
        world.refuses(&deleted, StatusCode::CONFLICT, "Unlink them first", before);
        for (properties, words) in [
            (
                json!({"sku": {"name": "Premium", "family": "P", "capacity": 2}}),
                "cannot be scaled",
            ),
            (json!({"replicasPerMaster": 2}), "number of its replicas"),
            (json!({"shardCount": 2}), "clustered"),
            (
                json!({"redisConfiguration": {"rdb-backup-enabled": "true"}}),
                "persistence cannot be enabled",
            ),
        ] {
            let body = json!({ "properties": properties });
            let refused = world.ask("PATCH", &world.cache(name), Some(body)).await;
            world.refuses(&refused, StatusCode::BAD_REQUEST, words, before);
        }
    }
    let same = json!({"tags": {"a": "b"}, "properties": {
        "sku": {"name": "Premium", "family": "P", "capacity": 1}, "replicasPerPrimary": 1,
    }});
    let passed = world.ask("PATCH", &world.cache("east"), Some(same)).await;
    assert_eq!(passed.status, StatusCode::OK, "{passed:?}");
    world.stop().await;
}

#[tokio::test]
async fn caches_of_different_sizes_can_be_linked_but_not_failed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let mut bigger = premium("westus");
    bigger["properties"]["sku"]["capacity"] = json!(2);
    world
        .done(&world.put(&world.cache("west"), bigger).await)
        .await;
    let made = world.link("east", "west", "Secondary").await;
    world.done(&made).await;
    let refused = world.link("west", "east", "Secondary").await;
    assert_eq!(refused.code(), "InvalidRequestBody");
    world.refuses(
        &refused,
        StatusCode::BAD_REQUEST,
        "both caches must be the same size to fail over",
        world.revision(),
    );
    world.stop().await;
}

#[tokio::test]
async fn of_two_rival_links_one_wins() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let (world, _east, _west) = World::with_caches(dir.path()).await;
        let third = world.put(&world.cache("west3"), premium("westus")).await;
        world.done(&third).await;
        let (one, two, three) = tokio::join!(
            world.link("east", "west", "Secondary"),
            world.link("east", "west3", "Secondary"),
            world.link("west", "east", "Secondary"),
        );
        let mut statuses: Vec<_> = [&one, &two, &three]
            .iter()
            .map(|a| a.status.as_u16())
            .collect();
        statuses.sort_unstable();
        assert_eq!(
            statuses.iter().filter(|s| **s == 201).count(),
            1,
            "{one:?} {two:?} {three:?}"
        );
        assert_eq!(world.plane.store.state().links.iter().count(), 1);
        let linked: Vec<_> = world
            .plane
            .store
            .state()
            .caches
            .iter()
            .filter(|c| c.link.is_some())
            .map(|c| c.epoch)
            .collect();
        assert_eq!(linked.len(), 2);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_failover_survives_the_control_plane_at_every_step() {
    // Before the decision, right after it, and while the old primary comes over.
    let stop_here: [fn(&LinkRecord) -> bool; 3] = [
        |link| matches!(link.phase, LinkPhase::HandingOff { .. }),
        |link| link.phase == LinkPhase::Promoting,
        |link| matches!(link.phase, LinkPhase::Creating | LinkPhase::Syncing),
    ];
    for (n, here) in stop_here.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let (world, east, west) = World::with_link(dir.path()).await;
        let epoch = world.record().epoch;
        hold_at(n, &east, &west);
        let asked = world.link("west", "east", "Secondary").await;
        let followed = asked.leads("azure-asyncoperation");
        world.until("it is there", || here(&world.record())).await;
        world.stop().await;

        let world = World::start(dir.path()).await;
        assert!(here(&world.record()), "{:?}", world.record().phase);
        let running = world.get(&followed).await.body;
        assert_eq!(running["status"], "InProgress");
        let (_east, _west) = (world.agent("eastus"), world.agent("westus"));
        world.done(&asked).await;
        let record = world.record();
        assert_eq!(record.primary.id.name.as_str(), "west");
        assert_eq!(record.epoch.0, epoch.0 + 1);
        world.stop().await;
    }
}

/// Keeps a failover from going beyond its step `n`.
fn hold_at(n: usize, east: &Agent, west: &Agent) {
    match n {
        0 => west.set(|b| b.never_takes = true),
        1 => west.set(|b| b.primary = Some(ShardStanding::Starting)),
        _ => east.set(|b| b.secondary = Some(ShardStanding::Syncing)),
    }
}

#[tokio::test]
async fn health_is_told_in_sentences() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    let status = world.link_status().await;
    assert_eq!(status["healthy"], true, "{status}");
    assert_eq!(status["phase"], "Linked");
    assert_eq!(status["primary"], "east");
    assert_eq!(status["shards"][0]["bytesBehind"], 0);
    assert_eq!(status["shards"][0]["lagMs"], 0.5);
    assert_eq!(status["shards"][0]["secondary"]["position"]["offset"], 100);

    west.set(|b| b.secondary = Some(ShardStanding::Cut));
    told(&world, "`west` has no connection to `east`", "Unhealthy").await;
    let refused = world.link("west", "east", "Secondary").await;
    world.refuses(
        &refused,
        StatusCode::CONFLICT,
        "Cannot fail over, since",
        world.revision(),
    );
    east.set(|b| b.primary = Some(ShardStanding::Lost));
    told(
        &world,
        "`west` still has 7 keys; fail over to `west`",
        "SourceLost",
    )
    .await;
    // And that is how a person goes on.
    let over = world.link("west", "east", "Secondary").await;
    assert_eq!(over.status, StatusCode::OK, "{over:?}");
    east.set(|b| b.secondary = None);
    world.done(&over).await;
    assert_eq!(world.record().primary.id.name.as_str(), "west");
    world.stop().await;
}

async fn told(world: &World, words: &str, state: &str) {
    let mut reports = world.plane.observations.watch();
    for _ in 0..1_000 {
        let status = world.link_status().await;
        let found = status["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .any(|r| r.as_str().unwrap().contains(words));
        if found && status["state"] == state {
            assert_eq!(status["healthy"], false);
            return;
        }
        reports.changed().await.unwrap();
    }
    panic!("not told: {words}: {}", world.link_status().await);
}
