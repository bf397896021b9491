//! Conversations with a replica.

use proptest::prelude::*;

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";

fn machine() -> PrimarySide {
    PrimarySide::new(Login::new("geo", "pw"))
}

fn command(words: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    resp::write_command(&mut out, &words);
    out
}

fn say(machine: &mut PrimarySide, words: &str) -> Vec<Command> {
    machine.handle_bytes(&command(words)).unwrap();
    std::iter::from_fn(|| machine.next_command()).collect()
}

fn reply(line: &str) -> Vec<Command> {
    vec![Command::Reply(Bytes::from(format!("{line}\r\n")))]
}

#[test]
fn a_replica_is_led_to_its_psync() {
    let mut m = machine();
    assert_eq!(
        say(&mut m, "PING"),
        reply("-NOAUTH Authentication required.")
    );
    assert_eq!(say(&mut m, "AUTH geo pw"), reply("+OK"));
    assert_eq!(say(&mut m, "PING"), reply("+PONG"));
    assert_eq!(say(&mut m, "REPLCONF listening-port 1"), reply("+OK"));
    assert_eq!(
        say(&mut m, "REPLCONF capa eof capa psync2 capa dual-channel"),
        reply("+OK")
    );
    assert_eq!(say(&mut m, "REPLCONF version 8.0.1"), reply("+OK"));
    let have = Position::new(ID.parse().unwrap(), Offset(99));
    assert_eq!(
        say(&mut m, &format!("PSYNC {ID} 100")),
        [Command::Follow(Some(have))]
    );
    assert_eq!(
        say(&mut m, "REPLCONF ACK 120 FACK 90"),
        [Command::Applied(Offset(120))]
    );
    m.handle_bytes(b"\n\n").unwrap();
    assert_eq!(m.next_command(), None);
}

#[test]
fn nothing_is_served_before_the_password() {
    for words in [
        &format!("PSYNC {ID} 1"),
        "SYNC",
        "REPLCONF capa eof",
        "GET a",
        "CONFIG GET *",
    ] {
        let mut m = machine();
        assert_eq!(
            say(&mut m, words),
            reply("-NOAUTH Authentication required.")
        );
    }
    let mut m = machine();
    for words in ["AUTH geo no", "AUTH pw"] {
        assert!(
            matches!(&say(&mut m, words)[..], [Command::Reply(r)] if r.starts_with(b"-WRONGPASS"))
        );
    }
    assert_eq!(
        m.handle_bytes(&command("AUTH x y z")),
        Err(ProtocolError::Denied)
    );
}

#[test]
fn the_default_user_may_leave_its_name_out() {
    let mut m = PrimarySide::new(Login::new("default", "pw"));
    assert_eq!(say(&mut m, "AUTH pw"), reply("+OK"));
}

#[test]
fn only_replication_is_served() {
    for words in [
        "SYNC",
        "GET a",
        "REPLCONF rdb-only 1",
        "PSYNC",
        &format!("PSYNC {ID} 5 FAILOVER"),
    ] {
        let mut m = machine();
        say(&mut m, "AUTH geo pw");
        let got = say(&mut m, words);
        assert!(
            matches!(&got[..], [Command::Reply(r)] if r.starts_with(b"-ERR")),
            "{words}: {got:?}"
        );
    }
}

#[test]
fn what_cannot_be_continued_is_a_full_sync() {
    for words in ["PSYNC ? -1", &format!("PSYNC {ID} 0"), "PSYNC x 5"] {
        let mut m = machine();
        say(&mut m, "AUTH geo pw");
        assert_eq!(say(&mut m, words), [Command::Follow(None)], "{words}");
    }
}

#[test]
fn a_following_replica_may_only_acknowledge() {
    let mut m = machine();
    say(&mut m, "AUTH geo pw");
    say(&mut m, "PSYNC ? -1");
    assert_eq!(say(&mut m, "REPLCONF ACK x"), []);
    let result = m.handle_bytes(b"-ERR oops\r\n");
    assert!(
        matches!(result, Err(ProtocolError::Unexpected { .. })),
        "{result:?}"
    );
}

#[test]
fn answers_are_the_protocol_s() {
    let position = Position::new(ID.parse().unwrap(), Offset(7));
    assert_eq!(answer_continue(&position), format!("+CONTINUE {ID}\r\n"));
    assert_eq!(
        answer_full_sync(&position, &Framing::Length(3)),
        format!("+FULLRESYNC {ID} 7\r\n$3\r\n")
    );
}

proptest! {
    #[test]
    fn cuts_do_not_matter(cut in 1usize..40) {
        let mut bytes = Vec::new();
        for words in ["PING", "AUTH geo pw", "PING", "REPLCONF capa eof", "PSYNC ? -1"] {
            bytes.extend(command(words));
            bytes.push(b'\n');
        }
        let mut whole = machine();
        whole.handle_bytes(&bytes).unwrap();
        let mut parts = machine();
        for part in bytes.chunks(cut) {
            parts.handle_bytes(part).unwrap();
        }
        let all = |m: &mut PrimarySide| std::iter::from_fn(|| m.next_command()).collect::<Vec<_>>();
        prop_assert_eq!(all(&mut parts), all(&mut whole));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut m = machine();
        let _either = m.handle_bytes(&bytes);
    }
}
