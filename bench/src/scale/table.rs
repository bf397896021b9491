//! The report for people: a line for each thing, a column for each size, and behind each size how
//! many times the one before it is.

use comfy_table::{Table, presets};

use super::{Report, round::Round};

const MB: f64 = 1_000_000.0;

/// A line: what, and its figure in a round.
type Line = (&'static str, fn(&Round) -> f64);

const LINES: [Line; 22] = [
    ("start, ms", |round| round.start_ms),
    ("list all of a subscription, p50 ms", |round| round.list.p50),
    ("the same, p99", |round| round.list.p99),
    ("the same, MB", |round| megabytes(round.list_bytes)),
    ("first page of it, p50 ms", |round| round.page.p50),
    ("the same, p99", |round| round.page.p99),
    ("get one, p50 ms", |round| round.get.p50),
    ("the same, p99", |round| round.get.p99),
    ("create, one at a time, p50 ms", |round| round.create.p50),
    ("the same, p99", |round| round.create.p99),
    ("create, 16 at a time, p50 ms", |round| {
        round.create_at_once.p50
    }),
    ("the same, p99", |round| round.create_at_once.p99),
    ("creates in a second, 16 at a time", |round| {
        round.filled.creates_per_second
    }),
    ("from create to the agent, p50 ms", |round| {
        round.create_to_agent.p50
    }),
    ("the same, p99", |round| round.create_to_agent.p99),
    ("reconcile pass over everything, ms", |round| round.pass_ms),
    ("reconcile pass over what moves, ms", |round| {
        round.restless_pass_ms
    }),
    ("an agent's report, p50 ms", |round| round.report.p50),
    ("the same, MB", |round| megabytes(round.report_bytes)),
    ("processor at rest, % of one", |round| {
        round.quiet_cpu * 100.0
    }),
    ("resident, MB", |round| bytes(round.resident_bytes)),
    ("on disk, MB", |round| bytes(round.disk_bytes)),
];

pub(super) fn table(report: &Report) -> String {
    let mut rows = Table::new();
    let mut header = vec!["caches (links)".to_owned()];
    for (index, round) in report.rounds.iter().enumerate() {
        header.push(format!("{} ({})", round.filled.caches, round.filled.links));
        if index > 0 {
            header.push("times".to_owned());
        }
    }
    rows.load_style(presets::NOTHING).set_header(header);
    for (what, of) in LINES {
        let mut row = vec![what.to_owned()];
        let mut before = None;
        for round in &report.rounds {
            let figure = of(round);
            row.push(shown(figure));
            row.extend(before.map(|before: f64| format!("x{:.1}", figure / before.max(0.001))));
            before = Some(figure);
        }
        rows.add_row(row);
    }
    for column in rows.column_iter_mut() {
        column.set_padding((0, 2));
    }
    format!("load before: {}\n\n{}", report.load, rows.trim_fmt())
}

fn shown(figure: f64) -> String {
    if figure < 10.0 {
        format!("{figure:.2}")
    } else {
        format!("{figure:.0}")
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size needs no more digits")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / MB
}

#[expect(clippy::cast_precision_loss, reason = "a size needs no more digits")]
fn bytes(bytes: u64) -> f64 {
    bytes as f64 / MB
}
