//! redis-rs on a geo endpoint over TLS: see `run.py` for what it is told and what it tells.

use std::{
    env, fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use futures_util::StreamExt as _;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisConnectionInfo, TlsCertificates, aio::MultiplexedConnection,
};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

const BATCH: u64 = 50;
const PAUSE: Duration = Duration::from_millis(2);

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What is counted.
#[derive(Default)]
struct Counts {
    plain: AtomicU64,
    pipelined: AtomicU64,
    published: AtomicU64,
    messages: AtomicU64,
    last_message_ms: AtomicU64,
    stopped: AtomicBool,
    errors: Mutex<Vec<String>>,
}

impl Counts {
    fn fail(&self, text: String) {
        self.errors.lock().expect("no one panics").push(text);
    }
}

fn told(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn client() -> Result<Client, Failed> {
    let address = ConnectionAddr::TcpTls {
        host: told("GEO_HOST"),
        port: told("GEO_PORT").parse()?,
        insecure: false,
        tls_params: None,
    };
    let login = RedisConnectionInfo::default().set_password(told("KEY"));
    let info: ConnectionInfo = address.into_connection_info()?.set_redis_settings(login);
    let root_cert = Some(fs::read(told("CA"))?);
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert,
    };
    Ok(Client::build_with_tls(info, certificates)?)
}

async fn connect() -> Result<MultiplexedConnection, Failed> {
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
    let client = client()?;
    Ok(client
        .get_multiplexed_async_connection_with_config(&config)
        .await?)
}

async fn plain(counts: &Counts) -> Result<(), Failed> {
    let mut connection = connect().await?;
    let key = format!("clients:{}:plain", told("NAME"));
    let text = format!("{key}:text");
    let mut value = 0;
    while !counts.stopped.load(Relaxed) {
        value += 1;
        let got: u64 = redis::cmd("INCR")
            .arg(&key)
            .query_async(&mut connection)
            .await?;
        let sent = format!("value {value}");
        redis::cmd("SET")
            .arg(&text)
            .arg(&sent)
            .exec_async(&mut connection)
            .await?;
        let read: String = redis::cmd("GET")
            .arg(&text)
            .query_async(&mut connection)
            .await?;
        counts.plain.fetch_add(3, Relaxed);
        if got != value || read != sent {
            return Err(format!("{got} for {value}, {read} for {sent}").into());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn pipelined(counts: &Counts) -> Result<(), Failed> {
    let mut connection = connect().await?;
    let key = format!("clients:{}:pipelined", told("NAME"));
    let mut value = 0;
    while !counts.stopped.load(Relaxed) {
        let mut pipeline = redis::pipe();
        for _ in 0..BATCH {
            pipeline.cmd("INCR").arg(&key);
        }
        let got: Vec<u64> = pipeline.query_async(&mut connection).await?;
        let expected: Vec<u64> = (value + 1..=value + BATCH).collect();
        if got != expected {
            return Err(format!("{got:?} for {expected:?}").into());
        }
        value += BATCH;
        counts.pipelined.fetch_add(BATCH, Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn published(counts: &Counts) -> Result<(), Failed> {
    let mut connection = connect().await?;
    let channel = format!("clients:{}", told("NAME"));
    let mut number = 0_u64;
    while !counts.stopped.load(Relaxed) {
        number += 1;
        redis::cmd("PUBLISH")
            .arg(&channel)
            .arg(number)
            .exec_async(&mut connection)
            .await?;
        counts.published.fetch_add(1, Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn subscribed(counts: &Counts) -> Result<(), Failed> {
    let mut subscriber = client()?.get_async_pubsub().await?;
    subscriber
        .subscribe(format!("clients:{}", told("NAME")))
        .await?;
    let mut messages = subscriber.into_on_message();
    let mut last = 0;
    while !counts.stopped.load(Relaxed) {
        let next = tokio::time::timeout(Duration::from_millis(200), messages.next());
        let Ok(message) = next.await else { continue };
        let number: u64 = message.ok_or("the subscription ended")?.get_payload()?;
        if number <= last {
            return Err(format!("{number} after {last}").into());
        }
        last = number;
        counts.messages.fetch_add(1, Relaxed);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        counts
            .last_message_ms
            .store(u64::try_from(now.as_millis())?, Relaxed);
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "a provider is there already")?;
    let counts = Arc::new(Counts::default());
    macro_rules! start {
        ($work:ident) => {{
            let counts = Arc::clone(&counts);
            tokio::spawn(async move {
                if let Err(error) = $work(&counts).await {
                    counts.fail(format!("{}: {error}", stringify!($work)));
                }
            })
        }};
    }
    let subscriber = start!(subscribed);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let work = [start!(plain), start!(pipelined), start!(published)];
    let mut nothing = Vec::new();
    tokio::io::stdin().read_to_end(&mut nothing).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    counts.stopped.store(true, Relaxed);
    for one in work.into_iter().chain([subscriber]) {
        one.await?;
    }
    let errors = counts.errors.lock().expect("no one panics");
    let number = |count: &AtomicU64| count.load(Relaxed);
    let told = json!({
        "plain": number(&counts.plain),
        "pipelined": number(&counts.pipelined),
        "published": number(&counts.published),
        "messages": number(&counts.messages),
        "last_message": number(&counts.last_message_ms) as f64 / 1000.0,
        "errors": errors.len(),
        "shown": errors.iter().take(5).collect::<Vec<_>>(),
    });
    println!("{told}");
    Ok(())
}
