//! Clients that do not read, and engines that do not answer.

use std::time::Duration;

use gateway::Limits;
use model::EngineKind;

use crate::{
    client::command,
    rig::{Rig, entry, until},
};

both!(
    a_client_that_reads_nothing_slows_nobody_else_down,
    a_client_that_takes_nothing_is_not_waited_for,
    an_engine_that_does_not_read_stops_the_client,
    the_engine_s_own_limits_end_a_client,
    a_client_without_a_request_may_be_told_to_go,
    an_engine_that_dies_takes_its_clients_along,
    a_long_pipeline_that_is_lost_is_answered_to_its_end,
    an_engine_that_is_not_there_is_waited_for,
    a_client_that_is_killed_is_gone,
);

/// Bytes of this process that are in memory.
fn in_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse::<usize>().unwrap() << 10
}

async fn a_client_that_reads_nothing_slows_nobody_else_down(kind: EngineKind) {
    let rig = Rig::start(kind);
    let (mut slow, mut other) = (rig.client(), rig.client());
    assert_eq!(slow.run("SETRANGE big 999999 x"), "1000000");
    let before = in_memory();
    // 200 MB of answers, which the engine keeps, and not the gateway.
    slow.say(command("GET big").repeat(200));
    for number in 0..1000 {
        assert_eq!(other.run(&format!("ECHO {number}")), number.to_string());
    }
    let grown = in_memory().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    for _ in 0..200 {
        assert_eq!(slow.reply().len(), 1_000_000);
    }
    assert_eq!(slow.run("PING"), "PONG");
}

async fn a_client_that_takes_nothing_is_not_waited_for(kind: EngineKind) {
    let limits = Limits {
        stalled: Duration::from_millis(300),
        ..Limits::default()
    };
    let rig = Rig::with(kind, entry(), limits);
    let (mut slow, mut other) = (rig.client(), rig.client());
    assert_eq!(slow.run("SETRANGE big 9999999 x"), "10000000");
    slow.say(command("GET big").repeat(10));
    until("it is counted", || rig.status().refused.slow == 1).await;
    until("the engine knows", || rig.node.connections() == 1).await;
    assert_eq!(other.run("PING"), "PONG");
}

async fn an_engine_that_does_not_read_stops_the_client(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut client = rig.client();
    rig.node.freeze();
    let before = in_memory();
    let request = [
        &b"*2\r\n$4\r\nECHO\r\n$10000000\r\n"[..],
        &[b'x'; 10_000_000],
        b"\r\n",
    ]
    .concat();
    let sending = std::thread::spawn(move || {
        for _ in 0..10 {
            client.say(&request);
        }
        client
    });
    until("some has come", || rig.status().bytes_in > 100_000).await;
    let mut seen = 0;
    // It has stopped when nothing more comes for a while; the sockets hold some megabytes.
    let mut same = 0;
    while same < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = rig.status().bytes_in;
        same = if now == seen { same + 1 } else { 0 };
        seen = now;
    }
    assert!(!sending.is_finished() && seen < 60_000_000, "{seen}");
    let grown = in_memory().saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes more");
    rig.node.thaw();
    let mut client = sending.join().unwrap();
    for _ in 0..10 {
        assert_eq!(client.reply().len(), 10_000_000);
    }
}

async fn the_engine_s_own_limits_end_a_client(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut admin = rig.node.client();
    let mut words = Vec::new();
    resp::write_command(
        &mut words,
        &[
            b"CONFIG",
            b"SET",
            b"client-output-buffer-limit",
            b"normal 30000000 0 0",
        ],
    );
    admin.say(words);
    assert_eq!(admin.reply(), "OK");
    let mut slow = rig.client();
    assert_eq!(slow.run("SETRANGE big 9999999 x"), "10000000");
    slow.say(command("GET big").repeat(20));
    until("the engine has ended it", || rig.node.connections() == 0).await;
    let rest = slow.rest();
    assert!(rest.len() < 100_000_000, "{}", rest.len());
    until("nobody is left", || rig.status().connections.total() == 0).await;
}

async fn a_client_without_a_request_may_be_told_to_go(kind: EngineKind) {
    let limits = Limits {
        idle: Some(Duration::from_millis(400)),
        ..Limits::default()
    };
    let rig = Rig::with(kind, entry(), limits);
    let (mut idle, mut subscriber) = (rig.client(), rig.client());
    assert_eq!(subscriber.run("SUBSCRIBE c"), "[subscribe c 1]");
    assert_eq!(idle.rest(), "");
    assert_eq!(rig.node.run("PUBLISH c x"), "1");
    assert_eq!(subscriber.reply(), "[message c x]");
}

async fn an_engine_that_dies_takes_its_clients_along(kind: EngineKind) {
    let mut rig = Rig::start(kind);
    let (mut idle, mut busy) = (rig.client(), rig.client());
    rig.node.freeze();
    busy.say([command("INCR a"), command("INCR a")].concat());
    until("they are on the way", || rig.status().bytes_in > 90).await;
    rig.node.stop();
    assert_eq!(idle.rest(), "");
    let rest = busy.rest();
    let told = "-ERR the outcome of this command is unknown";
    assert_eq!(rest.matches(told).count(), 2, "{rest}");
    assert_eq!(rig.status().unknown_outcomes, 2);
}

async fn a_long_pipeline_that_is_lost_is_answered_to_its_end(kind: EngineKind) {
    const REQUESTS: usize = 100_000;
    let mut rig = Rig::start(kind);
    let mut client = rig.client();
    rig.node.freeze();
    let before = in_memory();
    client.say(command("INCR a").repeat(REQUESTS));
    let all = u64::try_from(REQUESTS * 21).unwrap();
    until("all of them are there", || rig.status().bytes_in > all).await;
    rig.node.stop();
    for _ in 0..REQUESTS {
        let reply = client.reply();
        assert!(
            reply.starts_with("-ERR the outcome of this command is unknown"),
            "{reply}"
        );
    }
    assert_eq!(client.rest(), "");
    let grown = in_memory().saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes more");
}

async fn an_engine_that_is_not_there_is_waited_for(kind: EngineKind) {
    let limits = Limits {
        nowhere: Duration::from_secs(15),
        ..Limits::default()
    };
    let mut rig = Rig::with(kind, entry(), limits);
    rig.node.stop();
    let mut client = rig.stranger();
    client.send("AUTH canary-key-one");
    client.send("PING");
    rig.node.restart();
    client.expect("+OK\r\n+PONG\r\n");
    let impatient = Limits {
        nowhere: Duration::from_millis(100),
        ..Limits::default()
    };
    let mut rig = Rig::with(kind, entry(), impatient);
    rig.node.stop();
    let mut client = rig.stranger();
    client.send("AUTH canary-key-one");
    assert_eq!(
        client.rest(),
        "-LOADING the cache's engine does not answer\r\n"
    );
}

async fn a_client_that_is_killed_is_gone(kind: EngineKind) {
    let rig = Rig::start(kind);
    for connect in [Rig::client, Rig::geo_client] {
        let mut client = connect(&rig);
        assert_eq!(client.run("PING"), "PONG");
        assert_eq!(rig.node.run("CLIENT KILL USER godwit-client"), "1");
        assert_eq!(client.rest(), "");
    }
}
