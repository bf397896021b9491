//! Streams and forks of every sort.

use std::collections::{BTreeMap, BTreeSet};

use journal::Limits;
use model::Timestamp;
use proptest::prelude::*;
use resp::write_command;

use super::{Shard, at, behind, suffix};
use crate::lost_writes::End;

#[derive(Debug, Clone)]
enum Act {
    Select(u32),
    Set(Vec<u8>, Vec<u8>),
    Delete(Vec<Vec<u8>>),
    Ping,
    Transaction(Vec<Vec<u8>>),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ab]".prop_map(String::into_bytes),
        Just(b"*2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..30),
        Just(b"x\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n8\r\n".to_vec()),
        Just(vec![b'*'; 70_000]),
    ];
    prop_oneof![
        (0u32..12).prop_map(Act::Select),
        (key(), value).prop_map(|(key, value)| Act::Set(key, value)),
        prop::collection::vec(key(), 1..5).prop_map(Act::Delete),
        Just(Act::Ping),
        prop::collection::vec(key(), 0..3).prop_map(Act::Transaction),
    ]
}

/// What a stream comes to.
#[derive(Default)]
struct Expected {
    stream: Vec<u8>,
    kept: Vec<u8>,
    commands: u64,
    keys: BTreeSet<(Option<u32>, Vec<u8>)>,
}

impl Expected {
    fn take(&mut self, act: &Act, database: &mut Option<u32>) {
        let mut words: Vec<Vec<Vec<u8>>> = Vec::new();
        let mut touch = |key: &Vec<u8>| {
            self.keys.insert((*database, key.clone()));
        };
        match act {
            Act::Select(number) => {
                words.push(vec![b"SELECT".to_vec(), number.to_string().into_bytes()]);
                *database = Some(*number);
            }
            Act::Set(key, value) => {
                touch(key);
                words.push(vec![b"SET".to_vec(), key.clone(), value.clone()]);
                self.commands += 1;
            }
            Act::Delete(keys) => {
                keys.iter().for_each(touch);
                let name = [b"DEL".to_vec()];
                words.push(name.into_iter().chain(keys.iter().cloned()).collect());
                self.commands += 1;
            }
            Act::Ping => {
                write_command(&mut self.stream, &[b"PING"]);
            }
            Act::Transaction(keys) => {
                words.push(vec![b"MULTI".to_vec()]);
                for key in keys {
                    touch(key);
                    words.push(vec![b"incr".to_vec(), key.clone()]);
                    self.commands += 1;
                }
                words.push(vec![b"EXEC".to_vec()]);
            }
        }
        for words in words {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            write_command(&mut self.stream, &words);
            write_command(&mut self.kept, &words);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_suffix_is_saved_as_it_was(
        before in prop::collection::vec(act(), 0..12),
        lost in prop::collection::vec(act(), 0..12),
        segment in prop_oneof![Just(20_000u64), Just(1 << 20)],
    ) {
        let (mut there, mut here) = (Expected::default(), Expected::default());
        let mut database = None;
        for act in &before {
            there.take(act, &mut database);
        }
        let selected = database;
        if let Some(number) = selected {
            write_command(&mut here.kept, &[b"SELECT", number.to_string().as_bytes()]);
        }
        for act in &lost {
            here.take(act, &mut database);
        }
        let shard = Shard::new();
        let mut journal = shard.journal(Limits { segment_bytes: segment, ..Limits::default() });
        journal.begin(at(5)).unwrap();
        journal.append(&there.stream, Timestamp(1)).unwrap();
        journal.append(&here.stream, Timestamp(2)).unwrap();
        journal.seal_and_sync().unwrap();
        drop(journal);
        let fork = behind(at(5), &there.stream);
        let end = behind(fork, &here.stream);
        if here.commands == 0 {
            shard.try_save(&suffix(fork, End::Known(end))).unwrap();
            prop_assert_eq!(shard.files(), Vec::<String>::new());
            return Ok(());
        }
        let receipt = shard.saved(&suffix(fork, End::Known(end)));
        prop_assert_eq!(shard.file("aof"), here.kept);
        let mut keys = Vec::new();
        let mut counts = BTreeMap::<_, u64>::new();
        for (database, key) in &here.keys {
            let shown = database.map(|number| number.to_string()).unwrap_or_default();
            write_command(&mut keys, &[shown.as_bytes(), key]);
            *counts.entry(*database).or_default() += 1;
        }
        prop_assert_eq!(shard.file("keys"), keys);
        prop_assert_eq!(receipt.commands, here.commands);
        prop_assert_eq!(receipt.keys, here.keys.len() as u64);
        let found = receipt.databases.iter().filter(|loss| loss.keys > 0);
        let found: BTreeMap<_, _> = found.map(|loss| (loss.database, loss.keys)).collect();
        prop_assert_eq!(found, counts);
    }
}
