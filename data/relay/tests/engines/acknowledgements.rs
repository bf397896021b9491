//! What the primary is told about the other region.

use std::time::Duration;

use model::EngineKind;
use psync::Position;
use tokio::time::Instant;

use crate::rig::{Rig, write_some};

both! {
    wait_tells_the_truth,
    the_agent_s_word_counts_within_the_history,
}

async fn wait_tells_the_truth(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    let mut client = rig.primary.client();
    for n in 0..50 {
        let value = format!("{n}");
        client.run(&[b"SET", b"k", value.as_bytes()]);
        assert_eq!(client.run(&[b"WAIT", b"1", b"5000"]), "1");
        assert_eq!(rig.secondary.run("GET k"), value);
    }
    rig.secondary.freeze();
    client.run(&[b"SET", b"k", b"frozen"]);
    let before = Instant::now();
    assert_eq!(client.run(&[b"WAIT", b"1", b"1500"]), "0");
    assert!(before.elapsed() >= Duration::from_millis(1500));
    // The bytes are there, and that alone is no acknowledgement.
    let (out, inb) = (rig.out(), rig.inb());
    assert_eq!(inb.received, Some(rig.primary.position()));
    assert!(out.applied < out.sent.map(|sent| sent.offset), "{out:?}");
    assert!(out.lag >= Some(Duration::from_millis(1000)), "{out:?}");
    rig.secondary.thaw();
    assert_eq!(client.run(&[b"WAIT", b"1", b"5000"]), "1");
    assert_eq!(rig.secondary.run("GET k"), "frozen");
    rig.stop().await;
}

async fn the_agent_s_word_counts_within_the_history(kind: EngineKind) {
    let rig = Rig::new(kind, &[("repl-ping-replica-period", "3600")]).await;
    rig.link();
    rig.until_streaming().await;
    rig.until_equal().await;
    let before = rig.primary.position();
    let level = || rig.out().applied == Some(before.offset);
    rig.eventually("all is acknowledged", level).await;
    // An engine that says nothing itself.
    rig.secondary.freeze();
    write_some(&rig.primary, 0, 10);
    let at = rig.primary.position();
    rig.eventually("all is received", || rig.inb().received == Some(at))
        .await;

    let foreign = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    rig.inbound.note_applied(Position::new(foreign, at.offset));
    rig.inbound
        .note_applied(Position::new(at.replid, at.offset.advanced(1)));
    assert_eq!(rig.inb().applied, Some(before.offset));

    let noted = Instant::now();
    rig.inbound.note_applied(at);
    let reported = || rig.out().applied == Some(at.offset);
    rig.eventually("it is reported", reported).await;
    assert!(
        noted.elapsed() < Duration::from_millis(300),
        "{:?}",
        noted.elapsed()
    );
    assert_eq!(rig.out().lag, Some(Duration::ZERO));
    rig.inbound.note_applied(before);
    assert_eq!(rig.inb().applied, Some(at.offset), "it never goes back");
    rig.secondary.thaw();
    rig.until_equal().await;
    rig.stop().await;
}
