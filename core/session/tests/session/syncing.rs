//! A geo-secondary without its data set.

use session::Standing;

use crate::{
    engine::Make,
    gateway::{Gateway, KEY, command},
};

const SENTENCE: &str = "LOADING Full data sync is in progress on this geo-secondary; use the geo-primary at cache-1.example";

fn syncing() -> Gateway {
    let mut gateway = Gateway::logged_in(Make::Valkey);
    gateway.session.stand(&standing());
    gateway
}

fn standing() -> Standing {
    Standing::Syncing {
        geo_primary: "cache-1.example".into(),
    }
}

#[test]
fn every_command_for_data_gets_the_sentence() {
    let mut gateway = syncing();
    for words in [
        &["GET", "a"][..],
        &["SET", "a", "1"],
        &["PING"],
        &["BLPOP", "a", "0"],
        &["EVAL", "x", "0"],
        &["UNHEARD", "of"],
    ] {
        assert_eq!(gateway.say(words), format!("-{SENTENCE}\r\n"), "{words:?}");
    }
    assert!(gateway.data.borrow().writes.is_empty());
}

#[test]
fn what_is_about_the_connection_works() {
    let mut gateway = syncing();
    for (words, answer) in [
        (&["ECHO", "a"][..], "$1\r\na\r\n"),
        (&["SELECT", "1"], "+OK\r\n"),
        (&["CLIENT", "SETNAME", "a"], "+OK\r\n"),
        (&["AUTH", KEY], "+OK\r\n"),
        (&["HELLO", "3"], "%1\r\n$5\r\nproto\r\n:3\r\n"),
        (
            &["SUBSCRIBE", "c"],
            ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n",
        ),
        (
            &["CONFIG"],
            "-ERR unknown command 'CONFIG', with args beginning with: \r\n",
        ),
        (&["RESET"], "+RESET\r\n"),
    ] {
        assert_eq!(gateway.say(words), answer, "{words:?}");
    }
}

#[test]
fn a_login_is_asked_for_first() {
    let mut gateway = Gateway::new(Make::Redis);
    gateway.session.stand(&standing());
    assert_eq!(
        gateway.say(&["GET", "a"]),
        "-NOAUTH Authentication required.\r\n"
    );
    assert_eq!(gateway.say(&["AUTH", KEY]), "+OK\r\n");
}

#[test]
fn a_transaction_for_data_fails() {
    let mut gateway = syncing();
    for words in [&["MULTI"][..], &["SET", "a", "1"], &["EXEC"]] {
        gateway.send(&command(words));
    }
    let abort = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    assert_eq!(gateway.settle(), format!("+OK\r\n-{SENTENCE}\r\n{abort}"));
}

#[test]
fn a_transaction_that_began_before_fails() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.say(&["MULTI"]);
    gateway.say(&["SET", "a", "1"]);
    gateway.session.stand(&standing());
    assert_eq!(
        gateway.say(&["EXEC"]),
        format!("-EXECABORT Transaction discarded because of: {SENTENCE}\r\n")
    );
    gateway.session.stand(&Standing::Serving);
    assert_eq!(gateway.say(&["GET", "a"]), "$-1\r\n");
    gateway.say(&["MULTI"]);
    assert_eq!(gateway.say(&["EXEC"]), "*0\r\n");
}

#[test]
fn the_name_cannot_break_the_line() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.session.stand(&Standing::Syncing {
        geo_primary: "a\r\n+OK".into(),
    });
    let said = gateway.say(&["GET", "a"]);
    assert!(
        said.ends_with(" a+OK\r\n") && said.matches("\r\n").count() == 1,
        "{said}"
    );
}

#[test]
fn what_was_asked_before_the_data_came_is_to_be_asked_again() {
    let mut gateway = syncing();
    gateway.send(&command(&["GET", "a"]));
    gateway.read_request();
    gateway.session.stand(&Standing::Serving);
    let said = gateway.settle();
    assert!(
        said.starts_with("-LOADING") && said.contains("try again"),
        "{said}"
    );
}
