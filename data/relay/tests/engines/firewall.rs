//! The geo-primary's firewall holds for the agent beside its geo-secondary, too.

use model::{EngineKind, EventKind};
use relay::{Phase, Source};

use crate::rig::{Rig, firewall, source, write_some};

both! {
    whom_the_firewall_does_not_admit_follows_nobody_until_it_does,
    rules_that_exclude_it_cut_a_link_and_rules_that_admit_it_heal_it,
}

const BARRED: &str =
    "the firewall of `east` does not admit 127.0.0.1, from which `west` follows; add a rule for it";

fn admitting(rig: &Rig, from: &[&str]) -> Source {
    Source {
        firewall: firewall(from),
        ..source(&rig.primary, 1)
    }
}

async fn until_barred(rig: &Rig) {
    let told = || {
        let (out, inb) = (rig.out(), rig.inb());
        let both = [out.not_admitted.as_deref(), inb.not_admitted.as_deref()];
        both == [Some(BARRED); 2] && out.peer.is_none() && !inb.connected
    };
    rig.eventually("both halves say so", told).await;
    let seen = rig.out().seen_from.map(|ip| ip.to_string());
    assert_eq!(seen.as_deref(), Some("127.0.0.1"));
    let told = || rig.events(EventKind::PeerRefused) == [BARRED];
    rig.eventually("it is an event, once", told).await;
}

fn is_clear(rig: &Rig) -> bool {
    rig.out().not_admitted.is_none() && rig.inb().not_admitted.is_none()
}

async fn whom_the_firewall_does_not_admit_follows_nobody_until_it_does(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.primary.run("SET k v");
    rig.secondary.run("SET own 1");
    rig.serve(admitting(&rig, &["192.0.2.1", "::1"]));
    rig.inbound.follow(rig.peer(1));
    rig.replicate();
    until_barred(&rig).await;
    assert_eq!(rig.secondary.run("GET own"), "1");
    assert_eq!(rig.inb().counters.full_syncs_started, 0);

    rig.serve(admitting(&rig, &["192.0.2.1", "127.0.0.1"]));
    rig.until_streaming().await;
    assert!(is_clear(&rig));
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    rig.stop().await;
}

async fn rules_that_exclude_it_cut_a_link_and_rules_that_admit_it_heal_it(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    // What does not concern it leaves its session alone.
    let peer = rig.out().peer;
    rig.serve(admitting(&rig, &["127.0.0.1"]));
    write_some(&rig.primary, 0, 100);
    rig.until_equal().await;
    assert_eq!((rig.out().peer, is_clear(&rig)), (peer, true));

    rig.serve(admitting(&rig, &["192.0.2.1"]));
    until_barred(&rig).await;
    write_some(&rig.primary, 100, 200);
    assert_ne!(rig.inb().phase, Phase::Streaming);

    rig.serve(admitting(&rig, &[]));
    rig.until_streaming().await;
    rig.until_equal().await;
    assert!(is_clear(&rig));
    assert_eq!(
        rig.out().counters.full_syncs_started,
        1,
        "the journal had it"
    );
    rig.stop().await;
}
