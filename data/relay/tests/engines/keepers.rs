//! Connections that keep an engine taking writes.

use std::{sync::Arc, time::Duration};

use model::EngineKind;
use parking_lot::Mutex;
use relay::{Keepers, Kept};
use tokio::time::Instant;

use crate::rig::{ANY, Rig, credentials};

both! {
    writes_are_taken_while_it_is_permitted_and_no_wait_is_satisfied,
}

async fn writes_are_taken_while_it_is_permitted_and_no_wait_is_satisfied(kind: EngineKind) {
    let rig = Rig::new(kind, &[("min-replicas-max-lag", "2")]).await;
    rig.link();
    rig.until_streaming().await;
    rig.until_equal().await;
    rig.primary.run("CONFIG SET min-replicas-to-write 3");
    let mut client = rig.primary.client();
    let refused = client.run(&[b"SET", b"k", b"1"]);
    assert!(refused.contains("NOREPLICAS"), "{refused}");

    let until = Arc::new(Mutex::new(Some(
        Instant::now() + Duration::from_secs(3_600),
    )));
    let permitted = Arc::clone(&until);
    let permission = Arc::new(move || *permitted.lock());
    let mut keepers = Keepers::new(&rig.tasks, ANY, permission, || {});
    let kept = || Kept {
        engine: rig.primary.address,
        position: rig.primary.position(),
        credentials: credentials(),
        version: rig.primary.version(),
        count: 3,
    };
    keepers.keep(Some(kept()));
    rig.eventually("they are counted", || keepers.online() == 3)
        .await;
    assert_eq!(client.run(&[b"SET", b"k", b"2"]), "OK");
    assert_eq!(
        client.run(&[b"WAIT", b"9", b"500"]),
        "1",
        "the other region alone"
    );

    // What they do not acknowledge in the stream they do in time.
    let lag = || rig.primary.run("INFO replication");
    assert!(!lag().contains("lag=3"), "{}", lag());
    *until.lock() = None;
    rig.eventually("they are gone", || keepers.online() == 0)
        .await;
    let refused = || rig.primary.run("SET k 3").contains("NOREPLICAS");
    rig.eventually("writes are refused", refused).await;

    *until.lock() = Some(Instant::now() + Duration::from_secs(3_600));
    keepers.keep(Some(kept()));
    let taken = || rig.primary.run("SET k 4") == "OK";
    rig.eventually("writes are taken again", taken).await;
    keepers.keep(None);
    rig.eventually("writes are refused again", refused).await;
    rig.stop().await;
}
