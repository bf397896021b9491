//! What the activity log tells of a link's life, and what the link's bytes come to.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::ChildStdout,
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde_json::{Value, json};
use system::{Cache, Start, World, waiting, with_both_engines};

with_both_engines! {
    the_log_tells_a_links_life_to_whoever_follows => life;
    bytes_between_regions_are_counted_once => counted;
    what_was_stored_is_told_by_whoever_starts_after_a_death => died;
}

const MIB: u64 = 1 << 20;

/// The lines of a command that goes on, as they come.
fn lines(out: ChildStdout) -> Receiver<Value> {
    let (told, tells) = channel();
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if told.send(serde_json::from_str(&line).unwrap()).is_err() {
                return;
            }
        }
    });
    tells
}

/// Operation, status and error code of a record.
fn gist(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let operation = text(&event["operationName"]["value"]);
    let status = text(&event["status"]["value"]);
    let code = text(&event["properties"]["errorCode"]);
    format!("{operation} {status} {code}").trim().to_owned()
}

fn life(engine: &str) {
    let world = World::with(engine);
    let mut following = world.spawn(&["events", "--follow"]);
    let tells = lines(following.stdout.take().unwrap());
    let mut told: Vec<Value> = Vec::new();
    let mut until_told = |wanted: &str| {
        waiting::until(wanted, || {
            told.extend(tells.try_iter());
            told.iter().any(|event| gist(event) == wanted).then_some(())
        });
    };
    let (east, _west) = world.linked_pair();
    until_told("Microsoft.Cache/redis/linkedServers/write Succeeded");
    until_told("Godwit.Cache/linkedServers/InStep Succeeded");
    let refused = world.send("DELETE", &east.id(), None).unwrap();
    assert_eq!(refused.0, 409);
    until_told("Microsoft.Cache/redis/delete Failed Conflict");
    world.ok(&["cache", "keys", "east"]);
    until_told("Microsoft.Cache/redis/listKeys/action Succeeded");
    world.ok(&["failover", "west"]);
    until_told("Godwit.Cache/linkedServers/FailoverDecided Succeeded");
    // Whoever follows goes on when the control plane is there again, and is told nothing twice.
    world.kill_control();
    world.until_healthy();
    world.ok(&["link", "delete", "east", "west"]);
    until_told("Microsoft.Cache/redis/linkedServers/delete Succeeded");
    until_told("Godwit.Cache/linkedServers/Unlinked Succeeded");
    following.kill().unwrap();
    following.wait().unwrap();

    let mut names: Vec<&Value> = told.iter().map(|event| &event["eventDataId"]).collect();
    let count = names.len();
    names.sort_by_key(|name| name.to_string());
    names.dedup();
    assert_eq!(names.len(), count, "nothing twice");
    // The end of the unlinking has the caller and the correlation of its request.
    let of_unlink: Vec<&Value> = told
        .iter()
        .filter(|event| gist(event).starts_with("Microsoft.Cache/redis/linkedServers/delete"))
        .collect();
    assert_eq!(of_unlink.len(), 2, "{of_unlink:?}");
    assert_eq!(of_unlink[0]["status"]["value"], "Accepted");
    assert_eq!(of_unlink[0]["correlationId"], of_unlink[1]["correlationId"]);
    assert!(of_unlink.iter().all(|event| event["caller"] == "operator"));
    // The same, asked for afterwards, from the side of the other cache.
    let of_link = world
        .ok(&["events", "--link", "west", "--top", "1000"])
        .json();
    let gists: Vec<String> = of_link.as_array().unwrap().iter().map(gist).collect();
    for wanted in [
        "Microsoft.Cache/redis/linkedServers/write Accepted",
        "Godwit.Cache/linkedServers/LinkCreated Started",
        "Godwit.Cache/linkedServers/FullSyncFinished Succeeded",
        "Godwit.Cache/linkedServers/FailoverBegun Started",
        "Godwit.Cache/linkedServers/UnlinkBegun Started",
    ] {
        assert!(
            gists.iter().any(|gist| gist == wanted),
            "{wanted}: {gists:?}"
        );
    }
    let shown = world.ok(&["events", "--top", "1000"]).out;
    let key = east.key();
    assert!(!shown.contains(&key), "no key is in it");
}

