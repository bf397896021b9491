//! `godwit verify`: what is the same is said to be, what is not is found, whatever is written
//! meanwhile; and what was stopped goes on.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use redis::{Client, Connection};
use rustix::process::Signal;
use serde_json::Value;
use system::{Cache, World, processes, waiting, with_both_engines};

with_both_engines! {
    a_healthy_link_is_the_same_in_every_type => healthy;
    every_kind_of_difference_is_found => planted;
    keys_that_come_and_go_meanwhile_are_no_difference => busy;
    a_key_that_is_written_to_all_the_time_is_undecided => hot;
    a_comparison_that_was_killed_goes_on => killed;
    a_scan_begins_anew_when_another_engine_answers => replaced;
    a_geo_secondary_that_cannot_answer_is_an_error => unready;
}

/// Keys of every type, small and of many pages, in two databases.
fn fill(c: &mut Connection) {
    let mut pipe = redis::pipe();
    pipe.cmd("SET").arg("string").arg("value");
    pipe.cmd("SET").arg("number").arg(17);
    pipe.cmd("SET").arg("empty").arg("");
    pipe.cmd("SET")
        .arg(&b"binary\xff\x00\x1b[2J"[..])
        .arg(&[0_u8, 255][..]);
    pipe.cmd("SET")
        .arg("large string")
        .arg("x".repeat(3_000_000));
    pipe.cmd("SET")
        .arg("expiring")
        .arg("later")
        .arg("PX")
        .arg(3_600_000);
    pipe.cmd("SETBIT").arg("bitmap").arg(77_777).arg(1);
    pipe.cmd("PFADD").arg("hyperloglog").arg(&["a", "b", "c"]);
    pipe.cmd("GEOADD")
        .arg("geo")
        .arg(&["13.361389", "38.115556", "Palermo"]);
    pipe.cmd("HSET").arg("hash").arg(&["a", "1", "b", "2"]);
    pipe.cmd("RPUSH").arg("list").arg(&["1", "2", "3"]);
    pipe.cmd("SADD").arg("set").arg(&["a", "b"]);
    pipe.cmd("SADD").arg("numbers").arg(&[1, 2, 3]);
    pipe.cmd("ZADD")
        .arg("sorted")
        .arg(&["0.1", "a", "-inf", "b", "-0", "c"]);
    pipe.cmd("XADD").arg("stream").arg(&["1-1", "f", "v"]);
    pipe.cmd("XADD").arg("stream").arg(&["1-2", "f", "w"]);
    pipe.cmd("XGROUP").arg(&["CREATE", "stream", "group", "0"]);
    pipe.cmd("XREADGROUP").arg(&[
        "GROUP", "group", "me", "COUNT", "1", "STREAMS", "stream", ">",
    ]);
    for some in (0..3_000).collect::<Vec<u32>>().chunks(500) {
        let names: Vec<String> = some.iter().map(|n| format!("name {n}")).collect();
        let pairs: Vec<String> = some
            .iter()
            .flat_map(|n| [n.to_string(), format!("of {n}")])
            .collect();
        pipe.cmd("HSET").arg("large hash").arg(&pairs);
        pipe.cmd("ZADD").arg("large sorted").arg(&pairs);
        pipe.cmd("SADD").arg("large set").arg(&names);
        pipe.cmd("RPUSH").arg("large list").arg(&names);
        for name in &names {
            pipe.cmd("XADD")
                .arg("large stream")
                .arg(&["*", "name", name]);
        }
    }
    pipe.cmd("XGROUP")
        .arg(&["CREATE", "large stream", "group", "0"]);
    pipe.cmd("XREADGROUP").arg(&[
        "GROUP",
        "group",
        "me",
        "COUNT",
        "900",
        "STREAMS",
        "large stream",
        ">",
    ]);
    pipe.cmd("SELECT").arg(9);
    pipe.cmd("SET").arg("elsewhere").arg(1);
    pipe.cmd("SELECT").arg(0);
    pipe.exec(c).unwrap();
}

fn configure(client: &Client, option: &str, value: &str) {
    let mut command = redis::cmd("CONFIG");
    command.arg(&["SET", option, value]);
    command.exec(&mut client.get_connection().unwrap()).unwrap();
}

/// Writes to a geo-secondary behind its back. Its own replica does not get to know.
fn plant(cache: Cache<'_>, pipe: &redis::Pipeline) {
    let client = cache.engine();
    configure(&client, "replica-read-only", "no");
    pipe.exec(&mut client.get_connection().unwrap()).unwrap();
    configure(&client, "replica-read-only", "yes");
}

