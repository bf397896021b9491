//! Connections that are held, and carried over from one engine to another.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use gateway::{Held, Limits, Place};
use model::{EngineKind, Secret};
use runtime::tasks::Tasks;
use tokio::sync::oneshot;

use crate::{
    client::{Client, command},
    node::{Node, PASSWORD},
    rig::{Rig, entry, until},
};

both!(
    a_held_connection_waits_and_goes_on,
    what_is_on_the_way_is_answered_before_a_connection_is_held,
    a_geo_connection_is_carried_over_with_its_session,
    a_direct_connection_goes_over_to_another_node_of_its_cache,
    a_direct_connection_goes_along_when_another_engine_of_its_cache_leads,
    a_transaction_that_is_open_does_not_run_at_another_engine,
    a_transaction_on_its_way_comes_to_its_end_first,
    a_blocked_command_is_not_waited_for,
    an_engine_that_becomes_a_replica_keeps_its_direct_clients,
    a_geo_connection_survives_its_engine_s_death,
    no_reply_goes_astray_while_engines_change_under_load,
    many_connections_are_held_and_carried_at_once,
    a_full_sync_is_told_to_direct_clients,
    nowhere_is_waited_for_and_then_said,
);

const PATIENCE: Duration = Duration::from_secs(20);

fn leads(node: &Node) -> Place {
    Place::Here {
        engine: node.address,
        client: Secret::new(PASSWORD),
        writable: true,
    }
}

async fn a_held_connection_waits_and_goes_on(kind: EngineKind) {
    let rig = Rig::start(kind);
    let (mut direct, mut geo, _stranger) = (rig.client(), rig.geo_client(), rig.stranger());
    until("all are in", || rig.status().connections.total() == 3).await;
    assert_eq!(rig.gateway.hold(PATIENCE).await, Held { held: 2, busy: 0 });
    for client in [&mut direct, &mut geo] {
        client.say(command("INCR a").repeat(10));
    }
    let mut late = rig.stranger();
    late.send("AUTH canary-key-one");
    until("it has come", || rig.status().bytes_in > 500).await;
    for client in [&mut direct, &mut geo, &mut late] {
        client.hears_nothing();
    }
    assert_eq!(rig.node.run("EXISTS a"), "0");
    assert_eq!(
        rig.gateway.hold(PATIENCE).await.busy,
        0,
        "again is the same"
    );
    rig.gateway.release();
    assert_eq!(late.reply(), "OK");
    for client in [&mut direct, &mut geo] {
        client.replies(10).unwrap();
    }
    assert_eq!(rig.node.run("GET a"), "20");
    assert_eq!((rig.status().held, rig.status().carried), (0, 0));
}

async fn what_is_on_the_way_is_answered_before_a_connection_is_held(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut client = rig.client();
    rig.node.freeze();
    client.say(command("INCR a").repeat(3));
    until("it is on the way", || rig.status().bytes_in > 90).await;
    let held = rig.gateway.hold(Duration::from_millis(50)).await;
    assert_eq!(held, Held { held: 0, busy: 1 });
    let holding = rig.gateway.hold(PATIENCE);
    rig.node.thaw();
    assert_eq!(holding.await, Held { held: 1, busy: 0 });
    client.expect(":1\r\n:2\r\n:3\r\n");
    client.say(command("INCR a"));
    rig.gateway.release();
    client.expect(":4\r\n");
}

async fn a_geo_connection_is_carried_over_with_its_session(kind: EngineKind) {
    let rig = Rig::start(kind);
    let other = Node::start(kind);
    let mut two = rig.geo_client();
    let mut three = rig.geo_client();
    let mut tracking = rig.geo_client();
    assert_eq!(two.run("SELECT 3"), "OK");
    assert_eq!(two.run("SET where first"), "OK");
    assert_eq!(two.run("CLIENT SETNAME two"), "OK");
    assert!(three.run("HELLO 3").contains("proto 3"));
    assert_eq!(three.run("SUBSCRIBE a"), ">[subscribe a 1]");
    assert_eq!(three.run("PSUBSCRIBE p*"), ">[psubscribe p* 2]");
    assert!(tracking.run("HELLO 3").contains("proto 3"));
    assert_eq!(tracking.run("CLIENT TRACKING ON"), "OK");
    assert_eq!(tracking.run("GET where"), "(nil)");
    rig.gateway.hold(PATIENCE).await;
    two.send("GET where");
    rig.gateway.lead(leads(&other));
    assert_eq!(two.reply(), "(nil)", "it asks the other one");
    assert_eq!(tracking.reply(), ">[invalidate (nil)]");
    until("all are carried", || rig.status().carried == 3).await;
    until("all have left it", || rig.node.connections() == 0).await;
    assert_eq!(two.run("CLIENT GETNAME"), "two");
    assert_eq!(two.run("SET where second"), "OK");
    assert_eq!(other.run("PUBLISH a x"), "1");
    assert_eq!(three.reply(), ">[message a x]");
    assert_eq!(other.run("PUBLISH pq y"), "1");
    assert_eq!(three.reply(), ">[pmessage p* pq y]");
    assert_eq!(three.run("PING"), "PONG");
    assert_eq!(tracking.run("GET where"), "(nil)");
    assert_eq!(other.run("SET where x"), "OK");
    assert_eq!(tracking.reply(), ">[invalidate [where]]");
    let list = other.run("CLIENT LIST");
    assert!(
        list.lines()
            .any(|line| line.contains("name=two") && line.contains("db=3")),
        "{list}"
    );
    // And back, without a hold.
    rig.gateway.lead(rig.here());
    until("it is back", || two.run("GET where") == "first").await;
}

