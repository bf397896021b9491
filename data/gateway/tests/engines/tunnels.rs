//! Two gateways of two regions, and the tunnels between them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use gateway::{Entrance, Gateway, Held, Limits, Place};
use model::{EngineKind, Secret, TokenUser};
use runtime::tasks::Tasks;
use tls::{Authority, Identity, Protocol};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    client::{Client, command},
    hold::load,
    node::{OBJECT_ID, PASSWORD},
    rig::{KEY, Rig, cache, entry, region, rule, until},
};

both!(
    a_geo_connection_goes_over_to_the_geo_primary,
    what_is_large_passes_a_tunnel,
    a_handoff_carries_connections_from_either_side,
    the_far_gateway_asks_again_who_may_come_in,
    a_far_gateway_that_does_not_lead_yet_is_asked_again,
    a_far_engine_that_dies_is_left,
    a_client_that_is_killed_over_there_is_gone,
    what_is_no_gateway_s_word_ends_the_connection,
);

const PATIENCE: Duration = Duration::from_secs(20);

/// One side: a gateway, and an agent's port that takes tunnels for it.
pub(crate) struct Side {
    pub(crate) rig: Rig,
    relay: SocketAddr,
    name: &'static str,
    identity: Identity,
    _tasks: Tasks,
}

impl Side {
    async fn start(
        name: &'static str,
        kind: EngineKind,
        authority: &Arc<Authority>,
        limits: Limits,
    ) -> Self {
        let identity = tls::testing::identity(authority, &region(name));
        let demo = format!("demo-{name}");
        let authority = Arc::clone(authority);
        let rig = Rig::of(&demo, kind, entry(), limits, authority, identity.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        let accepting = accept(
            listener,
            identity.clone(),
            rig.gateway.clone(),
            demo,
            tasks.clone(),
        );
        tasks.spawn("test relay", accepting);
        Self {
            rig,
            relay,
            name,
            identity,
            _tasks: tasks,
        }
    }

    /// The place of this side while `other` leads.
    fn follows(&self, other: &Self) -> Place {
        Place::There {
            engine: self.rig.node.address,
            client: Secret::new(PASSWORD),
            region: region(other.name),
            relay: other.relay,
            cache: cache(&format!("demo-{}", other.name)),
        }
    }
}

async fn accept(
    listener: TcpListener,
    identity: Identity,
    gateway: Gateway,
    demo: String,
    tasks: Tasks,
) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let (identity, gateway, demo) = (identity.clone(), gateway.clone(), demo.clone());
        tasks.spawn("test entrance", async move {
            let Ok((stream, peer)) = identity.accept(tcp).await else {
                return;
            };
            let Ok(entrance) = Entrance::hear(stream, peer.region).await else {
                return;
            };
            if *entrance.cache() == cache(&demo) {
                gateway.enter(entrance);
            } else {
                entrance.refuse().await;
            }
        });
    }
}

/// East leads, west follows.
pub(crate) async fn pair(kind: EngineKind, limits: Limits) -> (Side, Side) {
    let authority = Arc::new(tls::testing::authority());
    let east = Side::start("eastus", kind, &authority, limits).await;
    let west = Side::start("westus", kind, &authority, limits).await;
    west.rig.gateway.lead(west.follows(&east));
    (east, west)
}

async fn a_geo_connection_goes_over_to_the_geo_primary(kind: EngineKind) {
    let (east, west) = pair(kind, Limits::default()).await;
    let mut geo = west.rig.geo_client();
    assert_eq!(geo.run("SET a over-there"), "OK");
    assert_eq!(east.rig.node.run("GET a"), "over-there");
    let mut direct = west.rig.client();
    assert_eq!(
        direct.run("GET a"),
        "(nil)",
        "the direct endpoint is this cache's"
    );
    geo.say(command("INCR n").repeat(1000));
    for number in 1..=1000 {
        geo.expect(format!(":{number}\r\n"));
    }
    assert_eq!(west.rig.status().tunnelled, 1);
    assert_eq!(east.rig.status().connections.entered, 1);
    assert!(geo.run("HELLO 3").contains("proto 3"));
    assert_eq!(geo.run("SUBSCRIBE c"), ">[subscribe c 1]");
    assert_eq!(east.rig.node.run("PUBLISH c x"), "1");
    assert_eq!(geo.reply(), ">[message c x]");
    let refused = geo.run("CONFIG GET x");
    assert!(refused.starts_with("-ERR unknown command"), "{refused}");
    // `HELLO` with a login, and a half-close.
    let mut other = Client::connect(west.rig.doors.geo.plain().unwrap());
    let hello = other.run(&format!("HELLO 3 AUTH default {KEY} SETNAME me"));
    assert!(hello.contains("proto 3"), "{hello}");
    assert!(east.rig.node.run("CLIENT LIST").contains("name=me"));
    assert_eq!(other.run("RESET"), "RESET");
    assert_eq!(other.run("GET a"), "-NOAUTH Authentication required.");
    assert_eq!(other.run(&format!("AUTH {KEY}")), "OK");
    other.say(command("GET a").repeat(3));
    other.finish();
    assert_eq!(other.rest(), "$10\r\nover-there\r\n".repeat(3));
    until("it is gone", || east.rig.status().connections.entered == 1).await;
}

