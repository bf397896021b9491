//! Who comes in, and who does not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gateway::{Limits, Passage, TokenRefused, Verified, Verify, Verifying};
use model::{EngineKind, Secret, Timestamp, TokenUser};
use runtime::clock::Clock;
use rustls::version::TLS12;

use crate::{
    client::{Client, command},
    node::OBJECT_ID,
    rig::{KEY, OTHER_KEY, Rig, entry, rule, trusting, until},
};

both!(
    either_key_opens_by_every_way_of_saying_it,
    nothing_else_opens,
    a_regenerated_key_ends_the_connections_that_used_it,
    a_removed_rule_ends_the_connections_that_it_let_in,
    the_firewall_comes_before_everything,
    clients_are_counted,
    failed_logins_cost_their_address_time_and_then_its_turn,
    doors_open_and_close_as_the_entry_says,
    tls_is_spoken_and_the_name_tells_the_endpoint,
    a_token_opens_as_its_user_and_ends_with_its_time,
    strangers_are_not_waited_for,
);

const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.";

async fn either_key_opens_by_every_way_of_saying_it(kind: EngineKind) {
    let rig = Rig::start(kind);
    for key in [KEY, OTHER_KEY] {
        for words in [
            format!("AUTH {key}"),
            format!("auth default {key}"),
            format!("HELLO 2 AUTH default {key}"),
            format!("HELLO 3 AUTH default {key} SETNAME me"),
        ] {
            let mut client = rig.stranger();
            let noauth = client.run("SET a b");
            assert_eq!(noauth, "-NOAUTH Authentication required.", "{words}");
            let reply = client.run(&words);
            assert!(
                reply == "OK" || reply.contains("proto "),
                "{words}: {reply}"
            );
            assert_eq!(client.run("SET a b"), "OK", "{words}");
        }
    }
    // One client, one connection of the engine.
    let clients = [rig.client(), rig.client(), rig.client()];
    until("three are there", || {
        rig.node.connections() == clients.len()
    })
    .await;
}

async fn nothing_else_opens(kind: EngineKind) {
    let rig = Rig::start(kind);
    for words in [
        "AUTH wrong",
        "AUTH default wrong",
        "AUTH admin canary-admin",
        "AUTH godwit-client canary-password",
        "AUTH nobody canary-key-one",
        "AUTH default canary-password",
        "HELLO 3 AUTH default wrong",
        "HELLO 3 AUTH admin canary-admin",
    ] {
        let mut client = rig.stranger();
        assert_eq!(client.run(words), WRONG, "{words}");
        assert_eq!(
            client.run("GET a"),
            "-NOAUTH Authentication required.",
            "{words}"
        );
    }
    assert_eq!(rig.status().refused.login, 8);
    assert_eq!(rig.node.connections(), 0, "no engine is opened for them");
    let mut client = rig.stranger();
    let hello = client.run("HELLO 3");
    assert!(hello.starts_with("-NOAUTH HELLO must be called"), "{hello}");
    let mut closed = entry();
    closed.door.access_keys = false;
    rig.gateway.admit(closed);
    assert_eq!(client.run(&format!("AUTH {KEY}")), WRONG);
}

async fn a_regenerated_key_ends_the_connections_that_used_it(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut with_one = rig.client();
    let mut with_two = rig.stranger();
    assert_eq!(with_two.run(&format!("AUTH {OTHER_KEY}")), "OK");
    let mut nobody = rig.stranger();
    let mut now = entry();
    now.keys.primary = Secret::new("another");
    rig.gateway.admit(now.clone());
    assert!(
        with_one
            .rest()
            .starts_with("-ERR this connection is not let in any more")
    );
    assert_eq!(with_two.run("PING"), "PONG");
    assert_eq!(nobody.run(&format!("AUTH {KEY}")), WRONG);
    assert_eq!(nobody.run("AUTH another"), "OK");
    // Keys that change places let in the same connections as before.
    std::mem::swap(&mut now.keys.primary, &mut now.keys.secondary);
    rig.gateway.admit(now.clone());
    assert_eq!(nobody.run("PING"), "PONG");
    assert_eq!(with_two.run("PING"), "PONG");
    now.door.access_keys = false;
    rig.gateway.admit(now);
    assert!(nobody.rest().starts_with("-ERR "));
    until("the engine has nobody", || rig.node.connections() == 0).await;
}

