//! Engines, agents and regions that go without a word.

use std::{thread, time::Duration};

use redis::{Connection, RedisResult, Value, cmd};
use rustix::process::Signal;
use serde_json::json;
use system::{World, processes, waiting, with_both_engines};

with_both_engines! {
    what_a_dead_engine_did_not_answer_is_unknown_and_the_connection_goes_on => killed;
    a_dead_leading_engine_is_replaced_behind_the_geo_endpoint => replaced;
    the_doors_are_where_they_were_when_the_agent_is_back => agent_back;
    a_full_sync_is_told_of_and_leads_to_the_geo_primary => syncing;
}

fn set(connection: &mut Connection, key: &str, value: &str) -> RedisResult<()> {
    cmd("SET").arg(key).arg(value).exec(connection)
}

fn get(connection: &mut Connection, key: &str) -> RedisResult<Option<String>> {
    cmd("GET").arg(key).query(connection)
}

fn killed(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    let nodes = east.until_whole();
    let mut idle = east.connect_geo();
    set(&mut idle, "k", "1").unwrap();
    waiting::until_true("it is over there", || {
        get(&mut west.connect(), "k").is_ok_and(|value| value.as_deref() == Some("1"))
    });
    let mut busy = east.connect_geo();
    let script = "redis.call('SET', 's', 1) while true do end";
    let asked = thread::spawn(move || {
        let mut command = cmd("EVAL");
        let answer = command.arg(script).arg(0).query::<Value>(&mut busy);
        (answer, busy)
    });
    waiting::until_true("the engine is busy", || {
        let mut engine = east.engine().get_connection().unwrap();
        engine
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        cmd("PING").exec(&mut engine).is_err()
    });
    for pid in nodes {
        processes::signal(pid, Signal::KILL);
    }
    let (answer, mut busy) = asked.join().unwrap();
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("unknown"), "{error}");
    world.force(&west, &east);
    for connection in [&mut idle, &mut busy] {
        connection
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        waiting::until_true("it goes on at the other side", || {
            set(connection, "after", "1").is_ok()
        });
    }
    assert_eq!(get(&mut idle, "k").unwrap().as_deref(), Some("1"));
}

fn replaced(engine: &str) {
    let world = World::with(engine);
    let east = world.create("east", "eastus");
    let before = east.until_whole();
    let mut geo = east.connect_geo();
    let mut direct = east.connect();
    set(&mut geo, "k", "1").unwrap();
    processes::signal(before[0], Signal::KILL);
    // What was sent to the dead engine is not sent again; what comes later waits until somebody leads.
    if let Err(error) = get(&mut geo, "k") {
        assert!(error.to_string().contains("unknown"), "{error}");
    }
    assert_eq!(get(&mut geo, "k").unwrap().as_deref(), Some("1"));
    set(&mut geo, "k", "2").unwrap();
    assert!(get(&mut direct, "k").is_err(), "its engine is gone");
    assert_eq!(get(&mut east.connect(), "k").unwrap().as_deref(), Some("2"));
    waiting::until_true("the replica leads", || east.until_whole()[0] == before[1]);
}

fn agent_back(engine: &str) {
    let world = World::with(engine);
    let (east, _west) = world.linked_pair();
    let doors = (east.endpoint(), east.geo_endpoint());
    let nodes = east.until_whole();
    set(&mut east.connect(), "k", "1").unwrap();
    world.kill_agent("eastus");
    assert_eq!(get(&mut east.connect(), "k").unwrap().as_deref(), Some("1"));
    set(&mut east.connect_geo(), "k", "2").unwrap();
    assert_eq!((east.endpoint(), east.geo_endpoint()), doors);
    assert_eq!(east.until_whole(), nodes, "the engines live on");
}

fn syncing(engine: &str) {
    const BYTES: usize = 16 << 20;
    let world = World::over_a_wan(engine);
    let (east, west) = (
        world.create("east", "eastus"),
        world.create("west", "westus"),
    );
    let mut e = east.connect();
    for n in 0..16 {
        cmd("SETRANGE")
            .arg(format!("large{n}"))
            .arg(BYTES / 16)
            .arg("x")
            .exec(&mut e)
            .unwrap();
        let noise: String = (0..4096_u32)
            .filter_map(|i| char::from_u32(33 + i * 7 % 90))
            .collect();
        set(&mut e, &format!("noise{n}"), &noise).unwrap();
    }
    let wan = world.wan_to("eastus");
    wan.set(5, 0, Some(4_000));
    world.ok(&["link", "create", "east", "west", "--yes", "--no-wait"]);
    let sentence = waiting::until("the sentence of a full sync", || {
        let error = get(&mut west.connect(), "k").err()?.to_string();
        error.contains("ull data sync").then_some(error)
    });
    assert!(sentence.contains("east."), "{sentence}");
    // The geo endpoint does not depend on it.
    set(&mut west.connect_geo(), "k", "1").unwrap();
    assert_eq!(get(&mut e, "k").unwrap().as_deref(), Some("1"));
    wan.set(0, 0, None);
    world.until_healthy();
    waiting::until_true("it reads again", || {
        get(&mut west.connect(), "k").is_ok_and(|value| value.as_deref() == Some("1"))
    });
    world.set_replication(&json!({"secondaryReads": "stale"}));
}