async fn a_direct_connection_goes_over_to_another_node_of_its_cache(kind: EngineKind) {
    let rig = Rig::start(kind);
    let other = Node::start(kind);
    let mut client = rig.client();
    assert_eq!(client.run("SELECT 3"), "OK");
    rig.gateway.hold(PATIENCE).await;
    client.send("SET a b");
    rig.gateway.lead(leads(&other));
    assert_eq!(client.reply(), "OK");
    let mut there = other.client();
    assert_eq!(there.run("SELECT 3"), "OK");
    assert_eq!(there.run("GET a"), "b");
}

async fn a_direct_connection_goes_along_when_another_engine_of_its_cache_leads(kind: EngineKind) {
    let rig = Rig::start(kind);
    let other = Node::start(kind);
    let mut client = rig.client();
    assert_eq!(client.run("SELECT 3"), "OK");
    rig.gateway.lead(leads(&other));
    assert_eq!(client.run("SET a b"), "OK");
    assert_eq!(other.run("EXISTS a"), "0", "it is in its own database");
    assert_eq!(client.run("GET a"), "b");
    assert_eq!(rig.client().run("SET c d"), "OK");
    assert_eq!(other.run("GET c"), "d");
}

async fn a_transaction_that_is_open_does_not_run_at_another_engine(kind: EngineKind) {
    let rig = Rig::start(kind);
    let other = Node::start(kind);
    let (mut open, mut watching) = (rig.geo_client(), rig.geo_client());
    assert_eq!(open.run("MULTI"), "OK");
    assert_eq!(open.run("SET a 1"), "QUEUED");
    assert_eq!(watching.run("WATCH w"), "OK");
    rig.gateway.hold(PATIENCE).await;
    rig.gateway.lead(leads(&other));
    assert_eq!(open.run("SET b 1"), "QUEUED");
    assert_eq!(
        open.run("EXEC"),
        "-EXECABORT Transaction discarded because of a failover"
    );
    assert_eq!(watching.run("MULTI"), "OK");
    assert_eq!(watching.run("SET a 1"), "QUEUED");
    assert_eq!(watching.run("EXEC"), "(nil)");
    assert_eq!(other.run("EXISTS a b"), "0");
    for client in [&mut open, &mut watching] {
        client.say(["MULTI", "INCR n", "EXEC"].map(command).concat());
        client.replies(3).unwrap();
    }
    assert_eq!(other.run("GET n"), "2");
}

async fn a_transaction_on_its_way_comes_to_its_end_first(kind: EngineKind) {
    let limits = Limits {
        transaction: PATIENCE,
        ..Limits::default()
    };
    let rig = Rig::with(kind, entry(), limits);
    let other = Node::start(kind);
    let mut client = rig.geo_client();
    let _idle = rig.geo_client();
    assert_eq!(client.run("MULTI"), "OK");
    let gateway = rig.gateway.clone();
    let (tell, told) = oneshot::channel();
    let tasks = Tasks::new();
    tasks.spawn("test hold", async move {
        tell.send(gateway.hold(PATIENCE).await).unwrap();
    });
    until("it is stopping", || rig.status().held == 1).await;
    client.say(["SET a 1", "EXEC"].map(command).concat());
    assert_eq!(told.await.unwrap(), Held { held: 2, busy: 0 });
    client.expect("+QUEUED\r\n*1\r\n+OK\r\n");
    client.send("GET a");
    client.hears_nothing();
    rig.gateway.lead(leads(&other));
    client.expect("$-1\r\n");
    assert_eq!(rig.node.run("GET a"), "1");
}

