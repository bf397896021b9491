//! What is handed out, to what there is of a control plane.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    routing::post,
};
use client::Agents;
use engine::{EngineChoice, EngineProgram, INTERNAL_USER, Node, NodeConfig, StopHow};
use model::{
    Asked, CacheUid, EngineKind, EngineSettings, EngineVersion, EventKind, LinkId, Region,
    ReplicationSettings, Secret, ShardIndex, Wanted,
};
use parking_lot::Mutex;
use psync::Position;
use relay::{Credentials, Events, Firewall, Outbound, ShardKey, Source, SourceFacts};
use runtime::{dice::Dice, tasks::Tasks};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use super::{Shard, at, behind, command, commands, keys, suffix};
use crate::{
    Addresses,
    cache::Host,
    lost_writes::{End, Errands, Stores},
    reporter::Board,
    state::Directory,
};

/// What came in, by transfer.
#[derive(Default)]
struct Came {
    bodies: BTreeMap<String, Vec<Vec<u8>>>,
    refused: BTreeMap<String, String>,
    /// So many transfers are not taken first.
    broken: u32,
}

type Shared = Arc<Mutex<Came>>;

struct World {
    came: Shared,
    host: Arc<Host>,
    errands: Errands,
    tasks: Tasks,
    directory: tempfile::TempDir,
}

async fn transfer(
    State(came): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    let mut came = came.lock();
    if came.broken > 0 {
        came.broken -= 1;
        let busy = json!({"error": {"code": "Busy", "message": "Later."}});
        return (StatusCode::SERVICE_UNAVAILABLE, Json(busy));
    }
    came.bodies.entry(id).or_default().push(body.to_vec());
    (StatusCode::OK, Json(Value::Null))
}

async fn refused(State(came): State<Shared>, Path(id): Path<String>, Json(why): Json<Value>) {
    let why = why["why"].as_str().unwrap().to_owned();
    came.lock().refused.insert(id, why);
}

impl World {
    async fn start() -> Self {
        let came = Shared::default();
        let service = Router::new()
            .route("/agents/v1/transfers/{id}", post(transfer))
            .route("/agents/v1/transfers/{id}/refused", post(refused))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&came));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        tasks.spawn("control plane", async move {
            axum::serve(listener, service).await.unwrap();
        });
        let directory = tempfile::tempdir().unwrap();
        let host = Arc::new(host(address, &directory, &tasks).await);
        Self {
            came,
            errands: Errands::new(&host, &tasks),
            host,
            tasks,
            directory,
        }
    }

    fn ask(&self, id: &str, what: Wanted) {
        let cache = uid();
        let id = id.to_owned();
        self.errands.take(vec![Asked { id, cache, what }]);
    }

    async fn body(&self, id: &str) -> Vec<u8> {
        let there = || {
            self.came
                .lock()
                .bodies
                .get(id)
                .map(|bodies| bodies[0].clone())
        };
        self.eventually(there).await
    }

    async fn refusal(&self, id: &str) -> String {
        self.eventually(|| self.came.lock().refused.get(id).cloned())
            .await
    }

    async fn eventually<T>(&self, find: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            if let Some(found) = find() {
                return found;
            }
            assert!(Instant::now() < deadline, "not in 40 s");
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn journal(&self) -> PathBuf {
        self.host.directory.link(&uid(), 0).join("journal")
    }

    async fn stop(self) {
        assert!(self.tasks.stop(Duration::from_secs(20)).await);
    }
}

async fn host(control: SocketAddr, directory: &tempfile::TempDir, tasks: &Tasks) -> Host {
    let authority = tls::testing::authority();
    let region: Region = "eastus".parse().unwrap();
    let identity = tls::testing::identity(&authority, &region);
    let (events, _happenings) = Events::new();
    let dice = Dice::from_system();
    let any = "127.0.0.1:0".parse().unwrap();
    let outbound = Outbound::bind(tasks, any, identity.clone(), events.clone(), dice.clone());
    let outbound = outbound.await.unwrap();
    let directory = Directory::open(directory.path()).unwrap();
    Host {
        region,
        addresses: Addresses::Ports,
        program: EngineProgram {
            path: PathBuf::new(),
            version: EngineVersion {
                kind: EngineKind::Valkey,
                major: 8,
                minor: 0,
                patch: 1,
            },
        },
        advertised: outbound.address(),
        outbound,
        identity,
        zone: tokio::sync::watch::Sender::new(String::new()),
        events,
        leases: Arc::new(crate::leases::Leases::new()),
        client: Agents::new(&format!("http://{control}"), Secret::new("t")).unwrap(),
        dice,
        board: Board::new(1),
        relay_tasks: tasks.clone(),
        lost: Stores::new(directory.clone()),
        fronts: crate::cache::Fronts::open(&directory, tls::FrontTls::new().unwrap(), tasks)
            .unwrap(),
        directory,
        transfers: crate::Allowed::default(),
        crash: runtime::crash::Points::none(),
    }
}

