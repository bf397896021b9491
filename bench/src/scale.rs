//! The control plane with many caches: what each thing takes with a hundred, a thousand, ten
//! thousand of them, and how much more that is from one size to the next.
//!
//! The real program with its store on disk, asked over HTTP as clients ask it, with two agents that
//! are simulated: they take desired state and report, as often as real ones, and start no engine.

mod agent;
mod http;
mod plane;
mod round;
mod stock;
mod table;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use tokio::runtime::Handle;

use plane::ControlPlane;
use round::Round;
use stock::Stock;

/// Measure the control plane with many caches and simulated agents
#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// Small sizes: whether it works, not how it grows
    #[arg(long)]
    quick: bool,
    /// How many caches, in two regions, half of them linked [default: 100, 1000 and 10000]
    #[arg(long = "caches")]
    sizes: Vec<usize>,
    /// The program `godwit` [default: the one beside this program]
    #[arg(long)]
    pub(crate) godwit: Option<PathBuf>,
    /// JSON, with every run
    #[arg(long)]
    json: bool,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Load of the machine over the minute before.
    load: String,
    rounds: Vec<Round>,
}

impl Report {
    /// For people.
    pub(crate) fn table(&self) -> String {
        table::table(self)
    }
}

impl Scale {
    /// Whether the report is for programs.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    /// Measures one size after the other, each with what the one before has left.
    pub(crate) fn measure(
        &self,
        runtime: &Handle,
        root: &Path,
        godwit: &Path,
        say: fn(&str),
    ) -> anyhow::Result<Report> {
        let mut sizes = match (self.sizes.is_empty(), self.quick) {
            (false, _) => self.sizes.clone(),
            (true, false) => vec![100, 1_000, 10_000],
            (true, true) => vec![20, 60],
        };
        sizes.sort_unstable();
        let load = std::fs::read_to_string("/proc/loadavg").context("read the load")?;
        let mut report = Report {
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            rounds: Vec::new(),
        };
        runtime.block_on(async {
            let mut plane = ControlPlane::start(godwit, root)?;
            let mut stock = Stock::new(&plane).await?;
            for size in sizes {
                say(&format!("{size} caches: making them"));
                let filled = stock.fill(&plane, size).await?;
                say(&format!("{size} caches: measuring"));
                let round = round::measure(&mut plane, &mut stock, filled).await;
                let round = round.with_context(|| format!("with {size} caches"))?;
                report.rounds.push(round);
                // A larger size may fail, and what is known is not lost with it.
                say(&report.table());
            }
            stock.stop().await;
            Ok(report)
        })
    }
}
