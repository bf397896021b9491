//! The crash matrix, as much of it as there is time for:
//! `cargo run --release --package system --example crash_matrix -- --minutes N [--engine valkey|redis]
//! [--seed N] [--only WORDS]`. It ends with a table, and with 1 when a case failed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "the table is what it is run for")]

use std::{panic, process::ExitCode, time::Duration};

use system::crashes;
use tokio::time::Instant;

struct Wanted {
    minutes: u64,
    engines: Vec<String>,
    seed: u64,
    /// Only the cases that have this in their name.
    only: String,
}

fn wanted() -> Wanted {
    let mut wanted = Wanted {
        minutes: 10,
        engines: ["valkey", "redis"].map(str::to_owned).to_vec(),
        seed: 1,
        only: String::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_else(|| panic!("{word} of what?"));
        match word.as_str() {
            "--minutes" => wanted.minutes = value.parse().unwrap(),
            "--engine" => wanted.engines = vec![value],
            "--seed" => wanted.seed = value.parse().unwrap(),
            "--only" => wanted.only = value,
            _ => panic!("unknown: {word}"),
        }
    }
    wanted
}

fn main() -> ExitCode {
    let wanted = wanted();
    let begun = Instant::now();
    let mut rows = Vec::new();
    println!("seed {}", wanted.seed);
    'all: for case in crashes::shuffled(wanted.seed) {
        for engine in &wanted.engines {
            let name = format!("{engine} {:?} {:?}", case.scenario, case.harm);
            if !name.contains(&wanted.only) {
                continue;
            }
            if begun.elapsed() > Duration::from_secs(wanted.minutes * 60) {
                break 'all;
            }
            let from = Instant::now();
            let passed = panic::catch_unwind(|| crashes::run(engine, case)).is_ok();
            let result = if passed { "passed" } else { "FAILED" };
            let row = format!("{result} {:>6.1} s  {name}", from.elapsed().as_secs_f64());
            println!("{row}");
            rows.push((passed, row));
        }
    }
    let failed = rows.iter().filter(|(passed, _)| !passed).count();
    let of = crashes::all().len() * wanted.engines.len();
    println!("\n{} of {of} cases, {failed} failed", rows.len());
    for (_, row) in &rows {
        println!("{row}");
    }
    ExitCode::from(u8::from(failed > 0))
}