/// The first differences by key, each as what differs.
fn differences(report: &Value) -> BTreeMap<String, Vec<String>> {
    let found = report["differences"].as_array().unwrap().iter();
    let by_key = found.map(|one| {
        let how = one["differences"].as_array().unwrap().iter();
        let how = how.map(|what| match what["on"].as_str() {
            Some(side) => format!("{} on {side}", what["what"].as_str().unwrap()),
            None => what["what"].as_str().unwrap().to_owned(),
        });
        let key = one["key"].as_str().unwrap();
        (format!("{} {key}", one["database"]), how.collect())
    });
    by_key.collect()
}

fn healthy(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    fill(&mut east.connect());
    let report = world.ok(&["verify", "east"]).json();
    assert_eq!(report["verdict"], "same", "{report:#}");
    assert_eq!(
        (&report["primary"], &report["secondary"]),
        (&"east".into(), &"west".into())
    );
    let databases = report["databases"].as_array().unwrap();
    let shown: Vec<_> = databases
        .iter()
        .map(|one| {
            ["database", "primaryKeys", "secondaryKeys", "comparedKeys"]
                .map(|name| one[name].as_u64().unwrap())
        })
        .collect();
    assert_eq!(shown, [[0, 20, 20, 20], [9, 1, 1, 1]]);

    // A geo-secondary that is asked keeps the estimate in the value itself.
    redis::cmd("PFCOUNT")
        .arg("hyperloglog")
        .exec(&mut west.connect())
        .unwrap();
    // Sides are the same after a failover as well; either cache names the link.
    world.ok(&["failover", "west"]);
    let report = world.ok(&["verify", "east"]).json();
    assert_eq!(
        (&report["verdict"], &report["primary"]),
        (&"same".into(), &"west".into())
    );
}

fn planted(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    let mut e = east.connect();
    fill(&mut e);
    redis::cmd("WAIT").arg(2).arg(10_000).exec(&mut e).unwrap();
    let mut pipe = redis::pipe();
    pipe.cmd("SET").arg("string").arg("valuf");
    pipe.cmd("DEL").arg("number");
    pipe.cmd("SET").arg(&b"only\x1b[2Jhere"[..]).arg(1);
    pipe.cmd("DEL").arg("list").cmd("SADD").arg("list").arg("1");
    pipe.cmd("PERSIST").arg("expiring");
    pipe.cmd("PEXPIRE").arg("empty").arg(3_600_000);
    pipe.cmd("SETRANGE")
        .arg("large string")
        .arg(2_999_999)
        .arg("y");
    pipe.cmd("HSET").arg("large hash").arg("1234").arg("other");
    pipe.cmd("LSET").arg("large list").arg(1_234).arg("other");
    pipe.cmd("SREM").arg("large set").arg("name 77");
    pipe.cmd("ZADD").arg("large sorted").arg("0.5").arg("of 7");
    pipe.cmd("XACK").arg(&["stream", "group", "1-1"]);
    pipe.cmd("XGROUP")
        .arg(&["CREATECONSUMER", "large stream", "group", "other"]);
    pipe.cmd("SELECT").arg(9).cmd("SET").arg("elsewhere").arg(2);
    plant(west, &pipe);

    let answer = world.run(&["verify", "west", "--first", "100"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    let report = answer.json();
    assert_eq!(report["verdict"], "different");
    let value = || vec!["value".to_owned()];
    let expected: BTreeMap<String, Vec<String>> = [
        ("0 string", value()),
        ("0 number", vec!["missing on secondary".to_owned()]),
        (r"0 only\x1b[2Jhere", vec!["missing on primary".to_owned()]),
        ("0 list", vec!["type".to_owned()]),
        ("0 expiring", vec!["expiry".to_owned()]),
        ("0 empty", vec!["expiry".to_owned()]),
        ("0 large string", value()),
        ("0 large hash", value()),
        ("0 large list", value()),
        ("0 large set", value()),
        ("0 large sorted", value()),
        ("0 stream", value()),
        ("0 large stream", value()),
        ("9 elsewhere", value()),
    ]
    .into_iter()
    .map(|(key, how)| (key.to_owned(), how))
    .collect();
    assert_eq!(differences(&report), expected, "{report:#}");
    assert_eq!(
        (&report["differentKeys"], &report["undecidedKeys"]),
        (&14.into(), &0.into())
    );
    // Values are never told.
    assert!(
        !answer.out.contains("valuf") && !answer.talk.contains("valuf"),
        "{answer:?}"
    );

    // Ten by default, and all are counted.
    let report = world.run(&["verify", "east"]).json();
    assert_eq!(report["differences"].as_array().unwrap().len(), 10);
    assert_eq!(report["differentKeys"], 14);
}

fn busy(engine: &str) {
    let world = World::with(engine);
    let (east, _west) = world.linked_pair();
    many(&mut east.connect(), 4_000);
    let stop = AtomicBool::new(false);
    let (answer, written) = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut writer = east.connect();
            let mut batches = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                write_some(&mut writer, batches);
                batches += 1;
            }
            batches
        });
        let answer = world.run(&["verify", "east"]);
        stop.store(true, Ordering::Relaxed);
        (answer, writer.join().unwrap())
    });
    assert!(written > 10, "{written} batches");
    assert_eq!(answer.code, 0, "{answer:?}");
    let report = answer.json();
    assert_eq!(report["verdict"], "same", "{report:#}");
    assert!(
        report["comparedKeys"].as_u64().unwrap() > 4_000 - 10,
        "{report:#}"
    );
}

