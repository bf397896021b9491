//! A geo-primary that comes back without its data.

use std::time::Duration;

use model::{EngineKind, EventKind};
use relay::{Phase, Source};
use tokio::time::Instant;

use crate::rig::{Rig, source, write_some};

both! {
    an_empty_primary_wipes_nothing_unasked,
    a_primary_that_is_filled_again_is_followed,
}

/// A link whose primary is restarted without its data; the secondary says what it holds.
async fn after_a_loss(kind: EngineKind) -> (Rig, String) {
    let mut rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    write_some(&rig.primary, 0, 500);
    rig.until_equal().await;
    let kept = rig.secondary.digest();
    let keys: u64 = rig.secondary.run("DBSIZE").parse().unwrap();
    rig.inbound.note_keys(keys);
    let lost = rig.primary.position().replid;
    // The agent sees the loss later than the outbound does.
    rig.look_at(None);
    rig.primary.restart();
    let followed = || rig.out().read.is_some_and(|read| read.replid != lost);
    rig.eventually("the new history is followed", followed)
        .await;
    let since = Instant::now();
    rig.eventually("time passes", || {
        assert!(
            !matches!(rig.inb().phase, Phase::FullSync { .. }),
            "what was seen of another history does not count"
        );
        since.elapsed() > Duration::from_millis(1500)
    })
    .await;
    rig.look_at(Some(rig.primary.address));
    let told = || {
        let why = rig.inb().last_error.unwrap_or_default();
        rig.out().source_empty && why.contains("the geo-primary is empty")
    };
    rig.eventually("it is told", told).await;
    assert_eq!(rig.secondary.digest(), kept);
    (rig, kept)
}

async fn an_empty_primary_wipes_nothing_unasked(kind: EngineKind) {
    let (rig, kept) = after_a_loss(kind).await;
    let tries = rig.wan.connections();
    rig.eventually("it is asked again", || rig.wan.connections() > tries + 3)
        .await;
    assert_eq!(rig.secondary.digest(), kept);
    let told = rig.events(EventKind::SourceLost);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(rig.primary.count("sync_full"), 1);

    let accepted = Source {
        accept_empty: true,
        ..source(&rig.primary, 1)
    };
    rig.serve(accepted);
    rig.until_streaming().await;
    rig.until_equal().await;
    assert_ne!(rig.secondary.digest(), kept);
    assert!(!rig.out().source_empty);
    assert_eq!(rig.out().last_error, None);
    assert_eq!(rig.primary.count("sync_full"), 1);
    rig.stop().await;
}

async fn a_primary_that_is_filled_again_is_followed(kind: EngineKind) {
    let (rig, _kept) = after_a_loss(kind).await;
    // Somebody loads a backup.
    write_some(&rig.primary, 0, 100);
    rig.until_streaming().await;
    rig.until_equal().await;
    assert!(!rig.out().source_empty);
    rig.stop().await;
}