/// The control plane dies between the commit that makes a link and the answer.
fn died(engine: &str) {
    let world = World::start(Start {
        engine: engine.to_owned(),
        points: true,
        ..Start::default()
    });
    let (east, west) = (
        world.create("east", "eastus"),
        world.create("west", "westus"),
    );
    world.points().arm("control:Creating:after");
    let path = format!("{}/linkedServers/west", east.id());
    let body = json!({"properties": {
        "linkedRedisCacheId": west.id(),
        "linkedRedisCacheLocation": "westus",
        "serverRole": "Secondary",
    }});
    assert_eq!(world.send("PUT", &path, Some(&body)), None, "no answer");
    assert!(
        !world.points().is_armed("control:Creating:after"),
        "it died"
    );
    world.until_healthy();
    let told = waiting::until("request and end are told", || {
        let answer = world.run(&["events", "--link", "east", "--top", "1000"]);
        let events = (answer.code == 0).then(|| answer.json())?;
        let of_request = |event: &&Value| gist(event).starts_with("Microsoft.Cache/");
        let told: Vec<Value> = events
            .as_array()?
            .iter()
            .filter(of_request)
            .cloned()
            .collect();
        (told.len() >= 2).then_some(told)
    });
    let gists: Vec<String> = told.iter().map(gist).collect();
    assert_eq!(
        gists,
        [
            "Microsoft.Cache/redis/linkedServers/write Accepted",
            "Microsoft.Cache/redis/linkedServers/write Succeeded"
        ]
    );
    assert_eq!(
        told[0]["properties"]["statusCode"],
        Value::Null,
        "nobody was answered"
    );
    assert_eq!(told[0]["correlationId"], told[1]["correlationId"]);
}

/// Writes so many bytes that no compression makes smaller.
fn write(cache: &Cache<'_>, bytes: u64) {
    let mut random = std::fs::File::open("/dev/urandom").unwrap();
    let mut connection = cache.connect();
    let mut value = vec![0; usize::try_from(MIB / 4).unwrap()];
    for number in 0..bytes / (MIB / 4) {
        random.read_exact(&mut value).unwrap();
        redis::cmd("SET")
            .arg(format!("key {}", number % 8))
            .arg(&value)
            .exec(&mut connection)
            .unwrap();
    }
}

/// Raw and wire bytes of the link of `east` and `west`.
fn sent(world: &World) -> Option<(u64, u64)> {
    let answer = world.run(&["link", "cost", "east", "west"]);
    let total = (answer.code == 0).then(|| answer.json())?["properties"]["total"].take();
    Some((total["rawBytes"].as_u64()?, total["wireBytes"].as_u64()?))
}

/// Waits until at least so much more was counted than `before`; gives all of it.
fn until_sent(world: &World, before: (u64, u64), bytes: u64) -> (u64, u64) {
    waiting::until("the bytes are counted", || {
        sent(world).filter(|sent| sent.0 >= before.0 + bytes)
    })
}

fn counted(engine: &str) {
    let world = World::with(engine);
    let (east, _west) = world.linked_pair();
    world.until_healthy();
    let start = sent(&world).unwrap();
    write(&east, 8 * MIB);
    let first = until_sent(&world, start, 8 * MIB);
    // The engine's own commands and the frames are little beside the load.
    let (raw, wire) = (first.0 - start.0, first.1 - start.1);
    assert!(raw < 9 * MIB, "{raw} bytes for a load of 8 MiB");
    assert!(
        wire > 8 * MIB - MIB / 8 && wire < 9 * MIB,
        "{wire} bytes on the wire"
    );

    world.kill_agent("eastus");
    world.kill_control();
    world.until_healthy();
    write(&east, 2 * MIB);
    let second = until_sent(&world, first, 2 * MIB);
    assert!(
        second.0 - first.0 < 3 * MIB,
        "{first:?} {second:?}: counted twice"
    );

    world.ok(&[
        "link",
        "prices",
        "set",
        "eastus",
        "westus",
        "100",
        "--currency",
        "EUR",
    ]);
    let cost = world.ok(&["link", "cost", "east", "west"]).json();
    let row = &cost["properties"]["rows"][0];
    assert_eq!(
        (&row["from"], &row["to"]),
        (&"eastus".into(), &"westus".into())
    );
    let expected = row["wireBytes"].as_f64().unwrap() / 1e9 * 100.0;
    let paid = cost["properties"]["total"]["cost"].as_f64().unwrap();
    assert!((paid - expected).abs() < 1e-6, "{cost}");
    world.ok(&["link", "delete", "east", "west"]);
    let after = sent(&world).unwrap();
    assert!(after.0 >= second.0, "the months of the pair stay");
}
