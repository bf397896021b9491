//! Two engines, the two halves between them, and a WAN that can be cut.

use std::{
    fs::OpenOptions,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use model::{Compression, EngineKind, Epoch, EventKind, LinkId, Region, ReplicationSettings};
use model::{FirewallRule, Secret, ShardIndex};
use parking_lot::Mutex;
use relay::{
    Credentials, Event, Events, Firewall, Inbound, InboundAround, InboundStatus, Outbound,
    OutboundStatus, Peer, Phase, ShardKey, Source,
};
use runtime::{dice::Dice, tasks::Tasks};
use tempfile::TempDir;
use tls::{Authority, Identity};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::{
    node::{Node, PASSWORD, USER, facts_of},
    proxy::Proxy,
};

pub(crate) const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) struct Rig {
    pub(crate) tasks: Tasks,
    pub(crate) authority: Authority,
    pub(crate) outbound: Outbound,
    pub(crate) inbound: Inbound,
    pub(crate) wan: Proxy,
    pub(crate) primary: Node,
    pub(crate) secondary: Node,
    /// As the source is served from the next time on.
    pub(crate) settings: ReplicationSettings,
    /// The journal and the spool are in here.
    pub(crate) directory: TempDir,
    /// Which engine the outbound is told about; `None`: about none.
    looked_at: Mutex<Option<SocketAddr>>,
    told: Events,
    events: Mutex<(mpsc::Receiver<Event>, Vec<Event>)>,
}

pub(crate) fn key() -> ShardKey {
    key_of(0)
}

pub(crate) fn key_of(shard: u16) -> ShardKey {
    ShardKey {
        link: LinkId::new("link-1"),
        shard: ShardIndex(shard),
    }
}

/// Where the geo-primary is.
pub(crate) fn here() -> Region {
    "westus".parse().unwrap()
}

/// Where the geo-secondary is.
pub(crate) fn there() -> Region {
    "eastus".parse().unwrap()
}

pub(crate) fn credentials() -> Credentials {
    Credentials {
        user: USER.to_owned(),
        password: Secret::new(PASSWORD),
    }
}

/// A firewall that admits the single addresses `from`; none: everybody.
pub(crate) fn firewall(from: &[&str]) -> Firewall {
    let rule = |ip: &&str| {
        let ip = ip.parse().unwrap();
        FirewallRule::new("r", ip, ip).unwrap()
    };
    Firewall {
        primary: "east".parse().unwrap(),
        secondary: "west".parse().unwrap(),
        rules: from.iter().map(rule).collect(),
    }
}

pub(crate) fn source(node: &Node, epoch: u64) -> Source {
    Source {
        epoch: Epoch(epoch),
        peer: there(),
        firewall: firewall(&[]),
        engine: node.address,
        replicas: Vec::new(),
        credentials: credentials(),
        engine_version: node.version(),
        settings: ReplicationSettings::default(),
        accept_empty: false,
    }
}

impl Rig {
    /// Engines that run, halves that do not know each other yet.
    pub(crate) async fn new(kind: EngineKind, options: &[(&str, &str)]) -> Self {
        Self::with(Node::start(kind, options), Node::start(kind, options)).await
    }

    pub(crate) async fn with(primary: Node, secondary: Node) -> Self {
        let tasks = Tasks::new();
        let authority = tls::testing::authority();
        let directory = tempfile::tempdir().unwrap();
        let (told, taken) = Events::new();
        let identity = tls::testing::identity(&authority, &here());
        let outbound = open_outbound(&tasks, identity, &told).await;
        let around = InboundAround {
            identity: tls::testing::identity(&authority, &there()),
            spool: directory.path().join("spool"),
            events: told.clone(),
        };
        let inbound = Inbound::bind(&tasks, ANY, key(), credentials(), around);
        let inbound = inbound.await.unwrap();
        let wan = Proxy::start(&tasks, outbound.address()).await;
        Self {
            tasks,
            authority,
            outbound,
            inbound,
            wan,
            looked_at: Mutex::new(Some(primary.address)),
            primary,
            secondary,
            settings: ReplicationSettings::default(),
            directory,
            told,
            events: Mutex::new((taken, Vec::new())),
        }
    }

