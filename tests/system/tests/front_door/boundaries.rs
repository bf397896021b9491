//! What a connection has on it when a handoff comes: what goes with it, and what ends with a clear
//! error.

use std::{thread, time::Duration};

use redis::{Connection, RedisError, RedisResult, Value, cmd};
use serde_json::json;
use system::{World, waiting, with_both_engines};

with_both_engines! {
    a_session_goes_along_and_what_cannot_ends_with_a_clear_error => carried;
    a_subscriber_stays_subscribed => subscribed;
    a_direct_connection_stays_and_finds_its_cache_read_only => direct;
    a_handoff_that_is_given_up_lets_everybody_go_on => given_up;
}

/// The word that an error begins with, and what it says.
fn told(answer: RedisResult<Value>) -> String {
    let error: RedisError = answer.unwrap_err();
    let (code, detail) = (error.code(), error.detail());
    format!("{} {}", code.unwrap_or("ERR"), detail.unwrap_or_default())
}

fn ask(connection: &mut Connection, line: &str) -> RedisResult<Value> {
    let mut words = line.split(' ');
    let mut command = cmd(words.next().unwrap());
    command.arg(words.collect::<Vec<_>>());
    command.query(connection)
}

fn carried(engine: &str) {
    let world = World::with(engine);
    let (east, _west) = world.linked_pair();
    let mut named = east.connect_geo();
    for line in ["SELECT 3", "CLIENT SETNAME me", "SET k in-three"] {
        ask(&mut named, line).unwrap();
    }
    let mut transaction = east.connect_geo();
    ask(&mut transaction, "MULTI").unwrap();
    ask(&mut transaction, "SET t 1").unwrap();
    let mut watcher = east.connect_geo();
    ask(&mut watcher, "WATCH w").unwrap();
    let mut waiter = east.connect_geo();
    let blocked = thread::spawn(move || (ask(&mut waiter, "BLPOP q 0"), waiter));
    waiting::until_true("somebody waits for the list", || {
        east.info("blocked_clients") == "1"
    });

    world.ok(&["failover", "west"]);

    let value: String = cmd("GET").arg("k").query(&mut named).unwrap();
    let name: String = cmd("CLIENT").arg("GETNAME").query(&mut named).unwrap();
    assert_eq!((value.as_str(), name.as_str()), ("in-three", "me"));
    let refused = told(ask(&mut transaction, "EXEC"));
    assert!(refused.starts_with("EXECABORT"), "{refused}");
    assert_eq!(ask(&mut transaction, "GET t").unwrap(), Value::Nil);
    ask(&mut watcher, "MULTI").unwrap();
    ask(&mut watcher, "SET w 1").unwrap();
    assert_eq!(ask(&mut watcher, "EXEC").unwrap(), Value::Nil);
    let (unblocked, mut waiter) = blocked.join().unwrap();
    let unblocked = told(unblocked);
    assert!(unblocked.starts_with("UNBLOCKED"), "{unblocked}");
    // Everybody goes on.
    ask(&mut named, "RPUSH q 1").unwrap();
    ask(&mut waiter, "SELECT 3").unwrap();
    assert!(ask(&mut waiter, "BLPOP q 1").unwrap() != Value::Nil);
    ask(&mut watcher, "SET w 2").unwrap();
}

fn subscribed(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    let mut connection = east.connect_geo();
    let mut subscriber = connection.as_pubsub();
    subscriber.subscribe("news").unwrap();
    subscriber.psubscribe("weather.*").unwrap();
    subscriber
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    for (round, to) in [&west, &east, &west].into_iter().enumerate() {
        world.ok(&["failover", to.name()]);
        world.until_healthy();
        let mut publisher = to.connect();
        for channel in ["news", "weather.here"] {
            waiting::until_true("somebody hears it", || {
                let mut publish = cmd("PUBLISH");
                publish.arg(channel).arg(round);
                publish.query::<u64>(&mut publisher).unwrap() > 0
            });
            let message = subscriber.get_message().unwrap();
            assert_eq!(message.get_channel_name(), channel);
            assert_eq!(message.get_payload::<usize>().unwrap(), round);
        }
    }
}

fn direct(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    let mut connection = east.connect();
    ask(&mut connection, "SET k 1").unwrap();
    let id = ask(&mut connection, "CLIENT ID").unwrap();
    world.ok(&["failover", "west"]);
    let refused = told(ask(&mut connection, "SET k 2"));
    assert!(refused.starts_with("READONLY"), "{refused}");
    ask(&mut west.connect(), "SET k 3").unwrap();
    waiting::until_true("it reads what the other side writes", || {
        cmd("GET")
            .arg("k")
            .query::<String>(&mut connection)
            .unwrap()
            == "3"
    });
    assert_eq!(ask(&mut connection, "CLIENT ID").unwrap(), id);
}

fn given_up(engine: &str) {
    let world = World::start(system::Start {
        engine: engine.to_owned(),
        points: true,
        ..system::Start::default()
    });
    let (east, west) = world.linked_pair();
    let mut geo = east.connect_geo();
    let mut direct = east.connect();
    ask(&mut geo, "SET k 1").unwrap();
    let points = world.points();
    let asks = "agent-westus:AskDecision:before";
    points.hold(asks);
    world.begin_failover(&west, &east, &json!({ "abortAfterMs": 3_000 }));
    waiting::until_true("the other side is about to ask", || points.is_held(asks));
    // Nobody decides, so that the handoff is given up, and these wait until then.
    for connection in [&mut geo, &mut direct] {
        connection
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        ask(connection, "INCR k").unwrap();
    }
    points.release(asks);
    assert_eq!(world.primary(), "east");
    assert_eq!(
        ask(&mut geo, "GET k").unwrap(),
        ask(&mut direct, "GET k").unwrap()
    );
    let value: u64 = cmd("GET").arg("k").query(&mut geo).unwrap();
    assert_eq!(value, 3, "each was done once");
}
