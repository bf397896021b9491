//! Subscriptions, pushes, `MONITOR`.

use session::{Boundary, Uncarriable};

use crate::{
    engine::Make,
    gateway::{Gateway, command},
};

#[test]
fn one_subscribe_has_many_confirmations() {
    for make in [Make::Redis, Make::Valkey] {
        for resp3 in [false, true] {
            let mut gateway = Gateway::logged_in(make);
            if resp3 {
                gateway.say(&["HELLO", "3"]);
            }
            for words in [
                &["SUBSCRIBE", "a", "b", "a"][..],
                &["PSUBSCRIBE", "p*"],
                &["SSUBSCRIBE", "s"],
                &["PUNSUBSCRIBE", "x", "p*"],
                &["SUNSUBSCRIBE"],
                &["SUNSUBSCRIBE"],
                &["UNSUBSCRIBE"],
                &["UNSUBSCRIBE"],
                &["PING"],
            ] {
                gateway.send(&command(words));
            }
            let said = gateway.settle();
            assert!(said.ends_with("+PONG\r\n"), "{said}");
            assert_eq!(gateway.session.outstanding(), 0);
            assert!(!gateway.session.is_listening());
        }
    }
}

#[test]
fn messages_answer_nothing() {
    for resp3 in [false, true] {
        let mut gateway = Gateway::logged_in(Make::Redis);
        if resp3 {
            gateway.say(&["HELLO", "3"]);
        }
        gateway.say(&["SUBSCRIBE", "a"]);
        gateway.send(&command(&["PING"]));
        gateway.read_request();
        gateway.engine.publish(b"a", b"m1");
        gateway.take_replies(usize::MAX);
        assert_eq!(gateway.session.boundary(), Boundary::Busy);
        assert!(gateway.taken().ends_with("$2\r\nm1\r\n"));
        assert!(gateway.settle().to_lowercase().contains("pong"));
        assert_eq!(gateway.session.boundary(), Boundary::Idle);
        assert!(gateway.session.is_listening());
    }
}

/// Out of a subscription an array that looks like a message is a reply.
#[test]
fn replies_that_look_like_messages_are_replies() {
    for resp3 in [false, true] {
        let mut gateway = Gateway::logged_in(Make::Redis);
        if resp3 {
            gateway.say(&["HELLO", "3"]);
            gateway.say(&["SUBSCRIBE", "a"]);
        }
        for shape in ["2", "9"] {
            gateway.send(&command(&["SHAPE", "x", shape]));
            gateway.read_request();
            gateway.run_engine();
            gateway.take_replies(usize::MAX);
            assert!(gateway.session.is_idle(), "{shape}");
        }
    }
}

#[test]
fn a_message_to_oneself_comes_before_or_after_the_reply() {
    for (make, said) in [
        (
            Make::Redis,
            ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n:1\r\n",
        ),
        (
            Make::Valkey,
            ":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n",
        ),
    ] {
        let mut gateway = Gateway::logged_in(make);
        gateway.say(&["HELLO", "3"]);
        gateway.say(&["SUBSCRIBE", "a"]);
        assert_eq!(gateway.say(&["PUBLISH", "a", "m"]), said);
        assert!(gateway.session.is_idle());
    }
}

#[test]
fn a_name_too_long_to_be_read_ends_following() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    let long = "x".repeat(600);
    let said = gateway.say(&["SUBSCRIBE", "a", &long, "b"]);
    assert!(
        said.contains(&long) && said.ends_with("$1\r\nb\r\n:3\r\n"),
        "{said}"
    );
    assert_eq!(gateway.carry(), Err(Uncarriable::Unknown));
    assert!(gateway.say(&["PING"]).contains("pong"));
}

#[test]
fn lines_of_monitor_answer_nothing() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    assert_eq!(gateway.say(&["MONITOR"]), "+OK\r\n");
    gateway.send(&command(&["PING"]));
    gateway.read_request();
    gateway.engine.show();
    gateway.take_replies(usize::MAX);
    assert!(!gateway.session.is_idle());
    assert!(gateway.settle().ends_with("\"PING\"\r\n+PONG\r\n"));
    assert!(gateway.session.is_idle() && gateway.session.is_listening());
    let error = gateway.carry().unwrap_err();
    assert_eq!(error, Uncarriable::Monitor);
    assert!(
        error
            .line()
            .starts_with(b"-ERR the connection cannot be carried over")
    );
    assert_eq!(gateway.say(&["RESET"]), "+RESET\r\n");
    assert_eq!(gateway.carry(), Ok(()));
}

#[test]
fn a_reply_to_nothing_breaks_the_connection() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.engine.out.extend_from_slice(b"+OK\r\n");
    gateway.settle();
    assert!(gateway.broken);
}

#[test]
fn nothing_is_sent_behind_what_waits() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.send(&command(&["BLPOP", "a", "0"]));
    gateway.send(&command(&["SET", "b", "1"]));
    while gateway.read_request() {}
    assert_eq!(gateway.session.outstanding(), 1);
    assert_eq!(gateway.session.boundary(), Boundary::Blocked);
    assert_eq!(gateway.carry(), Err(Uncarriable::Busy(1)));
    // An engine that becomes a replica.
    gateway.engine.out.extend_from_slice(b"-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n");
    gateway.take_replies(usize::MAX);
    assert!(gateway.taken().starts_with("-UNBLOCKED"));
    gateway.carry().unwrap();
    assert_eq!(gateway.settle(), "+OK\r\n");
    assert_eq!(gateway.data.borrow().writes.len(), 1);
}

#[test]
fn reads_of_streams_wait_when_they_say_so() {
    for (words, waits) in [
        (
            &["XREAD", "COUNT", "1", "BLOCK", "0", "STREAMS", "s", "$"][..],
            true,
        ),
        (
            &[
                "XREADGROUP",
                "GROUP",
                "g",
                "c",
                "block",
                "5",
                "STREAMS",
                "s",
                ">",
            ],
            true,
        ),
        (&["XREAD", "STREAMS", "BLOCK", "0"], false),
        (&["XREAD", "COUNT", "1", "streams", "s", "0"], false),
        (&["WAIT", "1", "0"], true),
        (&["GET", "a"], false),
    ] {
        let mut gateway = Gateway::logged_in(Make::Redis);
        gateway.send(&command(words));
        gateway.read_request();
        assert_eq!(
            gateway.session.boundary() == Boundary::Blocked,
            waits,
            "{words:?}"
        );
        assert_eq!(gateway.session.accepts(), !waits, "{words:?}");
    }
}

#[test]
fn a_long_pipeline_is_one_entry() {
    let mut session = Gateway::logged_in(Make::Redis).session;
    let bytes = command(&["GET", "a"]);
    let request = resp::Request::parse(&bytes).unwrap();
    for _ in 0..1_000_000 {
        assert!(session.accepts());
        session.request(&request);
    }
    assert_eq!(session.outstanding(), 1_000_000);
}

/// What has to be remembered of each request is bounded; behind the bound, requests wait.
#[test]
fn what_is_remembered_is_bounded() {
    let long = "x".repeat(120);
    for words in [
        &["CONFIG", &long][..],
        &["SELECT", "1"],
        &["CLIENT", "SETNAME", &long],
    ] {
        let mut session = Gateway::logged_in(Make::Redis).session;
        let bytes = command(words);
        let request = resp::Request::parse(&bytes).unwrap();
        let mut sent = 0;
        while session.accepts() {
            session.request(&request);
            sent += 1;
        }
        assert!((500..20_000).contains(&sent), "{words:?}: {sent}");
    }
}
