//! The demo's data and its small load: bounded in keys and in writes a second, and sent to a geo
//! endpoint, so to whichever cache is geo-primary.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use client::Management;
use model::CacheId;
use redis::{Pipeline, aio::MultiplexedConnection};
use tokio::time::{Instant, sleep, sleep_until};

use crate::reach::Reach;

/// Between two batches of writes.
const BEAT: Duration = Duration::from_millis(50);
/// Writes in a batch: 200 a second.
const BATCH: u64 = 10;
/// For any one answer; a geo-primary that hands over may make writes wait for a moment.
const ANSWER_LIMIT: Duration = Duration::from_secs(12);
/// Everything that the load writes moves within this many keys of each kind.
const SPREAD: u64 = 500;

/// The load.
pub(super) struct Load {
    api: Management,
    east: CacheId,
    west: CacheId,
    connection: Option<MultiplexedConnection>,
    count: u64,
    next: Instant,
    seen: Seen,
}

/// What happened since the last look.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Writes that were acknowledged.
    pub(super) acknowledged: u64,
    /// What went wrong last.
    pub(super) trouble: Option<String>,
}

impl Load {
    /// Connects.
    pub(super) async fn start(
        api: &Management,
        east: &CacheId,
        west: &CacheId,
    ) -> anyhow::Result<Self> {
        let mut load = Self {
            api: api.clone(),
            east: east.clone(),
            west: west.clone(),
            connection: None,
            count: 0,
            next: Instant::now(),
            seen: Seen::default(),
        };
        load.connect().await?;
        Ok(load)
    }

    /// Connects to the geo endpoint of either cache: both lead to the geo-primary, also when that
    /// changes. The other one is for when a region is gone.
    async fn connect(&mut self) -> anyhow::Result<()> {
        let mut refused = None;
        for id in [&self.east, &self.west] {
            match self.open(id).await {
                Ok(connection) => {
                    self.connection = Some(connection);
                    return Ok(());
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| anyhow!("there is no cache")))
    }

    async fn open(&self, id: &CacheId) -> anyhow::Result<MultiplexedConnection> {
        let reach = Reach::find_geo(&self.api, id).await?;
        Ok(reach.connect(0, ANSWER_LIMIT).await?)
    }

    /// Writes the demo's data unless they are there; tells how many keys were written.
    pub(super) async fn seed(&mut self) -> anyhow::Result<u64> {
        let Some(connection) = &mut self.connection else {
            bail!("not connected")
        };
        let there: bool = redis::cmd("EXISTS")
            .arg("demo:seeded")
            .query_async(connection)
            .await?;
        if there {
            return Ok(0);
        }
        for pipeline in seed_data() {
            pipeline
                .exec_async(connection)
                .await
                .context("write the demo's data")?;
        }
        let mut keys = 0;
        for database in ["0", "1"] {
            let mut ask = Pipeline::new();
            ask.cmd("SELECT").arg(database).ignore().cmd("DBSIZE");
            let (size,): (u64,) = ask.query_async(connection).await?;
            keys += size;
        }
        redis::cmd("SELECT").arg(0).exec_async(connection).await?;
        Ok(keys)
    }

    /// Writes the next batch when its time has come. Trouble is noted, and mended by looking again
    /// for the geo-primary.
    pub(super) async fn write(&mut self) {
        sleep_until(self.next).await;
        self.next = Instant::now() + BEAT;
        if let Err(error) = self.try_write().await {
            self.seen.trouble = Some(format!("{error:#}"));
            self.connection = None;
            sleep(BEAT).await;
        }
    }

    async fn try_write(&mut self) -> anyhow::Result<()> {
        if self.connection.is_none() {
            self.connect().await?;
        }
        let Some(connection) = &mut self.connection else {
            bail!("not connected")
        };
        let batch = batch(self.count);
        batch.exec_async(connection).await?;
        self.count += BATCH;
        self.seen.acknowledged += BATCH;
        Ok(())
    }

    pub(super) fn take_seen(&mut self) -> Seen {
        std::mem::take(&mut self.seen)
    }
}

/// A batch of writes like an application's: counters, sessions, a leaderboard, orders.
fn batch(count: u64) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for n in count..count + BATCH {
        let key = n % SPREAD;
        match n % 5 {
            0 => pipeline.cmd("INCR").arg("demo:counter"),
            1 => pipeline
                .cmd("SET")
                .arg(format!("demo:session:live:{key}"))
                .arg(format!("{{\"user\":{key},\"seen\":{n}}}"))
                .arg("EX")
                .arg(600),
            2 => pipeline
                .cmd("ZINCRBY")
                .arg("demo:leaderboard")
                .arg(1)
                .arg(format!("player:{key}")),
            3 => pipeline
                .cmd("XADD")
                .arg("demo:orders")
                .arg("MAXLEN")
                .arg(1_000)
                .arg("*")
                .arg("order")
                .arg(n),
            _ => pipeline
                .cmd("HINCRBY")
                .arg(format!("demo:user:{key}"))
                .arg("visits")
                .arg(1),
        };
    }
    pipeline
}

/// A few thousand keys of every type, in two databases.
fn seed_data() -> Vec<Pipeline> {
    let mut all = Vec::new();
    for chunk in 0..10_u64 {
        let mut p = Pipeline::new();
        for n in chunk * 100..(chunk + 1) * 100 {
            p.cmd("SET")
                .arg(format!("demo:page:{n}"))
                .arg("x".repeat(200));
            p.cmd("SET")
                .arg(format!("demo:session:{n}"))
                .arg(format!("{{\"user\":{n}}}"));
            p.cmd("PEXPIRE")
                .arg(format!("demo:session:{n}"))
                .arg(86_400_000 + n);
            p.cmd("HSET")
                .arg(format!("demo:user:{n}"))
                .arg(&["name", "Ada", "city", "London"]);
            p.cmd("SADD").arg(format!("demo:tags:{}", n % 50)).arg(n);
            p.cmd("ZADD")
                .arg("demo:leaderboard")
                .arg(n)
                .arg(format!("player:{n}"));
            p.cmd("RPUSH").arg(format!("demo:queue:{}", n % 20)).arg(n);
            p.cmd("SETBIT").arg("demo:active-today").arg(n).arg(n % 2);
            p.cmd("PFADD").arg("demo:visitors").arg(n);
            p.cmd("XADD")
                .arg("demo:orders")
                .arg("*")
                .arg("order")
                .arg(n);
        }
        all.push(p);
    }
    let mut p = Pipeline::new();
    p.cmd("GEOADD")
        .arg("demo:stores")
        .arg(&["13.361389", "38.115556", "Palermo"]);
    p.cmd("GEOADD")
        .arg("demo:stores")
        .arg(&["15.087269", "37.502669", "Catania"]);
    p.cmd("XGROUP")
        .arg(&["CREATE", "demo:orders", "billing", "0"]);
    p.cmd("XREADGROUP").arg(&[
        "GROUP",
        "billing",
        "worker-1",
        "COUNT",
        "10",
        "STREAMS",
        "demo:orders",
        ">",
    ]);
    p.cmd("FUNCTION").arg(&[
        "LOAD",
        "REPLACE",
        "#!lua name=demo\nredis.register_function('demo_hello', function(keys, args) return 'hello' end)",
    ]);
    p.cmd("SELECT").arg(1);
    for n in 0..200 {
        p.cmd("SET").arg(format!("demo:cart:{n}")).arg(n);
    }
    p.cmd("SELECT").arg(0);
    p.cmd("SET").arg("demo:counter").arg(0);
    p.cmd("SET").arg("demo:seeded").arg(1);
    all.push(p);
    all
}