async fn a_removed_rule_ends_the_connections_that_it_let_in(kind: EngineKind) {
    let mut first = entry();
    first.door.firewall = vec![
        rule("127.0.0.1", "127.0.0.1"),
        rule("192.0.2.0", "192.0.2.9"),
    ];
    let rig = Rig::with(kind, first.clone(), Limits::default());
    let (mut idle, mut waiting, stranger) = (rig.client(), rig.client(), rig.stranger());
    waiting.send("BLPOP q 0");
    until("it waits", || rig.node.info("blocked_clients") == "1").await;
    assert_eq!(idle.run("PING"), "PONG");
    first.door.firewall.remove(0);
    rig.gateway.admit(first);
    assert!(
        idle.rest()
            .starts_with("-ERR this connection is not let in any more")
    );
    assert_eq!(
        waiting.rest(),
        "",
        "that would be the answer to its request"
    );
    drop(stranger);
    until("nobody is left", || rig.status().connections.total() == 0).await;
}

async fn the_firewall_comes_before_everything(kind: EngineKind) {
    let mut closed = entry();
    closed.door.firewall = vec![rule("127.0.0.2", "127.0.0.255")];
    let rig = Rig::with(kind, closed.clone(), Limits::default());
    let mut client = rig.stranger();
    let _gone = client.try_say(command(&format!("AUTH {KEY}")));
    let rest = client.rest();
    assert!(
        ["", "<connection reset>"].contains(&rest.as_str()),
        "{rest}"
    );
    assert_eq!(rig.status().refused.firewall, 1);
    assert_eq!(rig.status().accepted, 0);
    closed.door.firewall.push(rule("127.0.0.0", "127.0.0.1"));
    rig.gateway.admit(closed);
    assert_eq!(rig.client().run("PING"), "PONG");
}

async fn clients_are_counted(kind: EngineKind) {
    let mut few = entry();
    few.max_clients = 3;
    let rig = Rig::with(kind, few, Limits::default());
    let clients = [rig.client(), rig.client(), rig.geo_client()];
    let mut fourth = rig.stranger();
    assert_eq!(fourth.rest(), "-ERR max number of clients reached\r\n");
    assert_eq!(rig.status().refused.clients, 1);
    let connections = rig.status().connections;
    assert_eq!((connections.direct_plain, connections.geo_plain), (2, 1));
    assert_eq!(rig.status().plain, passed(3, 0));
    drop(clients);
    until("there is room", || rig.status().plain == passed(3, 3)).await;
    // Logins are the gateway's own; what the engine got from clients is counted.
    assert_eq!(rig.status().commands, 0);
    let mut client = rig.client();
    assert_eq!(client.run("PING"), "PONG");
    assert!(client.run("GET").starts_with("-ERR wrong number"));
    assert_eq!(rig.status().commands, 2);
    assert_eq!(rig.status().encrypted, passed(0, 0));
}

fn passed(created: u64, closed: u64) -> Passage {
    Passage { created, closed }
}

async fn failed_logins_cost_their_address_time_and_then_its_turn(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut before = rig.client();
    let too_many = "-ERR too many failed logins from this address; try again later";
    // One failure a second is forgiven: the right key has to come before that.
    let refused = loop {
        let mut guesses: Vec<_> = (0..80).map(|_| rig.stranger()).collect();
        for client in &mut guesses {
            client.send("AUTH guess");
        }
        let failed = || rig.status().refused.login + rig.status().refused.throttled;
        until("all are looked at", || failed() >= 80).await;
        let mut right = rig.stranger();
        let reply = right.run(&format!("AUTH {KEY}"));
        let replies: Vec<_> = guesses.iter_mut().map(Client::reply).collect();
        let expected = [WRONG, too_many];
        assert!(
            replies
                .iter()
                .all(|reply| expected.contains(&reply.as_str()))
        );
        if reply != "OK" {
            assert_eq!(right.rest(), "");
            break reply;
        }
    };
    // Nothing is looked at any more, not even the right key.
    assert_eq!(refused, too_many);
    assert!(rig.status().refused.throttled > 0);
    assert_eq!(before.run("PING"), "PONG", "who is in stays in");
}

