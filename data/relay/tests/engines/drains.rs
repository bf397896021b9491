//! The journal of a former geo-primary, completed before what is in it is saved.

use std::{fs, path::PathBuf, time::Duration};

use model::{EngineKind, EventKind};
use psync::Position;
use relay::{Drain, KeptStream};
use tokio::time::Instant;

use crate::rig::{Rig, flip, key, segment, source, write_noise, write_some};

both! {
    what_the_engine_took_while_nobody_read_it_is_read_and_nobody_is_served,
    a_damaged_journal_is_left_for_who_saves_it,
    a_damaged_journal_gives_way_to_a_backlog_that_has_all_of_it,
}

/// Has the rig's outbound read its journal to the engine's end.
fn drain(rig: &Rig, from: Position) {
    let drain = Drain { from: Some(from) };
    rig.look_at(Some(rig.primary.address));
    let source = source(&rig.primary, 2);
    rig.outbound.drain(key(), &rig.journal(), source, drain);
    rig.look();
}

/// Everything that the engine has is in the journal, which is open.
fn is_drained(rig: &Rig) -> bool {
    rig.look();
    let status = rig.outbound.status(&key());
    status.is_some_and(|status| {
        status.looked && status.journaled == Some(rig.primary.position().offset)
    })
}

/// Writes that cross to nobody; then the outbound is closed. Where the other side stands.
async fn left_alone(rig: &Rig) -> Position {
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    let fork = rig.secondary.position();
    rig.wan.down();
    write_noise(&rig.primary, 0, 1000);
    // Damage is told from a torn end by what was written after it was durable.
    let since = Instant::now();
    rig.eventually("it is durable", || since.elapsed() > Duration::from_secs(2))
        .await;
    write_some(&rig.primary, 0, 100);
    let read = || rig.out().journaled == Some(rig.primary.position().offset);
    rig.eventually("all is in the journal", read).await;
    rig.close_outbound().await;
    fork
}

fn bytes_of(rig: &Rig) -> (PathBuf, Vec<u8>) {
    let path = segment(&rig.journal());
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

async fn what_the_engine_took_while_nobody_read_it_is_read_and_nobody_is_served(kind: EngineKind) {
    let mut rig = Rig::new(kind, &[("repl-backlog-size", "64mb")]).await;
    let fork = left_alone(&rig).await;
    write_some(&rig.primary, 500, 300);
    rig.open_outbound().await;
    drain(&rig, fork);
    rig.eventually("the journal has everything", || is_drained(&rig))
        .await;
    assert_eq!(rig.out().peer, None, "a drain admits nobody");
    rig.close_outbound().await;
    let mut kept = KeptStream::unserved(&rig.journal());
    assert!(kept.covers(&fork).unwrap().is_some());
    assert_eq!(kept.span().unwrap().unwrap().1, rig.primary.position());
    rig.stop().await;
}

async fn a_damaged_journal_is_left_for_who_saves_it(kind: EngineKind) {
    let mut rig = Rig::new(kind, &[("repl-backlog-size", "16384")]).await;
    let fork = left_alone(&rig).await;
    flip(&segment(&rig.journal()), 10);
    let before = bytes_of(&rig);
    rig.open_outbound().await;
    drain(&rig, fork);
    rig.eventually("it has looked", || {
        rig.look();
        rig.outbound.status(&key()).is_some_and(|it| it.looked)
    })
    .await;
    let status = rig.out();
    assert_eq!((status.read, status.drain.is_some()), (None, true));
    rig.close_outbound().await;
    assert!(before == bytes_of(&rig), "the files are as they were");
    let error = KeptStream::unserved(&rig.journal()).span().unwrap_err();
    assert!(error.is_damage(), "{error}");
    assert_eq!(rig.events(EventKind::JournalFailed), [""; 0]);
    rig.stop().await;
}

async fn a_damaged_journal_gives_way_to_a_backlog_that_has_all_of_it(kind: EngineKind) {
    let mut rig = Rig::new(kind, &[("repl-backlog-size", "64mb")]).await;
    let fork = left_alone(&rig).await;
    flip(&segment(&rig.journal()), 10);
    rig.open_outbound().await;
    drain(&rig, fork);
    rig.eventually("the journal has everything", || is_drained(&rig))
        .await;
    assert_eq!(rig.events(EventKind::JournalFailed).len(), 1);
    rig.close_outbound().await;
    let mut kept = KeptStream::unserved(&rig.journal());
    let span = kept.span().unwrap().unwrap();
    assert_eq!(
        (span.0.offset, span.1),
        (fork.offset, rig.primary.position())
    );
    rig.stop().await;
}