async fn a_blocked_command_is_not_waited_for(kind: EngineKind) {
    let rig = Rig::start(kind);
    let other = Node::start(kind);
    let (mut waiting, mut behind) = (rig.geo_client(), rig.geo_client());
    waiting.send("BLPOP q 0");
    behind.say([command("BLPOP q 0"), command("ECHO behind")].concat());
    until("they wait", || rig.node.info("blocked_clients") == "2").await;
    assert_eq!(rig.gateway.hold(PATIENCE).await, Held { held: 2, busy: 0 });
    // The engine is fenced: it unblocks those who wait, and closes their connections.
    let address = other.address;
    let replica = format!("REPLICAOF {} {}", address.ip(), address.port());
    assert_eq!(rig.node.run(&replica), "OK");
    for client in [&mut waiting, &mut behind] {
        let reply = client.reply();
        assert!(reply.starts_with("-UNBLOCKED"), "{reply}");
        client.hears_nothing();
    }
    rig.gateway.lead(leads(&other));
    assert_eq!(behind.reply(), "behind");
    assert_eq!(waiting.run("SET a b"), "OK");
    // One that nobody unblocks has an outcome that is not known.
    waiting.send("BLPOP q 0");
    until("it waits", || other.info("blocked_clients") == "1").await;
    assert_eq!(rig.node.run("REPLICAOF NO ONE"), "OK");
    rig.gateway.lead(rig.here());
    let reply = waiting.reply();
    assert!(
        reply.starts_with("-ERR the outcome of this command is unknown"),
        "{reply}"
    );
    assert_eq!(waiting.run("SET a b"), "OK");
}

async fn an_engine_that_becomes_a_replica_keeps_its_direct_clients(kind: EngineKind) {
    let rig = Rig::start(kind);
    let other = Node::start(kind);
    let mut client = rig.client();
    rig.gateway.hold(PATIENCE).await;
    let replica = format!("REPLICAOF {} {}", other.address.ip(), other.address.port());
    assert_eq!(rig.node.run(&replica), "OK");
    client.send("SET a b");
    rig.gateway.lead(Place::There {
        engine: rig.node.address,
        client: Secret::new(PASSWORD),
        region: crate::rig::region("westus"),
        relay: other.address,
        cache: crate::rig::cache("demo-west"),
    });
    let reply = client.reply();
    assert!(reply.starts_with("-READONLY"), "{reply}");
    assert_eq!(client.run("GET a"), "(nil)");
}

async fn a_geo_connection_survives_its_engine_s_death(kind: EngineKind) {
    let mut rig = Rig::start(kind);
    let other = Node::start(kind);
    let (mut idle, mut busy) = (rig.geo_client(), rig.geo_client());
    rig.node.freeze();
    busy.say(
        [
            command("INCR a"),
            command("CLIENT SETNAME x"),
            command("INCR a"),
        ]
        .concat(),
    );
    until("they are on the way", || rig.status().bytes_in > 120).await;
    rig.node.stop();
    for _ in 0..3 {
        let reply = busy.reply();
        assert!(
            reply.starts_with("-ERR the outcome of this command is unknown"),
            "{reply}"
        );
    }
    idle.send("INCR a");
    busy.send("INCR a");
    rig.gateway.lead(leads(&other));
    let mut counted = [idle.reply(), busy.reply()];
    counted.sort();
    assert_eq!(counted, ["1", "2"], "each of them once");
    assert_eq!(rig.status().unknown_outcomes, 3);
}

/// Asks for its own tokens until it is told to stop; each reply has to be its own, and each `INCR`
/// one more.
pub(crate) fn load(mut client: Client, number: usize, stop: &AtomicBool, asked: &AtomicU64) {
    let mut token = 0_u64;
    let mut counted = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let depth = 1 + token % 16;
        let mut requests = Vec::new();
        for _ in 0..depth {
            token += 1;
            requests.extend(command(&format!("ECHO {number}-{token}")));
            requests.extend(command(&format!("INCR counter-{number}")));
        }
        client.say(requests);
        for of in (token - depth + 1)..=token {
            assert_eq!(client.reply(), format!("{number}-{of}"));
            counted += 1;
            assert_eq!(client.reply(), counted.to_string());
        }
        asked.fetch_add(2 * depth, Ordering::Relaxed);
    }
}

