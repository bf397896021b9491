//! What is broken: journals, files of an earlier save, and the disk itself.

use std::{fs, os::unix::fs::FileExt as _, path::Path, sync::Arc};

use journal::Limits;
use model::Timestamp;

use super::*;

#[test]
fn damage_is_told_by_its_offsets() {
    let shard = Shard::new();
    let before = commands(&["SELECT 1", "SET x 1"]);
    let fork = behind(at(0), &before);
    let value = "v".repeat(300_000);
    let lost = commands(&["SET a 1", &format!("SET b {value}"), "SET c 1"]);
    shard.write(at(0), &[before, lost.clone()].concat());
    // What is written later knows that it was durable; before that it counts as torn.
    let later = command("SET d 1");
    let mut journal = shard.journal(Limits::default());
    journal.append(&later, Timestamp(2000)).unwrap();
    journal.seal_and_sync().unwrap();
    drop(journal);
    let end = behind(behind(fork, &lost), &later);
    let stream = shard.journal_directory().join("0000000000000001.stream");
    let file = fs::OpenOptions::new().write(true).open(stream).unwrap();
    file.write_all_at(b"!", 128 + 200_000).unwrap();
    let why = shard.unsaved(&suffix(fork, End::Known(end)));
    let intact = behind(fork, &command("SET a 1")).offset;
    assert!(
        why.contains(&format!("behind offset {intact} up to {}", end.offset))
            && why.contains("damaged at"),
        "{why}"
    );
    let accepted = Suffix {
        accept_missing: true,
        ..suffix(fork, End::Known(end))
    };
    let receipt = shard.saved(&accepted);
    assert_eq!(shard.file("aof"), commands(&["SELECT 1", "SET a 1"]));
    assert!(receipt.missing.unwrap().contains("damaged at"));
}

#[test]
fn the_end_of_a_journal_may_be_torn() {
    let shard = Shard::new();
    let before = commands(&["SELECT 0"]);
    let fork = behind(at(0), &before);
    let whole = commands(&["SET a 1", "MULTI", "SET b 1"]);
    let torn = &command("SET c 1")[..20];
    shard.write(at(0), &[before.as_slice(), &whole, torn].concat());
    let receipt = shard.saved(&suffix(fork, End::OfJournal));
    let expected = commands(&["SELECT 0", "SET a 1", "MULTI", "SET b 1"]);
    assert_eq!(shard.file("aof"), expected);
    assert_eq!((receipt.commands, receipt.transactions), (2, 0));
    assert!(!receipt.end_is_known && receipt.missing.is_none());
    assert_eq!(receipt.to, behind(behind(fork, &whole), torn));
    // The engine came back after all, and had more.
    let more = behind(receipt.to, b"more");
    let mut journal = shard.journal(Limits::default());
    journal
        .append(&command("SET c 1")[20..], Timestamp(5))
        .unwrap();
    journal.append(&command("EXEC"), Timestamp(5)).unwrap();
    journal.seal_and_sync().unwrap();
    drop(journal);
    let receipt = shard.saved(&suffix(fork, End::Known(more)));
    assert_eq!((receipt.commands, receipt.transactions), (3, 1));
    assert_eq!(shard.reopened(), [receipt]);
}

#[test]
fn what_cannot_be_used_is_left_alone_and_told() {
    let shard = Shard::new();
    shard.write(at(0), &commands(&["SELECT 0", "SET a 1"]));
    shard.saved(&suffix(at(0), End::OfJournal));
    let directory = shard.directory.path().join("lost");
    let put = |path: &Path, bytes: &[u8]| {
        runtime::durable::write_durable(path, bytes).unwrap();
    };
    put(&directory.join("other.json"), b"torn");
    put(&directory.join("newer.json"), b"{\"version\":9}");
    put(&directory.join("renamed.json"), &shard.file("json"));
    put(&directory.join("half.aof"), b"");
    put(&directory.join("half.keys.new"), b"");
    let listed = receipt_file::list(&directory);
    assert_eq!(listed.receipts.len(), 1);
    assert_eq!(listed.damaged.len(), 3, "{:?}", listed.damaged);
    assert!(!directory.join("half.keys.new").exists());
    assert!(directory.join("half.aof").exists());
    // A file that is shorter than it was written.
    put(&shard.path("keys"), b"");
    let listed = receipt_file::list(&directory);
    assert_eq!(listed.receipts.len(), 0);
    assert!(
        listed
            .damaged
            .iter()
            .any(|why| why.contains("orders-east-7.keys"))
    );
    // Saved again, it is whole.
    let store = Arc::new(LostWrites::open(directory));
    let saved = save(
        &store,
        shard.stream(),
        &suffix(at(0), End::OfJournal),
        &Watch::default(),
    );
    assert!(matches!(saved, Ok(Outcome::Saved(_))), "{saved:?}");
    assert_eq!(shard.reopened().len(), 1);
}

#[test]
fn a_disk_that_fails_leaves_nothing_half() {
    let shard = Shard::new();
    shard.write(at(0), &commands(&["SELECT 0", "SET a 1"]));
    let lost = shard.directory.path().join("lost");
    // Something stands where the directory has to be.
    runtime::durable::write_durable(&lost, b"").unwrap();
    let error = shard.try_save(&suffix(at(0), End::OfJournal)).unwrap_err();
    assert!(matches!(error, SaveError::File(_)), "{error}");
    fs::remove_file(&lost).unwrap();
    // And where one of the files has to be: the receipt comes last.
    for extension in ["aof", "keys", "json"] {
        fs::create_dir_all(shard.path(extension)).unwrap();
        let failed = shard.try_save(&suffix(at(0), End::OfJournal));
        assert!(matches!(failed, Err(SaveError::File(_))), "{failed:?}");
        fs::remove_dir(shard.path(extension)).unwrap();
        assert_eq!(shard.reopened(), []);
        assert_eq!(shard.store.list(), []);
        assert!(!shard.files().iter().any(|name| name.ends_with(".new")));
    }
    shard.saved(&suffix(at(0), End::OfJournal));
    assert_eq!(shard.reopened().len(), 1);
}
