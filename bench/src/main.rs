//! Measures Godwit beside the engines' own replication: same machine, same run, same engine
//! configuration, in turn. Nothing here fails because something is slow.
//!
//! In: engines on the search path and a release build of `godwit`. Out: a table or JSON on
//! standard output, progress on standard error. Everything it starts works below one temporary
//! directory and is killed when it ends, however it ends but by SIGKILL.

mod client;
mod export;
mod gateway;
mod info;
mod load;
mod measure;
mod processes;
mod report;
mod rig;
mod statistics;
mod waiting;

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand, ValueEnum};
use engine::{EngineChoice, EngineProgram};
use model::EngineKind;
use serde::Serialize;
use tempfile::TempDir;
use tokio::{
    runtime::{self, Runtime},
    signal::unix::{SignalKind, signal},
};

use measure::{
    Plan, footprint,
    over_wan::{self, Sizes},
    round,
};
use report::{EngineReport, WanReport};
use rig::{Ground, Side};

/// Time for the measuring thread to come to a step that fails without its processes. What it is in
/// by then is a wait.
const FAREWELL: Duration = Duration::from_secs(2);

/// Measure Godwit beside the engines' own replication
#[derive(Debug, Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// Engine to measure with; repeat it for both [default: every one that is installed]
    #[arg(long = "engine", value_enum)]
    engines: Vec<Engine>,
    /// Small sizes and one round: whether it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Over an emulated WAN (80 ms there and back, 100 Mbit/s): what crosses, and what cuts cost
    #[arg(long)]
    wan: bool,
    /// Times that each side is set up and measured [default: 3, with --quick 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// JSON, with every run
    #[arg(long)]
    json: bool,
    /// The program `godwit` [default: the one beside this program]
    #[arg(long)]
    godwit: Option<PathBuf>,
}

