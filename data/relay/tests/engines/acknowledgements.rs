//! What the primary is told about the other region.

use std::time::Duration;

use model::EngineKind;
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
    // Between two acknowledgements of the engine, which come once a second.
    let mut proven = false;
    for n in 0..20 {
        write_some(&rig.primary, n * 10, 10);
        let at = rig.primary.position();
        rig.eventually("the secondary applies", || rig.secondary.position() == at)
            .await;
        let mut foreign = at;
        foreign.replid = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        let before = rig.out().applied;
        rig.inbound.note_applied(foreign);
        let mut ahead = at;
        ahead.offset = at.offset.advanced(1);
        rig.inbound.note_applied(ahead);
        assert!(rig.inb().applied <= Some(at.offset));
        rig.inbound.note_applied(at);
        let noted = Instant::now();
        rig.eventually("it is reported", || rig.out().applied == Some(at.offset))
            .await;
        proven |= before < Some(at.offset) && noted.elapsed() < Duration::from_millis(100);
    }
    assert!(proven, "the agent's word never came before the engine's");
    rig.stop().await;
}
