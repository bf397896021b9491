//! From one engine to another.

use session::{Carried, Session, Uncarriable};

use crate::{
    engine::Make,
    gateway::{Gateway, KEY, command, policy},
};

#[test]
fn a_session_is_built_up_again() {
    for make in [Make::Redis, Make::Valkey] {
        for resp3 in [false, true] {
            let mut gateway = Gateway::logged_in(make);
            if resp3 {
                gateway.say(&["HELLO", "3", "SETNAME", "first"]);
                gateway.say(&["CLIENT", "TRACKING", "ON"]);
            }
            for words in [
                &["SELECT", "7"][..],
                &["CLIENT", "SETNAME", "second"],
                &["CLIENT", "SETINFO", "LIB-NAME", "x"],
                &["CLIENT", "NO-EVICT", "on"],
                &["SUBSCRIBE", "b", "a"],
                &["PSUBSCRIBE", "p*"],
                &["SSUBSCRIBE", "s", "t"],
                &["UNSUBSCRIBE", "b"],
            ] {
                gateway.say(words);
            }
            let before = gateway.engine.session();
            gateway.carry().unwrap();
            assert!(!gateway.session.accepts());
            let notice = if resp3 {
                ">2\r\n$10\r\ninvalidate\r\n_\r\n"
            } else {
                ""
            };
            assert_eq!(gateway.settle(), notice);
            assert_eq!(gateway.engine.session(), before);
            assert!(!gateway.broken && gateway.session.is_idle());
            gateway.engine.publish(b"a", b"m");
            assert!(
                gateway
                    .settle()
                    .ends_with("$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n")
            );
        }
    }
}

#[test]
fn many_subscriptions_are_carried_in_pieces() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    for at in 0..1000 {
        gateway.say(&["SUBSCRIBE", &format!("channel-{at}")]);
    }
    let before = gateway.engine.session();
    gateway.carry().unwrap();
    assert!(gateway.upstream.len() < 40_000);
    assert_eq!(gateway.settle(), "");
    assert_eq!(gateway.engine.session(), before);
}

#[test]
fn an_open_transaction_fails_when_it_is_to_run() {
    for make in [Make::Redis, Make::Valkey] {
        let mut gateway = Gateway::logged_in(make);
        gateway.say(&["MULTI"]);
        gateway.say(&["SET", "a", "1"]);
        gateway.carry().unwrap();
        assert_eq!(gateway.settle(), "");
        assert_eq!(gateway.say(&["SET", "b", "1"]), "+QUEUED\r\n");
        // Once more.
        gateway.carry().unwrap();
        assert_eq!(
            gateway.say(&["EXEC"]),
            "-EXECABORT Transaction discarded because of a failover\r\n"
        );
        assert!(gateway.data.borrow().writes.is_empty());
        for words in [&["MULTI"][..], &["SET", "a", "1"], &["EXEC"]] {
            gateway.send(&command(words));
        }
        assert_eq!(gateway.settle(), "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    }
}

#[test]
fn an_open_transaction_can_be_discarded() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.say(&["MULTI"]);
    gateway.carry().unwrap();
    assert_eq!(gateway.say(&["DISCARD"]), "+OK\r\n");
    assert_eq!(gateway.say(&["GET", "a"]), "$-1\r\n");
}

#[test]
fn what_was_watched_counts_as_changed() {
    for (hello, null) in [("2", "*-1\r\n"), ("3", "_\r\n")] {
        let mut gateway = Gateway::logged_in(Make::Redis);
        gateway.say(&["HELLO", hello]);
        gateway.say(&["WATCH", "a"]);
        gateway.carry().unwrap();
        for words in [&["MULTI"][..], &["SET", "a", "1"], &["EXEC"]] {
            gateway.send(&command(words));
        }
        assert_eq!(gateway.settle(), format!("+OK\r\n+QUEUED\r\n{null}"));
        assert!(gateway.data.borrow().writes.is_empty());
        for words in [&["MULTI"][..], &["SET", "a", "1"], &["EXEC"]] {
            gateway.send(&command(words));
        }
        assert_eq!(gateway.settle(), "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    }
}

#[test]
fn what_was_watched_can_be_let_go() {
    for end in [&["UNWATCH"][..], &["DISCARD"]] {
        let mut gateway = Gateway::logged_in(Make::Redis);
        gateway.say(&["WATCH", "a"]);
        gateway.carry().unwrap();
        if end == ["DISCARD"] {
            gateway.send(&command(&["MULTI"]));
        }
        gateway.send(&command(end));
        for words in [&["MULTI"][..], &["SET", "a", "1"], &["EXEC"]] {
            gateway.send(&command(words));
        }
        assert!(
            gateway
                .settle()
                .ends_with("+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"),
            "{end:?}"
        );
    }
}

#[test]
fn a_broken_watch_does_not_begin_a_transaction() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.say(&["WATCH", "a"]);
    gateway.carry().unwrap();
    assert_eq!(gateway.say(&["EXEC"]), "-ERR EXEC without MULTI\r\n");
    // As at an engine, that lets nothing go.
    for words in [&["MULTI"][..], &["NOSUCH"], &["EXEC"]] {
        gateway.send(&command(words));
    }
    assert!(
        gateway
            .settle()
            .ends_with("-EXECABORT Transaction discarded because of previous errors.\r\n")
    );
}

#[test]
fn who_reads_invalidations_of_another_drops_everything() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.say(&["SUBSCRIBE", "__redis__:invalidate"]);
    gateway.carry().unwrap();
    assert_eq!(
        gateway.settle(),
        "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*-1\r\n"
    );
}

#[test]
fn what_names_another_connection_is_not_carried() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.say(&["CLIENT", "TRACKING", "on", "REDIRECT", "17"]);
    assert_eq!(gateway.carry(), Err(Uncarriable::Redirected));
    gateway.say(&["CLIENT", "TRACKING", "off"]);
    assert_eq!(gateway.carry(), Ok(()));
}

