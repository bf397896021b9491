//! Godwit: `godwit up` with two caches, driven by its command line as a user would.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::time::Instant;
use wan::Wan;

use super::{
    Ground, Rig, Yard,
    way::{self, Way},
};
use crate::{client::Endpoint, waiting};

const LOOK: Duration = Duration::from_millis(20);
const CACHES: [(&str, &str); 2] = [("east", "eastus"), ("west", "westus")];

pub(super) struct Godwit {
    ground: Ground,
    up: Child,
    /// The command that links, while it runs.
    linking: Option<Child>,
    endpoints: Vec<Endpoint>,
    /// Which of the caches takes writes.
    primary: usize,
    way: Option<Way>,
    yard: Yard,
}

impl Godwit {
    pub(super) fn start(ground: &Ground) -> anyhow::Result<Self> {
        let yard = Yard::new(ground, "godwit")?;
        let log = File::create(yard.path().join("up.log")).context("make a log")?;
        let agent = free_address()?;
        let way = Way::start(ground, agent)?;
        let mut told = Vec::new();
        if let Some(way) = &way {
            let [(_, region), _] = CACHES;
            told.push(format!("--relay={region}={agent}"));
            let advertised = way.wan().address();
            told.push(format!("--relay-advertise={region}={advertised}"));
        }
        let up = Command::new(&ground.godwit)
            .args([
                "up",
                "--data",
                "data",
                "--listen",
                "127.0.0.1:0",
                "--addresses",
                "ports",
            ])
            .args(told)
            .arg("--engine")
            .arg(&ground.program.path)
            .current_dir(yard.path())
            // Ctrl-C reaches the bench alone, which ends everything.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", ground.godwit.display()))?;
        let mut rig = Self {
            ground: ground.clone(),
            up,
            linking: None,
            endpoints: Vec::new(),
            primary: 0,
            way,
            yard,
        };
        let endpoint = rig.yard.path().join("data/endpoint");
        waiting::until_true("godwit is up", LOOK, || Ok(endpoint.exists()))?;
        for (name, region) in CACHES {
            rig.run(&["cache", "create", name, "--location", region, "--sku", "P1"])?;
            let endpoint = rig.endpoint(name)?;
            rig.endpoints.push(endpoint);
        }
        Ok(rig)
    }

    fn file(&self, name: &str) -> anyhow::Result<String> {
        let path = self.yard.path().join("data").join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(text.trim().to_owned())
    }

    fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(&self.ground.godwit);
        command
            .args(arguments)
            .args(["--output", "json", "--data", "data"])
            .args(["--endpoint", &self.file("endpoint")?])
            .current_dir(self.yard.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(command)
    }

    fn say(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let child = self
            .command(arguments)?
            .spawn()
            .context("start the command line")?;
        finish(child).with_context(|| format!("run godwit {}", arguments.join(" ")))
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let said = self.say(arguments)?;
        serde_json::from_str(&said)
            .with_context(|| format!("read what godwit {} says", arguments.join(" ")))
    }

    fn endpoint(&self, name: &str) -> anyhow::Result<Endpoint> {
        let shown = self.run(&["cache", "show", name])?;
        let id = shown["id"].as_str().context("find the cache's id")?;
        let path = format!("{id}/runtimeStatus");
        let address = waiting::until("the cache has an endpoint", LOOK, || {
            let status = self.get(&path)?;
            let host = status["endpoint"]["host"].as_str();
            let port = status["endpoint"]["port"].as_u64();
            let text = host.zip(port).map(|(host, port)| format!("{host}:{port}"));
            Ok(text.and_then(|text| text.parse::<SocketAddr>().ok()))
        })?;
        // The bare key, for scripts.
        let key = self.say(&["cache", "keys", name, "--show", "primary"])?;
        Ok(Endpoint {
            address,
            user: "default".to_owned(),
            password: key.trim().trim_matches('"').to_owned(),
        })
    }

    fn get(&self, path: &str) -> anyhow::Result<Value> {
        let endpoint = self.file("endpoint")?;
        let address = endpoint.trim_start_matches("http://");
        let token = self.file("token")?;
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "GET {path}?api-version=2024-11-01 HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_head, body) = answer.split_once("\r\n\r\n").context("read an answer")?;
        serde_json::from_str(body).context("read an answer")
    }
}

/// An address that nobody else on this machine should want before it is used.
fn free_address() -> anyhow::Result<SocketAddr> {
    let taken = TcpListener::bind(("127.0.0.1", 0)).context("find a port")?;
    taken.local_addr().context("find a port")
}

/// What a command says once it has succeeded.
fn finish(child: Child) -> anyhow::Result<String> {
    let output = child.wait_with_output().context("wait for the command")?;
    let talk = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {talk}", output.status);
    String::from_utf8(output.stdout).context("read its output")
}

impl Rig for Godwit {
    fn primary(&self) -> Endpoint {
        self.endpoints[self.primary].clone()
    }

    fn secondary(&self) -> Endpoint {
        self.endpoints[1 - self.primary].clone()
    }

    fn link(&mut self) -> anyhow::Result<()> {
        let [(east, _), (west, _)] = CACHES;
        let mut command = self.command(&["link", "create", east, west, "--yes"])?;
        self.linking = Some(command.spawn().context("start the command line")?);
        Ok(())
    }

    fn linked(&mut self) -> anyhow::Result<()> {
        if let Some(linking) = self.linking.take() {
            finish(linking).context("link the caches")?;
        }
        Ok(())
    }

    fn fail_over(&mut self) -> anyhow::Result<Duration> {
        let (heir, _) = CACHES[1 - self.primary];
        let began = Instant::now();
        self.run(&["failover", heir])?;
        let took = began.elapsed();
        self.primary = 1 - self.primary;
        Ok(took)
    }

    fn yard(&self) -> &Yard {
        &self.yard
    }

    fn wan(&self) -> anyhow::Result<&Wan> {
        way::of(self.way.as_ref())
    }
}

impl Drop for Godwit {
    fn drop(&mut self) {
        // The others of its processes end with the yard.
        let _gone = self.up.kill();
        let _status = self.up.wait();
        if let Some(mut linking) = self.linking.take() {
            let _gone = linking.kill();
            let _status = linking.wait();
        }
    }
}