    /// What crosses the WAN is as large as what is sent.
    pub(crate) fn uncompressed(mut self) -> Self {
        self.settings.compression = Compression::Off;
        self
    }

    pub(crate) fn identity(&self, region: &Region) -> Identity {
        tls::testing::identity(&self.authority, region)
    }

    /// An outbound beside the geo-secondary, for the other direction.
    pub(crate) async fn other_outbound(&self) -> Outbound {
        open_outbound(&self.tasks, self.identity(&there()), &self.told).await
    }

    /// An inbound: in `region`, with a spool of this name.
    pub(crate) async fn other_inbound(
        &self,
        region: &Region,
        key: ShardKey,
        spool: &str,
    ) -> Inbound {
        let around = self.around(region, spool);
        let bound = Inbound::bind(&self.tasks, ANY, key, credentials(), around);
        bound.await.unwrap()
    }

    pub(crate) fn around(&self, region: &Region, spool: &str) -> InboundAround {
        InboundAround {
            identity: self.identity(region),
            spool: self.directory.path().join(spool),
            events: self.told.clone(),
        }
    }

    /// The inbound that keeps the old primary waiting in a handoff.
    pub(crate) async fn own_inbound(&self) -> Inbound {
        self.other_inbound(&here(), key(), "own spool").await
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.directory.path().join("journal")
    }

    pub(crate) fn peer(&self, epoch: u64) -> Peer {
        Peer {
            outbound: self.wan.address,
            region: here(),
            epoch: Epoch(epoch),
        }
    }

    pub(crate) fn link(&self) {
        self.serve(source(&self.primary, 1));
        self.inbound.follow(self.peer(1));
        self.replicate();
    }

    /// Serves with the rig's settings.
    pub(crate) fn serve(&self, source: Source) {
        self.look_at(Some(source.engine));
        let settings = self.settings.clone();
        let source = Source { settings, ..source };
        self.outbound.serve(key(), &self.journal(), source);
        self.look();
    }

    /// From now on the outbound is told about this engine, or about none.
    pub(crate) fn look_at(&self, engine: Option<SocketAddr>) {
        *self.looked_at.lock() = engine;
    }

    /// Tells the outbound what its engine is, as an agent does all the time.
    pub(crate) fn look(&self) {
        let address = *self.looked_at.lock();
        if let Some(facts) = address.and_then(facts_of) {
            self.outbound.note_source(&key(), facts);
        }
    }

    /// Has the secondary replicate from the inbound.
    pub(crate) fn replicate(&self) {
        replicate(&self.secondary, self.inbound.address());
    }

    /// Ends the outbound's shard in good order and serves it from a new outbound.
    pub(crate) async fn restart_outbound(&mut self) {
        self.close_outbound().await;
        self.open_outbound().await;
        self.serve(source(&self.primary, 1));
    }

    pub(crate) async fn close_outbound(&self) {
        self.wan.down();
        self.outbound.close(&key(), &self.journal(), false).await;
    }

    pub(crate) async fn open_outbound(&mut self) {
        let identity = self.identity(&here());
        self.outbound = open_outbound(&self.tasks, identity, &self.told).await;
        self.wan.lead_to(self.outbound.address());
        self.wan.up();
    }

    /// Ends the inbound and binds another one with the same spool.
    pub(crate) async fn restart_inbound(&mut self) {
        self.inbound.stop().await;
        self.inbound = self.other_inbound(&there(), key(), "spool").await;
        self.inbound.follow(self.peer(1));
        self.replicate();
    }

    pub(crate) fn out(&self) -> OutboundStatus {
        self.outbound.status(&key()).unwrap()
    }

    pub(crate) fn inb(&self) -> InboundStatus {
        self.inbound.status()
    }

