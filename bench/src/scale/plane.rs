//! The control plane that is measured: `godwit control`.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use model::Secret;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::http::Http;
use crate::processes;

pub(super) const REGIONS: [&str; 2] = ["eastus", "westus"];
const TOKEN: &str = "bench-management";
const AGENT_TOKEN: &str = "bench-agents";

pub(super) struct ControlPlane {
    godwit: PathBuf,
    root: PathBuf,
    child: Child,
    address: SocketAddr,
}

impl ControlPlane {
    /// Starts one with an empty store below `root`.
    pub(super) fn start(godwit: &Path, root: &Path) -> anyhow::Result<Self> {
        for (name, token) in [("token", TOKEN), ("agent-token", AGENT_TOKEN)] {
            let written =
                File::create(root.join(name)).and_then(|mut file| file.write_all(token.as_bytes()));
            written.context("write a token")?;
        }
        let (child, address) = spawn(godwit, root, "127.0.0.1:0")?;
        Ok(Self {
            godwit: godwit.to_owned(),
            root: root.to_owned(),
            child,
            address,
        })
    }

    /// Stops it in order and starts it again at its address; gives the time from its start until it
    /// serves.
    pub(super) fn restart(&mut self) -> anyhow::Result<Duration> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("find the control plane")?, Signal::TERM)
            .context("stop the control plane")?;
        let ended = self.child.wait().context("wait for the control plane")?;
        ensure!(ended.success(), "the control plane ended with {ended}");
        let begun = Instant::now();
        let address = self.address.to_string();
        let (child, address) = spawn(&self.godwit, &self.root, &address)?;
        let took = begun.elapsed();
        (self.child, self.address) = (child, address);
        Ok(took)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn http(&self) -> Http {
        Http::new(self.address, TOKEN)
    }

    pub(super) fn agent_token() -> Secret {
        Secret::new(AGENT_TOKEN)
    }

    /// What the process uses.
    pub(super) fn process(&self) -> anyhow::Result<processes::Process> {
        processes::look(self.child.id()).context("the control plane has ended; see control.log")
    }

    /// Bytes of the store with all that is beside it.
    pub(super) fn bytes_on_disk(&self) -> anyhow::Result<u64> {
        let files = fs::read_dir(self.root.join("data")).context("list the store")?;
        files
            .map(|file| Ok(file?.metadata()?.len()))
            .sum::<std::io::Result<u64>>()
            .context("read the store's sizes")
    }
}

/// Starts the program and waits until it says that it serves.
fn spawn(godwit: &Path, root: &Path, listen: &str) -> anyhow::Result<(Child, SocketAddr)> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(root.join("control.log"))
        .context("make a log")?;
    let mut child = Command::new(godwit)
        .args(["control", "--data", "data", "--listen", listen])
        .args(["--token-file", "token", "--agent-token-file", "agent-token"])
        .args(REGIONS.map(|region| format!("--region={region}")))
        .current_dir(root)
        // Ctrl-C reaches the bench alone, which ends everything.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .with_context(|| format!("start {}", godwit.display()))?;
    let out = child.stdout.take().context("read what it says")?;
    let mut line = String::new();
    BufReader::new(out)
        .read_line(&mut line)
        .context("wait until it serves")?;
    let address = line.trim().strip_prefix("ready ");
    let address = address.and_then(|rest| rest.split(' ').next()?.parse().ok());
    let address = address.with_context(|| {
        let log = fs::read_to_string(root.join("control.log")).unwrap_or_default();
        format!("it does not serve: `{}`; {log}", line.trim())
    })?;
    Ok((child, address))
}
