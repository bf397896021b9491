//! Everything that is measured with so many caches.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    plane::ControlPlane,
    stock::{self, Filled, Stock, cache_body, metric, put_all},
};
use crate::statistics::{quantile, sorted};

/// So long it is looked at while nothing is asked of it.
const QUIET: Duration = Duration::from_secs(10);
/// Numbers of caches that are made to measure and deleted again.
const EXTRA: usize = 900_000;

/// One size.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Round {
    pub(super) filled: Filled,
    /// From the start of the process until it serves.
    pub(super) start_ms: f64,
    /// The whole list of the subscription, page by page.
    pub(super) list: Times,
    /// Its first page.
    pub(super) page: Times,
    pub(super) list_bytes: usize,
    pub(super) get: Times,
    pub(super) create: Times,
    pub(super) create_at_once: Times,
    /// From the request until the region's agent is told.
    pub(super) create_to_agent: Times,
    /// A pass of the reconciler over everything, and over what is on its way, while nothing is.
    pub(super) pass_ms: f64,
    pub(super) restless_pass_ms: f64,
    /// An agent's report until its answer, and how large it is.
    pub(super) report: Times,
    pub(super) report_bytes: usize,
    /// Processor time in a second of quiet.
    pub(super) quiet_cpu: f64,
    pub(super) resident_bytes: u64,
    pub(super) disk_bytes: u64,
}

/// How long something took, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Times {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) count: usize,
}

impl Times {
    fn of(took: &[Duration]) -> anyhow::Result<Self> {
        let all = sorted(took.iter().map(|time| time.as_secs_f64() * 1_000.0));
        Ok(Self {
            p50: quantile(&all, 0.5).context("nothing was measured")?,
            p99: quantile(&all, 0.99).context("nothing was measured")?,
            count: all.len(),
        })
    }
}

pub(super) async fn measure(
    plane: &mut ControlPlane,
    stock: &mut Stock,
    filled: Filled,
) -> anyhow::Result<Round> {
    let quiet = quiet(plane, stock).await?;
    let (list, page, list_bytes) = lists(plane, stock).await?;
    let get = gets(plane, stock).await?;
    let creates = creates(plane, stock).await?;
    let start_ms = plane.restart()?.as_secs_f64() * 1_000.0;
    Ok(Round {
        filled,
        start_ms,
        list,
        page,
        list_bytes,
        get,
        create: creates.one_by_one,
        create_at_once: creates.at_once,
        create_to_agent: creates.to_agent,
        pass_ms: quiet.pass_ms,
        restless_pass_ms: quiet.restless_pass_ms,
        report: quiet.report,
        report_bytes: quiet.report_bytes,
        quiet_cpu: quiet.cpu,
        resident_bytes: quiet.resident_bytes,
        disk_bytes: plane.bytes_on_disk()?,
    })
}

async fn gets(plane: &ControlPlane, stock: &Stock) -> anyhow::Result<Times> {
    let (http, path) = (plane.http(), stock.path("c000001"));
    let mut took = Vec::new();
    for _ in 0..300 {
        took.push(timed(http.get(&path)).await?.0);
    }
    Times::of(&took)
}

/// What it takes to make caches, which are deleted again.
struct Creates {
    one_by_one: Times,
    at_once: Times,
    to_agent: Times,
}

async fn creates(plane: &ControlPlane, stock: &Stock) -> anyhow::Result<Creates> {
    let http = plane.http();
    let name = |number: usize| format!("c{number}");
    let request = |number: usize| (stock.path(&name(number)), cache_body(number));
    let one_by_one = EXTRA..EXTRA + 100;
    let at_once = one_by_one.end..one_by_one.end + 20 * stock::AT_ONCE;
    let to_agent = at_once.end..at_once.end + 30;
    let all = one_by_one.start..to_agent.end;
    let mut took = Vec::new();
    for (path, body) in one_by_one.map(request) {
        took.push(timed(http.ask("PUT", &path, &body)).await?.0);
    }
    let one_by_one = Times::of(&took)?;
    let puts: Vec<_> = at_once.map(request).collect();
    let at_once = Times::of(&put_all(&http, puts.into_iter()).await?)?;
    stock::quiet(&http).await?;
    let mut took = Vec::new();
    for number in to_agent {
        let (path, body) = request(number);
        let begun = Instant::now();
        let name = name(number);
        let heard = stock.agent_of(number).hears_of(&name);
        let (made, heard) = tokio::join!(http.ask("PUT", &path, &body), heard);
        made?;
        heard?;
        took.push(begun.elapsed());
    }
    for (path, _) in all.map(request) {
        http.ask("DELETE", &path, "").await?;
    }
    stock::quiet(&http).await?;
    Ok(Creates {
        one_by_one,
        at_once,
        to_agent: Times::of(&took)?,
    })
}

