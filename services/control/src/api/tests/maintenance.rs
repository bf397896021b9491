use axum::http::StatusCode;
use model::{RollStanding, RollWhat};
use serde_json::{Value, json};

use crate::harness::{Agent, Answer, World};

impl World {
    async fn reboot(&self, name: &str, body: Value) -> Answer {
        let path = format!("{}/forceReboot", self.cache(name));
        self.ask("POST", &path, Some(body)).await
    }

    async fn upgrade(&self, name: &str, body: Value) -> Answer {
        let path = format!("{}/upgradeEngine", self.cache(name));
        self.ask("POST", &path, Some(body)).await
    }

    fn schedule(&self) -> String {
        format!("{}/patchSchedules/default", self.cache("east"))
    }

    async fn put_schedule(&self, entries: Value) -> Answer {
        let body = json!({"properties": {"scheduleEntries": entries}});
        self.put(&self.schedule(), body).await
    }

    /// Waits until the agents' reports are in.
    async fn until_installed(&self, agents: [&Agent; 2], installed: u16) {
        for agent in agents {
            agent.set(|behaviour| behaviour.installed = Some(installed));
        }
        for name in ["east", "west"] {
            let path = format!("{}/runtimeStatus", self.cache(name));
            let told = async || {
                let status = self.get(&path).await;
                let engine = &status.body["maintenance"]["engines"][0]["nodes"][1]["engine"];
                engine.is_string().then_some(())
            };
            self.eventually("what the nodes run", told).await;
        }
    }
}

#[tokio::test]
async fn a_reboot_is_accepted_with_a_message_and_followed_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    east.set(|behaviour| {
        let doing = "stops node 1".to_owned();
        behaviour.roll = Some(RollStanding::UnderWay { doing });
    });
    let answer = world
        .reboot("east", json!({"rebootType": "AllNodes"}))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let message = answer.body["message"].as_str().unwrap();
    assert!(
        message.contains("AllNodes of the cache `east` has begun"),
        "{message}"
    );

    let linked = world.link("east", "west", "Secondary").await;
    assert_eq!(linked.status, StatusCode::CONFLICT, "{linked:?}");
    let again = world
        .reboot("east", json!({"rebootType": "PrimaryNode"}))
        .await;
    assert_eq!(
        (again.status, again.code()),
        (StatusCode::CONFLICT, "Conflict")
    );
    let path = answer.leads("azure-asyncoperation");
    let doing = async || {
        let operation = world.get(&path).await;
        let waits = operation.body["properties"]["waitingFor"]
            .as_str()?
            .to_owned();
        waits
            .contains("1 of 2 nodes restarted: it stops node 1")
            .then_some(())
    };
    world.eventually("it is told what it does", doing).await;
    east.set(|behaviour| behaviour.roll = None);
    world.done(&answer).await;
    let answer = world
        .reboot("east", json!({"rebootType": "PrimaryNode"}))
        .await;
    world.done(&answer).await;
}

#[tokio::test]
async fn a_reboot_that_stops_fails_with_the_agent_s_words() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    let why = "node 0 was not stopped: the disk is full".to_owned();
    east.set(|behaviour| behaviour.roll = Some(RollStanding::Stopped { why }));
    let answer = world
        .reboot("east", json!({"rebootType": "PrimaryNode"}))
        .await;
    let end = world.ended(&answer).await;
    assert_eq!(end.body["status"], "Failed");
    let message = end.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("the disk is full"), "{message}");
    east.set(|behaviour| behaviour.roll = None);
    let answer = world
        .reboot("east", json!({"rebootType": "PrimaryNode"}))
        .await;
    world.done(&answer).await;
}