    /// The texts of all events of a kind so far.
    pub(crate) fn events(&self, kind: EventKind) -> Vec<String> {
        let mut events = self.events.lock();
        let (taken, known) = &mut *events;
        while let Ok(event) = taken.try_recv() {
            known.push(event);
        }
        let of_kind = known.iter().filter(|event| event.kind == kind);
        of_kind.map(|event| event.text.clone()).collect()
    }

    pub(crate) async fn until_streaming(&self) {
        let both = || {
            let here = (self.out().phase, self.inb().phase);
            here == (Phase::Streaming, Phase::Streaming)
        };
        self.eventually("both halves stream", both).await;
    }

    pub(crate) async fn until_equal(&self) {
        let equal = || self.primary.position() == self.secondary.position();
        self.eventually("the engines stand at the same position", equal)
            .await;
        assert_eq!(self.primary.digest(), self.secondary.digest());
    }

    /// Waits for a condition, and tells how things stand when it does not come.
    pub(crate) async fn eventually(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(40);
        while !condition() {
            assert!(
                Instant::now() < deadline,
                "not in 40 s: {what}\n{:#?}\n{:#?}",
                self.outbound.status(&key()),
                self.inb()
            );
            self.look();
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn stop(self) {
        self.inbound.stop().await;
        assert!(self.tasks.stop(Duration::from_secs(10)).await);
    }
}

async fn open_outbound(tasks: &Tasks, identity: Identity, told: &Events) -> Outbound {
    let dice = Dice::from_system();
    let bound = Outbound::bind(tasks, ANY, identity, told.clone(), dice);
    bound.await.unwrap()
}

pub(crate) fn replicate(node: &Node, from: SocketAddr) {
    let words = format!("REPLICAOF {} {}", from.ip(), from.port());
    let answer = node.run(&words);
    assert!(answer.starts_with("OK"), "{answer}");
}

/// Bytes that no compression makes smaller, the same for the same seed.
pub(crate) fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let words = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
    });
    let bytes = words.map(|word| word.to_le_bytes()[0]);
    bytes.take(count).collect()
}

/// `count` values of 10,000 bytes each that no compression makes smaller.
pub(crate) fn write_noise(node: &Node, from: u64, count: u64) {
    let mut client = node.client();
    for n in from..from + count {
        let (key, value) = (format!("noise:{n}"), noise(n, 10_000));
        client.send(&[b"SET", key.as_bytes(), &value]);
    }
    for _ in 0..count {
        assert_eq!(client.reply(), "OK");
    }
}

/// Writes of every sort that replicates in its own way.
pub(crate) fn write_some(node: &Node, from: u32, count: u32) {
    let mut client = node.client();
    let mut sent = 0;
    for n in from..from + count {
        let (key, value) = (format!("key:{}", n % 5000), format!("value {n}"));
        let (list, set) = (format!("list:{}", n % 50), format!("set:{}", n % 50));
        client.send(&[b"SET", key.as_bytes(), value.as_bytes()]);
        client.send(&[b"RPUSH", list.as_bytes(), value.as_bytes()]);
        client.send(&[b"SADD", set.as_bytes(), value.as_bytes()]);
        client.send(&[b"INCRBYFLOAT", b"float", b"0.1"]);
        sent += 4;
        if n % 10 == 0 {
            for words in [
                &[b"MULTI".as_slice()][..],
                &[b"INCR", b"a"],
                &[b"INCR", b"b"],
                &[b"EXEC"],
            ] {
                client.send(words);
            }
            client.send(&[b"SPOP", set.as_bytes()]);
            sent += 5;
        }
    }
    for _ in 0..sent {
        // The answer of EXEC is an array; its two elements are lines of their own.
        if client.reply() == "*2" {
            client.reply();
            client.reply();
        }
    }
}

/// The stream's newest file.
pub(crate) fn segment(journal: &Path) -> PathBuf {
    let files = std::fs::read_dir(journal).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let streams = files.filter(|path| path.extension().is_some_and(|name| name == "stream"));
    streams.max().unwrap()
}

/// Damages one byte of a file.
pub(crate) fn flip(path: &Path, place: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], place).unwrap();
}
