use proptest::prelude::*;

use super::*;
use crate::write_command;

/// A stream of these commands, words apart by spaces.
fn stream(commands: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for command in commands {
        let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        write_command(&mut out, &words);
    }
    out
}

/// Reads all of it, in pieces of `step` bytes.
fn read(bytes: &[u8], step: usize) -> Result<Vec<Piece>, StreamError> {
    let mut reader = StreamReader::new(StreamLimits::default(), None);
    let mut pieces = Vec::new();
    for chunk in bytes.chunks(step) {
        let mut rest = chunk;
        while let Some(piece) = reader.next(&mut rest)? {
            pieces.push(piece);
        }
        assert!(rest.is_empty());
    }
    Ok(pieces)
}

fn touches(commands: &[&str]) -> Vec<String> {
    let pieces = read(&stream(commands), usize::MAX).unwrap();
    let shown = |database: Option<u32>| database.map_or_else(|| "?".to_owned(), |n| n.to_string());
    pieces
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Touch(Touch::Key { database, key }) => Some(format!(
                "{}/{}",
                shown(database),
                String::from_utf8(key).unwrap()
            )),
            Piece::Touch(Touch::Database(database)) => Some(format!("{}/*", shown(database))),
            Piece::Touch(Touch::Everything) => Some("*".to_owned()),
            Piece::Command(_) => None,
        })
        .collect()
}

fn kinds(commands: &[&str]) -> Vec<(Kind, Option<u32>, bool)> {
    let pieces = read(&stream(commands), usize::MAX).unwrap();
    let commands = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Command(command) => Some((command.kind, command.database, command.in_transaction)),
        Piece::Touch(_) => None,
    });
    commands.collect()
}

#[test]
fn databases_and_transactions_are_tracked() {
    let found = kinds(&[
        "SET a 1",
        "SELECT 3",
        "MULTI",
        "SET a 1",
        "SELECT 12",
        "INCR b",
        "EXEC",
        "PING",
        "REPLCONF GETACK *",
        "PUBLISH news 1",
        "FROBNICATE a",
    ]);
    let expected = [
        (Kind::Write, None, false),
        (Kind::Select, Some(3), false),
        (Kind::Multi, Some(3), true),
        (Kind::Write, Some(3), true),
        (Kind::Select, Some(12), true),
        (Kind::Write, Some(12), true),
        (Kind::Exec, Some(12), true),
        (Kind::Ping, Some(12), false),
        (Kind::Control, Some(12), false),
        (Kind::Message, Some(12), false),
        (Kind::Unknown, Some(12), false),
    ];
    assert_eq!(found, expected);
}

#[test]
fn keys_are_found_in_every_form() {
    let cases: &[(&str, &[&str])] = &[
        ("set k v", &["?/k"]),
        ("DEL a b c", &["?/a", "?/b", "?/c"]),
        ("MSET a 1 b 2", &["?/a", "?/b"]),
        ("BITOP AND d a b", &["?/d", "?/a", "?/b"]),
        ("BLPOP a b 0", &["?/a", "?/b"]),
        ("RENAME a b", &["?/a", "?/b"]),
        ("XGROUP CREATE s g $", &["?/s"]),
        ("XGROUP HELP", &[]),
        ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", &["?/d", "?/a", "?/b"]),
        ("BLMPOP 0 2 a b LEFT", &["?/a", "?/b"]),
        ("EVAL code 1 k v", &["?/k"]),
        ("ZMPOP x a b MIN", &[]),
        ("SORT l", &["?/l"]),
        (
            "SORT l BY store GET store LIMIT store 2 STORE d",
            &["?/l", "?/d"],
        ),
        ("SORT l STORE c STORE d", &["?/l", "?/d"]),
        ("GEORADIUS g 1 2 3 m STOREDIST d", &["?/g", "?/d"]),
        ("GEORADIUSBYMEMBER g STORE 3 m", &["?/g"]),
        ("GEORADIUSBYMEMBER g m 3 m store d", &["?/g", "?/d"]),
        ("XREADGROUP GROUP g c STREAMS a b 1 2", &["?/a", "?/b"]),
        ("MIGRATE h 1 k 0 9", &["?/k"]),
        ("MIGRATE h 1  0 9 REPLACE KEYS a b", &["?/a", "?/b"]),
        ("COPY a b", &["?/a", "?/b"]),
        ("COPY a b DB 7 REPLACE", &["?/a", "7/b"]),
        ("MOVE a 4", &["?/a", "4/a"]),
        ("SWAPDB 1 2", &["1/*", "2/*"]),
        ("FLUSHDB", &["?/*"]),
        ("FLUSHALL ASYNC", &["*"]),
        ("FUNCTION LOAD code", &[]),
    ];
    for (command, expected) in cases {
        assert_eq!(touches(&[command]), *expected, "{command}");
    }
    assert_eq!(
        touches(&[
            "SELECT 5",
            "SET k v",
            "SORT l STORE d",
            "COPY a b",
            "FLUSHDB"
        ]),
        ["5/k", "5/l", "5/d", "5/a", "5/b", "5/*"]
    );
}

