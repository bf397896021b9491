//! What was found, as a table for people and as JSON.

mod over_wan;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::{
    measure::{
        failover::Failover, footprint::Usage, full_sync::FullSync, lag::Lag, round::Round,
        throughput::Throughput,
    },
    rig::Side,
    statistics::Spread,
};

/// Everything that was measured with one engine.
#[derive(Debug, Serialize)]
pub(crate) struct EngineReport {
    pub(crate) engine: String,
    /// A deployment of two linked caches at rest, beyond its engines.
    pub(crate) idle: Vec<Usage>,
    native: Rounds,
    godwit: Rounds,
}

/// The rounds of one side.
#[derive(Debug, Default, Serialize)]
struct Rounds {
    rounds: Vec<Round>,
}

impl EngineReport {
    pub(crate) fn new(engine: &str) -> Self {
        Self {
            engine: engine.to_owned(),
            idle: Vec::new(),
            native: Rounds::default(),
            godwit: Rounds::default(),
        }
    }

    pub(crate) fn add(&mut self, side: Side, round: Round) {
        let rounds = match side {
            Side::Native => &mut self.native,
            Side::Godwit => &mut self.godwit,
        };
        rounds.rounds.push(round);
    }
}

impl Rounds {
    fn streams(&self, of: fn(&Throughput) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(|round| of(&round.throughput)))
    }

    fn full_syncs(&self, of: fn(&FullSync) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(|round| of(&round.full_sync)))
    }

    /// Of each round by itself: probes of one round share its disturbances.
    fn lags(&self, of: fn(&Lag) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(|round| of(&round.lag)))
    }

    fn failovers(&self, of: fn(&Failover) -> f64) -> Option<Spread> {
        let all = self.rounds.iter().flat_map(|round| &round.failovers);
        Spread::of(all.map(of))
    }
}

pub(crate) use over_wan::WanReport;

use Compare::{Difference, Ratio};

/// How the last column compares.
#[derive(Clone, Copy)]
enum Compare {
    Ratio,
    Difference,
}

