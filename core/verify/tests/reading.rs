//! Readings against an engine that is a table: what it holds, and how it pages, is up to chance.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use verify::{Command, Digest, Facts, Kind, Reading, Reply, Seen};

/// A value, as a person would write it.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    Sorted(BTreeMap<Vec<u8>, i32>),
    Stream(Stream),
    Module(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq)]
struct Stream {
    entries: Vec<Vec<Vec<u8>>>,
    groups: BTreeMap<Vec<u8>, Pending>,
}

/// Which entries are pending, with whom and how often they were delivered.
type Pending = BTreeMap<usize, (Vec<u8>, i64)>;

/// How an engine answers, which no digest may depend on.
#[derive(Debug, Clone, Copy)]
struct Manners {
    /// Turns the order of what has none.
    turn: usize,
    /// Names some things twice.
    repeat: usize,
    /// Gives more or fewer than asked for, where an engine may.
    extra: usize,
    /// Writes scores in the long form, and the encoding's version into dumps.
    long: bool,
}

fn bytes(text: impl AsRef<[u8]>) -> Reply {
    Reply::Bytes(text.as_ref().to_vec())
}

fn number(command: &Command, at: usize) -> usize {
    String::from_utf8(command[at].clone())
        .unwrap()
        .parse()
        .unwrap()
}

/// The page of a cursor: positions in an order of the engine's own.
fn page(things: &[Vec<Reply>], command: &Command, manners: Manners) -> Reply {
    let (cursor, count) = (number(command, 2), number(command, 4));
    let mut order = things.to_vec();
    order.rotate_left(manners.turn % things.len().max(1));
    let count = (count + manners.extra).max(1);
    let end = (cursor + count).min(order.len());
    let mut found = order[cursor..end].to_vec();
    // What came before comes once more.
    found.extend(order[..cursor].iter().take(manners.repeat).cloned());
    let next = if end == order.len() { 0 } else { end };
    Reply::List(vec![bytes(next.to_string()), Reply::List(found.concat())])
}

fn ranged(things: Vec<Vec<Reply>>, command: &Command) -> Reply {
    let (from, to) = (number(command, 2), number(command, 3));
    let to = (to + 1).min(things.len());
    Reply::List(things.get(from..to).unwrap_or_default().concat())
}

fn id(index: usize) -> Vec<u8> {
    format!("{}-1", index + 1).into_bytes()
}

/// The entries from behind the one that a range begins with.
fn behind(start: &[u8]) -> usize {
    match start {
        b"-" => 0,
        after => String::from_utf8_lossy(after)
            .trim_matches(['(', ' '])
            .split('-')
            .next()
            .unwrap()
            .parse()
            .unwrap(),
    }
}

fn answer(value: &Value, command: &Command, manners: Manners) -> Reply {
    let word = String::from_utf8(command[0].clone()).unwrap();
    match (word.as_str(), value) {
        ("TYPE", value) => bytes(match value {
            Value::String(_) => "string",
            Value::List(_) => "list",
            Value::Set(_) => "set",
            Value::Hash(_) => "hash",
            Value::Sorted(_) => "zset",
            Value::Stream(_) => "stream",
            Value::Module(_) => "ReJSON-RL",
        }),
        ("PEXPIRETIME", _) => Reply::Number(-1),
        ("GETRANGE", Value::String(text)) => {
            let (from, to) = (number(command, 2), number(command, 3));
            bytes(text.get(from..(to + 1).min(text.len())).unwrap_or_default())
        }
        ("LRANGE", Value::List(all)) => {
            ranged(all.iter().map(|one| vec![bytes(one)]).collect(), command)
        }
        ("SCARD", Value::Set(all)) => Reply::Number(i64::try_from(all.len()).unwrap()),
        ("HLEN", Value::Hash(all)) => Reply::Number(i64::try_from(all.len()).unwrap()),
        ("SSCAN", Value::Set(all)) => page(
            &all.iter().map(|one| vec![bytes(one)]).collect::<Vec<_>>(),
            command,
            manners,
        ),
        ("HSCAN", Value::Hash(all)) => {
            let fields: Vec<_> = all
                .iter()
                .map(|(field, value)| vec![bytes(field), bytes(value)])
                .collect();
            page(&fields, command, manners)
        }
        ("ZRANGE", Value::Sorted(all)) => {
            let mut members: Vec<_> = all.iter().collect();
            members.sort_by_key(|(member, score)| (**score, (*member).clone()));
            let score = |score: i32| match (manners.long, score) {
                (true, 0) => "-0".to_owned(),
                (true, score) => format!("{:.17e}", f64::from(score) / 10.0),
                (false, score) => (f64::from(score) / 10.0).to_string(),
            };
            let shown = members
                .into_iter()
                .map(|(member, tenths)| vec![bytes(member), bytes(score(*tenths))]);
            ranged(shown.collect(), command)
        }
        ("DUMP", Value::Module(payload)) => bytes(
            [
                payload.as_slice(),
                if manners.long {
                    b"0123456789"
                } else {
                    b"9876543210"
                },
            ]
            .concat(),
        ),
        (_, Value::Stream(stream)) => of_stream(stream, &word, command, manners),
        (word, value) => panic!("{word} of {value:?}"),
    }
}

