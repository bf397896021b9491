//! One shard of a link, in words.

use client::status::{Journal, Lags, LinkHalf, LinkShard, Wire};

use crate::output::{bytes, milliseconds, or_dash, pairs};

/// What is known of a shard, a line for each kind of thing.
pub(super) fn describe(shard: &LinkShard) -> String {
    pairs([
        (
            "standing",
            Some(format!(
                "{} -> {}",
                standing(&shard.primary),
                standing(&shard.secondary)
            )),
        ),
        ("stalled", shard.stalled.clone()),
        ("behind", shard.bytes_behind.map(bytes)),
        ("lag", shard.lag_ms.map(milliseconds)),
        ("last minute", shard.last_minute.map(lags)),
        ("last hour", shard.last_hour.map(lags)),
        ("offsets", offsets(shard)),
        ("wire", shard.wire.map(wire)),
        ("journal", shard.journal.map(journal)),
    ])
}

/// What a side of a shard can do.
pub(super) fn standing(half: &Option<LinkHalf>) -> String {
    or_dash(half.as_ref().and_then(|half| half.standing.clone()))
}

fn lags(lag: Lags) -> String {
    format!(
        "p50 {}, p99 {}, at most {}",
        milliseconds(lag.p50_ms),
        milliseconds(lag.p99_ms),
        milliseconds(lag.max_ms)
    )
}

fn offsets(shard: &LinkShard) -> Option<String> {
    let offsets = &shard.offsets;
    let known: Vec<_> = [
        ("received", offsets.received),
        ("journaled", offsets.journaled),
        ("shipped", offsets.shipped),
        ("applied", offsets.applied),
    ]
    .into_iter()
    .filter_map(|(station, offset)| Some(format!("{station} {}", offset?)))
    .collect();
    (!known.is_empty()).then(|| known.join(", "))
}

fn wire(wire: Wire) -> String {
    let mut text = format!("{} as {}", bytes(wire.raw_bytes), bytes(wire.sent_bytes));
    if let Some(ratio) = wire.ratio {
        text.push_str(&format!(" ({ratio:.1} to 1)"));
    }
    if wire.bypassed_bytes > 0 {
        let bypassed = bytes(wire.bypassed_bytes);
        text.push_str(&format!(", {bypassed} uncompressed"));
    }
    if wire.bypassing {
        text.push_str(", not compressing now: it saves too little");
    }
    text.push_str(&format!(
        "; {} and {}",
        count(wire.reconnects, "reconnect"),
        count(wire.stalls, "stall")
    ));
    text
}

fn journal(journal: Journal) -> String {
    let mut text = bytes(journal.bytes);
    if let Some(ms) = journal.oldest_ms {
        #[expect(clippy::cast_precision_loss, reason = "shown to a tenth of a second")]
        let age = milliseconds(ms as f64);
        text.push_str(&format!(" of the last {age}"));
    }
    if journal.snapshot_bytes > 0 {
        let snapshot = bytes(journal.snapshot_bytes);
        text.push_str(&format!(", a snapshot of {snapshot}"));
    }
    if journal.queued_bytes > 0 {
        let queued = bytes(journal.queued_bytes);
        text.push_str(&format!(", {queued} not written yet"));
    }
    text
}

fn count(number: u64, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {of}{plural}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shard_is_described_as_far_as_it_is_known() {
        let shard: LinkShard = serde_json::from_value(json!({
            "primary": {"standing": "Writable"}, "secondary": {"standing": "Following"},
            "bytesBehind": 14, "lagMs": 1.5, "stalled": null,
            "lastMinute": {"p50Ms": 1.0, "p99Ms": 4.0, "maxMs": 90.0}, "lastHour": null,
            "offsets": {"received": 1014, "journaled": 1014, "shipped": 1014, "applied": 1000},
            "wire": {
                "rawBytes": 4096, "sentBytes": 1024, "ratio": 4.0, "bypassedBytes": 10,
                "bypassing": true, "reconnects": 1, "stalls": 0,
            },
            "journal": {"bytes": 4096, "oldestMs": 2500, "snapshotBytes": 0, "queuedBytes": 7},
        }))
        .unwrap();
        let expected = "\
standing     Writable -> Following
behind       14 B
lag          1.5 ms
last minute  p50 1.0 ms, p99 4.0 ms, at most 90 ms
offsets      received 1014, journaled 1014, shipped 1014, applied 1000
wire         4.00 KiB as 1.00 KiB (4.0 to 1), 10 B uncompressed, not compressing now: it saves too little; 1 reconnect and 0 stalls
journal      4.00 KiB of the last 2.5 s, 7 B not written yet";
        assert_eq!(describe(&shard), expected);
        let nothing = describe(&LinkShard::default());
        assert_eq!(nothing, "standing  - -> -");
    }
}