/// A table for each engine.
pub(crate) fn table(reports: &[EngineReport]) -> String {
    reports
        .iter()
        .map(engine_table)
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// A line of the table.
struct Line(
    &'static str,
    fn(&Rounds) -> Option<Spread>,
    /// Decimals.
    usize,
    Compare,
);

const LINES: [Line; 17] = [
    Line("stream, MB/s", |s| s.streams(|t| t.mb_per_second), 1, Ratio),
    Line(
        "stream, writes/s",
        |s| s.streams(|t| t.ops_per_second),
        0,
        Ratio,
    ),
    Line(
        "  all applied after, s",
        |s| s.streams(|t| t.applied_seconds),
        2,
        Ratio,
    ),
    Line(
        "  CPU of engines, s",
        |s| s.streams(|t| t.cpu_seconds.engines),
        2,
        Ratio,
    ),
    Line(
        "  CPU of Godwit, s",
        |s| s.streams(|t| t.cpu_seconds.beyond_engines),
        2,
        Difference,
    ),
    Line(
        "  CPU of others, s",
        |s| s.streams(|t| t.cpu_seconds.elsewhere),
        2,
        Difference,
    ),
    Line("lag p50, ms", |s| s.lags(|lag| lag.p50_ms), 3, Difference),
    Line("lag p99, ms", |s| s.lags(|lag| lag.p99_ms), 3, Difference),
    Line("lag max, ms", |s| s.lags(|lag| lag.max_ms), 3, Difference),
    Line(
        "  CPU of others, s",
        |s| s.lags(|lag| lag.cpu_seconds.elsewhere),
        2,
        Difference,
    ),
    Line("full sync, s", |s| s.full_syncs(|f| f.seconds), 2, Ratio),
    Line(
        "full sync, MB/s",
        |s| s.full_syncs(|f| f.mb_per_second),
        1,
        Ratio,
    ),
    Line(
        "  CPU of engines, s",
        |s| s.full_syncs(|f| f.cpu_seconds.engines),
        2,
        Ratio,
    ),
    Line(
        "  CPU of Godwit, s",
        |s| s.full_syncs(|f| f.cpu_seconds.beyond_engines),
        2,
        Difference,
    ),
    Line(
        "  CPU of others, s",
        |s| s.full_syncs(|f| f.cpu_seconds.elsewhere),
        2,
        Difference,
    ),
    Line(
        "failover, write pause, ms",
        |s| s.failovers(|f| f.pause_ms),
        1,
        Difference,
    ),
    Line(
        "failover, whole, ms",
        |s| s.failovers(|f| f.operation_ms),
        1,
        Difference,
    ),
];

fn engine_table(report: &EngineReport) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        report.engine.as_str(),
        "native",
        "godwit",
        "godwit to native",
    ]);
    for Line(name, of, decimals, compare) in LINES {
        let (native, godwit) = (of(&report.native), of(&report.godwit));
        table.add_row([
            name.to_owned(),
            shown(native, decimals),
            shown(godwit, decimals),
            compared(native, godwit, decimals, compare),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    format!("{}\n\n{}", table.trim_fmt(), footprints(report))
}

fn shown(spread: Option<Spread>, decimals: usize) -> String {
    let Some(Spread { median, min, max }) = spread else {
        return "-".to_owned();
    };
    if min == max {
        format!("{median:.decimals$}")
    } else {
        format!("{median:.decimals$} ({min:.decimals$} to {max:.decimals$})")
    }
}

fn compared(
    native: Option<Spread>,
    godwit: Option<Spread>,
    decimals: usize,
    compare: Compare,
) -> String {
    let Some((native, godwit)) = native.zip(godwit) else {
        return "-".to_owned();
    };
    match compare {
        Ratio => format!("x {:.2}", godwit.median / native.median),
        Difference => format!("{:+.decimals$}", godwit.median - native.median),
    }
}

fn footprints(report: &EngineReport) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "beyond the engines",
        "idle, MB",
        "idle, % of a CPU",
        "at the end, MB",
    ]);
    let end = report
        .godwit
        .rounds
        .last()
        .map(|round| round.footprint.as_slice());
    let end = end.unwrap_or_default();
    for usage in &report.idle {
        let later = end.iter().find(|later| later.name == usage.name);
        table.add_row([
            usage.name.clone(),
            format!("{:.1}", usage.resident_mb),
            usage
                .cpu_percent
                .map_or_else(|| "-".to_owned(), |share| format!("{share:.1}")),
            later.map_or_else(
                || "-".to_owned(),
                |later| format!("{:.1}", later.resident_mb),
            ),
        ]);
    }
    let sum = |usages: &[Usage]| usages.iter().map(|usage| usage.resident_mb).sum::<f64>();
    let cpu: f64 = report
        .idle
        .iter()
        .filter_map(|usage| usage.cpu_percent)
        .sum();
    table.add_row([
        "together".to_owned(),
        format!("{:.1}", sum(&report.idle)),
        format!("{cpu:.1}"),
        format!("{:.1}", sum(end)),
    ]);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(median: f64) -> Option<Spread> {
        Spread::of([median])
    }

    #[test]
    fn sides_are_compared_by_their_medians() {
        let sides = (spread(2.0), spread(3.0));
        assert_eq!(compared(sides.0, sides.1, 1, Ratio), "x 1.50");
        assert_eq!(compared(sides.1, sides.0, 1, Difference), "-1.0");
        assert_eq!(compared(None, sides.0, 1, Ratio), "-");
    }

    #[test]
    fn a_spread_is_shown_with_its_ends() {
        assert_eq!(shown(Spread::of([1.0, 2.0, 4.0]), 1), "2.0 (1.0 to 4.0)");
        assert_eq!(shown(spread(2.0), 0), "2");
    }
}