fn of_stream(stream: &Stream, word: &str, command: &Command, manners: Manners) -> Reply {
    // Fields that only some versions have, and that engines count for themselves.
    let own = [
        bytes("entries-read"),
        Reply::Number(if manners.long { 7 } else { 0 }),
    ];
    match (word, command[1].as_slice()) {
        ("XRANGE", _) => {
            let entries = stream
                .entries
                .iter()
                .enumerate()
                .skip(behind(&command[2]))
                .take(number(command, 5));
            let shown = entries.map(|(index, fields)| {
                Reply::List(vec![
                    bytes(id(index)),
                    Reply::List(fields.iter().map(bytes).collect()),
                ])
            });
            Reply::List(shown.collect())
        }
        ("XINFO", b"STREAM") => {
            let last = bytes(id(stream.entries.len()));
            Reply::List([&own[..], &[bytes("last-generated-id"), last]].concat())
        }
        ("XINFO", b"GROUPS") => {
            let mut groups: Vec<_> = stream.groups.keys().collect();
            let turn = manners.turn % groups.len().max(1);
            groups.rotate_left(turn);
            let shown = groups.into_iter().map(|name| {
                let fields = [
                    bytes("name"),
                    bytes(name),
                    bytes("last-delivered-id"),
                    bytes(id(0)),
                ];
                Reply::List([&fields[..], &own[..]].concat())
            });
            Reply::List(shown.collect())
        }
        ("XINFO", b"CONSUMERS") => {
            let consumers: BTreeSet<_> = stream.groups[&command[3]]
                .values()
                .map(|(name, _)| name)
                .collect();
            let mut consumers: Vec<_> = consumers.into_iter().collect();
            let turn = manners.turn % consumers.len().max(1);
            consumers.rotate_left(turn);
            let shown = consumers
                .into_iter()
                .map(|name| Reply::List([&own[..], &[bytes("name"), bytes(name)]].concat()));
            Reply::List(shown.collect())
        }
        ("XPENDING", _) => {
            let from = behind(&command[3]);
            let pending = stream.groups[&command[2]]
                .iter()
                .filter(|(index, _)| **index >= from)
                .take(number(command, 5));
            let shown = pending.map(|(index, (consumer, deliveries))| {
                let idle = Reply::Number(i64::try_from(manners.turn).unwrap());
                Reply::List(vec![
                    bytes(id(*index)),
                    bytes(consumer),
                    idle,
                    Reply::Number(*deliveries),
                ])
            });
            Reply::List(shown.collect())
        }
        (word, _) => panic!("{word} of a stream"),
    }
}

fn read(value: &Value, manners: Manners) -> Facts {
    let mut reading = Reading::new(b"key".to_vec());
    loop {
        if let Some(seen) = reading.seen() {
            let Seen::There(facts) = seen else {
                panic!("{seen:?}")
            };
            return facts.clone();
        }
        let asked = reading.ask();
        assert!(
            asked
                .iter()
                .all(|command| command[0] == b"XINFO" && command[2] == b"key"
                    || command[1] == b"key")
        );
        let replies = asked
            .iter()
            .map(|command| answer(value, command, manners))
            .collect();
        reading.take(replies).unwrap();
    }
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..12)
}

fn stream() -> impl Strategy<Value = Stream> {
    let entries = proptest::collection::vec(proptest::collection::vec(word(), 2..3), 0..120);
    let pending = proptest::collection::btree_map(0_usize..100, (word(), 1_i64..4), 0..60);
    let groups = proptest::collection::btree_map(word(), pending, 0..3);
    (entries, groups).prop_map(|(entries, groups)| Stream { entries, groups })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20_000).prop_map(Value::String),
        proptest::collection::vec(word(), 0..300).prop_map(Value::List),
        proptest::collection::btree_set(word(), 0..300).prop_map(Value::Set),
        proptest::collection::btree_map(word(), word(), 0..300).prop_map(Value::Hash),
        proptest::collection::btree_map(word(), -50..50, 0..300).prop_map(Value::Sorted),
        stream().prop_map(Value::Stream),
        word().prop_map(Value::Module),
    ]
}

fn manners() -> impl Strategy<Value = Manners> {
    (0_usize..400, 0_usize..3, 0_usize..20, any::<bool>()).prop_map(
        |(turn, repeat, extra, long)| Manners {
            turn,
            repeat,
            extra,
            long,
        },
    )
}

