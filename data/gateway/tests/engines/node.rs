//! A real engine on a port of its own, which the gateway's user alone may use, and the test.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use model::EngineKind;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::client::Client;

pub(crate) const PASSWORD: &str = "canary-password";
const ADMIN: &str = "canary-admin";
/// A user of a token, at every engine.
pub(crate) const OBJECT_ID: &str = "0f0f0f0f-0000-4000-8000-000000000001";

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    kind: EngineKind,
    directory: TempDir,
    child: Child,
}

impl Node {
    pub(crate) fn start(kind: EngineKind) -> Self {
        loop {
            let directory = tempfile::tempdir().unwrap();
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            let child = spawn(kind, address, &directory);
            let mut node = Self {
                address,
                kind,
                directory,
                child,
            };
            // Another engine may have taken the port in between; then this one ended.
            if node.until_up() {
                return node;
            }
        }
    }

    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.kind, self.address, &self.directory);
        assert!(self.until_up(), "{}", self.log());
    }

    pub(crate) fn freeze(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    pub(crate) fn thaw(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the process to answer. `false`: it ended instead.
    fn until_up(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        let own = format!("process_id:{}\r\n", self.child.id());
        let login = format!("AUTH admin {ADMIN}");
        let info = || Client::ask(self.address, &[&login, "INFO server"]);
        while !info().is_ok_and(|info| info.contains(&own)) {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Words apart by spaces, run on a connection of their own.
    pub(crate) fn run(&self, words: &str) -> String {
        self.client().run(words)
    }

    /// A connection that does not go through the gateway.
    pub(crate) fn client(&self) -> Client {
        let mut client = Client::connect(self.address);
        assert_eq!(client.run(&format!("AUTH admin {ADMIN}")), "OK");
        client
    }

    pub(crate) fn info(&self, field: &str) -> String {
        let info = self.run("INFO");
        let prefix = format!("{field}:");
        let line = info.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_default().to_owned()
    }

    /// Connections of the gateway.
    pub(crate) fn connections(&self) -> usize {
        let list = self.run("CLIENT LIST");
        list.lines()
            .filter(|line| !line.contains("user=admin"))
            .count()
    }

    pub(crate) fn log(&self) -> String {
        let path = self.directory.path().join("log");
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

impl Drop for Node {
    #[expect(clippy::print_stdout, reason = "shown when the test fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- {} at {}\n{}", self.kind, self.address, self.log());
        }
        let _gone = kill_process(self.pid(), Signal::CONT);
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn spawn(kind: EngineKind, address: SocketAddr, directory: &TempDir) -> Child {
    let path = directory.path().display();
    let config = format!(
        "bind 127.0.0.1\nport {}\ndir {path}\nlogfile {path}/log\nsave \"\"\n\
         enable-debug-command yes\nmaxclients 5000\nproto-max-bulk-len 512mb\n\
         user default off\n\
         user admin on >{ADMIN} ~* &* +@all\n\
         user {} on >{PASSWORD} ~* &* +@all\n\
         user {OBJECT_ID} on >{PASSWORD} ~* &* -@all +@read +@connection\n",
        address.port(),
        gateway::CLIENT_USER,
    );
    let mut child = Command::new(kind.program())
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(config.as_bytes()).unwrap();
    child
}
