//! A deployment on this machine: `godwit up` in a directory of its own, and its command line.

use std::{
    fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Cache, Package, Points, Wan, api, processes, waiting, wan};

/// How to start a [`World`].
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// `--engine`, as given on the command line.
    pub engine: String,
    /// More arguments for `godwit up`.
    pub more: Vec<String>,
    /// Puts a [`Wan`] before each region's agent: those of the other region go through it.
    pub wan: bool,
    /// Lets the test have processes die, or wait, at [`Points`].
    pub points: bool,
    /// Where to make the world's directory, instead of the system's place for such.
    pub within: Option<PathBuf>,
}

/// A running `godwit up`.
pub struct World {
    directory: TempDir,
    start: Start,
    up: Option<Child>,
    wans: Vec<(&'static str, Wan)>,
}

/// Regions that `godwit up` runs an agent for.
const REGIONS: [&str; 2] = ["eastus", "westus"];

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub talk: String,
}

impl Answer {
    /// The output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The binary under test, beside the test's own.
pub(crate) fn godwit() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let found = own
        .ancestors()
        .map(|up| up.join("godwit"))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("build the binary first: cargo build -p cli"))
}

impl World {
    /// Starts a world with one engine for every region and waits until it is up.
    pub fn with(engine: &str) -> Self {
        Self::start(Start {
            engine: engine.to_owned(),
            ..Start::default()
        })
    }

    /// Starts a world and waits until it is up.
    pub fn start(start: Start) -> Self {
        let mut builder = tempfile::Builder::new();
        let directory = match &start.within {
            Some(within) => builder.prefix("w").tempdir_in(within),
            None => builder.prefix("godwit").tempdir(),
        };
        let mut world = Self {
            directory: directory.unwrap(),
            start,
            up: None,
            wans: Vec::new(),
        };
        if world.start.wan {
            for region in REGIONS {
                let agent = wan::free_address();
                let wan = Wan::start(agent);
                let told = [
                    format!("--relay={region}={agent}"),
                    format!("--relay-advertise={region}={}", wan.address()),
                ];
                world.start.more.extend(told);
                world.wans.push((region, wan));
            }
        }
        world.up();
        world
    }

    /// Starts a world with an engine that is upgraded under it.
    pub fn with_package(package: &Package) -> Self {
        Self::with(&package.program().display().to_string())
    }

    /// Starts a world whose regions have a [`Wan`] between them.
    pub fn over_a_wan(engine: &str) -> Self {
        Self::start(Start {
            engine: engine.to_owned(),
            wan: true,
            ..Start::default()
        })
    }

    /// What the other region goes through to a region's agent.
    pub fn wan_to(&self, region: &str) -> &Wan {
        let found = self.wans.iter().find(|(name, _)| *name == region);
        let (_, wan) = found.unwrap_or_else(|| panic!("no WAN before {region}"));
        wan
    }

    /// Runs `godwit up` that must not come up; gives what it says.
    pub fn refused_to_start(data: &Path, arguments: &[&str]) -> String {
        let listens = arguments.contains(&"--listen");
        let output = Command::new(godwit())
            .args(["up", "--addresses", "ports", "--no-dns", "--data"])
            .arg(data)
            .args(arguments)
            .args(if listens {
                &[][..]
            } else {
                &["--listen", "127.0.0.1:0"]
            })
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Starts `godwit up` (again).
    pub fn up(&mut self) {
        let endpoint = self.data().join("endpoint");
        let _none_yet = fs::remove_file(&endpoint);
        let talk = File::create(self.directory.path().join("up.log")).unwrap();
        let mut command = Command::new(godwit());
        if self.start.points {
            command.env("GODWIT_CRASH_AT", self.points().directory());
        }
        let child = command
            .arg("up")
            .arg("--data")
            .arg(self.data())
            .args(["--listen", "127.0.0.1:0", "--addresses", "ports"])
            .args(self.names())
            .args(["--engine", &self.start.engine])
            .args(&self.start.more)
            .env("GODWIT_LOG", "info,agent=debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(talk)
            .spawn()
            .unwrap();
        self.up = Some(child);
        waiting::until_true("godwit up is up", || {
            let ended = self.up.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "godwit up ended: {}", self.log());
            endpoint.exists()
        });
    }

    /// Where names are answered: at a free port, unless the test says otherwise.
    fn names(&self) -> &'static [&'static str] {
        let told = |given: &String| given == "--no-dns" || given.starts_with("--dns");
        if self.start.more.iter().any(told) {
            &[]
        } else {
            &["--dns", "127.0.0.1:0"]
        }
    }

