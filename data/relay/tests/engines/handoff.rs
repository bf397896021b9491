//! Holding, fencing and the barrier.

use std::time::Duration;

use model::{EngineKind, Epoch};
use relay::{Barrier, Fence, Inbound, Peer, Phase, Source};
use tokio::time::Instant;

use crate::node::facts_of;
use crate::rig::{Rig, here, key, replicate, source, there, write_some};

both! {
    a_held_engine_waits,
    roles_change_without_a_full_sync,
    a_barrier_is_told_again_after_a_cut,
    who_is_behind_is_brought_up_to_the_barrier,
    bytes_that_the_journal_never_got_are_refused,
    a_barrier_is_told_from_what_an_earlier_run_left,
    a_lifted_fence_changes_nothing,
    an_engine_that_drops_its_replicas_is_let_go,
    a_barrier_elsewhere_is_not_told,
}

async fn a_held_engine_waits(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-timeout", "3")]).await;
    rig.serve(source(&rig.primary, 1));
    rig.replicate();
    rig.eventually("the engine asks", || rig.inb().engine.is_some())
        .await;
    let asked = rig.inb().engine;
    let since = Instant::now();
    // Longer than the engine would wait for a silent primary.
    rig.eventually("time passes", || since.elapsed() > Duration::from_secs(5))
        .await;
    assert_eq!(rig.inb().engine, asked, "the engine lost patience");
    assert_eq!(
        (rig.inb().phase, rig.inb().connected),
        (Phase::Waiting, false)
    );
    let before = Instant::now();
    rig.inbound.follow(rig.peer(1));
    rig.until_streaming().await;
    assert!(before.elapsed() < Duration::from_secs(2));

    rig.inbound.hold();
    rig.eventually("the engine waits again", || {
        rig.inb().phase == Phase::Waiting
    })
    .await;
    write_some(&rig.primary, 0, 100);
    assert_ne!(rig.primary.position(), rig.secondary.position());
    rig.inbound.follow(rig.peer(1));
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

/// The geo-primary's side of a handoff, up to the declared barrier.
async fn fence(rig: &Rig, own: &Inbound, attempt: u64) -> Barrier {
    rig.primary.run("CLIENT PAUSE 20000 WRITE");
    let level = || rig.out().sent == Some(rig.primary.position());
    rig.eventually("all is sent", level).await;
    rig.outbound.fence(&key(), None);
    replicate(&rig.primary, own.address());
    rig.eventually("the engine is fenced", || own.status().engine.is_some())
        .await;
    rig.primary.run("CLIENT UNPAUSE");
    let refused = rig.primary.run("SET too late");
    assert!(refused.starts_with("-READONLY"), "{refused}");
    let barrier = Barrier {
        attempt,
        position: rig.primary.position(),
    };
    rig.outbound.fence(&key(), Some(barrier));
    barrier
}

async fn roles_change_without_a_full_sync(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-ping-replica-period", "1")]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 1000);
    // What the other direction needs.
    let own = rig.own_inbound().await;
    let theirs = rig.other_outbound().await;

    let connections = rig.wan.connections();
    let barrier = fence(&rig, &own, 3).await;
    rig.eventually("the barrier arrives", || rig.inb().barrier == Some(barrier))
        .await;
    let applied = || rig.secondary.position() == barrier.position;
    rig.eventually("the barrier is applied", applied).await;
    rig.inbound.note_applied(barrier.position);
    let known = || rig.out().applied == Some(barrier.position.offset);
    rig.eventually("the geo-primary's side knows", known).await;
    let out = rig.out();
    assert_eq!(
        (out.barrier_sent, out.fence),
        (Some(barrier), Fence::Declared(barrier))
    );
    assert_eq!(
        rig.wan.connections(),
        connections,
        "the session stayed open"
    );

    rig.secondary.run("REPLICAOF NO ONE");
    let back = Source {
        peer: here(),
        ..source(&rig.secondary, 2)
    };
    theirs.serve(key(), &rig.directory.path().join("their journal"), back);
    own.follow(Peer {
        outbound: theirs.address(),
        region: there(),
        epoch: Epoch(2),
    });
    rig.outbound.withdraw(&key());
    rig.inbound.hold();
    write_some(&rig.secondary, 1000, 1000);
    rig.eventually("the old primary follows", || {
        let seen = facts_of(rig.secondary.address).unwrap();
        theirs.note_source(&key(), seen);
        rig.primary.position() == rig.secondary.position()
    })
    .await;
    assert_eq!(rig.primary.digest(), rig.secondary.digest());
    assert_eq!(rig.secondary.count("sync_full"), 0);
    assert_eq!(rig.secondary.count("sync_partial_ok"), 1);
    assert_eq!(own.status().counters.partial_syncs, 1);
    rig.stop().await;
}

async fn a_barrier_is_told_again_after_a_cut(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-ping-replica-period", "1")]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 300);
    let own = rig.own_inbound().await;
    let barrier = fence(&rig, &own, 1).await;
    rig.eventually("the barrier arrives", || rig.inb().barrier == Some(barrier))
        .await;
    for _ in 0..3 {
        let before = (rig.wan.connections(), rig.out().counters.partial_syncs);
        rig.wan.cut();
        rig.eventually("a new session stands at the barrier", || {
            rig.wan.connections() > before.0
                && rig.out().counters.partial_syncs > before.1
                && rig.out().barrier_sent == Some(barrier)
                && rig.inb().barrier == Some(barrier)
                && rig.inb().phase == Phase::Streaming
        })
        .await;
    }
    assert_eq!(rig.secondary.position(), barrier.position);

    // The handoff is given up: the primary is one again.
    rig.primary.run("REPLICAOF NO ONE");
    rig.outbound.unfence(&key());
    write_some(&rig.primary, 300, 300);
    rig.until_equal().await;
    rig.until_streaming().await;
    assert_eq!(rig.inb().barrier, None);
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn who_is_behind_is_brought_up_to_the_barrier(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-ping-replica-period", "3600")]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    // These bytes do not cross before the fence.
    rig.wan.down();
    rig.eventually("the session is gone", || rig.out().peer.is_none())
        .await;
    write_some(&rig.primary, 100, 2000);
    let read = || rig.out().read == Some(rig.primary.position());
    rig.eventually("all is read", read).await;
    let own = rig.own_inbound().await;
    rig.outbound.fence(&key(), None);
    replicate(&rig.primary, own.address());
    rig.eventually("the engine is fenced", || own.status().engine.is_some())
        .await;
    let barrier = Barrier {
        attempt: 1,
        position: rig.primary.position(),
    };
    rig.outbound.fence(&key(), Some(barrier));
    assert_ne!(rig.secondary.position(), barrier.position);
    rig.wan.up();
    rig.eventually("the barrier arrives", || rig.inb().barrier == Some(barrier))
        .await;
    let applied = || rig.secondary.position() == barrier.position;
    rig.eventually("the barrier is applied", applied).await;
    assert_eq!(rig.primary.digest(), rig.secondary.digest());
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn bytes_that_the_journal_never_got_are_refused(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-ping-replica-period", "3600")]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    // A fence that is expected, and an engine that drops its replicas before all is said.
    rig.outbound.fence(&key(), None);
    rig.primary.run("CLIENT KILL TYPE replica");
    let dropped = || rig.primary.count("connected_slaves") == 0;
    rig.eventually("the replica is dropped", dropped).await;
    write_some(&rig.primary, 100, 100);
    let barrier = Barrier {
        attempt: 1,
        position: rig.primary.position(),
    };
    rig.outbound.fence(&key(), Some(barrier));
    let stands = rig.secondary.position();
    let told = || {
        let why = rig.inb().last_error.unwrap_or_default();
        why.contains(&format!("fenced at {}", barrier.position))
            && why.contains(&format!("you have {stands}"))
    };
    rig.eventually("both positions are told", told).await;
    assert_eq!(rig.inb().barrier, None);
    assert_eq!(rig.secondary.position(), stands);
    rig.outbound.unfence(&key());
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

/// A restart of the agent between the fence and the barrier.
async fn a_barrier_is_told_from_what_an_earlier_run_left(kind: EngineKind) {
    let mut rig = Rig::new(kind, &[("repl-ping-replica-period", "3600")]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    rig.wan.down();
    write_some(&rig.primary, 100, 500);
    let read = || rig.out().read == Some(rig.primary.position());
    rig.eventually("all is read", read).await;
    let own = rig.own_inbound().await;
    rig.outbound.fence(&key(), None);
    replicate(&rig.primary, own.address());
    rig.eventually("the engine is fenced", || own.status().engine.is_some())
        .await;
    rig.close_outbound().await;
    rig.open_outbound().await;
    rig.serve(source(&rig.primary, 1));
    let barrier = Barrier {
        attempt: 1,
        position: rig.primary.position(),
    };
    rig.outbound.fence(&key(), Some(barrier));
    rig.eventually("the barrier arrives", || rig.inb().barrier == Some(barrier))
        .await;
    let applied = || rig.secondary.position() == barrier.position;
    rig.eventually("the barrier is applied", applied).await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn a_lifted_fence_changes_nothing(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    let before = rig.wan.connections();
    rig.outbound.fence(&key(), None);
    write_some(&rig.primary, 0, 200);
    rig.until_equal().await;
    rig.outbound.unfence(&key());
    write_some(&rig.primary, 200, 200);
    rig.until_equal().await;
    assert_eq!(rig.wan.connections(), before, "the session stayed open");

    // The engine drops its replicas and comes back without a barrier.
    rig.outbound.fence(&key(), None);
    rig.primary.run("CLIENT KILL TYPE replica");
    rig.primary.run("SET after kill");
    rig.outbound.unfence(&key());
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn an_engine_that_drops_its_replicas_is_let_go(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    let own = rig.own_inbound().await;
    let connections = rig.wan.connections();
    rig.outbound.fence(&key(), None);
    replicate(&rig.primary, own.address());
    rig.eventually("the engine is fenced", || own.status().engine.is_some())
        .await;
    rig.primary.run("CLIENT KILL TYPE replica");
    let dropped = || rig.primary.count("connected_slaves") == 0;
    rig.eventually("the replica is dropped", dropped).await;
    let barrier = Barrier {
        attempt: 9,
        position: rig.primary.position(),
    };
    rig.outbound.fence(&key(), Some(barrier));
    rig.eventually("the barrier arrives", || rig.inb().barrier == Some(barrier))
        .await;
    assert_eq!(
        rig.wan.connections(),
        connections,
        "the session stayed open"
    );
    assert_eq!(rig.secondary.position(), barrier.position);
    rig.stop().await;
}

async fn a_barrier_elsewhere_is_not_told(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-ping-replica-period", "3600")]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    let stands = rig.secondary.position();
    let mut barrier = Barrier {
        attempt: 1,
        position: stands,
    };
    barrier.position.offset = stands.offset.advanced(14);
    rig.outbound.fence(&key(), None);
    rig.outbound.fence(&key(), Some(barrier));
    let told = || {
        let why = rig.inb().last_error.unwrap_or_default();
        why.contains(&format!(
            "fenced at {} and you have {stands}",
            barrier.position
        ))
    };
    rig.eventually("both positions are told", told).await;
    let (out, inb) = (rig.out(), rig.inb());
    assert_eq!((out.barrier_sent, inb.barrier), (None, None));
    let refused = || {
        rig.out()
            .last_error
            .is_some_and(|why| why.contains("fenced at"))
    };
    rig.eventually("it is told here too", refused).await;
    rig.outbound.unfence(&key());
    rig.until_streaming().await;
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}
