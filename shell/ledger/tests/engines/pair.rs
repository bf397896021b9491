//! A primary and a replica of an engine's own replication.

use std::{
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use ledger::{Endpoint, Kind, Mix, Workload, blocking::Ledger};
use redis::{Client, Connection, FromRedisValue, RedisResult};
use runtime::dice::Dice;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PASSWORD: &str = "hunter2";

/// An engine's process, killed when dropped.
pub(crate) struct Node {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl Node {
    pub(crate) fn start(program: &str) -> Self {
        // Another process may take the port in between: then the engine ends, and the next is tried.
        (0..20)
            .find_map(|_| Self::try_start(program))
            .unwrap_or_else(|| panic!("no {program} came up"))
    }

    fn try_start(program: &str) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").ok()?;
        let port = free.local_addr().ok()?.port();
        drop(free);
        let directory = tempfile::tempdir().ok()?;
        let path = directory.path().display();
        let config = format!(
            "bind 127.0.0.1\nport {port}\ndir {path}\nlogfile {path}/log\nsave \"\"\n\
             requirepass {PASSWORD}\nmasterauth {PASSWORD}\nrepl-diskless-sync-delay 0\n"
        );
        let mut child = Command::new(program)
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        child.stdin.take()?.write_all(config.as_bytes()).ok()?;
        let mut node = Self {
            child,
            port,
            directory,
        };
        for _ in 0..1_000 {
            if node.child.try_wait().ok()?.is_some() {
                return None;
            }
            if let Ok(mut connection) = node.client().get_connection()
                && ask::<String>(&mut connection, "PING").is_ok()
            {
                return Some(node);
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new("127.0.0.1", self.port, PASSWORD)
    }

    fn client(&self) -> Client {
        Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port)).unwrap()
    }

    pub(crate) fn connect(&self) -> Connection {
        self.client().get_connection().unwrap()
    }

    /// Runs words apart by spaces.
    pub(crate) fn run<T: FromRedisValue>(&self, words: &str) -> T {
        ask(&mut self.connect(), words).unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    /// The same, of what it may refuse.
    pub(crate) fn try_run<T: FromRedisValue>(&self, words: &str) -> RedisResult<T> {
        ask(&mut self.connect(), words)
    }

    /// Where its files are.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn follow(&self, primary: &Self) {
        self.run::<()>(&format!("REPLICAOF 127.0.0.1 {}", primary.port));
        until("the replica is up", || {
            let info: String = self.run("INFO replication");
            info.contains("master_link_status:up")
        });
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Has it follow nobody, and refuse writes as before.
    pub(crate) fn cut_off(&self) {
        self.run::<()>("REPLICAOF 127.0.0.1 1");
    }

    /// What a client of this kind has written here.
    pub(crate) fn count(&self, kind: Kind, key: &str) -> u64 {
        match kind {
            Kind::Sequence | Kind::Transfer | Kind::Pipeline => self.run(&format!("LLEN {key}")),
            Kind::Counter | Kind::Register => {
                let value: Option<u64> = self.run(&format!("GET {key}"));
                value.unwrap_or(0)
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn ask<T: FromRedisValue>(connection: &mut Connection, words: &str) -> RedisResult<T> {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    command.query(connection)
}

pub(crate) fn until(what: &str, mut test: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if test() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("gave up: {what}");
}

/// A primary and its replica.
pub(crate) fn pair(program: &str) -> (Node, Node) {
    let (primary, replica) = (Node::start(program), Node::start(program));
    replica.follow(&primary);
    (primary, replica)
}

pub(crate) fn workload(clients: usize) -> Workload {
    Workload::new(clients, Dice::from_seed(7))
}

pub(crate) fn only(kind: Kind) -> Workload {
    Workload {
        mix: Mix::only(kind),
        ..workload(2)
    }
}

pub(crate) fn start(workload: &Workload, nodes: &[&Node]) -> Ledger {
    let endpoints = nodes.iter().map(|node| node.endpoint()).collect();
    Ledger::start(workload, endpoints).unwrap()
}

pub(crate) fn until_more(ledger: &Ledger, more: u64) {
    let enough = ledger.sight().acknowledged + more;
    until("clients write", || ledger.sight().acknowledged >= enough);
}

/// Runs until each client has done something, then stops.
pub(crate) fn ran(workload: &Workload, node: &Node) -> Ledger {
    let ledger = start(workload, &[node]);
    until("each client has written", || {
        let kinds = workload.mix.kinds(workload.clients);
        let mut keys = kinds.iter().enumerate();
        keys.all(|(client, kind)| node.count(*kind, &key(*kind, client)) > 100)
    });
    ledger.stop().unwrap();
    ledger
}

pub(crate) fn key(kind: Kind, client: usize) -> String {
    format!("ledger:{kind}:{client}")
}
