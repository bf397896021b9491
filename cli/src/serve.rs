//! `godwit control`, `godwit agent` and `godwit dns`: one process each, as `godwit up` starts them and as they
//! are deployed on machines of their own; and `godwit wan`, which stands between them.

pub(crate) mod agent;
pub(crate) mod api;
pub(crate) mod control;
pub(crate) mod dns;
pub(crate) mod issuer;
pub(crate) mod transfers;
pub(crate) mod wan;
pub(crate) mod webhook;

use std::{
    env, fmt,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use model::Secret;
use runtime::{crash::Points, durable, telemetry};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

pub(crate) use agent::AgentArgs;
pub(crate) use control::ControlArgs;
pub(crate) use dns::DnsArgs;
pub(crate) use wan::WanArgs;

/// How often a child looks whether its parent is still there.
const PARENT_LOOK: Duration = Duration::from_millis(200);

/// Sets tracing up for a service. `GODWIT_LOG` takes tracing directives.
fn trace() -> anyhow::Result<()> {
    let filter = env_text("GODWIT_LOG").unwrap_or_else(|| "info".to_owned());
    telemetry::init(&filter, telemetry::Form::Text).context("read GODWIT_LOG")
}

/// Where a test can have a process die: `GODWIT_CRASH_AT` names the directory that arms the points.
fn crash_points(process: &str) -> Points {
    match env_text("GODWIT_CRASH_AT") {
        Some(directory) => Points::armed_in(directory.into(), process.to_owned()),
        None => Points::none(),
    }
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

/// Reads certificates to trust.
fn read_pem(path: &Path) -> anyhow::Result<String> {
    let bytes = durable::read_if_there(path)?
        .with_context(|| format!("there is no file {} with certificates", path.display()))?;
    String::from_utf8(bytes).with_context(|| format!("{} is not text", path.display()))
}

/// Tells whoever started this process that it serves, and where: one line on standard output.
fn tell_ready(address: SocketAddr) -> anyhow::Result<()> {
    let metrics = None;
    tell(Ready { address, metrics })
}

fn tell(ready: Ready) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{ready}")
        .and_then(|()| out.flush())
        .context("say that it is ready")
}

/// What a service says once it serves: `ready ADDRESS`, and ` metrics ADDRESS` if it has such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    /// Where it serves.
    pub(crate) address: SocketAddr,
    /// Where its metrics are read.
    pub(crate) metrics: Option<SocketAddr>,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ready {}", self.address)?;
        match self.metrics {
            Some(metrics) => write!(f, " metrics {metrics}"),
            None => Ok(()),
        }
    }
}

impl Ready {
    /// Reads the line; `None`: it is another one.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (address, metrics) = match words.as_slice() {
            ["ready", address] => (address, None),
            ["ready", address, "metrics", metrics] => (address, Some(metrics.parse().ok()?)),
            _ => return None,
        };
        let address = address.parse().ok()?;
        Some(Self { address, metrics })
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_line_is_read_as_it_is_written() {
        let address = "127.0.0.1:1".parse().unwrap();
        for metrics in [None, Some("127.0.0.1:2".parse().unwrap())] {
            let ready = Ready { address, metrics };
            assert_eq!(Ready::read(&ready.to_string()), Some(ready));
        }
        for other in ["", "ready", "ready soon", "ready 127.0.0.1:1 metrics none"] {
            assert_eq!(Ready::read(other), None, "{other}");
        }
    }
}
