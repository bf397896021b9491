//! A link that breaks and goes on.

use std::time::Duration;

use model::{EngineKind, Epoch};
use relay::Phase;
use tokio::time::Instant;

use crate::{
    node::Node,
    rig::{Rig, credentials, key, replicate, source, write_some},
};

both! {
    cuts_of_the_wan_cost_no_full_sync,
    damage_on_the_wan_is_noticed,
    a_promoted_replica_goes_on_under_a_new_name,
    an_outage_ends_quickly,
    another_epoch_is_refused,
    a_shard_that_is_not_served_is_refused,
    an_engine_that_is_away_or_denies_is_told,
    a_primary_without_its_own_primary_is_asked_again,
    another_engine_of_the_same_source_is_followed,
    a_dead_wan_is_noticed,
    a_frozen_secondary_is_waited_for,
    a_frozen_primary_is_told,
}

async fn cuts_of_the_wan_cost_no_full_sync(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-ping-replica-period", "1")]).await;
    rig.link();
    rig.until_streaming().await;
    for round in 0..25_u32 {
        let bytes = usize::try_from(round * round * 37 + round * 7 + 200).unwrap();
        rig.wan.cut_next_after(bytes);
        rig.wan.cut();
        let before = rig.wan.connections();
        write_some(&rig.primary, round * 300, 150);
        rig.eventually("the engine dials again", || rig.wan.connections() > before)
            .await;
        write_some(&rig.primary, round * 300 + 150, 150);
    }
    rig.until_streaming().await;
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    // The geo-primary was not asked again: bytes came from memory and the journal.
    assert_eq!(rig.primary.count("sync_partial_ok"), 1);
    assert_eq!(rig.primary.count("connected_slaves"), 1);
    assert_eq!(rig.out().counters.full_syncs_started, 1);
    rig.stop().await;
}

async fn damage_on_the_wan_is_noticed(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await.uncompressed();
    rig.link();
    rig.until_streaming().await;
    for at in [3, 20, 100, 500, 3_000, 20_000] {
        rig.wan.damage_next_at(at);
        rig.wan.cut();
        let before = rig.wan.connections();
        write_some(&rig.primary, 0, 400);
        rig.eventually("the damaged session is given up", || {
            rig.wan.connections() > before + 1
        })
        .await;
    }
    rig.until_streaming().await;
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn a_promoted_replica_goes_on_under_a_new_name(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-ping-replica-period", "3600")]).await;
    let sibling = Node::start(kind, &[]);
    rig.link();
    replicate(&sibling, rig.primary.address);
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 500);
    rig.until_equal().await;
    let level = || sibling.position() == rig.primary.position();
    rig.eventually("the sibling is level", level).await;
    let old = rig.primary.position().replid;

    sibling.run("REPLICAOF NO ONE");
    write_some(&sibling, 500, 500);
    rig.serve(source(&sibling, 1));
    let level = || sibling.position() == rig.secondary.position();
    rig.eventually("the secondary follows the sibling", level)
        .await;
    assert_ne!(sibling.position().replid, old);
    assert_eq!(sibling.digest(), rig.secondary.digest());
    assert_eq!(sibling.count("sync_full"), 0);
    assert_eq!(rig.inb().received, Some(sibling.position()));
    rig.stop().await;
}