/// What else can be measured.
#[derive(Debug, Subcommand)]
enum Other {
    Gateway(gateway::Gateway),
    Export(export::Export),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Engine {
    Valkey,
    Redis,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ran = match arguments.other {
        Some(Other::Gateway(gateway)) => run_gateway(gateway),
        Some(Other::Export(export)) => run_export(export, &arguments.engines),
        None => run(&arguments),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run_gateway(gateway: gateway::Gateway) -> anyhow::Result<()> {
    let runtime = start_runtime()?;
    let directory = start_directory()?;
    let root = directory.path().to_owned();
    let measured = guarded(&runtime, &root, {
        let (handle, root) = (runtime.handle().clone(), root.clone());
        move || {
            let report = gateway.measure(&handle, &root, say)?;
            shown(gateway.json(), &report, || report.table())
        }
    });
    runtime.shutdown_background();
    let text = measured?;
    writeln!(io::stdout().lock(), "{text}").context("write the report")
}

fn run_export(export: export::Export, engines: &[Engine]) -> anyhow::Result<()> {
    let runtime = start_runtime()?;
    let godwit = find_godwit(export.godwit.as_deref())?;
    let programs = runtime.block_on(find_engines(engines))?;
    let directory = start_directory()?;
    let root = directory.path().to_owned();
    let measured = guarded(&runtime, &root, {
        let root = root.clone();
        move || {
            let measure = |program| export.measure(&root, &godwit, program, say);
            let reports = programs
                .iter()
                .map(measure)
                .collect::<anyhow::Result<Vec<_>>>()?;
            let lines = || reports.iter().map(export::Report::text).collect::<Vec<_>>();
            shown(export.json, &reports, || lines().join("\n"))
        }
    });
    runtime.shutdown_background();
    let text = measured?;
    writeln!(io::stdout().lock(), "{text}").context("write the report")
}

fn start_runtime() -> anyhow::Result<Runtime> {
    runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("start the runtime")
}

fn start_directory() -> anyhow::Result<TempDir> {
    let directory = tempfile::Builder::new().prefix("bench").tempdir();
    directory.context("make a directory")
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = start_runtime()?;
    let godwit = find_godwit(arguments.godwit.as_deref())?;
    let programs = runtime.block_on(find_engines(&arguments.engines))?;
    let directory = start_directory()?;
    let rounds = arguments.rounds.filter(|rounds| *rounds > 0);
    let plan = if arguments.quick {
        Plan::quick(rounds.unwrap_or(1))
    } else {
        Plan::full(rounds.unwrap_or(3))
    };

    let sizes = if arguments.quick {
        Sizes::quick()
    } else {
        Sizes::full()
    };
    let (wan, json) = (arguments.wan.then_some(sizes), arguments.json);

    let root = directory.path().to_owned();
    let measured = guarded(&runtime, &root, {
        let (handle, root) = (runtime.handle().clone(), root.clone());
        move || {
            let ground = |program| Ground {
                runtime: handle.clone(),
                root: root.clone(),
                program,
                godwit: godwit.clone(),
                weather: wan.map(|_| over_wan::weather()),
            };
            let grounds = programs.into_iter().map(ground);
            match wan {
                Some(sizes) => {
                    let reports = grounds.map(|ground| one_engine_over_wan(&ground, &plan, &sizes));
                    let reports = reports.collect::<anyhow::Result<Vec<_>>>()?;
                    let tables = || reports.iter().map(WanReport::table).collect::<Vec<_>>();
                    shown(json, &reports, || tables().join("\n\n"))
                }
                None => {
                    let reports = grounds.map(|ground| one_engine(&ground, &plan));
                    let reports = reports.collect::<anyhow::Result<Vec<_>>>()?;
                    shown(json, &reports, || report::table(&reports))
                }
            }
        }
    });
    // A measuring thread that still waits is not waited for.
    runtime.shutdown_background();
    let text = measured?;
    writeln!(io::stdout().lock(), "{text}").context("write the report")
}

/// The report, for programs or for people.
fn shown<T: Serialize>(
    json: bool,
    reports: &T,
    table: impl FnOnce() -> String,
) -> anyhow::Result<String> {
    if json {
        serde_json::to_string_pretty(reports).context("write JSON")
    } else {
        Ok(table())
    }
}

fn one_engine_over_wan(ground: &Ground, plan: &Plan, sizes: &Sizes) -> anyhow::Result<WanReport> {
    let name = ground.program.version.to_string();
    let mut report = WanReport::new(&name);
    for number in 1..=plan.rounds {
        for side in [Side::Native, Side::Godwit] {
            let mut talk = |text: &str| {
                say(&format!(
                    "{name} over a WAN: round {number} of {}, {side:?}: {text}",
                    plan.rounds
                ));
            };
            let round = over_wan::measure(side, ground, sizes, plan, &mut talk)?;
            report.add(side, round);
        }
    }
    Ok(report)
}

fn one_engine(ground: &Ground, plan: &Plan) -> anyhow::Result<EngineReport> {
    let name = ground.program.version.to_string();
    let mut report = EngineReport::new(&name);
    say(&format!("{name}: footprint"));
    let mut idle = rig::start(Side::Godwit, ground)?;
    report.idle = footprint::idle(idle.as_mut(), plan.idle)?;
    drop(idle);
    for number in 1..=plan.rounds {
        for side in [Side::Native, Side::Godwit] {
            let mut talk = |text: &str| {
                say(&format!(
                    "{name}: round {number} of {}, {side:?}: {text}",
                    plan.rounds
                ));
            };
            let round = round::measure(side, ground, plan, number == plan.rounds, &mut talk)?;
            report.add(side, round);
        }
    }
    Ok(report)
}

/// Runs `measure` on a thread of its own, and ends every process below `root` afterwards: when it
/// is done, when it fails, and when this process is asked to stop.
fn guarded<T: Send + 'static>(
    runtime: &Runtime,
    root: &Path,
    measure: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let mut measuring = runtime.spawn_blocking(measure);
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let measured = tokio::select! {
            measured = &mut measuring => Some(measured),
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
        };
        if let Some(measured) = measured {
            processes::kill_below(root);
            return measured.context("measure")?;
        }
        // Without its processes the measuring fails soon. Until then it may start others.
        let deadline = tokio::time::Instant::now() + FAREWELL;
        while !measuring.is_finished() && tokio::time::Instant::now() < deadline {
            processes::kill_below(root);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        processes::kill_below(root);
        bail!("interrupted")
    })
}

fn find_godwit(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(path) => std::path::absolute(path)?,
        None => env::current_exe()
            .context("find this program")?
            .with_file_name("godwit"),
    };
    if !path.is_file() {
        bail!(
            "there is no program {}; build it: cargo build --release --package cli",
            path.display()
        );
    }
    Ok(path)
}

/// The engines that were asked for, or every one that is there.
async fn find_engines(asked: &[Engine]) -> anyhow::Result<Vec<EngineProgram>> {
    let search: Vec<PathBuf> = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default();
    let kinds = if asked.is_empty() {
        &[Engine::Valkey, Engine::Redis]
    } else {
        asked
    };
    let mut found = Vec::new();
    let mut missing = None;
    for kind in kinds {
        let kind = match kind {
            Engine::Valkey => EngineKind::Valkey,
            Engine::Redis => EngineKind::Redis,
        };
        match engine::find(&EngineChoice::Kind(kind), &search).await {
            Ok(program) => found.push(program),
            Err(error) if asked.is_empty() => missing = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match missing {
        Some(error) if found.is_empty() => Err(error.into()),
        Some(_) | None => Ok(found),
    }
}

fn say(text: &str) {
    // Nobody has to listen.
    let _unread = writeln!(io::stderr().lock(), "{text}");
}
