//! An engine that is gone.

use crate::{
    engine::Make,
    gateway::{Gateway, KEY, command},
};

const UNKNOWN: &str = "-ERR the outcome of this command is unknown: the connection to the engine was lost before its reply came; check before you send it again\r\n";

#[test]
fn everything_outstanding_is_answered_in_order() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for words in [
        &["GET", "a"][..],
        &["CONFIG"],
        &["SET", "a", "1"],
        &["SUBSCRIBE", "a", "b"],
        &["QUIT"],
    ] {
        gateway.send(&command(words));
    }
    while gateway.read_request() {}
    let refused = "-ERR unknown command 'CONFIG', with args beginning with: \r\n";
    assert_eq!(
        gateway.lose(),
        format!("{UNKNOWN}{refused}{UNKNOWN}{UNKNOWN}+OK\r\n")
    );
    assert!(gateway.session.is_idle());
}

#[test]
fn nothing_is_sent_again() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.send(&command(&["SET", "a", "1"]));
    while gateway.read_request() {}
    gateway.lose();
    gateway.carry().unwrap();
    gateway.settle();
    assert!(gateway.data.borrow().writes.is_empty());
    assert_eq!(gateway.say(&["GET", "a"]), "$-1\r\n");
}

#[test]
fn a_transaction_whose_beginning_was_lost_does_not_run() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.send(&command(&["MULTI"]));
    gateway.send(&command(&["SET", "a", "1"]));
    while gateway.read_request() {}
    assert_eq!(gateway.lose(), format!("{UNKNOWN}{UNKNOWN}"));
    gateway.carry().unwrap();
    assert_eq!(gateway.say(&["SET", "b", "1"]), "+QUEUED\r\n");
    assert_eq!(
        gateway.say(&["EXEC"]),
        "-EXECABORT Transaction discarded because of a failover\r\n"
    );
    assert!(gateway.data.borrow().writes.is_empty());
}

#[test]
fn a_transaction_whose_end_was_lost_is_over() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for words in [&["WATCH", "a"][..], &["MULTI"], &["SET", "a", "1"]] {
        gateway.say(words);
    }
    gateway.send(&command(&["EXEC"]));
    while gateway.read_request() {}
    assert_eq!(gateway.lose(), UNKNOWN);
    gateway.carry().unwrap();
    assert_eq!(gateway.say(&["GET", "a"]), "$-1\r\n");
}

#[test]
fn a_watch_that_was_lost_is_broken() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.send(&command(&["WATCH", "a"]));
    while gateway.read_request() {}
    gateway.lose();
    gateway.carry().unwrap();
    for words in [&["MULTI"][..], &["SET", "a", "1"], &["EXEC"]] {
        gateway.send(&command(words));
    }
    assert_eq!(gateway.settle(), "+OK\r\n+QUEUED\r\n*-1\r\n");
}

#[test]
fn silence_holds_for_what_is_lost() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for words in [
        &["GET", "a"][..],
        &["CLIENT", "REPLY", "OFF"],
        &["GET", "b"],
        &["CLIENT", "REPLY", "ON"],
    ] {
        gateway.send(&command(words));
    }
    while gateway.read_request() {}
    assert_eq!(gateway.lose(), format!("{UNKNOWN}+OK\r\n"));
}

#[test]
fn a_login_that_was_lost_was_none() {
    let mut gateway = Gateway::new(Make::Redis);
    gateway.send(&command(&["AUTH", KEY]));
    gateway.read_request();
    gateway.decide();
    assert_eq!(gateway.lose(), UNKNOWN);
    assert!(!gateway.session.is_logged_in());
    assert_eq!(
        gateway.say(&["GET", "a"]),
        "-NOAUTH Authentication required.\r\n"
    );
}

#[test]
fn a_long_pipeline_is_answered_in_pieces() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for _ in 0..1000 {
        gateway.send(&command(&["GET", "a"]));
    }
    while gateway.read_request() {}
    let piece = gateway.session.lost(10_000);
    assert!((10_000..11_000).contains(&piece.len()));
    let rest = gateway.lose();
    assert_eq!(piece.len() + rest.len(), UNKNOWN.len() * 1000);
}

#[test]
fn a_subscriber_on_resp2_has_no_transaction_to_lose() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.say(&["SUBSCRIBE", "a"]);
    gateway.send(&command(&["MULTI"]));
    gateway.read_request();
    assert_eq!(gateway.lose(), UNKNOWN);
    gateway.carry().unwrap();
    assert_eq!(gateway.settle(), "");
    assert!(!gateway.broken && gateway.session.accepts());
}
