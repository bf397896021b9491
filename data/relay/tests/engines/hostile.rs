//! Strangers on the doors, and what must not be said by them.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use bytes::Bytes;
use model::{EngineKind, Epoch, EventKind, Region};
use psync::Offset;
use relay::{Inbound, InboundAround, Peer};
use tls::{Identity, Protocol, TlsStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wire::{Hello, ToInbound, ToOutbound, VERSION};

use crate::{
    node::Node,
    rig::{ANY, Rig, credentials, here, key, replicate, source, there, write_some},
};

both! {
    garbage_ends_its_own_connection,
    an_inbound_that_lies_is_cut_off,
    the_newest_session_counts,
    an_agent_of_another_region_is_refused,
    an_agent_of_another_deployment_is_refused,
    an_outbound_of_another_region_is_not_believed,
}

/// Says `bytes` in the clear and returns what came back until the end.
fn say(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let _closed_already = stream.write_all(bytes);
    let mut back = Vec::new();
    let _reset = stream.read_to_end(&mut back);
    back
}

/// A connection that an agent would make.
async fn dial(rig: &Rig, identity: &Identity) -> TlsStream {
    let stream = tokio::net::TcpStream::connect(rig.outbound.address()).await;
    identity
        .connect(stream.unwrap(), &here(), Protocol::Relay)
        .await
        .unwrap()
}

/// Says `bytes` as an agent and returns what came back until the end.
async fn say_as(rig: &Rig, region: &Region, bytes: &[u8]) -> Vec<u8> {
    let mut stream = dial(rig, &rig.identity(region)).await;
    let _closed_already = stream.write_all(bytes).await;
    let _closed_already = stream.flush().await;
    let mut back = Vec::new();
    let _reset = stream.read_to_end(&mut back).await;
    back
}

fn hello() -> Hello {
    Hello {
        version: VERSION,
        link: key().link,
        shard: key().shard,
        epoch: Epoch(1),
        have: None,
        partial: None,
        keys_held: 0,
    }
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn garbage_ends_its_own_connection(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    let before = rig.wan.connections();
    let stream = ToInbound::Stream {
        after: 0,
        bytes: Bytes::from_static(b"x"),
    };
    let old = Hello {
        version: 99,
        ..hello()
    };
    let old = ToOutbound::Hello(old).encode();
    let good = ToOutbound::Hello(hello()).encode();
    let cases: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 64],
        &ToOutbound::Applied(Offset(9)).encode(),
        &stream.encode(),
        // A whole data frame is announced before the hello.
        &[
            &[8, 0, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &[0; 20_000],
        ]
        .concat(),
        &old,
    ];
    for case in cases {
        say_as(&rig, &there(), case).await;
        say(rig.outbound.address(), case);
    }
    // Nothing is said in the clear, not even to a good hello.
    let back = say(rig.outbound.address(), &good);
    assert!(!said(&back).contains("link-1"), "{}", said(&back));
    assert!(back.len() < 16, "an alert and nothing more: {back:?}");
    let back = say_as(&rig, &there(), &old).await;
    assert!(said(&back).contains("version 99"));

    for case in [
        &b"PSYNC ? -1\r\n\0"[..],
        b"*3\r\n$4\r\nAUTH\r\n$3\r\ngeo\r\n$1\r\nx\r\n*x\r\n",
        b"*1000000\r\n",
        &[b'a'; 5000],
    ] {
        say(rig.inbound.address(), case);
    }
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    assert_eq!(rig.wan.connections(), before);
    rig.stop().await;
}

async fn an_inbound_that_lies_is_cut_off(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.primary.run("SET k v");
    rig.serve(source(&rig.primary, 1));
    let lie = [
        ToOutbound::Hello(hello()).encode(),
        ToOutbound::Applied(Offset(1 << 40)).encode(),
    ]
    .concat();
    say_as(&rig, &there(), &lie).await;
    let told = || {
        rig.out()
            .last_error
            .is_some_and(|why| why.contains("applied and was sent"))
    };
    rig.eventually("the lie is told", told).await;
    let followed = || rig.out().read == Some(rig.primary.position());
    rig.eventually("the engine is followed", followed).await;
    let mut client = rig.primary.client();
    client.run(&[b"SET", b"k", b"w"]);
    assert_eq!(client.run(&[b"WAIT", b"1", b"300"]), "0");
    rig.stop().await;
}

async fn the_newest_session_counts(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    // Somebody else with the same name; when it ends, the engine's session comes back.
    let mut stranger = dial(&rig, &rig.identity(&there())).await;
    let own = stranger.tcp().local_addr().unwrap();
    let hello = ToOutbound::Hello(hello()).encode();
    stranger.write_all(&hello).await.unwrap();
    stranger.flush().await.unwrap();
    let seen = || rig.inb().counters.partial_syncs > 0 || rig.out().peer == Some(own);
    rig.eventually("the older session ends", seen).await;
    drop(stranger);
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    rig.stop().await;
}

async fn an_agent_of_another_region_is_refused(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    let before = rig.out().peer;
    let hello = ToOutbound::Hello(hello()).encode();
    for region in ["northeurope".parse().unwrap(), here()] {
        let back = said(&say_as(&rig, &region, &hello).await);
        assert!(back.contains("is followed from eastus"), "{back}");
        assert!(!back.contains("REDIS0"), "nothing of the data");
        let told = || {
            let told = rig.events(EventKind::PeerRefused);
            told.iter().any(|text| text.contains(region.as_str()))
        };
        rig.eventually("it is told", told).await;
    }
    assert_eq!(rig.out().peer, before, "the session goes on");
    rig.stop().await;
}

async fn an_agent_of_another_deployment_is_refused(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    let before = rig.out().peer;
    let foreign = tls::testing::identity(&tls::testing::authority(), &there());
    let stream = tokio::net::TcpStream::connect(rig.outbound.address()).await;
    let refused = foreign
        .connect(stream.unwrap(), &here(), Protocol::Relay)
        .await;
    assert!(refused.is_err(), "it does not believe this one either");
    assert_eq!(rig.out().peer, before, "the session goes on");

    // An inbound of it gets nowhere, and tells why.
    let around = InboundAround {
        identity: foreign,
        ..rig.around(&there(), "stranger")
    };
    let stranger = Inbound::bind(&rig.tasks, ANY, key(), credentials(), around);
    let stranger = stranger.await.unwrap();
    stranger.follow(rig.peer(1));
    let engine = Node::start(kind, &[]);
    engine.run("SET own 1");
    replicate(&engine, stranger.address());
    let told = || {
        let why = stranger.status().last_error.unwrap_or_default();
        why.contains("cannot trust whoever answers")
    };
    rig.eventually("the stranger tells", told).await;
    assert_eq!(engine.run("GET own"), "1");
    assert_eq!(rig.out().peer, before, "the session goes on");
    rig.stop().await;
}

async fn an_outbound_of_another_region_is_not_believed(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.primary.run("SET k v");
    rig.secondary.run("SET own 1");
    rig.serve(source(&rig.primary, 1));
    rig.inbound.follow(Peer {
        region: "northeurope".parse().unwrap(),
        ..rig.peer(1)
    });
    rig.replicate();
    let told = || {
        let why = rig.inb().last_error.unwrap_or_default();
        why.contains("as the agent of northeurope")
    };
    rig.eventually("it is told", told).await;
    let told = || !rig.events(EventKind::PeerRefused).is_empty();
    rig.eventually("it is an event", told).await;
    assert_eq!(rig.secondary.run("GET own"), "1");
    assert_eq!(rig.primary.count("sync_full"), 0);
    rig.stop().await;
}