async fn what_is_large_passes_a_tunnel(kind: EngineKind) {
    let (_east, west) = pair(kind, Limits::default()).await;
    let mut geo = west.rig.geo_client();
    let value: Vec<u8> = (0..30_000_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    for _ in 0..2 {
        geo.say(
            [
                &b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$30000000\r\n"[..],
                &value,
                b"\r\n",
            ]
            .concat(),
        );
        geo.say(command("GET a"));
        geo.expect("+OK\r\n$30000000\r\n");
        geo.expect(&value);
        geo.expect("\r\n");
    }
}

async fn a_handoff_carries_connections_from_either_side(kind: EngineKind) {
    let (east, west) = pair(kind, Limits::default()).await;
    let (stop, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let side = if number % 2 == 0 { &east } else { &west };
            let client = side.rig.geo_client();
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            thread::spawn(move || load(client, number, &stop, &asked))
        })
        .collect();
    let mut subscriber = west.rig.geo_client();
    assert_eq!(subscriber.run("SUBSCRIBE news"), "[subscribe news 1]");
    let sides = [&east, &west];
    for round in 0..10 {
        let before = asked.load(Ordering::Relaxed);
        until("some are answered", || {
            asked.load(Ordering::Relaxed) > before + 500
        })
        .await;
        let (from, to) = (sides[round % 2], sides[(round + 1) % 2]);
        let held = from.rig.gateway.hold(PATIENCE).await;
        assert_eq!(held.busy, 0);
        if round == 4 {
            from.rig.gateway.release();
            let before = asked.load(Ordering::Relaxed);
            until("it goes on", || {
                asked.load(Ordering::Relaxed) > before + 100
            })
            .await;
            assert_eq!(from.rig.gateway.hold(PATIENCE).await.busy, 0);
        }
        for number in 0..8 {
            let count = from.rig.node.run(&format!("GET counter-{number}"));
            let set = format!("SET counter-{number} {count}");
            assert_eq!(to.rig.node.run(&set), "OK");
        }
        // Either may hear of it first.
        if round % 3 == 0 {
            from.rig.gateway.lead(from.follows(to));
            to.rig.gateway.lead(to.rig.here());
        } else {
            to.rig.gateway.lead(to.rig.here());
            from.rig.gateway.lead(from.follows(to));
        }
        until("it listens there", || {
            to.rig.node.run("PUBLISH news x") == "1"
        })
        .await;
        assert_eq!(subscriber.reply(), "[message news x]");
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    for side in sides {
        assert_eq!(side.rig.status().unknown_outcomes, 0);
    }
}

async fn the_far_gateway_asks_again_who_may_come_in(kind: EngineKind) {
    let (east, west) = pair(kind, Limits::default()).await;
    let mut inside = west.rig.geo_client();
    assert_eq!(inside.run("PING"), "PONG");
    let geo = || Client::connect(west.rig.doors.geo.plain().unwrap());
    let refused = |mut client: Client| {
        client.send(&format!("AUTH {KEY}"));
        client.rest()
    };
    let mut closed = entry();
    closed.door.firewall = vec![rule("192.0.2.0", "192.0.2.1")];
    east.rig.gateway.admit(closed);
    let told = "-NOPERM the client's address is not in the firewall rules of the geo-primary\r\n";
    assert_eq!(refused(geo()), told);
    // Whoever was in is carried again, and then told.
    assert_eq!(inside.rest(), told);
    let mut tokens_only = entry();
    tokens_only.door.access_keys = false;
    tokens_only.door.users = vec![TokenUser {
        object_id: OBJECT_ID.to_owned(),
        permissions: String::new(),
    }];
    east.rig.gateway.admit(tokens_only);
    let told = "-NOPERM access keys let nobody in to the geo-primary\r\n";
    assert_eq!(refused(geo()), told);
    let mut full = entry();
    full.max_clients = 0;
    east.rig.gateway.admit(full);
    assert_eq!(refused(geo()), "-ERR max number of clients reached\r\n");
    assert_eq!(east.rig.status().refused.entering, 4);
    east.rig.gateway.admit(entry());
    assert_eq!(west.rig.geo_client().run("PING"), "PONG");
}

async fn a_far_gateway_that_does_not_lead_yet_is_asked_again(kind: EngineKind) {
    let limits = Limits {
        nowhere: PATIENCE,
        ..Limits::default()
    };
    let (east, west) = pair(kind, limits).await;
    let why = "the cache is being started".to_owned();
    east.rig.gateway.lead(Place::Nowhere { why });
    let mut geo = Client::connect(west.rig.doors.geo.plain().unwrap());
    geo.send(&format!("AUTH {KEY}"));
    geo.send("SET a b");
    let asked = || east.rig.status().refused.entering;
    until("it has asked", || asked() > 1).await;
    east.rig.gateway.lead(east.rig.here());
    geo.expect("+OK\r\n+OK\r\n");
}

async fn a_far_engine_that_dies_is_left(kind: EngineKind) {
    let (mut east, west) = pair(kind, Limits::default()).await;
    let (mut idle, mut busy) = (west.rig.geo_client(), west.rig.geo_client());
    assert_eq!(idle.run("CLIENT SETNAME idle"), "OK");
    east.rig.node.freeze();
    busy.say(command("INCR a"));
    until("it is there", || east.rig.status().bytes_in > 50).await;
    east.rig.node.stop();
    let reply = busy.reply();
    assert!(
        reply.starts_with("-ERR the outcome of this command is unknown"),
        "{reply}"
    );
    idle.send("CLIENT GETNAME");
    busy.send("INCR a");
    // A failover by force: this side leads now.
    west.rig.gateway.lead(west.rig.here());
    assert_eq!(idle.reply(), "idle");
    assert_eq!(busy.reply(), "1");
    assert_eq!(west.rig.status().tunnelled, 0);
}

async fn a_client_that_is_killed_over_there_is_gone(kind: EngineKind) {
    let (east, west) = pair(kind, Limits::default()).await;
    let mut geo = west.rig.geo_client();
    assert_eq!(geo.run("PING"), "PONG");
    assert_eq!(east.rig.node.run("CLIENT KILL USER godwit-client"), "1");
    assert_eq!(geo.rest(), "");
    // And a client that goes away is gone over there.
    let geo = west.rig.geo_client();
    until("it is there", || east.rig.node.connections() == 1).await;
    drop(geo);
    until("it is gone", || east.rig.node.connections() == 0).await;
    assert_eq!(
        east.rig.gateway.hold(PATIENCE).await,
        Held { held: 0, busy: 0 }
    );
}

async fn what_is_no_gateway_s_word_ends_the_connection(kind: EngineKind) {
    let (east, west) = pair(kind, Limits::default()).await;
    for words in [
        &b"PING\r\n"[..],
        b"\x01\xff\xff\xff\xff",
        b"\x01\0\0\0\0",
        b"\x01\x03\0\0\0\x02\0x",
        b"\x04\x01\0\0\0x",
        b"\x09\0\0\0\0",
    ] {
        let tcp = TcpStream::connect(east.relay).await.unwrap();
        let to = region(east.name);
        let stream = west.identity.connect(tcp, &to, Protocol::Gateway).await;
        let mut stream = stream.unwrap();
        stream.write_all(words).await.unwrap();
        let mut rest = Vec::new();
        let _broken = stream.read_to_end(&mut rest).await;
        assert_eq!(rest, b"", "{}", words.escape_ascii());
    }
    // An agent of another deployment is nobody.
    let stranger = tls::testing::identity(&tls::testing::authority(), &region("westus"));
    let tcp = TcpStream::connect(east.relay).await.unwrap();
    let refused = stranger
        .connect(tcp, &region(east.name), Protocol::Gateway)
        .await;
    assert!(refused.is_err());
    assert_eq!(east.rig.status().connections.entered, 0);
}
