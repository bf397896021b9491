//! What was found over a WAN.

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{
    Compare::{Difference, Ratio},
    compared, shown,
};
use crate::{
    measure::over_wan::{Moved, WanRound},
    rig::Side,
    statistics::Spread,
};

/// Everything that was measured over a WAN with one engine.
#[derive(Debug, Serialize)]
pub(crate) struct WanReport {
    engine: String,
    native: Vec<WanRound>,
    godwit: Vec<WanRound>,
}

/// A line of the table: its name, and what moved.
type Line = (&'static str, fn(&WanRound) -> Moved);

const LINES: [Line; 6] = [
    ("full sync", |round| round.full_sync),
    ("full sync, cut 3 times", |round| round.cut_full_sync),
    ("burst of sessions", |round| round.sessions),
    ("burst of random bytes", |round| round.random),
    ("burst of counters", |round| round.counters),
    ("after an outage", |round| round.outage),
];

impl WanReport {
    pub(crate) fn new(engine: &str) -> Self {
        Self {
            engine: engine.to_owned(),
            native: Vec::new(),
            godwit: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, side: Side, round: WanRound) {
        match side {
            Side::Native => self.native.push(round),
            Side::Godwit => self.godwit.push(round),
        }
    }

    /// As a table for people.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            self.engine.as_str(),
            "native",
            "godwit",
            "godwit to native",
        ]);
        let mut line = |name: String, of: &dyn Fn(&WanRound) -> Option<f64>, decimals, compare| {
            let spread = |rounds: &[WanRound]| Spread::of(rounds.iter().filter_map(of));
            let (native, godwit) = (spread(&self.native), spread(&self.godwit));
            table.add_row([
                name,
                shown(native, decimals),
                shown(godwit, decimals),
                compared(native, godwit, decimals, compare),
            ]);
        };
        for (name, moved) in LINES {
            line(
                format!("{name}, s"),
                &|round| Some(moved(round).seconds),
                2,
                Ratio,
            );
            let crossed = "  MB over the WAN".to_owned();
            line(crossed, &|round| Some(moved(round).wan_mb), 1, Ratio);
        }
        let cut = "full sync, cut every 5 s, s (-: never)".to_owned();
        line(cut, &|round| round.cut_again_seconds, 2, Ratio);
        let beside = "p99 of a primary's client in a full sync, ms".to_owned();
        line(beside, &|round| Some(round.beside_p99_ms), 2, Difference);
        for (name, lag) in [
            (
                "lag p50, ms",
                (|round| round.lag.p50_ms) as fn(&WanRound) -> f64,
            ),
            ("lag p99, ms", |round| round.lag.p99_ms),
        ] {
            line(name.to_owned(), &|round| Some(lag(round)), 1, Difference);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.trim_fmt()
    }
}