/// A value with one small thing changed.
fn changed(value: &Value) -> Value {
    let mut value = value.clone();
    match &mut value {
        Value::String(text) | Value::Module(text) => match text.last_mut() {
            Some(last) => *last ^= 1,
            None => text.push(0),
        },
        Value::List(all) => match all.len() {
            0 => all.push(Vec::new()),
            _ => drop(all.pop()),
        },
        Value::Set(all) => {
            let longer = all.last().cloned().unwrap_or_default();
            all.insert([longer.as_slice(), b"+"].concat());
        }
        Value::Hash(all) => {
            all.entry(Vec::new())
                .and_modify(|value| value.push(0))
                .or_default();
        }
        Value::Sorted(all) => {
            all.entry(Vec::new())
                .and_modify(|score| *score += 1)
                .or_default();
        }
        Value::Stream(stream) => {
            match stream
                .groups
                .values_mut()
                .find_map(|pending| pending.values_mut().next())
            {
                Some((_, deliveries)) => *deliveries += 1,
                None => stream.entries.push(vec![Vec::new(), Vec::new()]),
            }
        }
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn facts_do_not_depend_on_how_an_engine_answers(value in value(), one in manners(), other in manners()) {
        prop_assert_eq!(read(&value, one), read(&value, other));
    }

    #[test]
    fn a_small_change_is_seen(value in value(), manners in manners()) {
        let changed = changed(&value);
        prop_assume!(changed != value);
        prop_assert_ne!(read(&value, manners).value.digest, read(&changed, manners).value.digest);
    }
}

const PLAIN: Manners = Manners {
    turn: 0,
    repeat: 0,
    extra: 0,
    long: false,
};

#[test]
fn lengths_are_told() {
    let hash = (0..5_000_u32)
        .map(|n| (n.to_be_bytes().to_vec(), vec![1]))
        .collect();
    let facts = read(&Value::Hash(hash), PLAIN);
    assert_eq!((facts.kind, facts.value.length), (Kind::Hash, 5_000));
    let facts = read(&Value::String(vec![7; 5_000_000]), PLAIN);
    assert_eq!((facts.kind, facts.value.length), (Kind::String, 5_000_000));
    let module = read(&Value::Module(b"payload".to_vec()), PLAIN);
    assert_eq!(
        (module.kind, module.value.length),
        (Kind::Module("ReJSON-RL".to_owned()), 7)
    );
}

#[test]
fn values_of_different_types_are_never_alike() {
    let digests: Vec<Digest> = [
        Value::String(Vec::new()),
        Value::List(Vec::new()),
        Value::Set(BTreeSet::new()),
        Value::Hash(BTreeMap::new()),
        Value::Sorted(BTreeMap::new()),
    ]
    .iter()
    .map(|value| read(value, PLAIN).value.digest)
    .collect();
    let different: BTreeSet<String> = digests.iter().map(Digest::to_string).collect();
    assert_eq!(different.len(), digests.len());
}

#[test]
fn pages_of_large_elements_are_short() {
    let list = Value::List(vec![vec![0; 30_000]; 100]);
    let mut reading = Reading::new(b"key".to_vec());
    let mut largest = 0;
    while reading.seen().is_none() {
        let asked = reading.ask();
        let replies: Vec<_> = asked
            .iter()
            .map(|command| answer(&list, command, PLAIN))
            .collect();
        if let (b"LRANGE", Reply::List(page)) = (asked[0][0].as_slice(), &replies[0]) {
            largest = largest.max(if reading_began(&asked[0]) {
                0
            } else {
                page.len()
            });
        }
        reading.take(replies).unwrap();
    }
    assert_eq!(largest, 2, "64 KiB have room for two");
}

fn reading_began(command: &Command) -> bool {
    command[2] == b"0"
}

#[test]
fn an_estimate_kept_in_a_hyperloglog_does_not_count() {
    let sketch = |estimate: u8, register: u8| {
        let mut text = b"HYLL\x01\0\0\0".to_vec();
        text.extend([estimate; 8]);
        text.extend([register; 20]);
        read(&Value::String(text), PLAIN).value.digest
    };
    assert_eq!(sketch(1, 5), sketch(2, 5));
    assert_ne!(sketch(1, 5), sketch(1, 6));
}

#[test]
fn a_key_that_becomes_another_is_torn() {
    let mut reading = Reading::new(b"key".to_vec());
    reading
        .take(vec![bytes("list"), Reply::Number(-1)])
        .unwrap();
    reading.take(vec![Reply::Gone]).unwrap();
    assert_eq!(reading.seen(), Some(&Seen::Torn));
    let mut reading = Reading::new(b"key".to_vec());
    reading
        .take(vec![bytes("list"), Reply::Number(-2)])
        .unwrap();
    assert_eq!(reading.seen(), Some(&Seen::Torn));
}

#[test]
fn nonsense_is_refused_by_name() {
    let mut reading = Reading::new(b"key".to_vec());
    reading
        .take(vec![bytes("hash"), Reply::Number(-1)])
        .unwrap();
    let error = reading
        .take(vec![Reply::Number(3), Reply::Number(1)])
        .unwrap_err();
    assert_eq!(error.to_string(), "the answer to HSCAN is not a list");
}