/// Keys that are new, that change, that are deleted and that expire, none of them for long; and the
/// engines' tables grow meanwhile. Waits for both replicas, so that a batch is a few moments' worth.
fn write_some(writer: &mut Connection, batch: u64) {
    let mut pipe = redis::pipe();
    for each in batch * 20..batch * 20 + 20 {
        let stays = |n: u64| format!("stays {n}");
        pipe.cmd("SET")
            .arg(format!("short {each}"))
            .arg(each)
            .arg("PX")
            .arg(200);
        pipe.cmd("SET").arg(stays(each)).arg(each);
        pipe.cmd("DEL").arg(stays(each / 2));
        pipe.cmd("EXPIRE")
            .arg(stays(each.saturating_sub(70)))
            .arg(600);
        pipe.cmd("SETRANGE")
            .arg(format!("key {}", each % 4_000))
            .arg(0)
            .arg(batch);
    }
    pipe.exec(writer).unwrap();
    redis::cmd("WAIT").arg(2).arg(10_000).exec(writer).unwrap();
}

fn hot(engine: &str) {
    let world = World::with(engine);
    let (east, _west) = world.linked_pair();
    fill(&mut east.connect());
    let stop = AtomicBool::new(false);
    let written = AtomicBool::new(false);
    let answer = thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = east.connect();
            redis::cmd("RPUSH")
                .arg("hot")
                .arg(vec![0; 2_000])
                .exec(&mut writer)
                .unwrap();
            for n in 0_u64.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let mut pipe = redis::pipe();
                for at in 0..50 {
                    pipe.cmd("LSET")
                        .arg("hot")
                        .arg((n * 50 + at) % 2_000)
                        .arg(n);
                }
                pipe.exec(&mut writer).unwrap();
                written.store(true, Ordering::Relaxed);
            }
        });
        waiting::until_true("the key is written to", || written.load(Ordering::Relaxed));
        // On a busy machine the writer may not have had its turn while the key was read.
        let mut answer = world.run(&["verify", "east"]);
        for _ in 0..20 {
            if answer.code != 0 {
                break;
            }
            answer = world.run(&["verify", "east"]);
        }
        stop.store(true, Ordering::Relaxed);
        answer
    });
    assert_eq!(answer.code, 2, "{answer:?}");
    let report = answer.json();
    assert_eq!(
        (&report["verdict"], &report["undecidedKeys"]),
        (&"undecided".into(), &1.into())
    );
    assert_eq!(report["undecided"][0]["key"], "hot");
    assert_eq!(report["differentKeys"], 0);
    assert!(
        answer.talk.contains("an exact answer is impossible"),
        "{answer:?}"
    );
    // When nobody writes any more, it is known.
    assert_eq!(world.ok(&["verify", "east"]).json()["verdict"], "same");
}

fn many(c: &mut Connection, count: u32) {
    let mut pipe = redis::pipe();
    for n in 0..count {
        pipe.cmd("SET").arg(format!("key {n}")).arg(n);
    }
    pipe.exec(c).unwrap();
    redis::cmd("WAIT").arg(2).arg(10_000).exec(c).unwrap();
}