#[tokio::test]
async fn nodes_are_named_by_kind_by_shard_or_by_port() {
    let dir = tempfile::tempdir().unwrap();
    let (world, ..) = World::with_caches(dir.path()).await;
    for (body, word) in [
        (json!({}), "`rebootType` is missing"),
        (
            json!({"rebootType": "SomeNodes"}),
            "takes PrimaryNode or SecondaryNode or AllNodes",
        ),
        (
            json!({"rebootType": "AllNodes", "shardId": 1}),
            "has no clustering",
        ),
        (
            json!({"rebootType": "AllNodes", "ports": [15000]}),
            "name either",
        ),
        (
            json!({"ports": [15002]}),
            "no node of the cache `east` has it",
        ),
        (
            json!({"ports": [13000]}),
            "no node of the cache `east` has it",
        ),
        (json!({"ports": ["15000"]}), "takes a list of whole numbers"),
        (
            json!({"rebootType": "AllNodes", "hard": true}),
            "`hard` is not known",
        ),
    ] {
        let answer = world.reboot("east", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        assert!(answer.message().contains(word), "{answer:?}");
    }
    let answer = world.reboot("east", json!({"ports": [15001]})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    world.done(&answer).await;
    let answer = world.reboot("none", json!({"ports": [15001]})).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn of_a_linked_pair_one_cache_is_rebooted_at_a_time_and_none_while_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    east.set(|behaviour| {
        let doing = "stops node 1".to_owned();
        behaviour.roll = Some(RollStanding::UnderWay { doing });
    });
    let first = world
        .reboot("east", json!({"rebootType": "PrimaryNode"}))
        .await;
    let second = world
        .reboot("west", json!({"rebootType": "PrimaryNode"}))
        .await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    assert!(
        second.message().contains("one goes at a time"),
        "{second:?}"
    );
    east.set(|behaviour| behaviour.roll = None);
    world.done(&first).await;
    west.set(|behaviour| behaviour.never_takes = true);
    let failing = world.link("west", "east", "Secondary").await;
    let answer = world
        .reboot("west", json!({"rebootType": "PrimaryNode"}))
        .await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    assert!(answer.message().contains("fails over"), "{answer:?}");
    west.set(|behaviour| behaviour.never_takes = false);
    world.done(&failing).await;
}

#[tokio::test]
async fn a_patch_schedule_is_made_changed_listed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (world, ..) = World::with_caches(dir.path()).await;
    assert_eq!(
        world.get(&world.schedule()).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        world.delete(&world.schedule()).await.status,
        StatusCode::NO_CONTENT
    );
    let made = world
        .put_schedule(json!([{"dayOfWeek": "Weekend", "startHourUtc": 2}]))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let expected = json!({
        "id": format!("{}/patchSchedules/default", world.cache("east").replace("/redis/", "/Redis/")),
        "name": "east/default",
        "type": "Microsoft.Cache/Redis/PatchSchedules",
        "location": "East US",
        "properties": {"scheduleEntries": [
            {"dayOfWeek": "Saturday", "startHourUtc": 2, "maintenanceWindow": "PT5H"},
            {"dayOfWeek": "Sunday", "startHourUtc": 2, "maintenanceWindow": "PT5H"},
        ]},
    });
    assert_eq!(made.body, expected);
    assert_eq!(world.get(&world.schedule()).await.body, expected);
    let list = format!("{}/patchSchedules", world.cache("east"));
    assert_eq!(world.get(&list).await.body["value"], json!([expected]));
    let changed = world
        .put_schedule(json!([
            {"dayOfWeek": "everyday", "startHourUtc": 23, "maintenanceWindow": "PT90M"},
        ]))
        .await;
    assert_eq!(changed.status, StatusCode::OK);
    let entries = changed.body["properties"]["scheduleEntries"]
        .as_array()
        .unwrap();
    assert_eq!(entries.len(), 7);
    assert_eq!(entries[0]["maintenanceWindow"], "PT1H30M");
    assert_eq!(world.delete(&world.schedule()).await.status, StatusCode::OK);
    assert_eq!(world.get(&list).await.body["value"], json!([]));
}

#[tokio::test]
async fn schedules_that_mean_nothing_are_refused_by_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let (world, ..) = World::with_caches(dir.path()).await;
    for (entries, word) in [
        (json!([]), "at least one window"),
        (
            json!([{"dayOfWeek": "Someday", "startHourUtc": 1}]),
            "is no day",
        ),
        (
            json!([{"dayOfWeek": "Friday", "startHourUtc": 24}]),
            "is no hour",
        ),
        (json!([{"dayOfWeek": "Friday"}]), "startHourUtc` is missing"),
        (
            json!([{"dayOfWeek": "Friday", "startHourUtc": 1, "maintenanceWindow": "PT10M"}]),
            "1 to 24 hours",
        ),
        (
            json!([{"dayOfWeek": "Everyday", "startHourUtc": 1}, {"dayOfWeek": "Friday", "startHourUtc": 2}]),
            "Friday has two windows",
        ),
    ] {
        let answer = world.put_schedule(entries).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        assert!(answer.message().contains(word), "{answer:?}");
    }
    let other = format!("{}/patchSchedules/other", world.cache("east"));
    let body =
        json!({"properties": {"scheduleEntries": [{"dayOfWeek": "Friday", "startHourUtc": 1}]}});
    assert_eq!(
        world.put(&other, body).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn an_upgrade_goes_to_the_geo_secondary_first_and_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_link(dir.path()).await;
    world.until_installed([&east, &west], 1).await;
    let nothing = world.upgrade("east", json!({})).await;
    assert_eq!(nothing.status, StatusCode::OK, "{nothing:?}");
    world.until_installed([&east, &west], 2).await;
    let notes = format!(
        "{}/listUpgradeNotifications?history=10",
        world.cache("east")
    );
    let pending = async || {
        let told = world.get(&notes).await;
        let note = told.body["value"][0]["upsellNotification"].clone();
        (note["state"] == "Pending").then_some(note)
    };
    let note = world
        .eventually("the newer engine is told of", pending)
        .await;
    assert!(
        note["message"]
            .as_str()
            .unwrap()
            .contains("`west` goes first"),
        "{note}"
    );

    let refused = world.upgrade("east", json!({"now": true})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    for name in ["west", "east"] {
        let begun = async || {
            let answer = world.upgrade(name, json!({})).await;
            (answer.status == StatusCode::ACCEPTED).then_some(answer)
        };
        let begun = world.eventually("it begins", begun).await;
        world.done(&begun).await;
    }
    let told = world.get(&notes).await;
    let note = &told.body["value"][0]["upsellNotification"];
    assert_eq!(
        (&note["state"], &note["to"]),
        (&json!("Succeeded"), &json!("valkey 8.0.2"))
    );
    let later = world.get(&notes.replace("=10", "=0")).await;
    assert_eq!(later.body["value"], json!([]));
    let bad = world.get(&notes.replace("=10", "=soon")).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn outside_its_window_a_cache_is_upgraded_only_at_somebody_s_word() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, west) = World::with_caches(dir.path()).await;
    world.until_installed([&east, &west], 2).await;
    // Half a week from now, whenever now is.
    let now = world.plane.clock.now();
    let day = (now.0 / 86_400_000 + 3 + 3) % 7;
    let day = model::Day::ALL[usize::try_from(day).unwrap()];
    let entries =
        json!([{"dayOfWeek": day.to_string(), "startHourUtc": 12, "maintenanceWindow": "PT1H"}]);
    assert_eq!(
        world.put_schedule(entries).await.status,
        StatusCode::CREATED
    );
    let later = world.upgrade("east", json!({})).await;
    assert_eq!(later.status, StatusCode::OK, "{later:?}");
    assert!(
        later.body["message"]
            .as_str()
            .unwrap()
            .contains("in its patch window")
    );
    let begun = world.upgrade("east", json!({"now": true})).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
    world.done(&begun).await;
}

#[tokio::test]
async fn an_order_reaches_the_agent_once() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_caches(dir.path()).await;
    east.set(|behaviour| {
        let doing = "begins".to_owned();
        behaviour.roll = Some(RollStanding::UnderWay { doing });
    });
    let answer = world
        .reboot("east", json!({"rebootType": "SecondaryNode"}))
        .await;
    let state = world.plane.store.state();
    let orders = state
        .caches
        .iter()
        .filter_map(|cache| cache.maintenance.order.clone());
    let orders: Vec<_> = orders.collect();
    assert_eq!(orders.len(), 1);
    assert!(matches!(orders[0].order.what, RollWhat::Reboot { .. }));
    let told = || {
        let desired = world.plane.desired.of(&crate::harness::region("eastus"));
        desired.unwrap().caches[0].roll.clone()
    };
    let order = &orders[0].order;
    world
        .until("the agent is told", || told().as_ref() == Some(order))
        .await;
    east.set(|behaviour| behaviour.roll = None);
    world.done(&answer).await;
    world.until("it is over", || told().is_none()).await;
}
