//! A control plane that publishes what a test wants, and servers that follow it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::get,
};
use dns::Config;
use model::{Leads, PublishedName, PublishedNames, Secret, StoreId};
use runtime::{chain, clock::Clock, dice::Dice, tasks::Tasks};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// A deployment without caches.
pub(crate) struct Deployment {
    dir: TempDir,
    url: String,
    control: Arc<Control>,
    _tasks: Tasks,
}

struct Control {
    names: watch::Sender<PublishedNames>,
    away: AtomicBool,
    asked: AtomicU64,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    tasks: Tasks,
}

/// The names of a linked pair, of which `east` is the geo-primary.
pub(crate) fn names(generation: u64, east: &str) -> PublishedNames {
    let east = Leads::Addresses(vec![east.parse().unwrap()]);
    let name = |name: &str, leads: &Leads| PublishedName {
        name: name.to_owned(),
        leads: leads.clone(),
    };
    PublishedNames {
        store: StoreId::new("s"),
        generation,
        zone: "redis.example".to_owned(),
        ttl_seconds: 5,
        names: vec![
            name("east", &east),
            name("east.geo", &east),
            name("west.geo", &Leads::Alias("east.geo".to_owned())),
        ],
    }
}

#[derive(Deserialize)]
struct Asked {
    generation: Option<u64>,
    wait: u64,
}

async fn publish(
    State(control): State<Arc<Control>>,
    Query(asked): Query<Asked>,
) -> Result<Json<PublishedNames>, StatusCode> {
    control.asked.fetch_add(1, Ordering::SeqCst);
    if control.away.load(Ordering::SeqCst) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let mut names = control.names.subscribe();
    let news = |names: &PublishedNames| {
        asked
            .generation
            .is_none_or(|known| names.generation > known)
            || control.away.load(Ordering::SeqCst)
    };
    let wait = Duration::from_millis(asked.wait);
    match timeout(wait, names.wait_for(news)).await {
        Ok(Ok(names)) if !control.away.load(Ordering::SeqCst) => Ok(Json(names.clone())),
        Ok(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
        Err(_nothing_new) => Err(StatusCode::NO_CONTENT),
    }
}

impl Deployment {
    pub(crate) async fn start(names: PublishedNames) -> Self {
        let control = Arc::new(Control {
            names: watch::Sender::new(names),
            away: AtomicBool::new(false),
            asked: AtomicU64::new(0),
        });
        let app = Router::new()
            .route("/providers/Godwit.Cache/names", get(publish))
            .with_state(Arc::clone(&control));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let tasks = Tasks::new();
        tasks.spawn("control", async move {
            axum::serve(listener, app).await.unwrap();
        });
        Self {
            dir: tempfile::tempdir().unwrap(),
            url,
            control,
            _tasks: tasks,
        }
    }

    fn config(&self) -> Config {
        Config {
            data: self.dir.path().join("dns"),
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            control: self.url.clone(),
            authority: None,
            token: Secret::new("t"),
            name_servers: Vec::new(),
            answers_per_second: 0,
            metrics: None,
            update: None,
        }
    }

    pub(crate) async fn server(&self) -> Server {
        let built = dns::build(self.config(), Clock, Dice::from_seed(1)).await;
        let dns = built.unwrap();
        let address = dns.addresses()[0];
        let tasks = Tasks::new();
        let serving = tasks.clone();
        tasks.spawn_until_done("dns", async move { dns.run(serving).await });
        Server { address, tasks }
    }

    /// What a server says that must not start.
    pub(crate) async fn refused(&self, change: impl FnOnce(&mut Config)) -> String {
        let mut config = self.config();
        change(&mut config);
        let built = dns::build(config, Clock, Dice::from_seed(1)).await;
        chain(&built.err().unwrap()).to_string()
    }

    pub(crate) fn publish(&self, names: PublishedNames) {
        self.control.names.send_replace(names);
    }

    pub(crate) fn take_control_away(&self) {
        self.control.away.store(true, Ordering::SeqCst);
        self.control.names.send_modify(|_| {});
    }

    pub(crate) fn bring_control_back(&self) {
        self.control.away.store(false, Ordering::SeqCst);
    }

    /// Waits until what is published now was asked for, and what came of it.
    pub(crate) async fn until_asked(&self) {
        let before = self.control.asked.load(Ordering::SeqCst);
        until("the names are asked for again", async || {
            (self.control.asked.load(Ordering::SeqCst) > before + 1).then_some(())
        })
        .await;
    }

    /// Waits until a server answers from a generation.
    pub(crate) async fn until_generation(&self, server: SocketAddr, generation: u32) {
        until("a generation is served", async || {
            (serial(server).await? == generation).then_some(())
        })
        .await;
    }
}

impl Server {
    pub(crate) async fn stop(self) {
        assert!(self.tasks.stop(PATIENCE).await);
    }
}

async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            sleep(LOOK).await;
        }
    };
    let found = timeout(PATIENCE, asking).await;
    found.unwrap_or_else(|_late| panic!("gave up: {what}"))
}

/// The serial of the zone.
async fn serial(server: SocketAddr) -> Option<u32> {
    let asked = b"\x00\x1f\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05redis\x07example\x00\x00\x06\x00\x01";
    let mut stream = TcpStream::connect(server).await.ok()?;
    stream.write_all(asked).await.ok()?;
    let length = stream.read_u16().await.ok()?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.ok()?;
    let told = answer.get(7) == Some(&1);
    // It is followed by four times of four bytes each.
    let serial = answer.len().checked_sub(20).filter(|_| told)?;
    let bytes = answer.get(serial..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*bytes))
}
