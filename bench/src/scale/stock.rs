//! What is in the store: caches in two regions, half of them linked, and their agents.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use client::Agents;
use runtime::tasks::Tasks;
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    agent::Agent,
    http::Http,
    plane::{ControlPlane, REGIONS},
};

/// Requests at a time.
pub(super) const AT_ONCE: usize = 16;
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) struct Stock {
    pub(super) agents: Vec<Agent>,
    tasks: Tasks,
    subscription: String,
    caches: usize,
}

/// How the store was filled to a size.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Filled {
    pub(super) caches: usize,
    pub(super) links: usize,
    /// Creates in a second, sixteen at a time, from the size before to this one.
    pub(super) creates_per_second: f64,
}

impl Stock {
    pub(super) async fn new(plane: &ControlPlane) -> anyhow::Result<Self> {
        let http = plane.http();
        let listed = http.get("/subscriptions").await?.json()?;
        let subscription = listed["value"][0]["id"].as_str();
        let subscription = subscription.context("there is no subscription")?.to_owned();
        let group = format!("{subscription}/resourcegroups/g");
        let body = json!({"location": REGIONS[0]}).to_string();
        http.ask("PUT", &group, &body).await?;
        let tasks = Tasks::new();
        let agents = REGIONS.iter().map(|region| {
            let client = Agents::new(&plane.url(), ControlPlane::agent_token())?;
            Ok(Agent::start(client, region.parse()?, &tasks))
        });
        Ok(Self {
            agents: agents.collect::<anyhow::Result<_>>()?,
            tasks,
            subscription,
            caches: 0,
        })
    }

    pub(super) async fn stop(self) {
        self.tasks.stop(Duration::from_secs(5)).await;
    }

    /// The agent of the region that the cache of that number is in.
    pub(super) fn agent_of(&self, number: usize) -> &Agent {
        &self.agents[number % 2]
    }

    pub(super) fn subscription(&self) -> &str {
        &self.subscription
    }

    pub(super) fn path(&self, name: &str) -> String {
        let group = format!("{}/resourceGroups/g", self.subscription);
        format!("{group}/providers/Microsoft.Cache/redis/{name}")
    }

    /// Makes caches until there are so many, links half of them, and waits until all of it is ready.
    pub(super) async fn fill(
        &mut self,
        plane: &ControlPlane,
        size: usize,
    ) -> anyhow::Result<Filled> {
        for agent in &self.agents {
            agent.be_patient(true);
        }
        let http = plane.http();
        let (first, begun) = (self.caches, Instant::now());
        let puts = (first..size).map(|number| {
            let body = cache_body(number);
            (self.path(&format!("c{number:06}")), body)
        });
        put_all(&http, puts).await?;
        let seconds = begun.elapsed().as_secs_f64();
        self.caches = size;
        quiet(&http).await?;
        // Of four, the first two are linked.
        let links = (first.div_ceil(4)..size / 4).map(|four| {
            let [own, other] = [four * 4, four * 4 + 1].map(|number| format!("c{number:06}"));
            let body = json!({"properties": {
                "linkedRedisCacheId": self.path(&other),
                "linkedRedisCacheLocation": REGIONS[1],
                "serverRole": "Secondary",
            }});
            let path = format!("{}/linkedServers/{other}", self.path(&own));
            (path, body.to_string())
        });
        put_all(&http, links).await?;
        quiet(&http).await?;
        for agent in &self.agents {
            agent.be_patient(false);
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
        let rate = (size - first) as f64 / seconds;
        Ok(Filled {
            caches: size,
            links: size / 4,
            creates_per_second: rate,
        })
    }
}

/// The body that makes the cache of that number.
pub(super) fn cache_body(number: usize) -> String {
    let body = json!({
        "location": REGIONS[number % 2],
        "properties": {"sku": {"name": "Premium", "family": "P", "capacity": 1}},
    });
    body.to_string()
}

/// Sends all of them, some at a time; gives how long each took.
pub(super) async fn put_all(
    http: &Http,
    requests: impl Iterator<Item = (String, String)>,
) -> anyhow::Result<Vec<Duration>> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let mut took = Vec::new();
    for (path, body) in requests {
        let turn = Arc::clone(&turns).acquire_owned().await?;
        let http = http.clone();
        running.spawn(async move {
            let begun = Instant::now();
            let answer = http.ask("PUT", &path, &body).await;
            drop(turn);
            answer.map(|_answer| begun.elapsed())
        });
        while let Some(done) = running.try_join_next() {
            took.push(done??);
        }
    }
    while let Some(done) = running.join_next().await {
        took.push(done??);
    }
    Ok(took)
}

/// Waits until no operation runs.
pub(super) async fn quiet(http: &Http) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while metric(http, "godwit_control_operations_running").await? > 0.0 {
        ensure!(Instant::now() < deadline, "operations do not end");
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// A figure of `/metrics`, by its name with its labels.
pub(super) async fn metric(http: &Http, name: &str) -> anyhow::Result<f64> {
    let text = String::from_utf8(http.get("/metrics").await?.body)?;
    let value = text.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(' ')?;
        value.trim().parse().ok()
    });
    value.with_context(|| format!("there is no metric {name}"))
}
