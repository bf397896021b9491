//! Conversations with a primary.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";
const NEW: &str = "fedcba9876543210fedcba9876543210fedcba98";
const MARK: &str = "abcdef0123456789abcdef0123456789abcdef01";
const GREETED: &str = "+OK\r\n+PONG\r\n+OK\r\n-ERR no ip\r\n+OK\r\n-ERR no version\r\n";

fn handshake(have: Option<Position>) -> Handshake {
    Handshake {
        login: Some(Login::new("geo", "pw")),
        address: Ipv4Addr::LOCALHOST.into(),
        port: 7000,
        version: "8.0.1".to_owned(),
        have,
        snapshot_only: false,
    }
}

fn held(offset: u64) -> Position {
    Position::new(ID.parse().unwrap(), Offset(offset))
}

/// Events with neighbouring byte events joined, so that cuts leave no trace.
fn run(
    machine: &mut ReplicaSide,
    chunks: &[&[u8]],
) -> (Vec<String>, Vec<u8>, Result<(), SourceError>) {
    let (mut events, mut bytes) = (Vec::new(), Vec::new());
    let mut note = |event: String| {
        if events.last() != Some(&event) {
            events.push(event);
        }
    };
    for chunk in chunks {
        let mut input = *chunk;
        loop {
            match machine.handle_bytes(&mut input) {
                Ok(Some(Event::SnapshotBytes(payload))) => {
                    bytes.extend_from_slice(payload);
                    note("snapshot".to_owned());
                }
                Ok(Some(Event::StreamBytes(stream))) => {
                    bytes.extend_from_slice(stream);
                    note("stream".to_owned());
                }
                Ok(Some(other)) => note(format!("{other:?}")),
                Ok(None) => break,
                Err(error) => return (events, bytes, Err(error)),
            }
        }
    }
    (events, bytes, Ok(()))
}

fn commands(machine: &mut ReplicaSide) -> String {
    let mut text = String::new();
    while let Some(bytes) = machine.next_command() {
        text += str::from_utf8(&bytes).unwrap();
    }
    text
}

#[test]
fn the_handshake_says_what_an_engine_says() {
    let mut m = ReplicaSide::new(&handshake(Some(held(99))));
    let said = commands(&mut m);
    for part in [
        "AUTH\r\n$3\r\ngeo\r\n$2\r\npw",
        "listening-port\r\n$4\r\n7000",
        "127.0.0.1",
        "psync2",
        "8.0.1",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("PSYNC") && !said.contains("dual-channel"));
    let (events, ..) = run(&mut m, &[GREETED.as_bytes()]);
    assert!(events.is_empty());
    assert_eq!(
        commands(&mut m),
        format!("*3\r\n$5\r\nPSYNC\r\n$40\r\n{ID}\r\n$3\r\n100\r\n")
    );
}

#[test]
fn a_full_sync_is_asked_for_with_nothing_in_hand() {
    let mut m = ReplicaSide::new(&handshake(None));
    let (.., result) = run(&mut m, &[GREETED.as_bytes()]);
    assert_eq!(result, Ok(()));
    assert!(commands(&mut m).ends_with("PSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n"));
}

#[test]
fn a_continued_stream_may_change_its_name() {
    for (answer, id) in [
        ("+CONTINUE".to_owned(), ID),
        (format!("+CONTINUE {NEW}"), NEW),
    ] {
        let mut m = ReplicaSide::new(&handshake(Some(held(99))));
        let text = format!("{GREETED}\n\n{answer}\r\nabc\n");
        let (events, bytes, result) = run(&mut m, &[text.as_bytes()]);
        assert_eq!(
            events,
            [
                format!("Continued({})", {
                    let p = Position::new(id.parse().unwrap(), Offset(99));
                    format!("{p:?}")
                }),
                "stream".to_owned()
            ]
        );
        assert_eq!((bytes.as_slice(), result), (b"abc\n".as_slice(), Ok(())));
        assert_eq!(
            m.position(),
            Some(Position::new(id.parse().unwrap(), Offset(103)))
        );
    }
}

#[test]
fn not_ready_and_denied_are_told_apart() {
    let not_ready = ["-LOADING x", "-NOMASTERLINK x", "-MASTERDOWN x"];
    let denied = ["-NOPERM x", "-NOAUTH x", "-WRONGPASS x"];
    let cases = not_ready
        .iter()
        .map(|line| (line, true))
        .chain(denied.iter().map(|line| (line, false)));
    for (line, retry) in cases {
        for before in ["", "+OK\r\n", "+OK\r\n+PONG\r\n", GREETED] {
            let mut m = ReplicaSide::new(&handshake(None));
            let (_, _, result) = run(&mut m, &[format!("{before}{line}\r\n").as_bytes()]);
            let error = result.unwrap_err();
            assert_eq!(
                matches!(error, SourceError::NotReady { .. }),
                retry,
                "{error}"
            );
            assert_eq!(
                matches!(error, SourceError::Denied { .. }),
                !retry,
                "{error}"
            );
        }
    }
}

#[test]
fn nonsense_is_not_an_answer() {
    let bad = [
        "+CONTINUE\r\n",
        "+FULLRESYNC x 1\r\n",
        "+FULLRESYNC\r\n",
        ":1\r\n",
        "+DUALCHANNELSYNC\r\n",
    ];
    for answer in bad {
        let mut m = ReplicaSide::new(&handshake(None));
        let (_, _, result) = run(&mut m, &[format!("{GREETED}{answer}").as_bytes()]);
        assert!(
            matches!(result, Err(SourceError::Malformed { .. })),
            "{answer}: {result:?}"
        );
    }
    let mut m = ReplicaSide::new(&handshake(None));
    let (_, _, result) = run(&mut m, &[&[b'+'; 2000]]);
    assert!(matches!(result, Err(SourceError::Malformed { .. })));
}

#[test]
fn acknowledgements_are_commands() {
    assert_eq!(
        acknowledgement(Offset(120)),
        "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$3\r\n120\r\n"
    );
}

proptest! {
    #[test]
    fn snapshots_and_streams_do_not_depend_on_cuts(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        stream in prop::collection::vec(any::<u8>(), 0..100),
        cut in 1usize..60,
        marked in any::<bool>(),
    ) {
        let mut text = format!("{GREETED}\n+FULLRESYNC {ID} 7\r\n\n\n").into_bytes();
        let mut expected = payload.clone();
        if marked {
            text.extend(format!("$EOF:{MARK}\r\n").bytes());
            expected.extend(MARK.bytes());
        } else {
            text.extend(format!("${}\r\n", payload.len()).bytes());
        }
        expected.extend(&stream);
        text.extend(&expected);
        let mut m = ReplicaSide::new(&handshake(None));
        let (events, bytes, result) = run(&mut m, &text.chunks(cut).collect::<Vec<_>>());
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(bytes, expected);
        let ends = events.iter().position(|e| e == "SnapshotEnds").unwrap();
        prop_assert_eq!(events.len(), ends + 1 + usize::from(!stream.is_empty()));
        prop_assert_eq!(m.position(), Some(held(7 + stream.len() as u64)));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut m = ReplicaSide::new(&handshake(None));
        let _either = run(&mut m, &[&bytes]);
    }
}
