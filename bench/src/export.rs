//! An export beside `redis-cli --rdb`: the same cache, the same data, to the same disk, in turn.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Args;
use engine::EngineProgram;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    client::Endpoint,
    load::{Content, Load},
    statistics::Spread,
    waiting,
};

const LOOK: Duration = Duration::from_millis(50);
/// The engines' own user of Godwit's, who may replicate.
const INTERNAL_USER: &str = "godwit";
const VALUE_BYTES: usize = 1_000;

/// Measure an export of 500 MB beside `redis-cli --rdb`
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// 20 MB and one round: whether it works, not how fast it is
    #[arg(long)]
    pub(crate) quick: bool,
    /// Times that each way is measured [default: 3, with --quick 1]
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// JSON, with every run
    #[arg(long)]
    pub(crate) json: bool,
    /// The program `godwit` [default: the one beside this program]
    #[arg(long)]
    pub(crate) godwit: Option<PathBuf>,
}

/// What an engine's exports came to.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    engine: String,
    bytes: u64,
    redis_cli_seconds: Vec<f64>,
    export_seconds: Vec<f64>,
}

impl Report {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let median = |runs: &[f64]| Spread::of(runs.iter().copied()).map_or(0.0, |all| all.median);
        let (tool, own) = (
            median(&self.redis_cli_seconds),
            median(&self.export_seconds),
        );
        #[expect(clippy::cast_precision_loss, reason = "megabytes need no more")]
        let megabytes = self.bytes as f64 / 1e6;
        format!(
            "{}: {megabytes:.0} MB; redis-cli --rdb {tool:.2} s ({:.0} MB/s), export {own:.2} s ({:.0} MB/s), {:.2} times as long",
            self.engine,
            megabytes / tool,
            megabytes / own,
            own / tool
        )
    }
}

impl Export {
    /// Measures with one engine below `root`.
    pub(crate) fn measure(
        &self,
        root: &Path,
        godwit: &Path,
        program: &EngineProgram,
        say: fn(&str),
    ) -> anyhow::Result<Report> {
        let name = program.version.to_string();
        let yard = root.join(program.version.kind.to_string());
        let files = yard.join("files");
        fs::create_dir_all(&files).context("make a directory for exports")?;
        let deployment = Deployment::start(&yard, &files, godwit, program)?;
        let writes = if self.quick { 20_000 } else { 500_000 };
        say(&format!("{name}: {writes} values of {VALUE_BYTES} bytes"));
        let load = Load {
            writes,
            keys: writes,
            value_bytes: VALUE_BYTES,
            content: Content::Sessions,
        };
        load.run(&deployment.door()?)?;
        let mut report = Report {
            engine: name.clone(),
            bytes: 0,
            redis_cli_seconds: Vec::new(),
            export_seconds: Vec::new(),
        };
        let rounds = self.rounds.unwrap_or(if self.quick { 1 } else { 3 });
        for round in 1..=rounds {
            say(&format!("{name}: round {round} of {rounds}"));
            let tool = files.join("tool.rdb");
            report.redis_cli_seconds.push(deployment.redis_cli(&tool)?);
            fs::remove_file(&tool).context("remove the tool's file")?;
            report.export_seconds.push(deployment.export(&files)?);
            let own = files.join("own.rdb");
            report.bytes = fs::metadata(&own).context("look at the export")?.len();
            fs::remove_file(&own).context("remove the export")?;
        }
        Ok(report)
    }
}

/// `godwit up` with one cache.
struct Deployment<'a> {
    yard: &'a Path,
    godwit: &'a Path,
}

impl<'a> Deployment<'a> {
    fn start(
        yard: &'a Path,
        files: &Path,
        godwit: &'a Path,
        program: &EngineProgram,
    ) -> anyhow::Result<Self> {
        let log = fs::File::create(yard.join("up.log")).context("make a log")?;
        // It is killed with everything below the bench's directory.
        Command::new(godwit)
            .args([
                "up",
                "--data",
                "data",
                "--listen",
                "127.0.0.1:0",
                "--no-dns",
            ])
            .args(["--addresses", "ports"])
            .arg(format!("--transfer-directory={}", files.display()))
            .arg("--engine")
            .arg(&program.path)
            .current_dir(yard)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", godwit.display()))?;
        let endpoint = yard.join("data/endpoint");
        waiting::until_true("godwit is up", LOOK, || Ok(endpoint.exists()))?;
        let deployment = Self { yard, godwit };
        deployment.run(&[
            "cache",
            "create",
            "east",
            "--location",
            "eastus",
            "--enable-non-ssl-port",
        ])?;
        Ok(deployment)
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(self.godwit)
            .args(arguments)
            .args(["--output", "json", "--data", "data"])
            .current_dir(self.yard)
            .stdin(Stdio::null())
            .output()
            .context("start the command line")?;
        let talk = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {talk}");
        String::from_utf8(output.stdout).context("read its output")
    }

    /// Where clients come in.
    fn door(&self) -> anyhow::Result<Endpoint> {
        let shown: Value = serde_json::from_str(&self.run(&["cache", "show", "east"])?)?;
        let port = shown["properties"]["port"]
            .as_u64()
            .context("find the port")?;
        let key = self.run(&["cache", "keys", "east", "--show", "primary"])?;
        Ok(Endpoint {
            address: format!("127.0.0.1:{port}").parse()?,
            user: "default".to_owned(),
            password: key.trim().trim_matches('"').to_owned(),
        })
    }

    /// The leading engine itself: its address and Godwit's password, as the agent keeps them.
    fn engine(&self) -> anyhow::Result<(String, String)> {
        let caches = self.yard.join("data/agents/eastus/caches");
        let cache = fs::read_dir(&caches)?.next().context("find the cache")??;
        let kept: Value = serde_json::from_slice(&fs::read(cache.path().join("cache.json"))?)?;
        let text = |field: &str| kept[field].as_str().map(str::to_owned);
        let (address, password) = (text("service"), text("internal"));
        address.zip(password).context("read what the agent keeps")
    }

    /// Seconds of `redis-cli --rdb`, with the file synced as an export's is.
    fn redis_cli(&self, to: &Path) -> anyhow::Result<f64> {
        let (address, password) = self.engine()?;
        let (host, port) = address.rsplit_once(':').context("read the address")?;
        let redis_cli = |more: &[&OsStr]| {
            Command::new("redis-cli")
                .args(["-h", host, "-p", port, "--user", INTERNAL_USER])
                .args(more)
                .env("REDISCLI_AUTH", &password)
                .output()
                .context("start redis-cli")
        };
        // Godwit itself has no use for the command by which the tool asks.
        let words = ["ACL", "SETUSER", INTERNAL_USER, "+sync"];
        redis_cli(&words.map(OsStr::new))?;
        let began = Instant::now();
        let output = redis_cli(&["--rdb".as_ref(), to.as_os_str()])?;
        let talk = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "redis-cli --rdb: {talk}");
        fs::File::open(to)?.sync_all().context("sync its file")?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// Seconds of an export, the command's own included.
    fn export(&self, files: &Path) -> anyhow::Result<f64> {
        let to = format!("file://{}", files.display());
        let began = Instant::now();
        self.run(&["cache", "export", "east", "--to", &to, "--prefix", "own"])?;
        Ok(began.elapsed().as_secs_f64())
    }
}
