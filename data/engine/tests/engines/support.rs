//! Where the tests' engines live, and how they are talked to as a client would.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use engine::{Credentials, EngineChoice, EngineProgram, INTERNAL_USER, Node, NodeConfig};
use model::{EngineKind, EngineSettings, Secret};
use redis::{AsyncConnectionConfig, Client, RedisResult, aio::MultiplexedConnection};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Both makes. A machine without one of them cannot run these tests.
pub(crate) async fn programs() -> Vec<EngineProgram> {
    let mut found = Vec::new();
    for kind in [EngineKind::Valkey, EngineKind::Redis] {
        found.push(
            engine::find(&EngineChoice::Kind(kind), &search())
                .await
                .unwrap(),
        );
    }
    found
}

pub(crate) fn search() -> Vec<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap()).collect()
}

/// A directory for nodes. Engines that a failed test leaves are killed with it.
pub(crate) struct House(TempDir);

impl House {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, node: &str) -> PathBuf {
        self.root().join(node)
    }

    pub(crate) fn config(&self, node: &str) -> NodeConfig {
        NodeConfig {
            directory: self.path(node),
            address: "127.0.0.1:0".parse().unwrap(),
            settings: EngineSettings {
                maxmemory_bytes: 64 << 20,
                maxmemory_policy: "noeviction".to_owned(),
                maxclients: 100,
                databases: 16,
                notify_keyspace_events: String::new(),
            },
            clients: Secret::new("the clients' \"password\" =="),
            internal: Credentials {
                user: INTERNAL_USER.to_owned(),
                password: Secret::new("internal pass\"word\\ with # 'all' of it"),
            },
            replica_of: None,
            load_saved: false,
            load_append_only: false,
            serve_stale: true,
            refuses_writes: false,
        }
    }

    pub(crate) fn replica(&self, node: &str, upstream: SocketAddr) -> NodeConfig {
        NodeConfig {
            replica_of: Some(upstream),
            ..self.config(node)
        }
    }

    /// The same engine, taking 200 µs for each key that it loads.
    pub(crate) fn loading_slowly(&self, program: &EngineProgram) -> EngineProgram {
        let slow = "--key-load-delay 200 --loading-process-events-interval-bytes 1024";
        let body = format!("exec {} \"$@\" {slow}", program.path.display());
        EngineProgram {
            path: script(self.root(), "slow-engine", &body),
            ..program.clone()
        }
    }

    /// A connection that may do everything.
    pub(crate) async fn admin(&self, node: &Node, config: &NodeConfig) -> MultiplexedConnection {
        client(node, &config.internal.user, &config.internal.password)
            .await
            .unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for orphan in engine::find_orphans(self.root()) {
            signal(orphan.pid, Signal::KILL);
        }
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may be gone already.
    let _gone = kill_process(pid, signal);
}

/// Connects over TCP, as clients do.
pub(crate) async fn client(
    node: &Node,
    user: &str,
    password: &Secret,
) -> RedisResult<MultiplexedConnection> {
    let at = node.address();
    let address = redis::ConnectionAddr::Tcp(at.ip().to_string(), at.port());
    let login = redis::RedisConnectionInfo::default()
        .set_username(user)
        .set_password(password.reveal());
    let info = redis::IntoConnectionInfo::into_connection_info(address)?;
    let patient = AsyncConnectionConfig::new().set_response_timeout(None);
    let client = Client::open(info.set_redis_settings(login))?;
    client
        .get_multiplexed_async_connection_with_config(&patient)
        .await
}

pub(crate) async fn set(connection: &mut MultiplexedConnection, key: &str, value: &str) {
    let mut command = redis::cmd("SET");
    command
        .arg(key)
        .arg(value)
        .query_async::<()>(connection)
        .await
        .unwrap();
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Writes a program. Another process does it: a file that this one has open for writing may not
/// be run, and other tests fork meanwhile.
pub(crate) fn script(directory: &Path, name: &str, body: &str) -> PathBuf {
    let path = directory.join(name);
    let written = Command::new("sh")
        .args([
            "-c",
            "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"",
        ])
        .arg(&path)
        .arg(body)
        .status();
    assert!(written.unwrap().success());
    path
}
