//! Before, at and after a login.

use session::{Boundary, Refusal};

use crate::{
    engine::Make,
    gateway::{Gateway, KEY, command},
};

const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

#[test]
fn nothing_reaches_an_engine_before_a_login() {
    let mut gateway = Gateway::new(Make::Valkey);
    for words in [
        &["GET", "a"][..],
        &["PING"],
        &["MULTI"],
        &["CLIENT", "REPLY", "OFF"],
        &["SUBSCRIBE", "a"],
    ] {
        assert_eq!(
            gateway.say(words),
            "-NOAUTH Authentication required.\r\n",
            "{words:?}"
        );
    }
    assert_eq!(
        gateway.say(&["EXEC"]),
        "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n"
    );
    assert!(
        gateway
            .say(&["HELLO"])
            .starts_with("-NOAUTH HELLO must be called")
    );
    assert!(
        gateway
            .say(&["HELLO", "3"])
            .starts_with("-NOAUTH HELLO must be called")
    );
    assert_eq!(gateway.say(&["RESET"]), "+RESET\r\n");
    assert_eq!(
        gateway.say(&["RESET", "x"]),
        "-ERR wrong number of arguments for 'reset' command\r\n"
    );
    assert_eq!(
        gateway.say(&["CONFIG", "GET", "*"]),
        "-ERR unknown command 'CONFIG', with args beginning with: 'GET' '*' \r\n"
    );
    assert!(gateway.data.borrow().writes.is_empty() && gateway.engine.out.is_empty());
    assert_eq!(gateway.say(&["QUIT"]), "+OK\r\n");
    assert!(gateway.closed);
}

#[test]
fn malformed_logins_are_answered_as_engines_do() {
    let table: [(&[&str], &str); 12] = [
        (
            &["AUTH"],
            "-ERR wrong number of arguments for 'auth' command\r\n",
        ),
        (&["AUTH", "a", "b", "c"], "-ERR syntax error\r\n"),
        (&["AUTH", "bad"], WRONG),
        (&["AUTH", "default", "bad"], WRONG),
        (&["AUTH", "nobody", KEY], WRONG),
        (
            &["HELLO", "x"],
            "-ERR Protocol version is not an integer or out of range\r\n",
        ),
        (
            &["HELLO", "03"],
            "-ERR Protocol version is not an integer or out of range\r\n",
        ),
        (
            &["HELLO", "4", "AUTH", "default", KEY],
            "-NOPROTO unsupported protocol version\r\n",
        ),
        (
            &["HELLO", "3", "FOO"],
            "-ERR Syntax error in HELLO option 'FOO'\r\n",
        ),
        (
            &["HELLO", "3", "AUTH", "u"],
            "-ERR Syntax error in HELLO option 'AUTH'\r\n",
        ),
        (&["HELLO", "3", "AUTH", "default", "bad"], WRONG),
        (
            &["HELLO", "3", "AUTH", "default", KEY, "SETNAME", "a b"],
            "-ERR Client names cannot contain spaces, newlines or special characters.\r\n",
        ),
    ];
    for after in [false, true] {
        let mut gateway = if after {
            Gateway::logged_in(Make::Redis)
        } else {
            Gateway::new(Make::Redis)
        };
        for (words, answer) in table {
            assert_eq!(gateway.say(words), answer, "{words:?}");
        }
        assert_eq!(gateway.session.is_logged_in(), after);
    }
}

#[test]
fn each_way_to_log_in_works() {
    for words in [
        &["AUTH", KEY][..],
        &["auth", "default", KEY],
        &["AUTH", "1234-object", "token"],
    ] {
        let mut gateway = Gateway::new(Make::Redis);
        assert_eq!(gateway.say(words), "+OK\r\n");
        assert_eq!(gateway.say(&["PING"]), "+PONG\r\n");
    }
    let mut gateway = Gateway::new(Make::Redis);
    let hello = gateway.say(&[
        "hello",
        "3",
        "setname",
        "me",
        "auth",
        "1234-object",
        "token",
    ]);
    assert_eq!(hello, "%1\r\n$5\r\nproto\r\n:3\r\n");
    assert!(gateway.session.is_resp3());
    assert_eq!(gateway.session.user(), Some("1234-object"));
    assert_eq!(gateway.say(&["CLIENT", "GETNAME"]), "$2\r\nme\r\n");
}

