mod damage;
mod hand_out;
mod random;

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc};

use journal::{FsDisk, Journal, Limits};
use model::{CacheName, DatabaseLoss, Epoch, EventKind, LinkId, Receipt, ShardIndex, Timestamp};
use psync::{Offset, Position};
use relay::KeptStream;
use resp::write_command;
use runtime::tasks::Tasks;

use super::{save::save, saving::Watch, *};

/// A cache's directory with a shard's journal, and what its lost writes are saved to.
pub(super) struct Shard {
    pub(super) directory: tempfile::TempDir,
    pub(super) store: Arc<LostWrites>,
}

/// A command, words apart by spaces.
pub(super) fn command(text: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
    let mut out = Vec::new();
    write_command(&mut out, &words);
    out
}

pub(super) fn commands(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| command(text)).collect()
}

pub(super) fn at(offset: u64) -> Position {
    in_history("a", offset)
}

fn in_history(digit: &str, offset: u64) -> Position {
    Position::new(digit.repeat(40).parse().unwrap(), Offset(offset))
}

/// `base`, moved over these bytes.
pub(super) fn behind(base: Position, bytes: &[u8]) -> Position {
    let offset = base.offset.advanced(bytes.len() as u64);
    Position::new(base.replid, offset)
}

pub(super) fn suffix(fork: Position, end: End) -> Suffix {
    Suffix {
        cache: "orders-east".parse::<CacheName>().unwrap(),
        link: LinkId::new("link-1"),
        epoch: Epoch(7),
        shard: ShardIndex(0),
        fork,
        end,
        databases: Vec::new(),
        accept_missing: false,
    }
}

impl Shard {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(LostWrites::open(directory.path().join("lost")));
        Self { directory, store }
    }

    fn journal_directory(&self) -> PathBuf {
        self.directory.path().join("journal")
    }

    pub(super) fn journal(&self, limits: Limits) -> Journal {
        let disk = FsDisk::new(self.journal_directory()).unwrap();
        Journal::open(disk, limits).unwrap().0
    }

    /// A journal that begins at a position and has these bytes.
    pub(super) fn write(&self, begin: Position, bytes: &[u8]) {
        let mut journal = self.journal(Limits::default());
        journal.begin(begin).unwrap();
        journal.append(bytes, Timestamp(1000)).unwrap();
        journal.seal_and_sync().unwrap();
    }

    pub(super) fn stream(&self) -> KeptStream {
        KeptStream::unserved(&self.journal_directory())
    }

    pub(super) fn try_save(&self, suffix: &Suffix) -> Result<Outcome, SaveError> {
        save(&self.store, self.stream(), suffix, &Watch::default())
    }

    fn save(&self, suffix: &Suffix) -> Outcome {
        self.try_save(suffix).unwrap()
    }

    pub(super) fn saved(&self, suffix: &Suffix) -> Receipt {
        match self.save(suffix) {
            Outcome::Saved(receipt) => *receipt,
            other @ (Outcome::Nothing | Outcome::Unsaved { .. }) => panic!("{other:?}"),
        }
    }

    fn unsaved(&self, suffix: &Suffix) -> String {
        let outcome = self.save(suffix);
        assert_eq!(self.files(), [""; 0], "{outcome:?}");
        match outcome {
            Outcome::Unsaved { why } => why,
            other @ (Outcome::Nothing | Outcome::Saved(_)) => panic!("{other:?}"),
        }
    }

    pub(super) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path().join("lost"));
        let names = entries.into_iter().flatten();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(super) fn file(&self, extension: &str) -> Vec<u8> {
        fs::read(self.path(extension)).unwrap()
    }

    fn path(&self, extension: &str) -> PathBuf {
        let name = format!("orders-east-7.{extension}");
        self.directory.path().join("lost").join(name)
    }

    fn reopened(&self) -> Vec<Receipt> {
        LostWrites::open(self.directory.path().join("lost")).list()
    }
}

fn loss(database: u32, commands: u64, keys: u64) -> DatabaseLoss {
    DatabaseLoss {
        database: Some(database),
        commands,
        keys,
    }
}

/// Keys as they are written down.
fn keys(pairs: &[&[&str]]) -> Vec<u8> {
    let mut out = Vec::new();
    for words in pairs {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        write_command(&mut out, &words);
    }
    out
}

