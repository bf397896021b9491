//! `godwit control` and `godwit agent`: one process each, as `godwit up` starts them and as they
//! are deployed on machines of their own; and `godwit wan`, which stands between them.

pub(crate) mod agent;
pub(crate) mod control;
pub(crate) mod wan;

use std::{
    env,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use model::Secret;
use runtime::{durable, telemetry};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

pub(crate) use agent::AgentArgs;
pub(crate) use control::ControlArgs;
pub(crate) use wan::WanArgs;

/// How often a child looks whether its parent is still there.
const PARENT_LOOK: Duration = Duration::from_millis(200);

/// Sets tracing up for a service. `GODWIT_LOG` takes tracing directives.
fn trace() -> anyhow::Result<()> {
    let filter = env_text("GODWIT_LOG").unwrap_or_else(|| "info".to_owned());
    telemetry::init(&filter, telemetry::Form::Text).context("read GODWIT_LOG")
}

#[expect(
    clippy::disallowed_methods,
    reason = "cli is the one place that reads the environment"
)]
fn env_text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// The directories of `PATH`, where engines are looked for.
pub(crate) fn search_path() -> Vec<PathBuf> {
    env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default()
}

/// Reads a token from its file.
fn read_token(path: &Path) -> anyhow::Result<Secret> {
    let bytes = durable::read_if_there(path)?
        .with_context(|| format!("there is no token file {}", path.display()))?;
    let text = String::from_utf8(bytes)
        .with_context(|| format!("the token file {} is not text", path.display()))?;
    let text = text.trim();
    anyhow::ensure!(
        !text.is_empty(),
        "the token file {} is empty",
        path.display()
    );
    Ok(Secret::new(text))
}

/// Tells whoever started this process that it serves, and where: one line on standard output.
fn tell_ready(address: SocketAddr) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{READY}{address}")
        .and_then(|()| out.flush())
        .context("say that it is ready")
}

/// How the line begins that says a service is ready.
pub(crate) const READY: &str = "ready ";

/// Resolves when the process is told to stop: SIGTERM, Ctrl-C, or its parent is gone.
async fn told_to_stop(parent: Option<u32>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("told to stop"),
        _ = interrupt.recv() => tracing::info!("told to stop"),
        () = parent_gone(parent) => tracing::warn!("the parent process is gone; stopping"),
    }
    Ok(())
}

async fn parent_gone(parent: Option<u32>) {
    let Some(parent) = parent.and_then(|pid| i32::try_from(pid).ok()) else {
        return std::future::pending().await;
    };
    loop {
        let now = rustix::process::getppid().map(rustix::process::Pid::as_raw_nonzero);
        if now.is_none_or(|pid| pid.get() != parent) {
            return;
        }
        sleep(PARENT_LOOK).await;
    }
}