#[test]
fn names_that_are_too_long_are_not_carried() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.say(&["CLIENT", "SETNAME", &"x".repeat(2000)]);
    assert_eq!(gateway.carry(), Err(Uncarriable::TooMuch));
}

#[test]
fn a_client_without_a_login_has_nothing_to_carry() {
    let mut gateway = Gateway::new(Make::Redis);
    gateway.carry().unwrap();
    assert!(gateway.upstream.is_empty());
    assert_eq!(gateway.say(&["AUTH", KEY]), "+OK\r\n");
}

#[test]
fn an_engine_that_refuses_the_session_breaks_the_connection() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.say(&["SELECT", "3"]);
    gateway.carry().unwrap();
    gateway.upstream.clear();
    gateway
        .engine
        .out
        .extend_from_slice(b"+OK\r\n-ERR DB index is out of range\r\n");
    assert_eq!(gateway.settle(), "");
    assert!(gateway.broken);
}

#[test]
fn another_gateway_goes_on_with_it() {
    let mut near = Gateway::logged_in(Make::Redis);
    for words in [
        &["HELLO", "3"][..],
        &["SUBSCRIBE", "a", "b"],
        &["SELECT", "3"],
        &["CLIENT", "REPLY", "SKIP"],
        &["WATCH", "a"],
        &["MULTI"],
    ] {
        near.say(words);
    }
    let carried = near.session.carry().unwrap();
    let mut far = Gateway::new(Make::Redis);
    far.session = Session::resume(&policy(), &carried);
    assert_eq!(far.session.carry().unwrap(), carried);
    assert!(far.session.is_resp3());
}

#[test]
fn what_is_too_large_is_not_taken_from_the_wire() {
    let good = serde_json::to_value(Carried::default()).unwrap();
    assert!(serde_json::from_value::<Carried>(good.clone()).is_ok());
    let long = "x".repeat(1025);
    let many: Vec<String> = (0..16_385).map(|at| at.to_string()).collect();
    let wide = vec!["x".repeat(1 << 19); 3];
    for (field, value) in [
        ("database", serde_json::json!(1 << 21)),
        ("name", serde_json::json!(long)),
        ("name", serde_json::json!("\u{100}")),
        ("library_name", serde_json::json!(long)),
        ("channels", serde_json::json!(many)),
        ("patterns", serde_json::json!(wide)),
        ("replies", serde_json::json!("Sometimes")),
        (
            "tracking",
            serde_json::json!({"broadcast": true, "opt_in": false, "opt_out": false, "no_loop": false, "prefixes": vec!["x"; 65]}),
        ),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(serde_json::from_value::<Carried>(bad).is_err(), "{field}");
    }
}

#[test]
fn where_the_engine_is_open_and_nothing_is_to_be_built_up_nothing_is_waited_for() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    let carried = gateway.session.carry().unwrap();
    let login = session::Login {
        user: "godwit-client",
        password: None,
    };
    assert_eq!(gateway.session.enter(login, &carried), b"");
    assert_eq!(gateway.session.moved(), b"");
    assert!(gateway.session.accepts());
}

#[test]
fn a_new_engine_that_dies_at_once_costs_nothing() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.say(&["SUBSCRIBE", "a", "b"]);
    let before = gateway.engine.session();
    gateway.carry().unwrap();
    for _ in 0..2 {
        gateway.run_engine();
        gateway.take_replies(usize::MAX);
    }
    assert_eq!(gateway.lose(), "");
    gateway.carry().unwrap();
    assert_eq!(gateway.settle(), "");
    assert_eq!(gateway.engine.session(), before);
}
