//! A secondary that holds nothing of its primary.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use model::EngineKind;
use relay::Phase;
use tokio::time::Instant;

use crate::{
    node::Node,
    rig::{Rig, replicate, source, write_some},
};

both! {
    with_a_mark,
    with_a_length,
    under_load,
    with_large_values,
    into_an_engine_that_loads_slowly,
    of_an_empty_primary,
    under_another_name_while_it_is_loaded,
    loaded_from_the_socket,
    nothing_follows_the_mark_too_early,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_over_two_channels() {
    let options = [("dual-channel-replication-enabled", "yes")];
    let rig = Rig::new(EngineKind::Valkey, &options).await;
    sync(&rig, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_cannot_load_the_snapshot_causes_no_storm() {
    let primary = Node::start(EngineKind::Valkey, &[]);
    let rig = Rig::with(primary, Node::start(EngineKind::Redis, &[])).await;
    rig.link();
    let since = Instant::now();
    rig.eventually("time passes", || since.elapsed() > Duration::from_secs(8))
        .await;
    assert_eq!(rig.primary.count("sync_full"), 1, "the snapshot is kept");
    let tries = rig.inb().counters.full_syncs_started;
    assert!((2..=4).contains(&tries), "{tries}");
    let why = rig.inb().last_error.unwrap();
    assert!(
        why.contains("gave up a full sync") && why.contains("same version"),
        "{why}"
    );
    assert_eq!(rig.out().counters.full_syncs_finished, 0);
    rig.stop().await;
}

async fn with_a_mark(kind: EngineKind) {
    sync(
        &Rig::new(kind, &[("repl-diskless-sync", "yes")]).await,
        None,
    )
    .await;
}

async fn with_a_length(kind: EngineKind) {
    sync(
        &Rig::new(kind, &[("repl-diskless-sync", "no")]).await,
        Some(()),
    )
    .await;
}

async fn sync(rig: &Rig, length: Option<()>) {
    rig.primary.run("DEBUG POPULATE 20000 old 100");
    write_some(&rig.primary, 0, 500);
    rig.secondary.run("SET gone 1");
    let mut seen = rig.outbound.subscribe();
    rig.link();
    let mut total = None;
    while rig.out().phase != Phase::Streaming {
        tokio::time::timeout(Duration::from_secs(20), seen.changed())
            .await
            .unwrap()
            .unwrap();
        if let Phase::FullSync { total_bytes, .. } = rig.out().phase {
            total = total.or(total_bytes);
        }
    }
    assert_eq!(total.is_some(), length.is_some(), "{total:?}");
    rig.until_streaming().await;
    rig.until_equal().await;
    // The first command behind the snapshot may be one of any database.
    rig.primary.run("SELECT 0");
    write_some(&rig.primary, 500, 500);
    let mut client = rig.primary.client();
    client.run(&[b"SELECT", b"9"]);
    client.run(&[b"SET", b"nine", b"9"]);
    rig.until_equal().await;

    assert_eq!(rig.primary.count("sync_full"), 1);
    // The stream has a connection of its own, and the snapshot came over another.
    assert_eq!(rig.primary.count("sync_partial_ok"), 1);
    assert_eq!(rig.primary.count("connected_slaves"), 1);
    let (out, inb) = (rig.out(), rig.inb());
    for counters in [out.counters, inb.counters] {
        assert_eq!(
            (
                counters.full_syncs_started,
                counters.full_syncs_finished,
                counters.partial_syncs
            ),
            (1, 1, 0)
        );
    }
    assert_eq!(out.counters.bytes, inb.counters.bytes);
    assert_eq!(out.sent, Some(rig.primary.position()));
    assert_eq!(inb.received, out.sent);
    assert_eq!((out.last_error, inb.last_error), (None, None));
    let offset = rig.primary.position().offset;
    rig.eventually("everything is known to be applied", || {
        let out = rig.out();
        out.applied == Some(offset) && out.lag == Some(Duration::ZERO) && out.round_trip.is_some()
    })
    .await;
    rig.eventually("the inbound shows the lag", || {
        rig.inb().lag == Some(Duration::ZERO)
    })
    .await;
}

async fn under_load(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.primary.run("DEBUG POPULATE 50000 old 500");
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|threads| {
        let (primary, stopping) = (&rig.primary, Arc::clone(&stop));
        threads.spawn(move || {
            let mut from = 0;
            while !stopping.load(Ordering::Relaxed) {
                write_some(primary, from, 200);
                from += 200;
            }
        });
        rig.link();
        threads
            .spawn(|| runtime.block_on(rig.until_streaming()))
            .join()
            .unwrap();
        stop.store(true, Ordering::Relaxed);
    });
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn with_large_values(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    let value: Vec<u8> = (0..64u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    rig.primary.run_words(&[b"SET", b"in the snapshot", &value]);
    rig.link();
    rig.until_streaming().await;
    rig.primary.run_words(&[b"SET", b"in the stream", &value]);
    let mut words: Vec<&[u8]> = vec![b"RPUSH", b"many"];
    words.resize(200_000, b"word");
    rig.primary.run_words(&words);
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn into_an_engine_that_loads_slowly(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.primary.run("DEBUG POPULATE 4000 old 1000");
    // A millisecond a key; meanwhile the engine sends newlines.
    rig.secondary.run("CONFIG SET key-load-delay 1000");
    rig.secondary
        .run("CONFIG SET loading-process-events-interval-bytes 1024");
    rig.link();
    rig.eventually("the engine loads", || rig.secondary.info("loading") == "1")
        .await;
    let mut client = rig.primary.client();
    client.run(&[b"SET", b"during", b"loading"]);
    assert_eq!(client.run(&[b"WAIT", b"1", b"300"]), "0");
    assert!(
        matches!(rig.out().phase, Phase::FullSync { .. }),
        "{:?}",
        rig.out()
    );
    assert!(
        matches!(rig.inb().phase, Phase::FullSync { .. }),
        "{:?}",
        rig.inb()
    );
    assert_eq!(rig.out().applied, None);
    rig.secondary.run("CONFIG SET key-load-delay 0");
    rig.until_streaming().await;
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn of_an_empty_primary(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    rig.primary.run("SET first 1");
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn under_another_name_while_it_is_loaded(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-ping-replica-period", "3600")]).await;
    rig.primary.run("DEBUG POPULATE 4000 old 1000");
    let sibling = Node::start(kind, &[]);
    replicate(&sibling, rig.primary.address);
    let level = || sibling.position() == rig.primary.position();
    rig.eventually("the sibling is level", level).await;
    rig.secondary.run("CONFIG SET key-load-delay 1000");
    rig.secondary
        .run("CONFIG SET loading-process-events-interval-bytes 1024");
    rig.link();
    rig.eventually("the engine loads", || rig.secondary.info("loading") == "1")
        .await;
    let name = rig.primary.position().replid;

    // The geo-primary's own replica takes over.
    rig.eventually("the sibling is level", level).await;
    sibling.run("REPLICAOF NO ONE");
    rig.serve(source(&sibling, 1));
    let renamed = || rig.out().read.is_some_and(|read| read.replid != name);
    rig.eventually("the sibling is followed", renamed).await;
    write_some(&sibling, 0, 100);
    assert_eq!(rig.secondary.info("loading"), "1");
    rig.secondary.run("CONFIG SET key-load-delay 0");
    let level = || sibling.position() == rig.secondary.position();
    rig.eventually("the secondary follows the sibling", level)
        .await;
    assert_eq!(sibling.digest(), rig.secondary.digest());
    assert_eq!(rig.inb().counters.full_syncs_started, 1);
    assert_eq!(sibling.count("sync_full"), 0);
    rig.stop().await;
}

async fn loaded_from_the_socket(kind: EngineKind) {
    let options = [("repl-diskless-load", "swapdb")];
    let rig = Rig::new(kind, &options).await;
    sync(&rig, None).await;
}

async fn nothing_follows_the_mark_too_early(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-diskless-sync", "yes")]).await;
    write_some(&rig.primary, 0, 100);
    rig.serve(source(&rig.primary, 1));
    rig.replicate();
    rig.eventually("the engine asks", || rig.inb().engine.is_some())
        .await;
    // It will read the snapshot, its mark and what came behind it in one piece.
    rig.secondary.freeze();
    rig.inbound.follow(rig.peer(1));
    rig.eventually("the snapshot is sent", || rig.out().sent.is_some())
        .await;
    write_some(&rig.primary, 100, 100);
    let sent = || rig.out().sent == Some(rig.primary.position());
    rig.eventually("the stream is sent behind it", sent).await;
    rig.secondary.thaw();
    rig.until_streaming().await;
    rig.until_equal().await;
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}
