use std::path::PathBuf;

use model::{CacheUid, EventKind, ShardIndex};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

mod figures;

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn link() -> LinkId {
    LinkId::new("l")
}

fn event(boot: u64, sequence: u64) -> EventObserved {
    EventObserved {
        boot,
        sequence,
        at: Timestamp(1_000 + sequence),
        link: link(),
        shard: Some(ShardIndex(3)),
        kind: EventKind::Stalled,
        text: format!("stall {sequence}"),
    }
}

/// The record of an event of a link that nothing is known of.
fn record(event: &Event) -> Record {
    crate::activity::of_link(&crate::store::State::default(), event)
}

async fn open(dir: &TempDir) -> History {
    History::open(dir.path(), &Dice::from_seed(1))
        .await
        .unwrap()
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join(FILE)
}

async fn all(history: &History) -> Vec<Event> {
    history.events(&link(), None, 5_000).await.unwrap()
}

#[tokio::test]
async fn an_event_is_kept_as_it_was_told_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir).await;
    let (east, west) = (region("eastus"), region("westus"));
    let now = Timestamp(5_000);
    for repeated in [1..=1, 1..=3, 2..=3, 1..=4] {
        let events = repeated.map(|sequence| event(u64::MAX, sequence));
        history.hear(&east, events.collect(), now, record).await;
    }
    history
        .hear(&west, vec![event(u64::MAX, 1)], now, record)
        .await;
    let kept = all(&history).await;
    assert_eq!(kept.len(), 5, "{kept:?}");
    let first = &kept[0];
    assert_eq!((first.source.as_str(), first.boot), ("eastus", u64::MAX));
    assert_eq!((first.at, first.heard), (Timestamp(1_001), now));
    assert_eq!((first.shard, first.kind.as_str()), (Some(3), "Stalled"));
    // A process that knows nothing of what was told tells it all again.
    history.close().await;
    let again = open(&dir).await;
    let events = (1..=5).map(|sequence| event(u64::MAX, sequence));
    again.hear(&east, events.collect(), now, record).await;
    assert_eq!(all(&again).await.len(), 6);
}

#[tokio::test]
async fn a_thousand_events_of_a_link_are_kept_for_ninety_days() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir).await;
    let east = region("eastus");
    let day = |days: u64| Timestamp(days * 24 * 3_600_000);
    let events = |range: std::ops::RangeInclusive<u64>| range.map(|n| event(1, n)).collect();
    history.hear(&east, events(1..=600), day(1), record).await;
    history
        .hear(&east, events(601..=1_300), day(2), record)
        .await;
    let kept = all(&history).await;
    let numbers = |kept: &[Event]| (kept.len(), kept[0].sequence, kept[kept.len() - 1].sequence);
    assert_eq!(numbers(&kept), (1_000, 301, 1_300));
    history.prune(day(91)).await;
    assert_eq!(all(&history).await.len(), 1_000);
    history.prune(Timestamp(day(91).0 + 1)).await;
    assert_eq!(numbers(&all(&history).await), (700, 601, 1_300));
    let since = history
        .events(&link(), Some(Since::Number(1_298)), 10)
        .await;
    assert_eq!(since.unwrap().len(), 2);
}

#[tokio::test]
async fn a_damaged_history_is_set_aside_and_a_newer_one_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir).await.close().await;
    runtime::durable::write_durable(
        &file(&dir),
        b"this is no database, and long enough to be read as one",
    )
    .unwrap();
    let history = open(&dir).await;
    assert!(all(&history).await.is_empty());
    history.close().await;
    let aside = dir.path().join("history.db.damaged");
    assert!(std::fs::read(aside).unwrap().starts_with(b"this is no"));

    let connection = Connection::open(file(&dir)).unwrap();
    connection
        .execute("UPDATE meta SET value = '2' WHERE name = 'format'", [])
        .unwrap();
    drop(connection);
    let refused = History::open(dir.path(), &Dice::from_seed(1)).await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("format 2"), "{refused}");
    assert!(file(&dir).exists());
}

#[tokio::test]
async fn what_cannot_be_kept_is_told_again() {
    let dir = tempfile::tempdir().unwrap();
    let history = open(&dir).await;
    let east = region("eastus");
    let blocker = Connection::open(file(&dir)).unwrap();
    blocker
        .execute_batch("ALTER TABLE events RENAME TO gone")
        .unwrap();
    history
        .hear(&east, vec![event(1, 1)], Timestamp(0), record)
        .await;
    assert!(history.events(&link(), None, 10).await.is_err());
    blocker
        .execute_batch("ALTER TABLE gone RENAME TO events")
        .unwrap();
    history
        .hear(&east, vec![event(1, 1)], Timestamp(0), record)
        .await;
    assert_eq!(all(&history).await.len(), 1);
}
