//! Hostile framing in every state of a connection: what the engines would misread is refused, the
//! connection ends, and nothing of it reaches an engine.

use std::time::Duration;

use gateway::Limits;
use model::EngineKind;

use crate::{
    client::{Client, command},
    rig::{Rig, entry, until},
};

both!(
    hostile_framing_ends_the_connection_in_every_state,
    a_request_that_does_not_come_to_its_end_is_not_waited_for,
    a_stranger_may_not_send_what_the_engines_do_not_take_from_one,
    what_is_cut_off_is_not_run,
    browsers_get_no_word,
);

/// Bytes, and what is said to them.
const HOSTILE: [(&[u8], &str); 16] = [
    (b"*1\rX$4\rXPING\r\n", "invalid multibulk length"),
    (b"*1\r\n$4\r\nPINGXX", "expected CRLF after a bulk"),
    (
        b"*1\r\n$4\r\nPING*1\r\n$4\r\nPING\r\n",
        "expected CRLF after a bulk",
    ),
    (b"*+1\r\n$4\r\nPING\r\n", "invalid multibulk length"),
    (b"*01\r\n$4\r\nPING\r\n", "invalid multibulk length"),
    (b"* 1\r\n$4\r\nPING\r\n", "invalid multibulk length"),
    (b"*1\r\n$+4\r\nPING\r\n", "invalid bulk length"),
    (b"*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
    (b"*1\r\n$-4\r\nPING\r\n", "invalid bulk length"),
    (b"*1048577\r\n$4\r\nPING\r\n", "invalid multibulk length"),
    (b"*2147483648\r\n", "invalid multibulk length"),
    (b"*2\r\n$3\r\nGET\r\n$536870913\r\n", "invalid bulk length"),
    (b"*1\r\n+PING\r\n", "expected '$', got '+'"),
    (b"*2\r\n$4\r\nPING\r\n:1\r\n", "expected '$', got ':'"),
    (b"GET a\0b\r\n", "unexpected NUL in inline request"),
    (b"GET \"a\r\n", "unbalanced quotes in request"),
];

/// Brings a client into a state. What it says is answered when this returns.
type Enter = fn(&mut Client);

const STATES: [(&str, Enter); 8] = [
    ("idle", |_client| {}),
    ("RESP3", |client| {
        assert!(client.run("HELLO 3").contains("proto 3"))
    }),
    ("transaction", |client| {
        assert_eq!(client.run("MULTI"), "OK");
        assert_eq!(client.run("SET never 1"), "QUEUED");
    }),
    ("watching", |client| assert_eq!(client.run("WATCH a"), "OK")),
    ("subscriber", |client| {
        assert_eq!(client.run("SUBSCRIBE c"), "[subscribe c 1]")
    }),
    ("monitor", |client| assert_eq!(client.run("MONITOR"), "OK")),
    ("tracking", |client| {
        assert!(client.run("HELLO 3").contains("proto 3"));
        assert_eq!(client.run("CLIENT TRACKING ON"), "OK");
    }),
    ("replies off", |client| client.send("CLIENT REPLY OFF")),
];

async fn hostile_framing_ends_the_connection_in_every_state(kind: EngineKind) {
    let rig = Rig::start(kind);
    for (state, enter) in STATES {
        for (bytes, answer) in HOSTILE {
            let mut client = rig.client();
            enter(&mut client);
            client.say([bytes, b"\r\n", &command("SET never 1"), b"SET never 2\r\n"].concat());
            let rest = client.rest();
            let shown = bytes.escape_ascii();
            assert!(
                rest.ends_with(&format!("-ERR Protocol error: {answer}\r\n")),
                "{state}, {shown}: {rest}"
            );
            let before = rest.matches("\r\n").count() - 1;
            assert!(
                state == "monitor" || before <= 1,
                "{state}, {shown}: {rest}"
            );
        }
    }
    assert_eq!(rig.node.run("EXISTS never"), "0");
    let broken = u64::try_from(STATES.len() * HOSTILE.len()).unwrap();
    assert_eq!(rig.status().refused.protocol, broken);
    until("nobody is left", || rig.node.connections() == 0).await;
}

async fn a_request_that_does_not_come_to_its_end_is_not_waited_for(kind: EngineKind) {
    let limits = Limits {
        frame: Duration::from_millis(300),
        ..Limits::default()
    };
    let rig = Rig::with(kind, entry(), limits);
    let mut slow = rig.client();
    let mut large = rig.client();
    let mut idle = rig.client();
    large.say("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000000\r\nxxx");
    // Time is counted from the beginning of the request, whatever comes of it meanwhile.
    slow.say("*2\r\n$4\r\nECHO\r\n$900\r\n");
    while slow.try_say("x").is_ok() && rig.status().refused.slow < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(["", "<connection reset>"].contains(&slow.rest().as_str()));
    assert!(["", "<connection reset>"].contains(&large.rest().as_str()));
    assert_eq!(idle.run("PING"), "PONG", "who says nothing is not slow");
    until("they are gone", || rig.node.connections() == 1).await;
}

async fn a_stranger_may_not_send_what_the_engines_do_not_take_from_one(kind: EngineKind) {
    let rig = Rig::start(kind);
    for (bytes, answer) in [
        (&b"*11\r\n"[..], "unauthenticated multibulk length"),
        (b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
    ] {
        let mut client = rig.stranger();
        client.say(bytes);
        assert_eq!(client.rest(), format!("-ERR Protocol error: {answer}\r\n"));
        // Once inside, it may.
        let mut client = rig.client();
        client.say(bytes);
        client.hears_nothing();
    }
    let mut client = rig.stranger();
    client.say(
        [
            command("AUTH canary-key-one"),
            b"*2\r\n$4\r\nECHO\r\n$20000\r\n".to_vec(),
        ]
        .concat(),
    );
    client.say(["x".repeat(20_000), "\r\n".to_owned()].concat());
    client.expect("+OK\r\n$20000\r\n");
}

async fn what_is_cut_off_is_not_run(kind: EngineKind) {
    let rig = Rig::start(kind);
    for whole in [
        command("SET never 1"),
        b"SET never 1\r\n".to_vec(),
        [
            &b"*3\r\n$3\r\nSET\r\n$5\r\nnever\r\n$200000\r\n"[..],
            &[b'x'; 200_000],
            b"\r\n",
        ]
        .concat(),
    ] {
        for cut in [1, whole.len() / 2, whole.len() - 1] {
            let mut client = rig.client();
            client.say(&whole[..cut]);
            client.finish();
            assert_eq!(client.rest(), "", "{cut}");
        }
    }
    until("nobody is left", || rig.node.connections() == 0).await;
    assert_eq!(rig.node.run("EXISTS never"), "0");
}

async fn browsers_get_no_word(kind: EngineKind) {
    let rig = Rig::start(kind);
    for bytes in [
        "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut client = rig.client();
        client.say(bytes);
        let rest = client.rest();
        assert!(!rest.contains("Protocol"), "{rest}");
    }
}
