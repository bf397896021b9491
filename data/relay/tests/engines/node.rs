//! A real engine on a port of its own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use model::{EngineKind, EngineVersion};
use psync::{Offset, Position};
use relay::SourceFacts;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::Instant;

pub(crate) const USER: &str = "geo";
pub(crate) const PASSWORD: &str = "canary-password";

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) kind: EngineKind,
    options: Vec<(String, String)>,
    directory: TempDir,
    child: Child,
}

impl Node {
    pub(crate) fn start(kind: EngineKind, options: &[(&str, &str)]) -> Self {
        let options: Vec<_> = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        loop {
            let directory = tempfile::tempdir().unwrap();
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            let child = spawn(kind, address, &options, &directory);
            let mut node = Self {
                address,
                kind,
                options: options.clone(),
                directory,
                child,
            };
            // Another engine may have taken the port in between; then this one ended.
            if node.until_up() {
                return node;
            }
        }
    }

    /// Stops the process at once and starts it again, without its data.
    pub(crate) fn restart(&mut self) {
        self.stop();
        // What a full sync left there.
        let _absent = std::fs::remove_file(self.directory.path().join("dump.rdb"));
        self.child = spawn(self.kind, self.address, &self.options, &self.directory);
        assert!(self.until_up(), "{}", self.log());
    }

    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the process to answer. `false`: it ended instead.
    fn until_up(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        let own = self.child.id().to_string();
        while TcpStream::connect(self.address).is_err() || self.info("process_id") != own {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    pub(crate) fn version(&self) -> EngineVersion {
        let out = Command::new(self.kind.program()).arg("--version").output();
        let text = String::from_utf8(out.unwrap().stdout).unwrap();
        text.parse().unwrap()
    }

    /// Words apart by spaces, run on a connection of their own.
    pub(crate) fn run(&self, words: &str) -> String {
        let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        self.run_words(&words)
    }

    pub(crate) fn run_words(&self, words: &[&[u8]]) -> String {
        let mut client = self.client();
        client.run(words)
    }

    pub(crate) fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Client(BufReader::new(stream))
    }

    pub(crate) fn info(&self, field: &str) -> String {
        let info = self.run("INFO");
        let prefix = format!("{field}:");
        let line = info.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_default().to_owned()
    }

    pub(crate) fn count(&self, field: &str) -> u64 {
        self.info(field).parse().unwrap()
    }

    pub(crate) fn position(&self) -> Position {
        let info = self.run("INFO replication");
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().to_owned()
        };
        // A replica's own count is what it has applied.
        let offset = match field("role:").as_str() {
            "slave" => field("slave_repl_offset:"),
            _ => field("master_repl_offset:"),
        };
        Position::new(
            field("master_replid:").parse().unwrap(),
            Offset(offset.parse().unwrap()),
        )
    }

    pub(crate) fn digest(&self) -> String {
        self.run("DEBUG DIGEST")
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

fn spawn(
    kind: EngineKind,
    address: SocketAddr,
    options: &[(String, String)],
    directory: &TempDir,
) -> Child {
    let path = directory.path().display();
    let mut config = format!(
        "bind 127.0.0.1\nport {}\ndir {path}\nlogfile {path}/log\nsave \"\"\n\
         enable-debug-command yes\nrepl-diskless-sync-delay 0\n\
         masteruser {USER}\nmasterauth {PASSWORD}\n\
         user {USER} on >{PASSWORD} +psync +replconf +ping\n",
        address.port()
    );
    for (name, value) in options {
        config += &format!("{name} {value}\n");
    }
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

/// What an agent would tell of the engine there; `None` when it does not answer.
pub(crate) fn facts_of(address: SocketAddr) -> Option<SourceFacts> {
    let stream = TcpStream::connect(address).ok()?;
    let patience = Some(Duration::from_millis(300));
    stream.set_read_timeout(patience).ok()?;
    let mut client = Client(BufReader::new(stream));
    let mut info = client.try_run(&[b"INFO", b"replication"])?;
    info += &client.try_run(&[b"INFO", b"keyspace"])?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
    let offset = match field("role:")? {
        "slave" => field("slave_repl_offset:")?,
        _ => field("master_repl_offset:")?,
    };
    let before = field("second_repl_offset:")?.parse().ok();
    let backlog = field("repl_backlog_first_byte_offset:")?.parse().ok();
    let databases = info.lines().filter_map(|line| line.split_once(":keys="));
    let keys = databases.map(|(_, rest)| {
        let count = rest.split(',').next().unwrap_or_default();
        count.parse::<u64>().unwrap()
    });
    Some(SourceFacts {
        position: Position::new(
            field("master_replid:")?.parse().ok()?,
            Offset(offset.parse().ok()?),
        ),
        before: before.and_then(|next| {
            let replid = field("master_replid2:")?.parse().ok()?;
            Some(Position::new(replid, Offset::before_wanted(next)?))
        }),
        backlog_from: backlog
            .filter(|_| field("repl_backlog_active:") == Some("1"))
            .and_then(Offset::before_wanted),
        keys: keys.sum(),
    })
}

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn run(&mut self, words: &[&[u8]]) -> String {
        self.send(words);
        self.reply()
    }

    /// `None`: no answer, or one that is an error.
    fn try_run(&mut self, words: &[&[u8]]) -> Option<String> {
        let mut bytes = Vec::new();
        resp::write_command(&mut bytes, words);
        self.0.get_mut().write_all(&bytes).ok()?;
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        let length: usize = line.trim_end().strip_prefix('$')?.parse().ok()?;
        let mut text = vec![0; length + 2];
        self.0.read_exact(&mut text).ok()?;
        String::from_utf8(text).ok()
    }

    pub(crate) fn send(&mut self, words: &[&[u8]]) {
        let mut bytes = Vec::new();
        resp::write_command(&mut bytes, words);
        self.0.get_mut().write_all(&bytes).unwrap();
    }

    pub(crate) fn reply(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let line = line.trim_end();
        assert!(!line.is_empty(), "the engine closed the connection");
        match line.split_at(1) {
            ("+" | ":", rest) => rest.to_owned(),
            ("$", "-1") => "(nil)".to_owned(),
            ("$", length) => {
                let mut bytes = vec![0; length.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                String::from_utf8_lossy(&bytes).into_owned()
            }
            _ => line.to_owned(),
        }
    }
}