#[test]
fn values_are_passed_over_and_not_held() {
    let mut reader = StreamReader::new(StreamLimits::default(), None);
    let header = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", 1_u64 << 30);
    let mut rest = header.as_bytes();
    assert!(reader.next(&mut rest).unwrap().is_some());
    assert_eq!(reader.next(&mut rest).unwrap(), None);
    let megabyte = vec![b'v'; 1 << 20];
    for _ in 0..1024 {
        let mut rest = megabyte.as_slice();
        assert_eq!(reader.next(&mut rest).unwrap(), None);
        assert!(reader.held.capacity() < 1024);
        assert_eq!(reader.whole_to(), 0);
    }
    let mut rest = b"\r\n".as_slice();
    let Some(Piece::Command(command)) = reader.next(&mut rest).unwrap() else {
        panic!("the command is whole");
    };
    assert_eq!(command.end, header.len() as u64 + (1 << 30) + 2);
}

#[test]
fn what_is_no_stream_is_refused_with_its_place() {
    let good = stream(&["SET a b"]);
    let cases: &[(&str, &str)] = &[
        ("PING\r\n", "at byte 27"),
        ("*0\r\n", "byte 27 of the stream is without words"),
        ("*01\r\n", "not a canonical array header"),
        ("*1\n", "not a canonical array header"),
        ("*1\r\n:4\r\n", "at byte 31"),
        ("*1\r\n$4\r\nPINGx\r\n", "at byte 39 of the stream, a word"),
        ("*1\r\n$4\r\nPING\rx", "at byte 40 of the stream, a word"),
        ("*9999999999\r\n", "the number of words is 9999999999"),
        ("*2\r\n$3\r\nSET\r\n$9999999999999\r\n", "the length of a"),
        (
            "*2\r\n$6\r\nSELECT\r\n$1\r\nx\r\n",
            "a SELECT of no database",
        ),
        ("*1\r\n$6\r\nSELECT\r\n", "a SELECT of no database"),
        ("\r\n", "not a canonical array header"),
    ];
    for (bad, expected) in cases {
        let bytes = [good.as_slice(), bad.as_bytes()].concat();
        let error = read(&bytes, usize::MAX).unwrap_err();
        assert!(error.to_string().contains(expected), "{bad:?}: {error}");
        assert_eq!(read(&bytes, 1).unwrap_err(), error, "{bad:?}");
    }
    let error = read(&stream(&["MULTI", "MULTI"]), 9).unwrap_err();
    assert!(
        error.to_string().contains("within a transaction"),
        "{error}"
    );
    let long = "*".to_owned() + &"1".repeat(30);
    assert!(read(long.as_bytes(), 1).is_err());
}

#[test]
fn nothing_is_read_after_an_error() {
    let mut reader = StreamReader::new(StreamLimits::default(), None);
    assert!(reader.next(&mut b"x".as_slice()).is_err());
    let good = stream(&["PING"]);
    assert_eq!(reader.next(&mut good.as_slice()), Err(StreamError::Ended));
}

#[test]
fn a_place_within_a_command_is_told_from_one_between_two() {
    let bytes = stream(&["SET a b", "DEL a"]);
    let first = stream(&["SET a b"]).len() as u64;
    for cut in 0..=bytes.len() {
        let mut reader = StreamReader::new(StreamLimits::default(), Some(2));
        let mut rest = &bytes[..cut];
        while reader.next(&mut rest).unwrap().is_some() {}
        let expected = match cut as u64 {
            all if all == bytes.len() as u64 => all,
            some if some >= first => first,
            _ => 0,
        };
        assert_eq!(reader.whole_to(), expected, "cut at {cut}");
        assert_eq!(reader.at(), cut as u64);
    }
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"STORE".to_vec()),
        Just(b"DB".to_vec()),
        Just(b"\r\n*1\r\n$4\r\nPING\r\n".to_vec()),
        "[0-9]{1,2}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..80),
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "SET",
        "del",
        "MSET",
        "Sort",
        "COPY",
        "MOVE",
        "ZUNIONSTORE",
        "LMPOP",
        "GEORADIUS",
        "XREADGROUP",
        "MIGRATE",
        "SWAPDB",
        "FLUSHALL",
        "FLUSHDB",
        "PING",
        "PUBLISH",
        "REPLCONF",
        "NEWCOMMAND",
        "XGROUP",
        "EXEC",
    ];
    prop_oneof![
        9 => prop::sample::select(known.to_vec()).prop_map(|name| name.as_bytes().to_vec()),
        1 => word(),
    ]
}

proptest! {
    #[test]
    fn what_is_read_does_not_depend_on_cuts(
        commands in prop::collection::vec((name(), prop::collection::vec(word(), 0..9)), 0..8),
        step in 1usize..40,
    ) {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for (name, words) in &commands {
            let mut all = vec![name.as_slice()];
            all.extend(words.iter().map(Vec::as_slice));
            write_command(&mut bytes, &all);
            ends.push(bytes.len() as u64);
        }
        let whole = read(&bytes, usize::MAX).unwrap();
        prop_assert_eq!(&read(&bytes, step).unwrap(), &whole);
        prop_assert_eq!(&read(&bytes, 1).unwrap(), &whole);
        let mut start = 0;
        let mut found = Vec::new();
        for piece in whole {
            if let Piece::Command(command) = piece {
                prop_assert_eq!(command.start, start);
                start = command.end;
                found.push(command.end);
            }
        }
        prop_assert_eq!(found, ends);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), step in 1usize..9) {
        let one = read(&bytes, usize::MAX);
        prop_assert_eq!(read(&bytes, step), one);
        let mut framed = b"*3\r\n$4\r\nSORT\r\n".to_vec();
        framed.extend_from_slice(&bytes);
        prop_assert_eq!(read(&framed, step), read(&framed, usize::MAX));
    }
}
