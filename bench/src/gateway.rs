//! The gateway beside HAProxy in TCP mode and beside no proxy at all: the same engine, the same
//! clients, in turn.

mod benchmark;
mod certificates;
mod memory;
mod rows;
mod table;
mod ways;

use std::{
    env,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;
use tempfile::TempDir;
use tokio::runtime::Handle;

use benchmark::Run;
use certificates::Certificates;
use memory::PerConnection;
use rows::Row;
use ways::{Rig, Way};

use crate::statistics::Spread;

/// So long a rig is left alone before a run.
const BREATH: Duration = Duration::from_millis(300);

/// Measure the gateway beside HAProxy and beside no proxy
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// Half a second and one round for each number: whether it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Times that each number is measured [default: 3, with --quick 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// How long each run is meant to take
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Measure these rows alone, such as `plain 100B P1 c50`; repeat it for more
    #[arg(long = "row")]
    rows: Vec<String>,
    /// The gateway's example [default: `examples/gateway` beside this program]
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// JSON, with every run
    #[arg(long)]
    json: bool,
}

/// Everything that was measured.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Report {
    /// Load of the machine over the minute before.
    load: String,
    rows: Vec<Measured>,
    memory: Vec<PerConnection>,
}

/// One row: the runs of every way.
#[derive(Debug, serde::Serialize)]
struct Measured {
    row: Row,
    direct: Vec<Run>,
    haproxy: Vec<Run>,
    gateway: Vec<Run>,
}

impl Measured {
    const fn new(row: Row) -> Self {
        Self {
            row,
            direct: Vec::new(),
            haproxy: Vec::new(),
            gateway: Vec::new(),
        }
    }

    const fn runs(&self, way: Way) -> &Vec<Run> {
        match way {
            Way::Direct => &self.direct,
            Way::Haproxy => &self.haproxy,
            Way::Gateway => &self.gateway,
        }
    }

    fn add(&mut self, way: Way, run: Run) {
        let runs = match way {
            Way::Direct => &mut self.direct,
            Way::Haproxy => &mut self.haproxy,
            Way::Gateway => &mut self.gateway,
        };
        runs.push(run);
    }

    fn spread(&self, way: Way, of: fn(&Run) -> f64) -> Option<Spread> {
        Spread::of(self.runs(way).iter().map(of))
    }
}

impl Gateway {
    /// Whether the report is for programs.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    /// Measures everything below `root`.
    pub(crate) fn measure(
        &self,
        runtime: &Handle,
        root: &Path,
        say: fn(&str),
    ) -> anyhow::Result<Report> {
        let example = self.example()?;
        let directory = TempDir::new_in(root).context("make a directory")?;
        let certificates = Certificates::create(directory.path())?;
        let start = || Rig::start(directory.path(), &certificates, &example);
        let rounds = self.rounds.unwrap_or(if self.quick { 1 } else { 3 });
        let seconds = if self.quick { 0.5 } else { self.seconds };
        let mut report = Report {
            load: load(),
            ..Report::default()
        };
        if self.rows.is_empty() {
            let connections = if self.quick { 200 } else { 1_000 };
            for (way, tls) in memory::ALL {
                // A proxy that has worked before has memory left.
                let rig = start()?;
                let found = memory::measure(runtime, &rig, &certificates, way, tls, connections)
                    .with_context(|| format!("count the memory of connections, {way:?}"))?;
                say(&format!(
                    "memory, {way:?}, tls {tls}: {:.1} KB each",
                    found.kilobytes
                ));
                report.memory.push(found);
            }
        }
        let rig = start()?;
        for row in self.chosen()? {
            let mut measured = Measured::new(row);
            for round in 1..=rounds {
                for way in Way::in_turn(round) {
                    thread::sleep(BREATH);
                    let run = benchmark::run(&rig, &certificates, way, &row, seconds)
                        .with_context(|| format!("measure {row}, {way:?}"))?;
                    say(&format!(
                        "{row}, round {round} of {rounds}, {way:?}: {:.0}/s, p99 {:.2} ms",
                        run.requests_per_second, run.p99_ms
                    ));
                    measured.add(way, run);
                }
            }
            report.rows.push(measured);
        }
        Ok(report)
    }

    fn chosen(&self) -> anyhow::Result<Vec<Row>> {
        let all = Row::all();
        if self.rows.is_empty() {
            return Ok(all);
        }
        let find = |name: &String| {
            let found = all.iter().find(|row| row.to_string() == *name);
            let names = || all.iter().map(|row| format!("`{row}`")).collect::<Vec<_>>();
            found.copied().with_context(|| {
                format!("there is no row `{name}`; there are {}", names().join(", "))
            })
        };
        self.rows.iter().map(find).collect()
    }

    fn example(&self) -> anyhow::Result<PathBuf> {
        let path = match &self.gateway {
            Some(path) => std::path::absolute(path)?,
            None => env::current_exe()
                .context("find this program")?
                .with_file_name("examples/gateway"),
        };
        if !path.is_file() {
            bail!(
                "there is no program {}; build it: cargo build --release --package gateway --example gateway",
                path.display()
            );
        }
        Ok(path)
    }
}

impl Report {
    /// For people.
    pub(crate) fn table(&self) -> String {
        table::table(self)
    }
}

/// The machine's load averages.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = text.split_whitespace().take(3).collect();
    averages.join(" ")
}