    /// Where its processes can be made to die.
    pub fn points(&self) -> Points {
        Points::in_directory(self.directory.path().join("points"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("up.log")).unwrap_or_default()
    }

    /// The process of `godwit up`.
    pub fn pid(&self) -> u32 {
        self.up.as_ref().unwrap().id()
    }

    /// Stops everything in order, as Ctrl-C does, and checks that nothing is left.
    pub fn down(&mut self) {
        let mut up = self.up.take().unwrap();
        processes::signal(up.id(), Signal::TERM);
        let status = up.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
        assert_eq!(processes::working_below(&self.data()), []);
    }

    /// Kills `godwit up` alone; its children notice.
    pub fn kill_up(&mut self) {
        let mut up = self.up.take().unwrap();
        processes::signal(up.id(), Signal::KILL);
        up.wait().unwrap();
    }

    /// Kills `godwit up`, the control plane, the DNS server and the agents in one moment, before any of them can
    /// stop in order.
    pub fn kill_everybody_but_the_engines(&mut self) {
        let mut up = self.up.take().unwrap();
        let children = processes::children(up.id(), " --parent ");
        assert_eq!(
            children.len(),
            4,
            "a control plane, a DNS server, two agents"
        );
        for pid in &children {
            processes::signal(*pid, Signal::STOP);
        }
        processes::signal(up.id(), Signal::KILL);
        up.wait().unwrap();
        for pid in children {
            processes::signal(pid, Signal::KILL);
            waiting::until_true("it is gone", || !processes::is_alive(pid));
        }
    }

    /// Kills the control plane's process; `godwit up` starts it again.
    pub fn kill_control(&self) {
        self.kill_child(" control ");
    }

    /// Kills the DNS server's process; `godwit up` starts it again.
    pub fn kill_dns(&self) {
        self.kill_child(" dns ");
    }

    /// Kills a region's agent; `godwit up` starts it again. The engines live on.
    pub fn kill_agent(&self, region: &str) {
        self.kill_child(&format!(" agent --region={region} "));
    }

    /// As [`World::kill_agent`], doing something while the agent cannot.
    pub fn kill_agent_after(&self, region: &str, meanwhile: impl FnOnce()) {
        let word = format!(" agent --region={region} ");
        for pid in processes::children(self.pid(), &word) {
            processes::signal(pid, Signal::STOP);
        }
        meanwhile();
        self.kill_child(&word);
    }

    /// Stops `godwit up` for a moment, so that nobody starts what is killed.
    pub fn hold_up(&self) {
        processes::signal(self.pid(), Signal::STOP);
    }

    /// Lets `godwit up` go on; it starts again what was killed.
    pub fn release_up(&self) {
        processes::signal(self.pid(), Signal::CONT);
    }

    /// Kills a region's agent while `godwit up` is held: it stays away.
    pub fn take_agent_away(&self, region: &str) {
        let word = format!(" agent --region={region} ");
        let [pid] = processes::children(self.pid(), &word)[..] else {
            panic!("no agent of {region}: {}", self.log())
        };
        processes::signal(pid, Signal::KILL);
        waiting::until_true("the agent is gone", || !processes::is_alive(pid));
    }

    /// Kills a region's agent and every engine, as if its machine had lost its power; `godwit up` is
    /// held.
    pub fn take_region_away(&self, region: &str) {
        self.take_agent_away(region);
        self.kill_engines(region);
    }

    /// Kills a region's agent, and has the next one wait before it does anything, until
    /// [`World::let_agent_run`]. Everybody else is started again as ever.
    pub fn keep_agent_away(&self, region: &str) {
        let run = format!("agent-{region}:Run:before");
        let pid = self.agent_pid(region);
        self.points().hold(&run);
        processes::signal(pid, Signal::KILL);
        waiting::until_true("the next agent waits", || self.points().is_held(&run));
    }

    /// Ends what [`World::keep_agent_away`] began.
    pub fn let_agent_run(&self, region: &str) {
        self.points().release(&format!("agent-{region}:Run:before"));
    }

    /// Kills every engine of a region.
    pub fn kill_engines(&self, region: &str) {
        let directory = self.data().join("agents").join(region);
        for (pid, _) in processes::working_below(&directory) {
            processes::signal(pid, Signal::KILL);
            waiting::until_true("it is gone", || !processes::is_alive(pid));
        }
    }

    /// Has `new` take over from `old` by force.
    pub fn force(&self, new: &Cache<'_>, old: &Cache<'_>) {
        self.begin_failover(new, old, &json!({ "force": true }));
    }

    /// Has `new` begin to take over from `old`, with options of the management API.
    pub fn begin_failover(&self, new: &Cache<'_>, old: &Cache<'_>, options: &Value) {
        let place = self.ok(&["cache", "show", old.name()]).json()["location"].clone();
        let body = json!({ "properties": {
            "linkedRedisCacheId": old.id(),
            "linkedRedisCacheLocation": place,
            "serverRole": "Secondary",
            "failover": options,
        }});
        let path = format!("{}/linkedServers/{}", new.id(), old.name());
        let (code, answer) = self.send("PUT", &path, Some(&body)).unwrap();
        assert!(matches!(code, 200..=202), "{code} {answer}");
    }

    /// Waits until the journal has, durably, everything that the geo-primary's engine has: it is synced
    /// once a second.
    pub fn until_journaled(&self, primary: &Cache<'_>) {
        let here: u64 = primary.info("master_repl_offset").parse().unwrap();
        let mut written_at = None;
        waiting::until_true("the journal has everything", || {
            let link = self.link();
            let shard = link.map(|link| link["shards"][0].clone());
            let shard = shard.filter(|shard| shard["offsets"]["journaled"].as_u64() >= Some(here));
            let Some(age) = shard.and_then(|shard| shard["journal"]["oldestMs"].as_u64()) else {
                return false;
            };
            age > *written_at.get_or_insert(age) + 3_000
        });
    }

    /// The process of a region's agent.
    pub fn agent_pid(&self, region: &str) -> u32 {
        self.child(&format!(" agent --region={region} "))
    }

    /// The process of the control plane.
    pub fn control_pid(&self) -> u32 {
        self.child(" control ")
    }

    fn child(&self, word: &str) -> u32 {
        waiting::until("a child runs", || {
            match processes::children(self.pid(), word)[..] {
                [pid] => Some(pid),
                _ => None,
            }
        })
    }

    fn kill_child(&self, word: &str) {
        let pid = waiting::until("the child runs", || {
            let found = processes::children(self.pid(), word);
            <[u32; 1]>::try_from(found).ok().map(|[pid]| pid)
        });
        processes::signal(pid, Signal::KILL);
        waiting::until_true("a killed child is started again", || {
            let now = processes::children(self.pid(), word);
            now.len() == 1 && now != [pid]
        });
    }

    /// Runs a command of the command line.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        run_in(&self.data(), arguments)
    }