async fn doors_open_and_close_as_the_entry_says(kind: EngineKind) {
    let rig = Rig::start(kind);
    let mut client = rig.client();
    let same = rig.gateway.listen(rig.doors, &rig.front).unwrap();
    assert_eq!(same, rig.doors);
    assert_eq!(client.run("PING"), "PONG");
    let plain = rig.doors.direct.plain().unwrap();
    let mut encrypted = entry();
    encrypted.door.plain = false;
    rig.gateway.admit(encrypted.clone());
    until("the plain door is closed", || {
        std::net::TcpStream::connect(plain).is_err()
    })
    .await;
    let doors = rig.gateway.listen(rig.doors, &rig.front).unwrap();
    assert_eq!(doors.direct.plain, None);
    assert_eq!(client.run("PING"), "PONG", "whoever is in stays in");
    rig.gateway.admit(entry());
    let doors = rig.gateway.listen(rig.doors, &rig.front).unwrap();
    assert_eq!(doors, rig.doors, "the same port again");
    assert_eq!(rig.client().run("PING"), "PONG");
    encrypted.door.public = false;
    rig.gateway.admit(encrypted);
    assert!(client.rest().starts_with("-ERR "));
    let tls = rig.doors.direct.tls();
    until("the other is, too", || {
        std::net::TcpStream::connect(tls).is_err()
    })
    .await;
}

async fn tls_is_spoken_and_the_name_tells_the_endpoint(kind: EngineKind) {
    let rig = Rig::start(kind);
    let config = Arc::new(trusting(&rig.authority));
    for (address, direct) in [(rig.doors.direct.tls(), 1), (rig.doors.geo.tls(), 0)] {
        let mut client = Client::encrypted(address, &config, "demo.zone.test").unwrap();
        assert_eq!(client.run(&format!("AUTH {KEY}")), "OK");
        client.say(command("SET a b").repeat(1000));
        client.expect("+OK\r\n".repeat(1000));
        assert_eq!(client.run("SETRANGE big 3000000 x"), "3000001");
        assert_eq!(client.run("GET big").len(), 3_000_001);
        let connections = rig.status().connections;
        assert_eq!(
            (connections.direct_tls, connections.geo_tls),
            (direct, 1 - direct)
        );
        client.send("PING");
        client.finish();
        assert!(client.rest().starts_with("+PONG\r\n"));
        until("it is gone", || rig.status().connections.total() == 0).await;
    }
    // One address for both.
    let mut one = rig.doors;
    one.geo = one.direct;
    rig.gateway.listen(one, &rig.front).unwrap();
    let names = [("demo.zone.test", (1, 0)), ("demo.geo.zone.test", (1, 1))];
    let mut clients = Vec::new();
    for (name, there) in names {
        clients.push(Client::encrypted(one.direct.tls(), &config, name).unwrap());
        let seen = || {
            let connections = rig.status().connections;
            (connections.direct_tls, connections.geo_tls)
        };
        until("it came by its door", || seen() == there).await;
    }
    let mut newest = entry();
    newest.door.minimum_tls = model::TlsVersion::V1_3;
    rig.gateway.admit(newest);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut old = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    old.enable_early_data = false;
    let refused = Client::encrypted(one.direct.tls(), &Arc::new(old), "demo.zone.test");
    assert!(refused.is_err());
    until("it is counted", || rig.status().refused.tls == 1).await;
}

/// Believes one token, for a time that the test says.
#[derive(Debug)]
struct Believer {
    expires: AtomicU64,
}

impl Verify for Believer {
    fn verify<'a>(&'a self, object_id: &'a str, token: &'a str) -> Verifying<'a> {
        Box::pin(async move {
            if token == "token" {
                Ok(Verified {
                    object_id: object_id.to_owned(),
                    expires: Timestamp(self.expires.load(Ordering::Relaxed)),
                })
            } else {
                Err(TokenRefused("it is not the token".into()))
            }
        })
    }
}

