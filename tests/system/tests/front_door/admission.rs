//! Who comes in changes while people are in.

use redis::{Connection, RedisResult, cmd};
use serde_json::json;
use system::{Cache, World, waiting, with_both_engines};

with_both_engines! {
    a_firewall_rule_counts_at_once => firewall;
    a_regenerated_key_ends_the_connections_that_used_it => keys;
    what_is_blocked_is_unknown_and_engines_let_nobody_in => blocked;
    doors_open_and_close_with_the_resource => doors;
}

fn ping(connection: &mut Connection) -> RedisResult<String> {
    cmd("PING").query(connection)
}

/// A client comes in and is served.
fn is_let_in(cache: &Cache<'_>) -> bool {
    let connection = cache.client().get_connection();
    connection.is_ok_and(|mut connection| ping(&mut connection).is_ok())
}

fn firewall(engine: &str) {
    let world = World::with(engine);
    let east = world.create("east", "eastus");
    let mut before = east.connect();
    let rule = format!("{}/firewallRules/office", east.id());
    let elsewhere = json!({"properties": {"startIP": "192.0.2.1", "endIP": "192.0.2.9"}});
    let (code, said) = world.send("PUT", &rule, Some(&elsewhere)).unwrap();
    assert!(matches!(code, 200..=202), "{said}");
    waiting::until_true("who is in goes out", || ping(&mut before).is_err());
    assert!(!is_let_in(&east));
    let here = json!({"properties": {"startIP": "127.0.0.0", "endIP": "127.0.0.1"}});
    let (code, said) = world.send("PUT", &rule, Some(&here)).unwrap();
    assert!(matches!(code, 200..=202), "{said}");
    waiting::until_true("this address is let in", || is_let_in(&east));
}

fn keys(engine: &str) {
    let world = World::with(engine);
    let east = world.create("east", "eastus");
    let mut with_primary = east.connect();
    let secondary = world.ok(&["cache", "keys", "east"]).json()["secondaryKey"].clone();
    let mut with_secondary = {
        let (host, port) = east.endpoint();
        let address = redis::ConnectionAddr::Tcp(host, port);
        let info = redis::IntoConnectionInfo::into_connection_info(address).unwrap();
        let login = redis::RedisConnectionInfo::default().set_password(secondary.as_str().unwrap());
        let client = redis::Client::open(info.set_redis_settings(login)).unwrap();
        client.get_connection().unwrap()
    };
    let old = east.client();
    world.ok(&["cache", "regenerate-key", "east", "primary"]);
    waiting::until_true("the old key lets nobody in", || {
        old.get_connection().is_err()
    });
    assert!(ping(&mut with_primary).is_err());
    assert_eq!(ping(&mut with_secondary).unwrap(), "PONG");
    assert!(is_let_in(&east));
}

fn blocked(engine: &str) {
    let world = World::with(engine);
    let east = world.create("east", "eastus");
    let mut connection = east.connect();
    for words in [
        &["CONFIG", "GET", "port"][..],
        &["ACL", "WHOAMI"],
        &["SHUTDOWN"],
    ] {
        let answer: RedisResult<redis::Value> =
            cmd(words[0]).arg(&words[1..]).query(&mut connection);
        let refused = answer.unwrap_err().to_string();
        assert!(refused.contains("unknown command"), "{words:?}: {refused}");
    }
    // By way of a script neither.
    let script = "return redis.call('CONFIG', 'GET', 'masterauth')";
    let answer: RedisResult<redis::Value> = cmd("EVAL").arg(script).arg(0).query(&mut connection);
    assert!(answer.is_err());
    // The engine itself knows no access key.
    let engine = east.engine().get_connection_info().addr().clone();
    let info = redis::IntoConnectionInfo::into_connection_info(engine).unwrap();
    let login = redis::RedisConnectionInfo::default().set_password(east.key());
    let client = redis::Client::open(info.set_redis_settings(login)).unwrap();
    assert!(client.get_connection().is_err());
}

fn doors(engine: &str) {
    let world = World::with(engine);
    let east = world.create_closed("east", "eastus");
    let (host, _) = east.door("direct", "tlsPort");
    assert!(east.status()["endpoints"]["direct"]["plainPort"].is_null());
    east.set(&json!({"enableNonSslPort": true}));
    let mut connection = east.connect();
    let (again, port) = east.endpoint();
    assert_eq!(again, host);
    east.set(&json!({"publicNetworkAccess": "Disabled"}));
    waiting::until_true("nobody is let in", || ping(&mut connection).is_err());
    assert!(std::net::TcpStream::connect((host.as_str(), port)).is_err());
    east.set(&json!({"publicNetworkAccess": "Enabled"}));
    assert_eq!(east.endpoint(), (host, port), "they are where they were");
    assert!(is_let_in(&east));
}
