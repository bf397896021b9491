//! Where snapshots come from, and for whom they are.

use std::num::NonZeroU64;

use model::{EngineKind, EventKind, SnapshotSource};
use relay::{Phase, Source};

use crate::{
    node::{Node, facts_of},
    rig::{Rig, key_of, replicate, source, there, write_noise, write_some},
};

both! {
    a_replica_spares_the_primary,
    the_primary_is_asked_when_it_shall_be,
    a_replica_that_is_away_is_not_waited_for,
    a_second_secondary_gets_the_same_snapshot,
    shards_have_their_full_syncs_one_after_the_other,
}

/// A primary with some data and a replica that is level with it.
async fn with_a_replica(kind: EngineKind) -> (Rig, Node) {
    let rig = Rig::new(kind, &[]).await;
    let replica = Node::start(kind, &[]);
    replicate(&replica, rig.primary.address);
    write_some(&rig.primary, 0, 1000);
    let level = || replica.position() == rig.primary.position();
    rig.eventually("the replica is level", level).await;
    (rig, replica)
}

/// Links, and tells how many snapshots were taken of the primary for it.
async fn linked(rig: &Rig, replica: &Node) -> u64 {
    let before = rig.primary.count("sync_full");
    rig.serve(Source {
        replicas: vec![replica.address],
        ..source(&rig.primary, 1)
    });
    rig.inbound.follow(rig.peer(1));
    rig.replicate();
    rig.until_streaming().await;
    write_some(&rig.primary, 1000, 1000);
    rig.until_equal().await;
    rig.primary.count("sync_full") - before
}

async fn a_replica_spares_the_primary(kind: EngineKind) {
    let (rig, replica) = with_a_replica(kind).await;
    assert_eq!(linked(&rig, &replica).await, 0);
    assert_eq!(replica.count("sync_full"), 1);
    let told = rig.events(EventKind::SnapshotTaken);
    assert!(told[0].contains(&replica.address.to_string()), "{told:?}");
    rig.stop().await;
}

async fn the_primary_is_asked_when_it_shall_be(kind: EngineKind) {
    let (mut rig, replica) = with_a_replica(kind).await;
    rig.settings.source = SnapshotSource::Primary;
    assert_eq!(linked(&rig, &replica).await, 1);
    assert_eq!(replica.count("sync_full"), 0);
    rig.stop().await;
}

async fn a_replica_that_is_away_is_not_waited_for(kind: EngineKind) {
    let (rig, mut replica) = with_a_replica(kind).await;
    replica.stop();
    assert_eq!(linked(&rig, &replica).await, 1);
    rig.stop().await;
}

async fn a_second_secondary_gets_the_same_snapshot(kind: EngineKind) {
    let mut rig = Rig::new(kind, &[]).await;
    write_some(&rig.primary, 0, 1000);
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 1000, 1000);
    rig.until_equal().await;
    rig.secondary.restart();
    assert_eq!(rig.secondary.run("DBSIZE"), "0");
    rig.replicate();
    rig.until_equal().await;
    assert_eq!(rig.inb().counters.full_syncs_finished, 2);
    assert_eq!(rig.events(EventKind::SnapshotTaken).len(), 1);
    assert_eq!(rig.events(EventKind::FullSyncStarted).len(), 2);
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn shards_have_their_full_syncs_one_after_the_other(kind: EngineKind) {
    let mut rig = Rig::new(kind, &[]).await.uncompressed();
    rig.settings.rate_limit = NonZeroU64::new(4 << 20);
    write_noise(&rig.primary, 0, 800);
    let other = Node::start(kind, &[]);
    write_noise(&other, 0, 100);
    let second = Node::start(kind, &[]);
    let (key, inbound) = (
        key_of(1),
        rig.other_inbound(&there(), key_of(1), "spool 1").await,
    );
    rig.link();
    let begun = || matches!(rig.out().phase, Phase::FullSync { .. });
    rig.eventually("the first one is sent", begun).await;

    let directory = rig.directory.path().join("journal 1");
    rig.outbound
        .serve(key.clone(), &directory, source(&other, 1));
    inbound.follow(rig.peer(1));
    replicate(&second, inbound.address());
    let status = || rig.outbound.status(&key).unwrap();
    let look = || {
        let seen = facts_of(other.address).unwrap();
        rig.outbound.note_source(&key, seen);
    };
    rig.eventually("the second one waits", || {
        look();
        status().phase == Phase::Waiting
    })
    .await;
    rig.eventually("the first one is sent", || {
        look();
        // In this order: the first may end in between.
        let (later, first) = (status(), rig.out());
        assert!(
            first.sent.is_some() || later.counters.full_syncs_started == 0,
            "{first:?} {later:?}"
        );
        first.sent.is_some()
    })
    .await;
    let level = || other.position() == second.position();
    rig.eventually("the second one is in step", || {
        look();
        level()
    })
    .await;
    assert_eq!(other.digest(), second.digest());
    rig.until_equal().await;
    inbound.stop().await;
    rig.stop().await;
}