async fn a_token_opens_as_its_user_and_ends_with_its_time(kind: EngineKind) {
    let now = || Clock.now().0;
    let believer = Arc::new(Believer {
        expires: AtomicU64::new(now() + 3_600_000),
    });
    let mut with_tokens = entry();
    with_tokens.verifier = Some(Arc::clone(&believer) as _);
    with_tokens.door.users = vec![TokenUser {
        object_id: OBJECT_ID.to_owned(),
        permissions: "+@read +@connection".to_owned(),
    }];
    let rig = Rig::with(kind, with_tokens.clone(), Limits::default());
    let config = Arc::new(trusting(&rig.authority));
    let stranger = || Client::encrypted(rig.doors.direct.tls(), &config, "x.zone.test").unwrap();
    let auth = format!("AUTH {OBJECT_ID} token");
    let mut client = stranger();
    assert_eq!(client.run(&format!("AUTH {OBJECT_ID} other")), WRONG);
    assert_eq!(client.run(&auth), "OK");
    assert_eq!(client.run("GET a"), "(nil)");
    let refused = client.run("SET a b");
    assert!(refused.starts_with("-NOPERM"), "{refused}");
    let seen = rig.status();
    assert_eq!((seen.by_token, seen.refused.token), (1, 1));
    assert!(
        rig.node
            .run("CLIENT LIST")
            .contains(&format!("user={OBJECT_ID}"))
    );
    // Without TLS a token is not taken.
    let mut plain = rig.stranger();
    assert_eq!(plain.run(&auth), WRONG);
    // Another login on the same connection is the same connection's.
    assert_eq!(client.run(&format!("AUTH {KEY}")), "OK");
    assert_eq!(client.run("SET a b"), "OK");
    assert_eq!(rig.status().by_token, 0);
    assert_eq!(client.run("RESET"), "RESET");
    assert_eq!(client.run("GET a"), "-NOAUTH Authentication required.");
    assert_eq!(client.run(&auth), "OK");
    assert_eq!(client.run("GET a"), "b");
    // A token that ends takes its connection along, unless another comes before.
    let mut renewed = stranger();
    believer.expires.store(now() + 2_000, Ordering::Relaxed);
    let mut ending = stranger();
    assert_eq!(ending.run(&auth), "OK");
    assert_eq!(renewed.run(&auth), "OK");
    believer.expires.store(now() + 3_600_000, Ordering::Relaxed);
    assert_eq!(renewed.run(&auth), "OK");
    assert!(
        ending
            .rest()
            .starts_with("-ERR the token of this connection expired")
    );
    assert_eq!(renewed.run("PING"), "PONG");
    // An assignment that is removed, too.
    with_tokens.door.users.clear();
    rig.gateway.admit(with_tokens);
    assert!(
        renewed
            .rest()
            .starts_with("-ERR this connection is not let in any more")
    );
    assert_eq!(stranger().run(&auth), WRONG);
}

async fn strangers_are_not_waited_for(kind: EngineKind) {
    let limits = Limits {
        login: Duration::from_millis(300),
        ..Limits::default()
    };
    let rig = Rig::with(kind, entry(), limits);
    let mut silent = rig.stranger();
    let mut trickling = rig.stranger();
    trickling.say("*2\r\n$4\r\nAUTH\r\n$1");
    let mut encrypted = Client::connect(rig.doors.direct.tls());
    let mut inside = rig.client();
    assert_eq!(silent.rest(), "");
    assert_eq!(trickling.rest(), "");
    let _alert = encrypted.try_say("no TLS at all\r\n");
    drop(encrypted);
    until("they are gone", || rig.status().connections.total() == 1).await;
    assert_eq!(rig.status().refused.slow, 2);
    assert_eq!(inside.run("PING"), "PONG");
    let mut much = rig.stranger();
    let _gone = much.try_say("PING\r\n".repeat(100_000));
    let rest = much.rest();
    assert!(rest.len() < 4 << 20, "{} bytes", rest.len());
}
