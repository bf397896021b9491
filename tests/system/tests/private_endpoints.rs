//! Private endpoints: doors past the firewall, open while the public ones are closed.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{net::TcpStream, time::Duration};

use redis::{Client, Connection, IntoConnectionInfo as _, RedisConnectionInfo};
use serde_json::{Value, json};
use system::{Cache, World, waiting, with_both_engines};

with_both_engines! {
    a_private_endpoint_lets_in_whom_nothing_else_does => lets_in;
    a_link_of_private_caches_fails_over_and_stays_closed_to_the_public => fails_over;
}

/// The private endpoints of a cache.
fn endpoints(world: &World, cache: &Cache<'_>) -> Vec<Value> {
    let listed = world.ok(&["cache", "private-endpoint", "list", cache.name()]);
    listed.json().as_array().unwrap().clone()
}

/// Where the endpoint of that name listens without TLS; `None`: nowhere.
fn listens(world: &World, cache: &Cache<'_>, name: &str) -> Option<(String, u16)> {
    let all = endpoints(world, cache);
    let of = &all.iter().find(|one| one["name"] == name)?["properties"];
    let port = u16::try_from(of["plainPort"].as_u64()?).unwrap();
    Some((of["address"].as_str()?.to_owned(), port))
}

/// A client at an address.
fn connect(cache: &Cache<'_>, at: &(String, u16)) -> Connection {
    let login = RedisConnectionInfo::default().set_password(cache.key());
    let info = at.clone().into_connection_info().unwrap();
    let client = Client::open(info.set_redis_settings(login)).unwrap();
    waiting::until("the endpoint lets a client in", || {
        client
            .get_connection_with_timeout(Duration::from_secs(2))
            .ok()
    })
}

fn set(connection: &mut Connection, key: &str) -> redis::RedisResult<()> {
    redis::cmd("SET").arg(key).arg("v").query(connection)
}

fn lets_in(engine: &str) {
    let mut world = World::with(engine);
    let east = world.create("east", "eastus");
    let public = east.endpoint();
    // Nobody of this machine has an address of these (RFC 5737).
    world.ok(&[
        "cache",
        "firewall",
        "set",
        "east",
        "nobody",
        "192.0.2.1",
        "192.0.2.2",
    ]);
    let add = ["cache", "private-endpoint", "add", "east", "office"];
    let said = world.ok(&add).talk;
    assert!(
        said.contains("east.privatelink.redis.godwit.internal"),
        "{said}"
    );
    let private = listens(&world, &east, "office").unwrap();
    assert_ne!(private, public);
    let mut inside = connect(&east, &private);
    set(&mut inside, "past the firewall").unwrap();

    // The same while the public doors are closed.
    world.ok(&["cache", "firewall", "delete", "east", "nobody"]);
    east.set(&json!({"publicNetworkAccess": "Disabled"}));
    waiting::until_true("the public door is closed", || {
        TcpStream::connect(&public).is_err()
    });
    set(&mut inside, "behind closed doors").unwrap();
    let rule = [
        "cache",
        "firewall",
        "set",
        "east",
        "r",
        "192.0.2.1",
        "192.0.2.2",
    ];
    let refused = world.refused(&rule);
    assert!(refused.contains("Disabled"), "{refused}");

    // What was kept is there again after everything was started anew, at the same place.
    world.down();
    world.up();
    let east = world.cache("east");
    let mut inside = connect(&east, &private);
    let kept: String = redis::cmd("GET")
        .arg("behind closed doors")
        .query(&mut inside)
        .unwrap();
    assert_eq!(kept, "v");
    assert_eq!(listens(&world, &east, "office"), Some(private.clone()));

    // Whoever is in by an endpoint that is rejected is not any more.
    world.ok(&["cache", "private-endpoint", "reject", "east", "office"]);
    waiting::until_true("the connection ends", || set(&mut inside, "k").is_err());
    assert!(TcpStream::connect(&private).is_err());
    world.ok(&["cache", "private-endpoint", "approve", "east", "office"]);
    let private = listens(&world, &east, "office").unwrap();
    set(&mut connect(&east, &private), "again").unwrap();
    world.ok(&["cache", "private-endpoint", "remove", "east", "office"]);
    waiting::until_true("nobody listens", || TcpStream::connect(&private).is_err());
    assert_eq!(endpoints(&world, &east), Vec::<Value>::new());
}

fn fails_over(engine: &str) {
    let world = World::with(engine);
    let (east, west) = (
        world.create("east", "eastus"),
        world.create("west", "westus"),
    );
    for cache in [&east, &west] {
        let add = ["cache", "private-endpoint", "add", cache.name(), "office"];
        world.ok(&add);
        cache.set(&json!({"publicNetworkAccess": "Disabled"}));
    }
    world.ok(&["link", "create", "east", "west", "--yes"]);
    let refused = world.refused(&["cache", "private-endpoint", "add", "west", "second"]);
    assert!(
        refused.contains("Unlink the two, add the private endpoint, then link them again."),
        "{refused}"
    );
    let there = |cache: &Cache<'_>| listens(&world, cache, "office").unwrap();
    let (mut e, mut w) = (connect(&east, &there(&east)), connect(&west, &there(&west)));
    set(&mut e, "written").unwrap();
    waiting::until_true("the write arrives", || {
        let got = redis::cmd("GET")
            .arg("written")
            .query::<Option<String>>(&mut w);
        got.is_ok_and(|got| got.is_some())
    });
    let refused = set(&mut w, "k").unwrap_err().to_string();
    assert!(
        refused.to_uppercase().contains("READONLY") || refused.contains("read only"),
        "{refused}"
    );
    world.ok(&["failover", "west"]);
    set(&mut connect(&west, &there(&west)), "after").unwrap();
    world.until_healthy();
    assert!(set(&mut connect(&east, &there(&east)), "k").is_err());
    for cache in [&east, &west] {
        assert_eq!(
            cache.status()["endpoints"]["direct"]["address"],
            json!(null)
        );
    }
}