fn uid() -> CacheUid {
    CacheUid::new("u1")
}

fn lost_writes() -> Wanted {
    Wanted::LostWrites {
        receipt: "orders-east-7".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_writes_are_sent_once_and_discarded() {
    let world = World::start().await;
    // A receipt in this host's directory.
    let value = "v".repeat(3_000_000);
    let mut lost = commands(&["SELECT 0", "SET a 1", "DEL b"]);
    lost.extend(command(&format!("SET large {value}")));
    let shard = Shard::new();
    shard.write(at(0), &lost);
    let store = world.host.lost.of(&uid());
    let saving = store.save(&world.tasks, shard.stream(), suffix(at(0), End::OfJournal));
    world.eventually(|| saving.outcome()).await.unwrap();

    world.ask("t-1", lost_writes());
    assert_eq!(world.body("t-1").await, lost);
    let receipt = || "orders-east-7".to_owned();
    world.ask("t-2", Wanted::LostKeys { receipt: receipt() });
    let expected = keys(&[&["0", "a"], &["0", "b"], &["0", "large"]]);
    assert_eq!(world.body("t-2").await, expected);
    // Asked again under the same id, it is not sent again; under another one it is.
    world.ask("t-1", lost_writes());
    world.ask("t-3", lost_writes());
    world.body("t-3").await;
    assert_eq!(world.came.lock().bodies["t-1"].len(), 1);
    // An outage is no answer.
    world.came.lock().broken = 1;
    world.ask("t-4", lost_writes());
    world
        .eventually(|| (world.came.lock().broken == 0).then_some(()))
        .await;
    world
        .eventually(|| {
            world.ask("t-4", lost_writes());
            world.came.lock().bodies.contains_key("t-4").then_some(())
        })
        .await;

    let other = Wanted::LostWrites {
        receipt: "../../agent".to_owned(),
    };
    world.ask("t-5", other);
    let why = world.refusal("t-5").await;
    assert!(why.contains("no lost writes ../../agent"), "{why}");
    world.ask("../t", lost_writes());

    world.ask("t-6", Wanted::Discard { receipt: receipt() });
    assert_eq!(world.body("t-6").await, b"");
    assert_eq!(store.list(), []);
    let left = std::fs::read_dir(world.host.directory.lost(&uid())).unwrap();
    assert_eq!(left.count(), 0);
    assert_eq!(world.host.board.told(), [EventKind::LostWritesDiscarded]);
    world.ask("t-7", lost_writes());
    world.refusal("t-7").await;
    world.ask("t-8", Wanted::Discard { receipt: receipt() });
    assert_eq!(world.body("t-8").await, b"", "it is gone already");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_the_primary_wrote_since_are_sent() {
    let path = std::env::var_os("PATH").unwrap();
    let search: Vec<_> = std::env::split_paths(&path).collect();
    for kind in [EngineKind::Valkey, EngineKind::Redis] {
        let program = engine::find(&EngineChoice::Kind(kind), &search)
            .await
            .unwrap();
        let world = World::start().await;
        let config = config(world.directory.path().join("node"));
        let node = Node::start(&program, &config).await.unwrap();
        written_since(&world, &node, &config).await;
        node.stop(StopHow::Discard, Duration::from_secs(10))
            .await
            .unwrap();
        world.stop().await;
    }
}

async fn written_since(world: &World, node: &Node, config: &NodeConfig) {
    let since = |position| Wanted::WrittenSince {
        shard: ShardIndex(0),
        position,
    };
    world.ask("w-1", since(at(0)));
    let why = world.refusal("w-1").await;
    assert!(why.contains("not followed as a geo-primary"), "{why}");

    let key = ShardKey {
        link: LinkId::new("link-1"),
        shard: ShardIndex(0),
    };
    let source = Source {
        epoch: model::Epoch(1),
        peer: "westus".parse().unwrap(),
        firewall: Firewall {
            primary: "east".parse().unwrap(),
            secondary: "west".parse().unwrap(),
            rules: Vec::new(),
        },
        engine: node.address(),
        replicas: Vec::new(),
        credentials: Credentials {
            user: INTERNAL_USER.to_owned(),
            password: config.internal.password.clone(),
        },
        engine_version: node.version(),
        settings: ReplicationSettings::default(),
        accept_empty: false,
    };
    world
        .host
        .outbound
        .serve(key.clone(), &world.journal(), source);
    let position = level(world, node, &key).await;
    say(node, config, &["SELECT 3", "SET before 1"]).await;
    let before = level(world, node, &key).await;
    assert_ne!(before, position);
    let many: Vec<String> = (0..2000)
        .map(|n| format!("SET key:{} {n}", n % 500))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    say(
        node,
        config,
        &["SELECT 3", "SET a 1", "COPY a b DB 4", "FLUSHDB"],
    )
    .await;
    say(node, config, &many).await;
    level(world, node, &key).await;
    world.ask("w-2", since(before));
    let body = world.body("w-2").await;
    let mut expected: Vec<String> = (0..500).map(|n| format!("key:{n}")).collect();
    expected.sort();
    let mut pairs: Vec<Vec<&str>> = expected.iter().map(|key| vec!["0", key.as_str()]).collect();
    pairs.extend([vec!["3", "a"], vec!["4", "b"], vec!["3"]]);
    let pairs: Vec<&[&str]> = pairs.iter().map(Vec::as_slice).collect();
    assert_eq!(
        String::from_utf8(body).unwrap(),
        String::from_utf8(keys(&pairs)).unwrap()
    );
    world.ask("w-3", since(behind(before, &[0; 1_000_000])));
    let why = world.refusal("w-3").await;
    assert!(why.contains("is not within"), "{why}");
}

/// Waits until the journal has everything; tells where that is.
async fn level(world: &World, node: &Node, key: &ShardKey) -> Position {
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        let seen = node.replication().await.unwrap();
        let position = Position::new(seen.replid, seen.offset);
        let facts = SourceFacts {
            position,
            before: None,
            backlog_from: seen.backlog_from,
            keys: 0,
        };
        world.host.outbound.note_source(key, facts);
        let status = world.host.outbound.status(key).unwrap();
        if status.read == Some(position) && status.journaled == Some(position.offset) {
            return position;
        }
        assert!(Instant::now() < deadline, "not in 40 s: {status:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Sends commands as a client of its own, and waits for all answers.
async fn say(node: &Node, config: &NodeConfig, texts: &[&str]) {
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let mut out = Vec::new();
    let login = [
        b"AUTH".as_slice(),
        config.internal.user.as_bytes(),
        config.internal.password.reveal().as_bytes(),
    ];
    resp::write_command(&mut out, &login);
    out.extend(commands(texts));
    stream.write_all(&out).await.unwrap();
    let mut answers = 0;
    let mut bytes = [0; 4096];
    while answers < texts.len() + 1 {
        let count = stream.read(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        assert!(count > 0 && !text.contains("-ERR"), "{text}");
        answers += bytes[..count].iter().filter(|byte| **byte == b'\n').count();
    }
}

fn config(directory: PathBuf) -> NodeConfig {
    NodeConfig {
        directory,
        address: "127.0.0.1:0".parse().unwrap(),
        settings: EngineSettings {
            maxmemory_bytes: 64 << 20,
            maxmemory_policy: "noeviction".to_owned(),
            maxclients: 100,
            databases: 16,
            notify_keyspace_events: String::new(),
        },
        clients: Secret::new("clients"),
        internal: engine::Credentials {
            user: INTERNAL_USER.to_owned(),
            password: Secret::new("internal"),
        },
        replica_of: None,
        load_saved: false,
        serve_stale: true,
        refuses_writes: false,
    }
}