/// The engines compare words as C strings.
#[test]
fn a_login_does_not_hide_behind_a_nul() {
    let mut gateway = Gateway::logged_in(Make::Redis);
    gateway.say(&["HELLO", "3", "AUTH\0x", "godwit-client", "generated"]);
    assert!(!gateway.session.is_resp3());
    assert_eq!(gateway.say(&["CLIENT", "REPLY", "OFF\0x"]), "");
    assert_eq!(gateway.say(&["CLIENT", "REPLY", "ON"]), "+OK\r\n");
}

#[test]
fn what_is_pipelined_behind_a_login_waits_for_it() {
    let mut gateway = Gateway::new(Make::Redis);
    gateway.send(&command(&["AUTH", KEY]));
    gateway.send(&command(&["GET", "a"]));
    while gateway.read_request() {}
    assert!(!gateway.session.accepts() && gateway.upstream.is_empty());
    gateway.decide();
    assert!(!gateway.session.accepts());
    assert_eq!(gateway.settle(), "+OK\r\n$-1\r\n");
}

#[test]
fn a_login_inside_a_pipeline_is_answered_in_its_turn() {
    let mut gateway = Gateway::logged_in(Make::Valkey);
    for words in [
        &["ECHO", "1"][..],
        &["AUTH", "wrong"],
        &["ECHO", "2"],
        &["AUTH", "1234-object", "token"],
        &["ECHO", "3"],
    ] {
        gateway.send(&command(words));
    }
    assert_eq!(
        gateway.settle(),
        format!("$1\r\n1\r\n{WRONG}$1\r\n2\r\n+OK\r\n$1\r\n3\r\n")
    );
    assert_eq!(gateway.session.user(), Some("1234-object"));
}

#[test]
fn a_login_inside_a_transaction_dooms_it() {
    let mut gateway = Gateway::logged_in(Make::Valkey);
    for password in [KEY, "wrong"] {
        assert_eq!(gateway.say(&["MULTI"]), "+OK\r\n");
        assert_eq!(
            gateway.say(&["AUTH", password]),
            "-ERR Command not allowed inside a transaction\r\n"
        );
        assert!(gateway.say(&["EXEC"]).starts_with("-EXECABORT"));
    }
}

#[test]
fn a_subscriber_on_resp2_does_not_log_in() {
    let mut gateway = Gateway::logged_in(Make::Valkey);
    gateway.say(&["SUBSCRIBE", "a"]);
    assert_eq!(
        gateway.say(&["AUTH", KEY]),
        "-ERR Can't execute 'auth': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n"
    );
}

#[test]
fn a_reset_logs_out() {
    let mut gateway = Gateway::logged_in(Make::Valkey);
    gateway.say(&["HELLO", "3"]);
    gateway.say(&["SUBSCRIBE", "a"]);
    gateway.say(&["CLIENT", "REPLY", "OFF"]);
    gateway.send(&command(&["RESET"]));
    gateway.send(&command(&["GET", "a"]));
    assert_eq!(
        gateway.settle(),
        "+RESET\r\n-NOAUTH Authentication required.\r\n"
    );
    assert_eq!(gateway.session.user(), None);
    assert!(!gateway.session.is_resp3() && !gateway.session.is_listening());
    assert_eq!(
        gateway.say(&["HELLO", "3", "AUTH", "default", KEY]),
        "%1\r\n$5\r\nproto\r\n:3\r\n"
    );
}

#[test]
fn a_check_that_fails_says_so() {
    let mut gateway = Gateway::new(Make::Redis);
    gateway.send(&command(&["AUTH", KEY]));
    gateway.read_request();
    assert_eq!(gateway.session.boundary(), Boundary::Idle);
    let said = gateway.session.refused(Refusal::TryAgain);
    let session::Spoken::ToClient(said) = said else {
        panic!("{said:?}")
    };
    assert!(said.starts_with(b"-TRYAGAIN"));
    assert!(gateway.session.accepts() && !gateway.session.is_logged_in());
}