async fn an_outage_ends_quickly(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    rig.wan.down();
    write_some(&rig.primary, 0, 200);
    rig.eventually("the engine waits", || rig.inb().phase == Phase::Connecting)
        .await;
    let waits = || {
        rig.inb()
            .last_error
            .is_some_and(|why| why.contains("lost the outbound"))
    };
    rig.eventually("the error is shown", waits).await;
    rig.wan.up();
    let up = Instant::now();
    rig.eventually("the stream flows", || rig.inb().phase == Phase::Streaming)
        .await;
    assert!(
        up.elapsed() < Duration::from_millis(800),
        "{:?}",
        up.elapsed()
    );
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn another_epoch_is_refused(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    rig.serve(source(&rig.primary, 7));
    let told = || {
        let why = rig.inb().last_error.unwrap_or_default();
        why.contains("epoch 7") && why.contains("epoch 1")
    };
    rig.eventually("both epochs are told", told).await;
    assert_eq!(rig.out().phase, Phase::Idle);
    rig.inbound.follow(rig.peer(7));
    rig.until_streaming().await;
    assert_eq!(rig.inb().last_error, None);
    assert_eq!(rig.out().epoch, Epoch(7));
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn a_shard_that_is_not_served_is_refused(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.inbound.follow(rig.peer(1));
    rig.replicate();
    let told = || {
        rig.inb()
            .last_error
            .is_some_and(|why| why.contains("not served here"))
    };
    rig.eventually("it is told", told).await;
    assert!(rig.outbound.status(&key()).is_none());
    rig.link();
    rig.until_streaming().await;
    rig.outbound.withdraw(&key());
    let told = || {
        let why = rig.inb().last_error.unwrap_or_default();
        why.contains("withdrew or changed the shard")
    };
    rig.eventually("it is told again", told).await;
    assert!(rig.outbound.status(&key()).is_none());
    rig.stop().await;
}

async fn an_engine_that_is_away_or_denies_is_told(kind: EngineKind) {
    let mut rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    rig.primary.stop();
    let address = rig.primary.address.to_string();
    let told = || {
        let why = rig.out().last_error.unwrap_or_default();
        why.contains("cannot connect to the geo-primary's engine") && why.contains(&address)
    };
    rig.eventually("it is told", told).await;
    // The session stands by: what the journal has could still be asked for.
    assert_eq!(rig.inb().phase, Phase::Streaming);
    rig.primary.restart();
    // Its history is another one now.
    rig.until_streaming().await;
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);

    let mut wrong = source(&rig.primary, 1);
    wrong.credentials = relay::Credentials {
        password: model::Secret::new("wrong"),
        ..credentials()
    };
    rig.serve(wrong);
    let told = || {
        let why = rig.out().last_error.unwrap_or_default();
        why.contains("WRONGPASS") && !why.contains("wrong\"")
    };
    rig.eventually("the denial is told", told).await;
    rig.serve(source(&rig.primary, 1));
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    assert_eq!(rig.out().last_error, None);
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn a_primary_without_its_own_primary_is_asked_again(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    let before = rig.secondary.digest();
    // Nothing listens on the discard port: the link to it never comes up.
    rig.primary.run("REPLICAOF 127.0.0.1 9");
    rig.primary.run("CLIENT KILL TYPE replica");
    let told = || {
        rig.out()
            .last_error
            .is_some_and(|why| why.contains("NOMASTERLINK"))
    };
    rig.eventually("the reason is told", told).await;
    assert_eq!(rig.secondary.digest(), before);
    rig.primary.run("REPLICAOF NO ONE");
    rig.until_streaming().await;
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn another_engine_of_the_same_source_is_followed(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    let before = rig.wan.connections();
    // The same again changes nothing.
    rig.serve(source(&rig.primary, 1));
    rig.inbound.follow(rig.peer(1));
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    assert_eq!(rig.wan.connections(), before);

    let other = Node::start(kind, &[]);
    other.run("SET other 1");
    rig.serve(source(&other, 1));
    let level = || other.position() == rig.secondary.position();
    rig.eventually("the secondary follows the other engine", level)
        .await;
    assert_eq!(other.digest(), rig.secondary.digest());
    rig.stop().await;
}

async fn a_dead_wan_is_noticed(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    rig.wan.stall();
    let since = Instant::now();
    let told = |why: Option<String>| why.is_some_and(|why| why.contains("nothing was heard"));
    rig.eventually("both sides give up", || {
        rig.out().peer.is_none() && told(rig.out().last_error) && rig.wan.connections() == 2
    })
    .await;
    let took = since.elapsed();
    assert!((14..20).contains(&took.as_secs()), "{took:?}");
    rig.wan.unstall();
    rig.wan.cut();
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn a_frozen_secondary_is_waited_for(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    rig.secondary.freeze();
    // More than the engine's buffers, and longer than a silent side would be borne.
    let value = vec![b'v'; 1 << 20];
    for n in 0..40 {
        rig.primary
            .run_words(&[b"SET", format!("k{n}").as_bytes(), &value]);
    }
    let since = Instant::now();
    rig.eventually("time passes", || since.elapsed() > Duration::from_secs(18))
        .await;
    let out = rig.out();
    assert_eq!(out.phase, Phase::Streaming);
    // The inbound cannot hand on what it has.
    let received = rig.inb().received.unwrap();
    assert!(
        received.offset < rig.primary.position().offset,
        "{received}"
    );
    assert!(out.lag > Some(Duration::from_secs(15)), "{out:?}");
    rig.secondary.thaw();
    rig.until_equal().await;
    assert_eq!(rig.wan.connections(), 1, "the session stayed open");
    rig.stop().await;
}

async fn a_frozen_primary_is_told(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    rig.primary.freeze();
    // What it said before is still served.
    let before = rig.out().counters.partial_syncs;
    rig.wan.cut();
    let resumed = || rig.out().counters.partial_syncs > before;
    rig.eventually("the session goes on without it", resumed)
        .await;
    // Followed anew, it does not answer.
    let mut other = source(&rig.primary, 1);
    other.credentials.user = "default".to_owned();
    rig.serve(other);
    let told = || {
        rig.out()
            .last_error
            .is_some_and(|why| why.contains("was silent for 10 s"))
    };
    rig.eventually("the silence is told", told).await;
    rig.primary.thaw();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}