/// What goes on by itself.
struct Quiet {
    pass_ms: f64,
    restless_pass_ms: f64,
    report: Times,
    report_bytes: usize,
    cpu: f64,
    resident_bytes: u64,
}

async fn quiet(plane: &ControlPlane, stock: &Stock) -> anyhow::Result<Quiet> {
    let http = plane.http();
    sleep(Duration::from_secs(2)).await;
    for agent in &stock.agents {
        agent.reports();
    }
    let before = (Passes::read(&http).await?, plane.process()?.cpu);
    sleep(QUIET).await;
    let (passes, process) = (Passes::read(&http).await?, plane.process()?);
    let (mut took, mut bytes) = (Vec::new(), 0);
    for agent in &stock.agents {
        let (times, size) = agent.reports();
        took.extend(times);
        bytes = bytes.max(size);
    }
    let cpu = process.cpu.saturating_sub(before.1).as_secs_f64() / QUIET.as_secs_f64();
    Ok(Quiet {
        pass_ms: passes.everything.since(before.0.everything),
        restless_pass_ms: passes.restless.since(before.0.restless),
        report: Times::of(&took)?,
        report_bytes: bytes,
        cpu,
        resident_bytes: process.resident_bytes,
    })
}

/// What `/metrics` tells of the reconciler's passes.
struct Passes {
    everything: Pass,
    restless: Pass,
}

#[derive(Clone, Copy)]
struct Pass {
    count: f64,
    seconds: f64,
}

impl Passes {
    async fn read(http: &super::http::Http) -> anyhow::Result<Self> {
        let read = async |breadth: &str| -> anyhow::Result<Pass> {
            let of =
                |name: &str| format!("godwit_control_reconcile_{name}{{breadth=\"{breadth}\"}}");
            Ok(Pass {
                count: metric(http, &of("passes_total")).await?,
                seconds: metric(http, &of("pass_seconds_total")).await?,
            })
        };
        Ok(Self {
            everything: read("everything").await?,
            restless: read("restless").await?,
        })
    }
}

impl Pass {
    /// Milliseconds of one, on average, since another look.
    fn since(self, before: Self) -> f64 {
        let passes = (self.count - before.count).max(1.0);
        (self.seconds - before.seconds) * 1_000.0 / passes
    }
}

/// The whole list, its first page, and the bytes of the whole.
async fn lists(plane: &ControlPlane, stock: &Stock) -> anyhow::Result<(Times, Times, usize)> {
    let http = plane.http();
    let path = format!("{}/providers/Microsoft.Cache/redis", stock.subscription());
    let (mut whole, mut first) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..20 {
        let top = format!("{path}?$top=1000");
        first.push(timed(http.get(&top)).await?.0);
        let begun = Instant::now();
        let mut answer = http.get(&path).await?;
        bytes = answer.body.len();
        let mut time = begun.elapsed();
        while let Some(next) = answer.json()?["nextLink"].as_str() {
            let begun = Instant::now();
            let next = next.split_once("://").map_or(next, |(_, rest)| rest);
            let next = next.find('/').and_then(|at| next.get(at..));
            answer = http.get(next.context("a link to nowhere")?).await?;
            time += begun.elapsed();
            bytes += answer.body.len();
        }
        whole.push(time);
    }
    Ok((Times::of(&whole)?, Times::of(&first)?, bytes))
}

async fn timed<T>(asked: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(Duration, T)> {
    let begun = Instant::now();
    let answer = asked.await?;
    Ok((begun.elapsed(), answer))
}