    /// Starts a command that the test will end or wait for.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        command_in(&self.data(), arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, arguments: &[&str]) -> Answer {
        let answer = self.run(arguments);
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}\n{}", self.logs());
        answer
    }

    /// Runs a command that must be refused; gives what it says.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let answer = self.run(arguments);
        assert_ne!(answer.code, 0, "{arguments:?}: {answer:?}");
        answer.talk
    }

    /// Creates a Premium P1 cache, with doors without TLS.
    pub fn create(&self, name: &str, region: &str) -> Cache<'_> {
        self.create_closed(name, region);
        let cache = self.cache(name);
        cache.set(&json!({"enableNonSslPort": true}));
        cache
    }

    /// Creates a Premium P1 cache as it comes: with doors for TLS alone.
    pub fn create_closed(&self, name: &str, region: &str) -> Cache<'_> {
        self.ok(&["cache", "create", name, "--location", region, "--sku", "P1"]);
        self.cache(name)
    }

    /// A cache that exists.
    pub fn cache(&self, name: &str) -> Cache<'_> {
        Cache::new(self, name)
    }

    /// Creates `east` and `west` and links them, `east` being the primary.
    pub fn linked_pair(&self) -> (Cache<'_>, Cache<'_>) {
        let pair = (self.create("east", "eastus"), self.create("west", "westus"));
        self.ok(&["link", "create", "east", "west", "--yes"]);
        pair
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.data().join(name))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// Sends a request to the management API; `None` while nobody answers.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let endpoint = self.file("endpoint");
        let address = endpoint.trim_start_matches("http://");
        api::send(address, &self.file("token"), (method, path), body)
    }

    /// Gets something from the management API; `None` while it is not there.
    pub fn get(&self, path: &str) -> Option<Value> {
        let (code, body) = self.send("GET", path, None)?;
        (code == 200).then_some(body)
    }

    /// What is seen of the link of `east` and `west`, when there is one.
    pub fn link(&self) -> Option<Value> {
        let id = self.cache("east").id();
        self.get(&format!("{id}/linkedServers/west/runtimeStatus"))
    }

    /// Changes settings of the link of `east` and `west`.
    pub fn set_replication(&self, settings: &Value) {
        let id = self.cache("east").id();
        let path = format!("{id}/linkedServers/west/replicationSettings");
        let answer = self.send("PATCH", &path, Some(settings));
        let (code, body) = answer.unwrap_or_else(|| panic!("{settings}: no answer"));
        assert_eq!(code, 200, "{settings}: {body}");
    }

    /// What the events of one kind say that happened on the link of `east` and `west`; of every
    /// kind when it is empty. Oldest first.
    pub fn events(&self, kind: &str) -> Vec<String> {
        let path = format!("{}/linkedServers/west/events", self.cache("east").id());
        let answer = waiting::until("the link's events", || self.get(&path));
        let events = answer["value"]
            .as_array()
            .unwrap_or_else(|| panic!("{answer}"));
        let wanted = events
            .iter()
            .filter(|event| kind.is_empty() || event["kind"] == kind);
        let told = wanted.map(|event| event["text"].as_str().unwrap_or_default().to_owned());
        told.collect()
    }

    /// Waits until the link is healthy and in step.
    pub fn until_healthy(&self) {
        waiting::until_true("the link is healthy", || {
            self.link().is_some_and(|link| {
                link["healthy"] == true && link["provisioningState"] == "Succeeded"
            })
        });
    }

    /// The present geo-primary's name.
    pub fn primary(&self) -> String {
        waiting::until("the link tells its primary", || {
            self.link()?["primary"].as_str().map(str::to_owned)
        })
    }

    /// The text of everybody's logs, for a failing test.
    pub fn logs(&self) -> String {
        let mut text = self.log();
        for entry in fs::read_dir(self.data().join("logs"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let log = fs::read_to_string(entry.path()).unwrap_or_default();
            let from = log.len().saturating_sub(6_000);
            let tail = log.get(from..).unwrap_or(&log);
            text.push_str(&format!("\n== {}\n{tail}", entry.path().display()));
        }
        text
    }
}