async fn no_reply_goes_astray_while_engines_change_under_load(kind: EngineKind) {
    let rig = Rig::start(kind);
    let other = Node::start(kind);
    let (stop, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let client = rig.geo_client();
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            thread::spawn(move || load(client, number, &stop, &asked))
        })
        .collect();
    let nodes = [&rig.node, &other];
    for round in 0..30 {
        let before = asked.load(Ordering::Relaxed);
        until("some are answered", || {
            asked.load(Ordering::Relaxed) > before + 500
        })
        .await;
        let (from, to) = (nodes[round % 2], nodes[(round + 1) % 2]);
        let held = rig.gateway.hold(PATIENCE).await;
        assert_eq!(held, Held { held: 8, busy: 0 });
        // The data go over as a handoff takes them.
        for number in 0..8 {
            let count = from.run(&format!("GET counter-{number}"));
            assert_eq!(to.run(&format!("SET counter-{number} {count}")), "OK");
        }
        if round % 5 == 4 {
            rig.gateway.release();
            // Given up: everything goes on where it was.
            let before = asked.load(Ordering::Relaxed);
            until("it goes on", || asked.load(Ordering::Relaxed) > before).await;
            rig.gateway.hold(PATIENCE).await;
            for number in 0..8 {
                let count = from.run(&format!("GET counter-{number}"));
                assert_eq!(to.run(&format!("SET counter-{number} {count}")), "OK");
            }
        }
        rig.gateway.lead(leads(to));
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(rig.status().carried, 8 * 30);
    assert_eq!(rig.status().unknown_outcomes, 0);
}

async fn many_connections_are_held_and_carried_at_once(kind: EngineKind) {
    const CLIENTS: usize = 200;
    let rig = Rig::start(kind);
    let other = Node::start(kind);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| rig.geo_client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.run(&format!("CLIENT SETNAME name-{number}")), "OK");
    }
    for place in [leads(&other), rig.here()] {
        let held = rig.gateway.hold(PATIENCE).await;
        assert_eq!(held, Held { held: 200, busy: 0 });
        for client in &mut clients {
            client.send("CLIENT GETNAME");
        }
        rig.gateway.lead(place);
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.reply(), format!("name-{number}"));
        }
    }
    assert_eq!(rig.status().carried, 400);
    until("all have left it", || other.connections() == 0).await;
}

async fn a_full_sync_is_told_to_direct_clients(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut client = rig.client();
    let syncing = Place::Syncing {
        engine: rig.node.address,
        client: Secret::new(PASSWORD),
        region: crate::rig::region("westus"),
        relay: rig.node.address,
        cache: crate::rig::cache("demo-west"),
        geo_primary_name: "demo-west.zone.test".to_owned(),
    };
    rig.gateway.lead(syncing);
    let sentence = "-LOADING Full data sync is in progress on this geo-secondary; use the geo-primary at demo-west.zone.test";
    until("it has heard", || client.run("GET a") == sentence).await;
    for words in ["GET a", "SET a b", "EVAL return(1) 0"] {
        assert_eq!(client.run(words), sentence, "{words}");
        assert_eq!(rig.client().run(words), sentence, "{words}");
    }
    rig.gateway.lead(rig.here());
    until("it has heard", || client.run("SET a b") == "OK").await;
}

async fn nowhere_is_waited_for_and_then_said(kind: EngineKind) {
    let limits = Limits {
        nowhere: Duration::from_secs(1),
        ..Limits::default()
    };
    let rig = Rig::with(kind, entry(), limits);
    let (mut inside, mut inside_geo) = (rig.client(), rig.geo_client());
    let why = "the cache is being moved".to_owned();
    rig.gateway.lead(Place::Nowhere { why });
    assert_eq!(inside.run("PING"), "PONG", "who has an engine keeps it");
    // The geo endpoint leads to whoever leads, and nobody does.
    until("it waits", || rig.status().held > 0).await;
    inside_geo.send("INCR a");
    assert_eq!(inside_geo.rest(), "-LOADING the cache is being moved\r\n");
    let mut client = rig.stranger();
    client.send("AUTH canary-key-one");
    assert_eq!(client.rest(), "-LOADING the cache is being moved\r\n");
    let mut client = rig.stranger();
    client.send("AUTH canary-key-one");
    rig.gateway.lead(rig.here());
    assert_eq!(client.reply(), "OK");
    assert_eq!(rig.node.run("EXISTS a"), "0");
    let rig = Rig::start(kind);
    let mut geo = rig.geo_client();
    let why = "the cache is being moved".to_owned();
    rig.gateway.lead(Place::Nowhere { why });
    until("it waits", || rig.status().held == 1).await;
    geo.send("INCR a");
    until("it has come", || rig.status().bytes_in > 50).await;
    geo.hears_nothing();
    rig.gateway.lead(rig.here());
    assert_eq!(geo.reply(), "1");
    assert_eq!(rig.status().carried, 0);
}
