//! Strangers on the doors, and what must not be said by them.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use bytes::Bytes;
use model::{EngineKind, Epoch, LinkId, ShardIndex};
use psync::Offset;
use wire::{Hello, ToInbound, ToOutbound, VERSION};

use crate::rig::{Rig, key, write_some};

both! {
    garbage_ends_its_own_connection,
    an_inbound_that_lies_is_cut_off,
    the_newest_session_counts,
}

/// Says `bytes` and returns what came back until the end.
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

fn hello() -> Hello {
    Hello {
        version: VERSION,
        link: LinkId::new("link-1"),
        shard: ShardIndex(0),
        epoch: Epoch(1),
        have: None,
        keys_held: 0,
    }
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
        &ToOutbound::Hello(Hello {
            version: 99,
            ..hello()
        })
        .encode(),
    ];
    for case in cases {
        say(rig.outbound.address(), case);
    }
    let old = ToOutbound::Hello(Hello {
        version: 99,
        ..hello()
    })
    .encode();
    let back = say(rig.outbound.address(), &old);
    assert!(String::from_utf8_lossy(&back).contains("version 99"));

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
    rig.outbound
        .serve(key(), crate::rig::source(&rig.primary, 1));
    let lie = [
        ToOutbound::Hello(hello()).encode(),
        ToOutbound::Applied(Offset(1 << 40)).encode(),
    ]
    .concat();
    say(rig.outbound.address(), &lie);
    let told = || {
        rig.out()
            .last_error
            .is_some_and(|why| why.contains("applied and was sent"))
    };
    rig.eventually("the lie is told", told).await;
    assert_eq!(rig.primary.run("WAIT 1 200"), "0");
    rig.stop().await;
}

async fn the_newest_session_counts(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    // Somebody else with the same name; when it ends, the engine's session comes back.
    let mut stranger = TcpStream::connect(rig.outbound.address()).unwrap();
    let own = stranger.local_addr().unwrap();
    stranger
        .write_all(&ToOutbound::Hello(hello()).encode())
        .unwrap();
    let seen = || rig.inb().counters.partial_syncs > 0 || rig.out().peer == Some(own);
    rig.eventually("the older session ends", seen).await;
    drop(stranger);
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    rig.stop().await;
}
