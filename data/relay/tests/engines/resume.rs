//! Full syncs that are cut, and halves that are restarted.

use std::num::NonZeroU64;

use model::{EngineKind, EventKind};
use relay::Phase;
use runtime::dice::Dice;

use crate::rig::{Rig, write_noise, write_some};

both! {
    cuts_of_a_full_sync_are_resumed,
    cuts_of_a_full_sync_with_a_length_are_resumed,
    an_inbound_that_is_restarted_goes_on_from_its_spool,
    an_outbound_that_is_restarted_goes_on_with_the_same_snapshot,
    an_outbound_that_is_restarted_goes_on_with_its_journal,
}

/// About ten megabytes that cross as they are.
async fn with_data(kind: EngineKind, options: &[(&str, &str)]) -> Rig {
    let rig = Rig::new(kind, options).await.uncompressed();
    write_noise(&rig.primary, 0, 1000);
    rig.secondary.run("SET gone 1");
    rig
}

/// As [`with_data`], and slow enough for something to happen on the way.
async fn with_data_slowly(kind: EngineKind) -> Rig {
    let mut rig = with_data(kind, &[]).await;
    rig.settings.rate_limit = NonZeroU64::new(4 << 20);
    rig.link();
    rig.eventually("half of it is sent", || moved(&rig) > 5_000_000)
        .await;
    rig
}

fn moved(rig: &Rig) -> u64 {
    match rig.out().phase {
        Phase::FullSync { moved_bytes, .. } => moved_bytes,
        Phase::Idle | Phase::Waiting | Phase::Connecting | Phase::Streaming => 0,
    }
}

async fn until_followed(rig: &Rig) {
    let followed = || rig.primary.count("connected_slaves") == 1;
    rig.eventually("the engine is followed", followed).await;
}

/// How often the secondary's engine began to load a snapshot.
fn loads(rig: &Rig) -> usize {
    rig.secondary.log().matches("Full resync from ").count()
}

async fn cuts_of_a_full_sync_are_resumed(kind: EngineKind) {
    resumes(with_data(kind, &[("repl-diskless-sync", "yes")]).await).await;
}

async fn cuts_of_a_full_sync_with_a_length_are_resumed(kind: EngineKind) {
    resumes(with_data(kind, &[("repl-diskless-sync", "no")]).await).await;
}

async fn resumes(rig: Rig) {
    let dice = Dice::from_seed(7);
    let cuts: Vec<usize> = (0..14)
        .map(|_| usize::try_from(dice.below(1_100_000)).unwrap() + 1)
        .collect();
    rig.wan.cut_each_after(&cuts);
    rig.link();
    let all_cut = || rig.wan.connections() > 14;
    rig.eventually("every cut is made", all_cut).await;
    write_some(&rig.primary, 0, 500);
    rig.until_streaming().await;
    rig.until_equal().await;
    assert_eq!(rig.wan.connections(), 15, "{cuts:?}");
    assert_eq!(rig.primary.count("sync_full"), 1);
    assert_eq!(rig.out().counters.full_syncs_finished, 1);
    assert_eq!(rig.inb().counters.full_syncs_started, 1);
    assert_eq!(loads(&rig), 1, "{}", rig.secondary.log());
    assert_eq!(rig.events(EventKind::SnapshotTaken).len(), 1);
    let passed = rig.wan.passed();
    assert!(passed < 14_000_000, "{passed} for ten million bytes");
    rig.stop().await;
}

async fn an_inbound_that_is_restarted_goes_on_from_its_spool(kind: EngineKind) {
    let mut rig = with_data_slowly(kind).await;
    let before = moved(&rig);
    rig.restart_inbound().await;
    rig.until_streaming().await;
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    assert_eq!(rig.out().counters.full_syncs_started, 1);
    assert_eq!(loads(&rig), 2, "the engine itself had to begin again");
    let received = rig.inb().counters.bytes;
    assert!(received < 10_500_000 - before / 2, "{received} {before}");
    let passed = rig.wan.passed();
    assert!(passed < 13_000_000, "{passed} for ten million bytes");
    rig.stop().await;
}

async fn an_outbound_that_is_restarted_goes_on_with_the_same_snapshot(kind: EngineKind) {
    let mut rig = with_data_slowly(kind).await;
    let taken = || rig.events(EventKind::SnapshotTaken).len() == 1;
    rig.eventually("the snapshot is taken", taken).await;
    write_some(&rig.primary, 0, 300);
    rig.restart_outbound().await;
    write_some(&rig.primary, 300, 300);
    rig.until_streaming().await;
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    assert_eq!(rig.inb().counters.full_syncs_started, 1);
    assert_eq!(loads(&rig), 1, "{}", rig.secondary.log());
    let passed = rig.wan.passed();
    assert!(passed < 13_000_000, "{passed} for ten million bytes");
    rig.stop().await;
}

async fn an_outbound_that_is_restarted_goes_on_with_its_journal(kind: EngineKind) {
    let mut rig = Rig::new(kind, &[("repl-backlog-size", "16384")]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 300);
    rig.until_equal().await;
    // In mid stream.
    rig.restart_outbound().await;
    until_followed(&rig).await;
    rig.until_equal().await;
    // While the network is away; the engine's backlog does not reach back, the journal does.
    for round in 0..3 {
        rig.wan.down();
        write_noise(&rig.primary, round * 100, 600);
        let read = || rig.out().read == Some(rig.primary.position());
        rig.eventually("all is read", read).await;
        rig.restart_outbound().await;
        until_followed(&rig).await;
        rig.until_equal().await;
    }
    assert_eq!(rig.primary.count("sync_full"), 1);
    assert_eq!(rig.out().counters.full_syncs_started, 0);
    assert_eq!(rig.inb().counters.full_syncs_started, 1);
    assert_eq!(rig.events(EventKind::JournalFailed), [""; 0]);
    rig.stop().await;
}
