//! `CLIENT REPLY`.

use crate::{
    engine::Make,
    gateway::{Gateway, command},
};

#[test]
fn skip_leaves_out_the_next_reply() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for (words, answer) in [
        (&["CLIENT", "REPLY", "SKIP"][..], ""),
        (&["PING"], ""),
        (&["PING"], "+PONG\r\n"),
        (&["CLIENT", "REPLY", "SKIP"], ""),
        (&["CLIENT", "REPLY", "SKIP"], ""),
        (&["PING"], ""),
        (&["PING"], "+PONG\r\n"),
        (&["CLIENT", "REPLY", "skip"], ""),
        (&["CLIENT", "REPLY", "foo"], ""),
        (&["PING"], "+PONG\r\n"),
        (&["CLIENT", "REPLY", "SKIP"], ""),
        (&["CONFIG", "GET", "x"], ""),
        (&["PING"], "+PONG\r\n"),
        (&["CLIENT", "REPLY", "SKIP"], ""),
        (&["AUTH", "wrong"], ""),
        (&["PING"], "+PONG\r\n"),
    ] {
        assert_eq!(gateway.say(words), answer, "{words:?}");
    }
}

#[test]
fn off_leaves_out_all_but_messages_and_confirmations() {
    let mut gateway = Gateway::logged_in(Make::Valkey);
    for (words, answer) in [
        (&["CLIENT", "REPLY", "OFF"][..], ""),
        (&["PING"], ""),
        (&["SHAPE", "x", "5"], ""),
        (&["CLIENT", "REPLY", "SKIP"], ""),
        (&["CONFIG"], ""),
        (
            &["SUBSCRIBE", "a"],
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
        ),
        (&["GET", "a"], ""),
        (
            &["UNSUBSCRIBE", "a"],
            "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n",
        ),
        (&["UNSUBSCRIBE", "a"], ""),
        (&["CLIENT", "REPLY", "ON"], "+OK\r\n"),
        (&["PING"], "+PONG\r\n"),
    ] {
        assert_eq!(gateway.say(words), answer, "{words:?}");
    }
    gateway.say(&["HELLO", "3"]);
    gateway.say(&["SUBSCRIBE", "a"]);
    gateway.say(&["CLIENT", "REPLY", "OFF"]);
    gateway.engine.publish(b"a", &[b'm'; 3000]);
    assert_eq!(
        gateway.settle().len(),
        b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$3000\r\n\r\n".len() + 3000
    );
}

#[test]
fn a_refused_off_turns_nothing_off() {
    let mut gateway = Gateway::logged_in(Make::Valkey);
    gateway.send(&command(&["SUBSCRIBE", "a"]));
    gateway.send(&command(&["CLIENT", "REPLY", "OFF"]));
    gateway.send(&command(&["PING"]));
    let said = gateway.settle();
    assert!(
        said.contains("-ERR Can't execute 'client|reply'")
            && said.ends_with("$4\r\npong\r\n$0\r\n\r\n"),
        "{said}"
    );
}

/// Godwit leaves the replies out itself, so that it knows what the engine has answered.
#[test]
fn the_engine_answers_everything() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.say(&["CLIENT", "REPLY", "OFF"]);
    gateway.send(&command(&["SET", "a", "1"]));
    gateway.read_request();
    assert!(!gateway.session.is_idle());
    gateway.settle();
    assert!(gateway.session.is_idle());
    gateway.carry().unwrap();
    assert_eq!(gateway.settle(), "");
    assert_eq!(gateway.say(&["PING"]), "");
    assert_eq!(gateway.say(&["CLIENT", "REPLY", "ON"]), "+OK\r\n");
}
