//! Planned and forced failovers by the hundred, with a workload that keeps score:
//! `cargo run --release --package system --example soak -- --minutes 30`.
//!
//! With `--through geo` or `--through geo-tls` the clients of planned failovers stay on one connection each
//! to a geo endpoint, and may not get a single error.
//!
//! Both engines run side by side, each in a deployment of its own. Nothing that was acknowledged may be
//! lost in a planned failover; what a forced one loses has to be in its receipts, operation by
//! operation. A table at the end says what was seen.

#![expect(clippy::unwrap_used, reason = "a run that cannot go on ends")]
#![expect(clippy::print_stdout, reason = "it is there to be read")]

mod forced;
mod planned;
mod table;

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use table::{Row, print};

/// What to run.
#[derive(Debug, Clone)]
struct Plan {
    /// No round begins later.
    until: Instant,
    /// Planned failovers, of all engines together.
    planned: usize,
    /// Forced ones.
    forced: usize,
    engines: Vec<String>,
    /// Round trip between the regions of planned failovers, in milliseconds.
    rtt_ms: u64,
    /// Which endpoint the clients of planned failovers go to.
    through: Through,
}

/// An endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Through {
    /// Both caches' direct endpoints: whichever takes writes.
    Direct,
    /// One cache's geo endpoint: no client gets an error.
    Geo,
    /// The same over TLS.
    GeoTls,
}

impl Through {
    const ALL: [Self; 3] = [Self::Direct, Self::Geo, Self::GeoTls];

    fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Geo => "geo",
            Self::GeoTls => "geo-tls",
        }
    }
}

fn main() -> ExitCode {
    let plan = plan();
    let threads: Vec<_> = plan
        .engines
        .iter()
        .map(|engine| {
            let (plan, engine) = (plan.clone(), engine.clone());
            let each = plan.engines.len();
            thread::spawn(move || {
                let mut rows = vec![planned::run(&engine, plan.planned / each, &plan)];
                rows.extend(forced::run(&engine, plan.forced / each, plan.until));
                rows
            })
        })
        .collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut failed = false;
    for thread in threads {
        match thread.join() {
            Ok(done) => rows.extend(done),
            Err(_told) => failed = true,
        }
    }
    print(&rows);
    if failed || rows.iter().any(Row::is_bad) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[expect(
    clippy::disallowed_methods,
    reason = "a bound on a run, not a decision"
)]
fn now() -> Instant {
    Instant::now()
}

fn plan() -> Plan {
    let mut plan = Plan {
        until: now() + Duration::from_secs(10 * 60),
        planned: 1_000,
        forced: 300,
        engines: vec!["valkey".to_owned(), "redis".to_owned()],
        rtt_ms: 0,
        through: Through::Direct,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_default();
        let number = || value.parse::<usize>().unwrap();
        match word.as_str() {
            "--minutes" => plan.until = now() + Duration::from_secs(60 * number() as u64),
            "--planned" => plan.planned = number(),
            "--forced" => plan.forced = number(),
            "--engine" => plan.engines = vec![value],
            "--rtt" => plan.rtt_ms = number() as u64,
            "--through" => {
                let found = Through::ALL.into_iter().find(|one| one.word() == value);
                plan.through = found.unwrap();
            }
            other => {
                panic!(
                    "{other}: known are --minutes, --planned, --forced, --engine, --rtt and --through"
                )
            }
        }
    }
    plan
}
