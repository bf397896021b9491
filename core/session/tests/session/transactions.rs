//! `MULTI` and what belongs to it.

use session::Uncarriable;

use crate::{
    engine::Make,
    gateway::{Gateway, command},
};

#[test]
fn a_transaction_runs() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for words in [
        &["MULTI"][..],
        &["SET", "a", "1"],
        &["GET", "a"],
        &["EXEC"],
        &["EXEC"],
    ] {
        gateway.send(&command(words));
    }
    assert_eq!(
        gateway.settle(),
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n1\r\n-ERR EXEC without MULTI\r\n"
    );
}

#[test]
fn what_a_transaction_changes_is_known_from_its_replies() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for words in [
        &["MULTI"][..],
        &["GET", "a"],
        &["SELECT", "3"],
        &["SELECT", "99"],
        &["CLIENT", "SETNAME", "me"],
        &["EXEC"],
    ] {
        gateway.send(&command(words));
    }
    gateway.settle();
    gateway.carry().unwrap();
    gateway.settle();
    assert!(
        gateway.engine.session().starts_with("false db3"),
        "{}",
        gateway.engine.session()
    );
    assert_eq!(gateway.engine.name, b"me");
}

#[test]
fn a_change_that_was_discarded_is_none() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for words in [&["MULTI"][..], &["SELECT", "3"], &["DISCARD"]] {
        gateway.say(words);
    }
    gateway.carry().unwrap();
    gateway.settle();
    assert!(gateway.engine.session().starts_with("false db0"));
}

#[test]
fn a_change_among_replies_too_large_to_read_is_not_carried() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for words in [
        &["MULTI"][..],
        &["SHAPE", "x", "5"],
        &["SELECT", "3"],
        &["EXEC"],
    ] {
        gateway.say(words);
    }
    assert_eq!(gateway.carry(), Err(Uncarriable::Unknown));
    // Replies are still told apart.
    assert_eq!(
        gateway.say(&["AUTH", "wrong"]),
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    );
}

/// A transaction that subscribes has more replies than elements.
#[test]
fn a_transaction_that_subscribes_passes_on_unfollowed() {
    for resp3 in [false, true] {
        let mut gateway = Gateway::logged_in(Make::Redis);
        if resp3 {
            gateway.say(&["HELLO", "3"]);
        }
        for words in [
            &["MULTI"][..],
            &["SUBSCRIBE", "a", "b"],
            &["PING"],
            &["EXEC"],
        ] {
            gateway.send(&command(words));
        }
        let said = gateway.settle();
        assert!(
            said.starts_with("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n"),
            "{said}"
        );
        assert!(
            said.contains("subscribe\r\n$1\r\nb") && said.to_lowercase().contains("pong"),
            "{said}"
        );
        let pong = gateway.say(&["PING"]);
        assert!(pong.to_lowercase().contains("pong"), "{pong}");
        assert_eq!(gateway.carry(), Err(Uncarriable::Unknown));
        let refused = gateway.say(&["CONFIG", "GET", "x"]);
        assert!(refused.starts_with("-ERR unknown command"), "{refused}");
        let closing = gateway.say(&["AUTH", "x"]);
        assert!(
            closing.contains("cannot be told apart") && gateway.closed,
            "{closing}"
        );
    }
}

#[test]
fn hello_inside_a_transaction_passes_on_unfollowed() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for words in [
        &["MULTI"][..],
        &["HELLO", "3"],
        &["GET", "a"],
        &["EXEC"],
        &["GET", "a"],
    ] {
        gateway.send(&command(words));
    }
    assert_eq!(
        gateway.settle(),
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n%1\r\n$5\r\nproto\r\n:3\r\n_\r\n_\r\n"
    );
    assert_eq!(gateway.carry(), Err(Uncarriable::Unknown));
}

#[test]
fn a_watch_that_holds_does_not_hinder() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for words in [
        &["WATCH", "a"][..],
        &["MULTI"],
        &["SET", "a", "1"],
        &["EXEC"],
    ] {
        gateway.send(&command(words));
    }
    assert_eq!(gateway.settle(), "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
}
