//! Linking: the secondary's former data goes, every type comes over, and it is read-only.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use redis::{Connection, RedisResult};
use system::{World, waiting, with_both_engines};

with_both_engines! {
    linking_replaces_the_data_and_brings_every_type_over => replaces_and_brings_over;
    a_linked_secondary_serves_reads_and_refuses_writes => is_read_only;
}

fn fill(c: &mut Connection) {
    let mut pipe = redis::pipe();
    pipe.cmd("SET").arg("string").arg("value");
    pipe.cmd("SET").arg("binary").arg(&[0_u8, 255, 13, 10][..]);
    pipe.cmd("SET").arg("large").arg("x".repeat(3_000_000));
    pipe.cmd("SET")
        .arg("expiring")
        .arg("soon")
        .arg("PX")
        .arg(600_000);
    pipe.cmd("HSET").arg("hash").arg(&["a", "1", "b", "2"]);
    pipe.cmd("RPUSH").arg("list").arg(&["1", "2", "3"]);
    pipe.cmd("SADD").arg("set").arg(&["a", "b"]);
    pipe.cmd("SADD").arg("intset").arg(&[1, 2, 3]);
    pipe.cmd("ZADD").arg("zset").arg(&["1.5", "a", "-inf", "b"]);
    pipe.cmd("XADD").arg("stream").arg(&["1-1", "f", "v"]);
    pipe.cmd("XADD").arg("stream").arg(&["1-2", "f", "w"]);
    pipe.cmd("XGROUP").arg(&["CREATE", "stream", "group", "0"]);
    pipe.cmd("XREADGROUP").arg(&[
        "GROUP", "group", "me", "COUNT", "1", "STREAMS", "stream", ">",
    ]);
    pipe.cmd("SETBIT").arg("bitmap").arg(77).arg(1);
    pipe.cmd("PFADD").arg("hyperloglog").arg(&["a", "b", "c"]);
    pipe.cmd("GEOADD")
        .arg("geo")
        .arg(&["13.361389", "38.115556", "Palermo"]);
    pipe.cmd("FUNCTION").arg(&["LOAD", LIBRARY]);
    pipe.cmd("SELECT")
        .arg(9)
        .cmd("SET")
        .arg("elsewhere")
        .arg(1)
        .cmd("SELECT")
        .arg(0);
    pipe.exec(c).unwrap();
}

const LIBRARY: &str = "#!lua name=lib\nredis.register_function('put', function(keys, args) return redis.call('SET', keys[1], args[1]) end)";

/// What happens after the full sync: transactions, scripts, functions, other databases, expiry.
fn change(e: &mut Connection) {
    let mut transaction = redis::pipe();
    transaction
        .atomic()
        .cmd("INCR")
        .arg("n")
        .cmd("LPUSH")
        .arg("list")
        .arg("0");
    transaction.exec(e).unwrap();
    redis::cmd("EVAL")
        .arg("return redis.call('SET', KEYS[1], redis.call('TIME')[2])")
        .arg(1)
        .arg("by-script")
        .exec(e)
        .unwrap();
    redis::cmd("FCALL")
        .arg("put")
        .arg(1)
        .arg("by-function")
        .arg("yes")
        .exec(e)
        .unwrap();
    redis::cmd("XACK")
        .arg(&["stream", "group", "1-1"])
        .exec(e)
        .unwrap();
    redis::cmd("SPOP").arg("set").exec(e).unwrap();
    redis::pipe()
        .cmd("SELECT")
        .arg(3)
        .cmd("SET")
        .arg("third")
        .arg(1)
        .cmd("MOVE")
        .arg("third")
        .arg(5)
        .exec(e)
        .unwrap();
    redis::pipe()
        .cmd("SELECT")
        .arg(0)
        .cmd("SET")
        .arg("short")
        .arg(1)
        .arg("PX")
        .arg(50)
        .cmd("SET")
        .arg("last")
        .arg("one")
        .exec(e)
        .unwrap();
}

fn replaces_and_brings_over(engine: &str) {
    let world = World::with(engine);
    let (east, west) = (
        world.create("east", "eastus"),
        world.create("west", "westus"),
    );
    fill(&mut east.connect());
    let mut w = west.connect();
    redis::cmd("SET")
        .arg("former")
        .arg("data")
        .exec(&mut w)
        .unwrap();
    drop(w);
    world.ok(&["link", "create", "east", "west", "--yes"]);

    assert_eq!(west.contents(), east.contents());
    let former: Option<String> = redis::cmd("GET")
        .arg("former")
        .query(&mut west.connect())
        .unwrap();
    assert_eq!(former, None);

    change(&mut east.connect());
    waiting::until_true("the secondary has what the primary has", || {
        west.contents() == east.contents()
    });
    let mut w = west.connect();
    let libraries: String = format!(
        "{:?}",
        redis::cmd("FUNCTION")
            .arg("LIST")
            .query::<redis::Value>(&mut w)
            .unwrap()
    );
    assert!(libraries.contains("put"), "{libraries}");
    let pending: redis::Value = redis::cmd("XINFO")
        .arg(&["GROUPS", "stream"])
        .query(&mut w)
        .unwrap();
    assert!(format!("{pending:?}").contains("group"));
}

fn is_read_only(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    let mut e = east.connect();
    redis::cmd("SET").arg("k").arg("v").exec(&mut e).unwrap();
    let mut w = west.connect();
    waiting::until_true("the write arrives", || {
        redis::cmd("GET")
            .arg("k")
            .query::<Option<String>>(&mut w)
            .unwrap()
            .is_some()
    });
    let attempts: [&[&str]; 6] = [
        &["SET", "k", "w"],
        &["DEL", "k"],
        &["EVAL", "return redis.call('SET', 'k', 'w')", "0"],
        &["PFADD", "h", "a"],
        &["FLUSHALL"],
        &["GETDEL", "k"],
    ];
    for attempt in attempts {
        let answer: RedisResult<redis::Value> =
            redis::cmd(attempt[0]).arg(&attempt[1..]).query(&mut w);
        let error = answer.unwrap_err().to_string();
        assert!(
            error.to_lowercase().contains("read only replica") || error.contains("READONLY"),
            "{attempt:?}: {error}"
        );
    }
    // Nobody can talk the secondary out of its role.
    for attempt in [
        &["REPLICAOF", "NO", "ONE"][..],
        &["CONFIG", "SET", "replica-read-only", "no"],
    ] {
        let answer: RedisResult<redis::Value> =
            redis::cmd(attempt[0]).arg(&attempt[1..]).query(&mut w);
        let refused = answer.unwrap_err().to_string();
        assert!(
            refused.contains("unknown command"),
            "{attempt:?}: {refused}"
        );
    }
    let value: String = redis::cmd("GET").arg("k").query(&mut w).unwrap();
    assert_eq!(value, "v");
    // WAIT on the primary tells the truth about both replicas: its own and the other region's.
    let count: u64 = redis::pipe()
        .cmd("SET")
        .arg("waited")
        .arg(1)
        .ignore()
        .cmd("WAIT")
        .arg(2)
        .arg(10_000)
        .query::<(u64,)>(&mut e)
        .unwrap()
        .0;
    assert_eq!(count, 2);
}
