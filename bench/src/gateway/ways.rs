//! The three ways to one engine.

use std::{
    fs::File,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::certificates::Certificates;
use crate::{
    client::Endpoint,
    processes::{self, Process},
    waiting,
};

/// What opens the cache.
pub(crate) const KEY: &str = "a-key-of-the-bench";
/// What opens the engine for the gateway.
const OWN: &str = "a-password-of-the-bench";
const LOOK: Duration = Duration::from_millis(20);

/// How clients get to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    /// They connect to it.
    Direct,
    /// Through HAProxy, which passes bytes on.
    Haproxy,
    /// Through the gateway.
    Gateway,
}

impl Way {
    /// All of them, each round beginning with another.
    pub(crate) fn in_turn(round: usize) -> [Self; 3] {
        let mut all = [Self::Direct, Self::Haproxy, Self::Gateway];
        all.rotate_left(round % 3);
        all
    }
}

/// Where a way begins.
#[derive(Debug, Clone, Copy)]
struct Ports {
    plain: u16,
    tls: u16,
}

impl Ports {
    /// Two that nobody has now.
    fn free() -> anyhow::Result<Self> {
        let any = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (one, other) = (any()?, any()?);
        Ok(Self {
            plain: one.local_addr()?.port(),
            tls: other.local_addr()?.port(),
        })
    }
}

/// An engine with HAProxy and the gateway before it. Dropping it ends them.
pub(crate) struct Rig {
    children: Vec<Child>,
    direct: Ports,
    haproxy: Ports,
    gateway: Ports,
    proxies: [u32; 2],
}

impl Rig {
    pub(crate) fn start(
        directory: &Path,
        certificates: &Certificates,
        example: &Path,
    ) -> anyhow::Result<Self> {
        let mut rig = Self {
            children: Vec::new(),
            direct: Ports::free()?,
            haproxy: Ports::free()?,
            gateway: Ports::free()?,
            proxies: [0; 2],
        };
        let mut engine = rig.engine(certificates);
        rig.spawn(&mut engine, directory, "engine")?;
        let config = directory.join("haproxy.cfg");
        File::create(&config)
            .and_then(|mut file| file.write_all(rig.haproxy_config(certificates).as_bytes()))
            .context("write HAProxy's configuration")?;
        let mut haproxy = Command::new("haproxy");
        haproxy.arg("-db").arg("-f").arg(&config);
        let haproxy = rig.spawn(&mut haproxy, directory, "haproxy")?;
        let mut gateway = Command::new(example);
        gateway
            .arg(rig.address(rig.direct.plain).to_string())
            .args([OWN, KEY])
            .args([rig.gateway.tls, rig.gateway.plain].map(|port| port.to_string()))
            .args([&certificates.chain, &certificates.key]);
        let gateway = rig.spawn(&mut gateway, directory, "gateway")?;
        rig.proxies = [haproxy, gateway];
        for way in [Way::Direct, Way::Haproxy, Way::Gateway] {
            waiting::until_true("the way to the engine is open", LOOK, || {
                rig.endpoint(way).connect().map(|_| true)
            })
            .with_context(|| format!("reach the engine, {way:?}"))?;
        }
        Ok(rig)
    }

    fn address(&self, port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    /// Everything in memory, no snapshots; the same key opens it directly.
    fn engine(&self, certificates: &Certificates) -> Command {
        let mut engine = Command::new("valkey-server");
        engine
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--maxclients", "20000", "--tls-auth-clients", "no"])
            // As Godwit starts engines: a thousand clients come at once.
            .args(["--tcp-backlog", "4096"])
            .args(["--port", &self.direct.plain.to_string()])
            .args(["--tls-port", &self.direct.tls.to_string()])
            .arg("--tls-cert-file")
            .arg(&certificates.chain)
            .arg("--tls-key-file")
            .arg(&certificates.key)
            .arg("--tls-ca-cert-file")
            .arg(&certificates.authority)
            .args(["--requirepass", KEY])
            .args(["--user", "godwit-client", "on", &format!(">{OWN}")])
            .args(["~*", "&*", "+@all"]);
        engine
    }

    fn haproxy_config(&self, certificates: &Certificates) -> String {
        let (Ports { plain, tls }, engine) = (self.haproxy, self.direct.plain);
        let both = certificates.both.display();
        format!(
            "global\n  maxconn 4000\n\
             defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
             listen plain\n  bind 127.0.0.1:{plain}\n  server engine 127.0.0.1:{engine}\n\
             listen encrypted\n  bind 127.0.0.1:{tls} ssl crt {both}\n  server engine 127.0.0.1:{engine}\n"
        )
    }

    fn spawn(&mut self, command: &mut Command, yard: &Path, name: &str) -> anyhow::Result<u32> {
        let log = File::create(yard.join(format!("{name}.log"))).context("make a log")?;
        let child = command
            .current_dir(yard)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share a log")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", command.get_program().to_string_lossy()))?;
        let pid = child.id();
        self.children.push(child);
        Ok(pid)
    }

    fn ports(&self, way: Way) -> Ports {
        match way {
            Way::Direct => self.direct,
            Way::Haproxy => self.haproxy,
            Way::Gateway => self.gateway,
        }
    }

    /// The port of a way, with TLS or without.
    pub(crate) fn port(&self, way: Way, tls: bool) -> u16 {
        let Ports { plain, tls: over } = self.ports(way);
        if tls { over } else { plain }
    }

    /// A way without TLS, for a client of the bench's own.
    pub(crate) fn endpoint(&self, way: Way) -> Endpoint {
        Endpoint {
            address: self.address(self.ports(way).plain),
            user: "default".to_owned(),
            password: KEY.to_owned(),
        }
    }

    /// What the proxy of a way uses; the direct way has none.
    pub(crate) fn proxy(&self, way: Way) -> anyhow::Result<Option<Process>> {
        let [haproxy, gateway] = self.proxies;
        let pid = match way {
            Way::Direct => return Ok(None),
            Way::Haproxy => haproxy,
            Way::Gateway => gateway,
        };
        match processes::look(pid) {
            Some(process) => Ok(Some(process)),
            None => bail!("the proxy has ended"),
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended by itself.
            let _gone = child.kill();
            let _gone = child.wait();
        }
    }
}