#[test]
fn everything_behind_the_fork_is_saved() {
    let shard = Shard::new();
    let before = commands(&["SELECT 3", "SET there 1", "PING"]);
    let lost = commands(&[
        "SET a 1",
        "PING",
        "MULTI",
        "INCR a",
        "PUBLISH news x",
        "EXEC",
        "SELECT 0",
        "REPLCONF GETACK *",
        "DEL a b",
        "COPY b c DB 5",
        "FLUSHDB",
        "NEWCOMMAND x",
    ]);
    let fork = behind(at(100), &before);
    let end = behind(fork, &lost);
    let mut journal = shard.journal(Limits::default());
    journal.begin(at(100)).unwrap();
    journal.append(&before, Timestamp(1000)).unwrap();
    journal.seal_and_sync().unwrap();
    let (first, second) = lost.split_at(50);
    journal.append(first, Timestamp(2000)).unwrap();
    journal.seal_and_sync().unwrap();
    journal.append(second, Timestamp(3000)).unwrap();
    drop(journal);
    // What was in no block is gone with the process.
    let mut journal = shard.journal(Limits::default());
    journal.append(second, Timestamp(3000)).unwrap();
    journal.seal_and_sync().unwrap();
    drop(journal);

    let receipt = shard.saved(&suffix(fork, End::Known(end)));
    let kept = commands(&[
        "SELECT 3",
        "SET a 1",
        "MULTI",
        "INCR a",
        "EXEC",
        "SELECT 0",
        "DEL a b",
        "COPY b c DB 5",
        "FLUSHDB",
        "NEWCOMMAND x",
    ]);
    assert_eq!(shard.file("aof"), kept);
    let expected = keys(&[&["0", "a"], &["0", "b"], &["3", "a"], &["5", "c"], &["0"]]);
    assert_eq!(
        shard.file("keys").escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    let expected = Receipt {
        cache: "orders-east".parse().unwrap(),
        link: LinkId::new("link-1"),
        epoch: Epoch(7),
        shard: ShardIndex(0),
        from: fork,
        to: end,
        file_bytes: kept.len() as u64,
        commands: 6,
        transactions: 1,
        keys: 4,
        databases: vec![loss(0, 4, 2), loss(3, 2, 1), loss(5, 0, 1)],
        first: Some(Timestamp(2000)),
        last: Some(Timestamp(3000)),
        end_is_known: true,
        missing: None,
        saved: receipt.saved,
    };
    assert_eq!(receipt, expected);
    assert_eq!(shard.store.list(), std::slice::from_ref(&receipt));
    assert_eq!(shard.reopened(), std::slice::from_ref(&receipt));
    for extension in ["aof", "keys", "json"] {
        let mode = fs::metadata(shard.path(extension)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
    assert_eq!(shard.files().len(), 3);
}

#[test]
fn a_suffix_that_is_saved_is_found_again_until_it_is_discarded() {
    let shard = Shard::new();
    let lost = commands(&["SELECT 0", "SET a 1"]);
    let (fork, end) = (at(0), behind(at(0), &lost));
    shard.write(fork, &lost);
    let receipt = shard.saved(&suffix(fork, End::Known(end)));
    // Again: it is found, also when the journal is gone.
    assert_eq!(shard.saved(&suffix(fork, End::Known(end))), receipt);
    fs::remove_dir_all(shard.journal_directory()).unwrap();
    assert_eq!(shard.saved(&suffix(fork, End::OfJournal)), receipt);

    assert_eq!(shard.store.discard(&receipt.name()).unwrap(), Some(receipt));
    assert_eq!(shard.store.discard("orders-east-7").unwrap(), None);
    assert_eq!(
        (shard.files(), shard.store.list()),
        (Vec::new(), Vec::new())
    );
    assert_eq!(shard.reopened(), []);
}

#[test]
fn signs_of_life_are_no_loss() {
    let shard = Shard::new();
    let before = commands(&["SELECT 0", "SET a 1"]);
    let fork = behind(at(0), &before);
    let pings = commands(&["PING", "REPLCONF GETACK *", "SELECT 1", "PUBLISH a b"]);
    shard.write(at(0), &[before, pings.clone()].concat());
    let end = behind(fork, &pings);
    for end in [End::Known(end), End::Known(fork), End::OfJournal] {
        assert_eq!(shard.save(&suffix(fork, end)), Outcome::Nothing);
        assert_eq!(shard.files(), [""; 0]);
    }
    // The other side got what did not reach the journal.
    let ahead = behind(end, b"not here");
    assert_eq!(shard.save(&suffix(ahead, End::OfJournal)), Outcome::Nothing);
    assert_eq!(Outcome::Nothing.told().0, EventKind::NothingLost);
}

#[test]
fn a_suffix_goes_on_under_another_replication_id() {
    let shard = Shard::new();
    let before = commands(&["SELECT 2", "SET a 1"]);
    let fork = behind(at(50), &before);
    let limits = Limits::default();
    let mut journal = shard.journal(limits);
    journal.begin(at(50)).unwrap();
    journal.append(&before, Timestamp(1)).unwrap();
    let (one, other) = (command("SET b 1"), commands(&["SELECT 4", "SET c 1"]));
    journal.append(&one, Timestamp(2)).unwrap();
    let newest = in_history("b", 0).replid;
    journal.fork(newest).unwrap();
    journal.append(&other, Timestamp(3)).unwrap();
    journal.seal_and_sync().unwrap();
    let end = journal.end().unwrap();
    drop(journal);
    assert_eq!(end.replid, newest);
    let receipt = shard.saved(&suffix(fork, End::Known(end)));
    assert_eq!((receipt.from, receipt.to), (fork, end));
    let expected = commands(&["SELECT 2", "SET b 1", "SELECT 4", "SET c 1"]);
    assert_eq!(shard.file("aof"), expected);
}

#[test]
fn an_engine_that_the_other_side_has_whole_may_be_behind_the_journal() {
    let lost = commands(&["SET a 1", "SET b 2"]);
    let shard = Shard::new();
    for engine in [at(100), at(90)] {
        let outcome = shard.save(&suffix(at(100), End::Known(engine)));
        assert_eq!(outcome, Outcome::Nothing, "without a journal");
    }
    shard.write(at(40), &lost);
    let fork = at(40);
    // Its heir had come to the fork; the leader that died had come further.
    let receipt = shard.saved(&suffix(fork, End::Known(fork)));
    assert_eq!((receipt.commands, receipt.to), (2, behind(fork, &lost)));
    let all = behind(fork, &lost);
    let outcome = shard.save(&suffix(all, End::Known(all)));
    assert_eq!(outcome, Outcome::Nothing, "the journal ends there");
}

#[test]
fn what_the_journal_does_not_have_is_told_by_its_bytes() {
    let lost = commands(&["SET a 1", "SET b 2"]);
    let end = behind(at(100), &lost);
    let shard = Shard::new();
    let why = shard.unsaved(&suffix(at(100), End::Known(end)));
    assert!(
        why.contains("54 bytes behind offset 100 up to 154") && why.contains("never begun"),
        "{why}"
    );
    let why = shard.unsaved(&suffix(at(100), End::OfJournal));
    assert!(why.contains("everything behind offset 100"), "{why}");
    // It begins later, ends earlier, or is another one.
    shard.write(at(100), &lost);
    let why = shard.unsaved(&suffix(at(40), End::Known(end)));
    assert!(why.contains("60 bytes behind offset 40 up to 100") && why.contains("begins at"));
    let why = shard.unsaved(&suffix(at(100), End::Known(behind(end, b"12345"))));
    assert!(why.contains("5 bytes behind offset 154 up to 159") && why.contains("ends at"));
    let elsewhere = in_history("c", 120);
    let why = shard.unsaved(&suffix(elsewhere, End::Known(end)));
    assert!(why.contains("another history"), "{why}");
    let why = shard.unsaved(&suffix(at(100), End::Known(elsewhere)));
    assert!(
        why.contains("a history that the journal does not have"),
        "{why}"
    );
    let ahead = behind(end, b"12345");
    let why = shard.unsaved(&suffix(ahead, End::Known(behind(ahead, b"67"))));
    assert!(why.contains("2 bytes behind offset 159 up to 161"), "{why}");
    // Not between two commands.
    let why = shard.unsaved(&suffix(at(103), End::Known(end)));
    assert!(why.contains("do not read as commands"), "{why}");
    let outcome = shard.save(&suffix(at(103), End::Known(end)));
    assert_eq!(outcome.told(), (EventKind::LostWritesUnsaved, why));
}

#[test]
fn what_there_is_is_saved_once_a_person_accepts_the_rest() {
    let shard = Shard::new();
    let lost = commands(&["SET a 1", "SELECT 6", "SET b 2"]);
    let (_, rest) = lost.split_at(10);
    let begin = at(110);
    shard.write(begin, rest);
    let end = behind(at(100), &lost);
    let known = behind(end, b"12345");
    let accepted = Suffix {
        accept_missing: true,
        ..suffix(at(100), End::Known(known))
    };
    let receipt = shard.saved(&accepted);
    assert_eq!(shard.file("aof"), commands(&["SELECT 6", "SET b 2"]));
    assert_eq!((receipt.commands, receipt.keys), (1, 1));
    assert_eq!((receipt.from, receipt.to), (at(100), end));
    let missing = receipt.missing.clone().unwrap();
    for part in [
        "10 bytes behind offset 100 up to 110",
        "17 bytes behind offset 110 up to 127",
        "5 bytes behind offset 177 up to 182",
    ] {
        assert!(missing.contains(part), "{missing}");
    }
    assert_eq!(shard.reopened(), [receipt]);

    // Nothing at all is there.
    let shard = Shard::new();
    let receipt = shard.saved(&accepted);
    assert_eq!((receipt.commands, receipt.file_bytes), (0, 0));
    assert!(receipt.missing.is_some() && receipt.first.is_none());
    assert_eq!(shard.reopened(), [receipt]);
}

#[test]
fn commands_within_a_value_are_none() {
    let shard = Shard::new();
    let inside = commands(&["SELECT 9", "SET x y", "DEL x"]).repeat(20_000);
    let mut lost = Vec::new();
    write_command(&mut lost, &[b"SET", b"a", &inside]);
    let rest = commands(&["SELECT 6", "SET b 2"]);
    lost.extend(&rest);
    // The journal begins within the value.
    shard.write(at(1100), &lost[1000..]);
    let receipt = shard.saved(&Suffix {
        accept_missing: true,
        ..suffix(at(100), End::OfJournal)
    });
    assert_eq!(shard.file("aof"), rest);
    assert_eq!((receipt.commands, receipt.keys), (1, 1));
    // The fork is behind the value.
    let before = [
        command("SELECT 2"),
        lost[..lost.len() - rest.len()].to_vec(),
    ]
    .concat();
    let fork = behind(at(0), &before);
    shard.write(at(0), &[before, command("SET c 1")].concat());
    let receipt = shard.saved(&suffix(fork, End::OfJournal));
    assert_eq!(receipt.databases[0].database, Some(2));
}

#[test]
fn the_database_is_the_one_that_was_selected_last() {
    let inside = String::from_utf8(commands(&["SELECT 9", "SET x y"])).unwrap();
    let pad = "p".repeat(3_000_000);
    let false_ones = inside.repeat(3000);
    let cases: &[(&[&str], &[u32], Option<u32>)] = &[
        (&["SELECT 4", &format!("SET a {false_ones}")], &[], Some(4)),
        (
            &["SELECT 1", "SET a 1", "SELECT 12", "SET a 1"],
            &[],
            Some(12),
        ),
        (&["SELECT 2", &format!("SET a {inside}")], &[], Some(2)),
        (
            &["SELECT 2", &format!("SET a {pad}"), "SET b 1"],
            &[7],
            Some(2),
        ),
        (&["SET a 1"], &[7], Some(7)),
        (&["SET a 1"], &[7, 8], None),
        (&[], &[], None),
    ];
    for (before, databases, expected) in cases {
        let shard = Shard::new();
        // A value with spaces would be several words.
        let mut bytes = Vec::new();
        for text in *before {
            let words: Vec<&[u8]> = text.splitn(3, ' ').map(str::as_bytes).collect();
            write_command(&mut bytes, &words);
        }
        let fork = behind(at(77), &bytes);
        shard.write(at(77), &[bytes, command("DEL k")].concat());
        let receipt = shard.saved(&Suffix {
            databases: databases.to_vec(),
            ..suffix(fork, End::OfJournal)
        });
        assert_eq!(receipt.databases.len(), 1);
        assert_eq!(receipt.databases[0].database, *expected);
        let begins = shard.file("aof").starts_with(b"*2\r\n$6\r\nSELECT");
        assert_eq!(begins, expected.is_some());
        let database = expected
            .map(|number| number.to_string())
            .unwrap_or_default();
        assert_eq!(shard.file("keys"), keys(&[&[&database, "k"]]));
    }
}

#[tokio::test]
async fn saving_goes_on_beside_and_ends_when_it_is_told_to() {
    let shard = Shard::new();
    let value = "v".repeat(10_000_000);
    let lost = commands(&["SELECT 0", &format!("SET a {value}"), "SET b 1"]);
    shard.write(at(0), &lost);
    let tasks = Tasks::new();
    let begin = || {
        let suffix = suffix(at(0), End::OfJournal);
        shard.store.save(&tasks, shard.stream(), suffix)
    };
    let saving = begin();
    let outcome = loop {
        match saving.outcome() {
            Some(outcome) => break outcome.unwrap(),
            None => tokio::time::sleep(std::time::Duration::from_millis(1)).await,
        }
    };
    assert!(matches!(outcome, Outcome::Saved(_)), "{outcome:?}");
    let progress = saving.progress();
    assert_eq!(progress.done, lost.len() as u64);
    assert_eq!(progress.total, progress.done);
    saving.stop().await;

    shard.store.discard("orders-east-7").unwrap();
    let watch = Watch::default();
    watch.stop();
    let suffix = suffix(at(0), End::OfJournal);
    let stopped = save(&shard.store, shard.stream(), &suffix, &watch);
    assert!(matches!(stopped, Err(SaveError::Stopped)), "{stopped:?}");
    assert_eq!(shard.files(), [""; 0]);
    // Dropped, or ended with its owner, it is waited for.
    drop(begin());
    begin().stop().await;
    assert!(tasks.stop(std::time::Duration::from_secs(10)).await);
    let files = shard.files().len();
    assert!(files == 0 || files == 3, "{:?}", shard.files());
}