/// Runs a command of the command line on a data directory.
fn run_in(data: &Path, arguments: &[&str]) -> Answer {
    let output = command_in(data, arguments).output().unwrap();
    Answer {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        talk: String::from_utf8(output.stderr).unwrap(),
    }
}

fn command_in(data: &Path, arguments: &[&str]) -> Command {
    let endpoint = fs::read_to_string(data.join("endpoint")).unwrap_or_default();
    let mut command = Command::new(godwit());
    command
        .args(arguments)
        .args(["--output", "json", "--endpoint", endpoint.trim()])
        .arg("--data")
        .arg(data)
        .stdin(Stdio::null());
    command
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = self.logs();
            let mut err = std::io::stderr().lock();
            let _unread = std::io::Write::write_all(&mut err, text.as_bytes());
        }
        if self.start.points {
            self.points().release_all();
        }
        if let Some(mut up) = self.up.take() {
            processes::signal(up.id(), Signal::TERM);
            let ended = (0..1_000).find_map(|_| {
                std::thread::sleep(std::time::Duration::from_millis(20));
                up.try_wait().ok().flatten()
            });
            if ended.is_none() {
                processes::signal(up.id(), Signal::KILL);
                let _status = up.wait();
            }
        }
        for (pid, _) in processes::working_below(self.directory.path()) {
            processes::signal(pid, Signal::KILL);
        }
    }
}
