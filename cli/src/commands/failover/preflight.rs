//! What is known before a failover, in words.

use client::failover::{Preflight, ShardBehind};

use crate::{
    output::{bytes, milliseconds, or_dash, pairs, table},
    quantity::since,
};

/// The level of findings that a failover cannot pass.
const BLOCKER: &str = "Blocker";

/// The findings, one a line, each with its level.
pub(super) fn findings(found: &Preflight) -> String {
    let lines: Vec<_> = found
        .findings
        .iter()
        .map(|finding| format!("{:8} {}", level(&finding.level), finding.message))
        .collect();
    lines.join("\n")
}

/// The same without what is as it should be.
pub(super) fn worth_saying(found: &Preflight) -> Preflight {
    let mut shown = found.clone();
    shown.findings.retain(|finding| finding.level != "Ok");
    shown
}

/// What stands in the way, a sentence each.
pub(super) fn blockers(found: &Preflight) -> Vec<&str> {
    let blockers = found.findings.iter();
    blockers
        .filter(|finding| finding.level == BLOCKER)
        .map(|finding| finding.message.as_str())
        .collect()
}

fn level(level: &str) -> String {
    match level {
        "Ok" => "ok".to_owned(),
        _ => level.to_ascii_lowercase(),
    }
}

/// Everything, as `--dry-run` shows it.
pub(super) fn describe(found: &Preflight) -> String {
    let kind = found.kind.as_deref().map(str::to_ascii_lowercase);
    let mut parts = vec![pairs([
        ("geo-primary", found.primary.clone()),
        ("geo-secondary", found.secondary.clone()),
        ("failover", kind),
        (
            "possible",
            Some(if found.possible { "yes" } else { "no" }.to_owned()),
        ),
    ])];
    let findings = findings(found);
    if !findings.is_empty() {
        parts.push(findings);
    }
    if !found.shards.is_empty() {
        parts.push(shards(&found.shards));
    }
    parts.join("\n\n")
}

/// How far each shard is known to be behind.
pub(super) fn shards(shards: &[ShardBehind]) -> String {
    let rows = shards.iter().map(|shard| {
        [
            shard.shard.to_string(),
            or_unknown(shard.bytes_behind.map(bytes)),
            or_unknown(shard.lag_ms.map(milliseconds)),
            or_dash(shard.as_of_ms.map(|ms| format!("{} ago", since(ms)))),
        ]
    });
    table(["SHARD", "BEHIND", "LAG", "AS OF"], rows)
}

fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| "not known".to_owned())
}

/// What a forced failover means here: what is known of the loss, and what becomes of the old
/// geo-primary.
pub(super) fn loss(found: &Preflight, old: &str, new: &str) -> String {
    let mut text = format!(
        "forcing `{new}` to take over from `{old}`: what `{new}` has not got is lost to it\n"
    );
    if found.shards.is_empty() {
        text.push_str(&format!(
            "  how far `{new}` is behind is not known: nothing was reported of it\n"
        ));
    } else {
        for line in shards(&found.shards).lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    let heard = match (found.primary_heard, found.primary_last_heard_ms) {
        (Some(true), _) => format!(
            "`{old}` still answers: a failover without --force would lose nothing, if it goes through"
        ),
        (_, Some(ms)) => format!(
            "`{old}` was last heard from {} ago; what it took since is not counted above",
            since(ms)
        ),
        (_, None) => {
            format!("`{old}` has not been heard from since the control plane was started")
        }
    };
    text.push_str(&format!("  {heard}\n  {}", fencing(found, old, new)));
    text
}

fn fencing(found: &Preflight, old: &str, new: &str) -> String {
    if found.fencing.as_deref() != Some("lease") {
        return format!(
            "fencing is `none`: `{old}` goes on taking writes from clients that reach it until its region learns of this; those writes are kept apart, and `{new}` never gets them by itself"
        );
    }
    match found.lease_left_ms.unwrap_or(0) {
        0 => format!("fencing is `lease`, and the lease of `{old}` is over: it takes no writes"),
        left => format!(
            "fencing is `lease`: `{new}` takes over once the lease of `{old}` is surely over, in {}; until then neither may take writes",
            since(left)
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found() -> Preflight {
        serde_json::from_value(json!({
            "primary": "a", "secondary": "b", "kind": "Forced", "possible": true,
            "findings": [
                {"level": "Ok", "code": "SizesMatch", "message": "the sizes match"},
                {"level": "Warning", "code": "Behind", "message": "`b` is behind"},
            ],
            "shards": [
                {"shard": 0, "bytesBehind": 2048, "lagMs": 1500.0, "asOfMs": 90_000},
                {"shard": 1, "bytesBehind": null, "lagMs": null, "asOfMs": null},
            ],
            "primaryHeard": false, "primaryLastHeardMs": 90_000, "fencing": "none", "leaseLeftMs": 0,
        }))
        .unwrap()
    }

    #[test]
    fn a_dry_run_tells_everything() {
        let expected = "\
geo-primary    a
geo-secondary  b
failover       forced
possible       yes

ok       the sizes match
warning  `b` is behind

SHARD  BEHIND     LAG        AS OF
0      2.00 KiB   1.5 s      90 s ago
1      not known  not known  -";
        assert_eq!(describe(&found()), expected);
        assert_eq!(findings(&worth_saying(&found())), "warning  `b` is behind");
        assert!(blockers(&found()).is_empty());
    }

    #[test]
    fn a_loss_is_told_with_its_age_and_what_fencing_means() {
        let expected = "\
forcing `b` to take over from `a`: what `b` has not got is lost to it
  SHARD  BEHIND     LAG        AS OF
  0      2.00 KiB   1.5 s      90 s ago
  1      not known  not known  -
  `a` was last heard from 90 s ago; what it took since is not counted above
  fencing is `none`: `a` goes on taking writes from clients that reach it until its region learns of this; those writes are kept apart, and `b` never gets them by itself";
        assert_eq!(loss(&found(), "a", "b"), expected);
        let leased = Preflight {
            fencing: Some("lease".to_owned()),
            lease_left_ms: Some(6_400),
            primary_heard: Some(true),
            shards: Vec::new(),
            ..found()
        };
        let told = loss(&leased, "a", "b");
        for words in ["is not known", "still answers", "surely over, in 6.4 s"] {
            assert!(told.contains(words), "{told}");
        }
        let over = Preflight {
            lease_left_ms: Some(0),
            ..leased
        };
        assert!(loss(&over, "a", "b").contains("it takes no writes"));
    }
}
