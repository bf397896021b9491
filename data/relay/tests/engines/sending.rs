//! How fast and how small bytes cross.

use std::{num::NonZeroU64, time::Duration};

use model::EngineKind;
use tokio::time::Instant;

use crate::rig::{Rig, source, write_noise};

both! {
    a_rate_limit_holds_until_it_is_lifted,
    what_can_be_compressed_is,
    what_cannot_be_compressed_is_left_alone,
}

async fn a_rate_limit_holds_until_it_is_lifted(kind: EngineKind) {
    const RATE: u64 = 1 << 20;
    let mut rig = Rig::new(kind, &[]).await.uncompressed();
    rig.settings.rate_limit = NonZeroU64::new(RATE);
    rig.link();
    rig.until_streaming().await;
    rig.until_equal().await;
    let before = rig.out().traffic.sent_bytes;
    let start = Instant::now();
    write_noise(&rig.primary, 0, 2000);
    rig.eventually("time passes", || start.elapsed() > Duration::from_secs(3))
        .await;
    let sent = rig.out().traffic.sent_bytes - before;
    let due = RATE * u64::try_from(start.elapsed().as_millis()).unwrap() / 1000;
    // A quarter of a second may go at once, and a frame is not divided.
    let at_once = RATE / 4 + wire::DATA_BYTES as u64;
    assert!(sent < due + at_once + 10_000, "{sent} {due}");
    assert!(sent > due * 7 / 10, "{sent} {due}");

    // While it runs.
    let lifted = Instant::now();
    rig.settings.rate_limit = None;
    rig.serve(source(&rig.primary, 1));
    rig.until_equal().await;
    let took = lifted.elapsed();
    assert!(
        took < Duration::from_secs(8),
        "{took:?} at the limit it is 17 s"
    );
    assert_eq!(rig.wan.connections(), 1, "the session stayed open");
    rig.stop().await;
}

async fn what_can_be_compressed_is(kind: EngineKind) {
    let rig = Rig::new(kind, &[("rdbcompression", "no")]).await;
    write_json(&rig, 0);
    rig.link();
    rig.until_streaming().await;
    let snapshot = rig.out().traffic;
    assert!(snapshot.raw_bytes > 2_000_000, "{snapshot:?}");
    assert!(snapshot.sent_bytes < snapshot.raw_bytes / 2, "{snapshot:?}");
    write_json(&rig, 20_000);
    rig.until_equal().await;
    let both = rig.out().traffic;
    let (raw, sent) = (
        both.raw_bytes - snapshot.raw_bytes,
        both.sent_bytes - snapshot.sent_bytes,
    );
    assert!(raw > 2_000_000 && sent < raw / 2, "{both:?}");
    assert_eq!(both.bypassed_bytes, 0);
    let passed = rig.wan.passed();
    assert!(
        passed < both.sent_bytes * 11 / 10 + 20_000,
        "{passed} {both:?}"
    );
    rig.stop().await;
}

fn write_json(rig: &Rig, from: u32) {
    let mut client = rig.primary.client();
    for n in from..from + 20_000 {
        let key = format!("order:{n}");
        let value = format!(
            r#"{{"id":{n},"customer":"c-{}","state":"shipped","lines":[{{"sku":"{}","count":{}}}],"total":{}.{}}}"#,
            n % 977,
            n % 613,
            n % 7,
            n % 1000,
            n % 100
        );
        client.send(&[b"SET", key.as_bytes(), value.as_bytes()]);
    }
    for _ in 0..20_000 {
        assert_eq!(client.reply(), "OK");
    }
}

async fn what_cannot_be_compressed_is_left_alone(kind: EngineKind) {
    let rig = Rig::new(kind, &[]).await;
    rig.link();
    rig.until_streaming().await;
    write_noise(&rig.primary, 0, 1000);
    rig.until_equal().await;
    let traffic = rig.out().traffic;
    assert!(traffic.bypassed_bytes > 5_000_000, "{traffic:?}");
    assert!(traffic.bypassing, "{traffic:?}");
    let surplus = traffic.sent_bytes.saturating_sub(traffic.raw_bytes);
    assert!(surplus < traffic.raw_bytes / 50, "{traffic:?}");
    rig.stop().await;
}
