//! A score, for people.

use ledger::{Gap, Score, Tally};

use crate::output::{milliseconds, pairs, table};

/// As many other outages are shown.
const OTHERS: usize = 5;
/// Shorter ones are any busy machine's.
const NOTICED_MS: f64 = 30.0;
/// As many lost ranges and violations are shown.
const SHOWN: usize = 10;

const HEADER: [&str; 11] = [
    "KIND",
    "CLIENTS",
    "ACKNOWLEDGED",
    "LOST",
    "DOUBLED",
    "DISORDERED",
    "OTHER",
    "UNKNOWN",
    "REFUSED",
    "P50",
    "P99",
];

pub(super) fn describe(score: &Score) -> String {
    let total = score.total();
    let kinds = score.kinds.iter();
    let rows = kinds
        .map(|(kind, tally)| row(kind.word(), tally))
        .chain([row("total", &total)]);
    let mut text = format!("{}\n\n", table(HEADER, rows));
    let per_second = u128::from(total.acknowledged) * 1_000 / u128::from(score.elapsed_ms.max(1));
    text.push_str(&pairs([
        (
            "acknowledged",
            Some(format!("{per_second}/s for {}", seconds(score.elapsed_ms))),
        ),
        ("longest write outage", Some(outage(score.outage))),
        ("other write outages", others(score)),
        ("found out about unknown", unknown(&total)),
    ]));
    for loss in &score.losses {
        text.push_str(&format!(
            "\nlost: {} that primary {} acknowledged from {} to {}",
            loss.lost,
            loss.primary,
            seconds(loss.from_ms),
            seconds(loss.until_ms),
        ));
    }
    for lost in score.lost.iter().take(SHOWN) {
        text.push_str(&format!(
            "\nlost: {} of {}",
            range(lost.first, lost.last),
            lost.key
        ));
    }
    for violation in score.violations.iter().take(SHOWN) {
        let flaw = format!("{:?}", violation.flaw).to_lowercase();
        text.push_str(&format!(
            "\n{flaw}: {} in {}",
            violation.found, violation.key
        ));
    }
    let left =
        score.lost.len().saturating_sub(SHOWN) + score.violations.len().saturating_sub(SHOWN);
    if left > 0 {
        text.push_str(&format!("\nand {left} more; --output json has them"));
    }
    text
}

fn row(name: &str, tally: &Tally) -> [String; 11] {
    let other = tally.violations() - tally.doubled - tally.disordered;
    [
        name.to_owned(),
        tally.clients.to_string(),
        tally.acknowledged.to_string(),
        tally.lost.to_string(),
        tally.doubled.to_string(),
        tally.disordered.to_string(),
        other.to_string(),
        tally.unknown().to_string(),
        tally.refused.to_string(),
        milliseconds(tally.latency.p50_ms),
        milliseconds(tally.latency.p99_ms),
    ]
}

fn unknown(total: &Tally) -> Option<String> {
    (total.unknown() > 0).then(|| {
        let (present, absent) = (total.unknown_present, total.unknown_absent);
        format!("{present} are there, {absent} are not")
    })
}

/// The next longest outages that somebody would notice, in their order.
fn others(score: &Score) -> Option<String> {
    let noticed = score.outages.iter().copied();
    let mut noticed: Vec<_> = noticed
        .filter(|gap| gap.ms >= NOTICED_MS && *gap != score.outage)
        .collect();
    noticed.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    noticed.truncate(OTHERS);
    noticed.sort_by_key(|gap| gap.at_ms);
    let all: Vec<_> = noticed.into_iter().map(outage).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// An outage and when it began.
pub(super) fn outage(gap: Gap) -> String {
    format!("{} (at {})", milliseconds(gap.ms), seconds(gap.at_ms))
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", (ms + 50) / 1_000, (ms + 50) % 1_000 / 100)
}

fn range(first: u64, last: u64) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first} to {last}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ledger::{Flaw, Kind, Latency, Loss, Lost, Violation};

    use super::*;

    fn score() -> Score {
        let tally = Tally {
            clients: 4,
            acknowledged: 1_000,
            unknown_present: 1,
            unknown_absent: 2,
            refused: 7,
            latency: Latency {
                p50_ms: 0.31,
                p99_ms: 12.2,
                max_ms: 60.0,
            },
            ..Tally::default()
        };
        Score {
            kinds: BTreeMap::from([(Kind::Sequence, tally)]),
            outage: Gap {
                ms: 61.4,
                at_ms: 1_950,
            },
            outages: [(61.4, 1_950), (29.0, 3_000), (40.0, 5_000)]
                .map(|(ms, at_ms)| Gap { ms, at_ms })
                .to_vec(),
            latency: tally.latency,
            elapsed_ms: 10_000,
            ..Score::default()
        }
    }

    #[test]
    fn a_clean_score_is_a_table_and_the_outage() {
        let expected = "\
KIND      CLIENTS  ACKNOWLEDGED  LOST  DOUBLED  DISORDERED  OTHER  UNKNOWN  REFUSED  P50     P99
sequence  4        1000          0     0        0           0      3        7        0.3 ms  12 ms
total     4        1000          0     0        0           0      3        7        0.3 ms  12 ms

acknowledged             100/s for 10.0 s
longest write outage     61 ms (at 2.0 s)
other write outages      40 ms (at 5.0 s)
found out about unknown  1 are there, 2 are not";
        assert_eq!(describe(&score()), expected);
    }

    #[test]
    fn losses_and_flaws_are_named() {
        let mut score = score();
        score.losses.push(Loss {
            primary: "8a".to_owned(),
            lost: 13,
            from_ms: 900,
            until_ms: 1_950,
        });
        score.lost = (0..12)
            .map(|client| Lost {
                kind: Kind::Sequence,
                key: format!("k:{client}"),
                first: 3,
                last: if client == 0 { 4 } else { 3 },
            })
            .collect();
        score.violations.push(Violation {
            flaw: Flaw::Hole,
            key: "k:0".to_owned(),
            found: "3".to_owned(),
        });
        let shown = describe(&score);
        let (_, shown) = shown.split_once("not\n").unwrap();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(
            lines[0],
            "lost: 13 that primary 8a acknowledged from 0.9 s to 2.0 s"
        );
        assert_eq!(lines[1..3], ["lost: 3 to 4 of k:0", "lost: 3 of k:1"]);
        assert_eq!(
            lines[11..],
            ["hole: 3 in k:0", "and 2 more; --output json has them"]
        );
    }
}