/// How many keys the state file says are compared.
fn compared(path: &str) -> u64 {
    let file = fs::read(path).unwrap_or_default();
    let file: Value = serde_json::from_slice(&file).unwrap_or_default();
    file["databases"]["0"]["compared"].as_u64().unwrap_or(0)
}

/// Starts a slow comparison and kills it in the middle.
fn stopped_in_the_middle(world: &World, path: &str) {
    let slow = ["verify", "east", "--rate", "1000", "--state", path];
    let mut child = world.spawn(&slow);
    waiting::until_true("a part is compared", || compared(path) > 500);
    processes::signal(child.id(), Signal::KILL);
    child.wait().unwrap();
}

fn killed(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    many(&mut east.connect(), 20_000);
    let mut pipe = redis::pipe();
    for n in 0..50 {
        pipe.cmd("SET").arg(format!("key {}", n * 400)).arg("other");
    }
    plant(west, &pipe);
    let path = world.data().join("verify.json");
    let path = path.to_str().unwrap();
    stopped_in_the_middle(&world, path);
    let before = compared(path);

    // Somebody else's file is refused by name, and is left as it is.
    let refused = world.run(&["verify", "east", "--state", path, "--tolerance", "5s"]);
    assert_eq!(refused.code, 64, "{refused:?}");
    assert!(
        refused
            .talk
            .contains("it was begun with --tolerance 1000ms"),
        "{refused:?}"
    );
    assert_eq!(compared(path), before);

    let answer = world.run(&["verify", "east", "--rate", "unlimited", "--state", path]);
    assert_eq!(answer.code, 1, "{answer:?}");
    let report = answer.json();
    assert_eq!(
        (&report["verdict"], &report["differentKeys"]),
        (&"different".into(), &50.into())
    );
    assert_eq!(report["resumedAtKeys"], before, "it did not begin anew");
    assert_eq!(report["comparedKeys"], 20_000);
    assert!(
        !fs::exists(path).unwrap(),
        "a comparison that has ended is not gone on with"
    );

    stopped_in_the_middle(&world, path);
    world.ok(&["failover", "west"]);
    let refused = world.refused(&["verify", "east", "--state", path]);
    assert!(
        refused.contains("it is of the link from") && refused.contains("/east to "),
        "{refused}"
    );
    let other = world.refused(&["verify", "east", "--state", "/nowhere/at/all"]);
    assert!(other.contains("/nowhere/at/all"), "{other}");
}

fn replaced(engine: &str) {
    let world = World::with(engine);
    let (east, _west) = world.linked_pair();
    many(&mut east.connect(), 5_000);
    let path = world.data().join("verify.json");
    let path = path.to_str().unwrap();
    stopped_in_the_middle(&world, path);
    let [leader, _] = east.until_whole();
    processes::signal(leader, Signal::KILL);
    waiting::until_true("the other node leads", || {
        east.nodes().is_some_and(|[leads, _]| leads != leader)
    });
    world.until_healthy();
    let answer = world.ok(&["verify", "east", "--rate", "unlimited", "--state", path]);
    assert!(
        answer.talk.contains("is another process than before"),
        "{answer:?}"
    );
    let report = answer.json();
    assert_eq!(
        (&report["verdict"], &report["comparedKeys"]),
        (&"same".into(), &5_000.into())
    );
}

fn unready(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = (
        world.create("east", "eastus"),
        world.create("west", "westus"),
    );
    assert_eq!(world.run(&["verify", "east"]).code, 3, "there is no link");
    many(&mut east.connect(), 10);
    let wan = world.wan_to("eastus");
    wan.go_down();
    world.ok(&["link", "create", "east", "west", "--yes", "--no-wait"]);
    let said = world.refused(&["verify", "east"]);
    assert!(
        said.contains("it can be compared when that is over"),
        "{said}"
    );
    wan.act("/accept");
    world.until_healthy();
    assert_eq!(world.ok(&["verify", "east"]).json()["verdict"], "same");

    // As in a full sync: out of touch, and not to answer from what it has.
    wan.go_down();
    let client = west.engine();
    waiting::until_true("the geo-secondary does not answer", || {
        configure(&client, "replica-serve-stale-data", "no");
        let asked = redis::cmd("DBSIZE").query::<u64>(&mut west.connect());
        asked.is_err_and(|error| error.code() == Some("MASTERDOWN"))
    });
    let said = world.refused(&["verify", "east"]);
    assert!(
        said.contains("the geo-secondary `west`") && said.contains("MASTERDOWN"),
        "{said}"
    );
}
