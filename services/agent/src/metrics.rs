//! `/metrics`: what Prometheus reads of this agent, made anew for each scrape from what the
//! workers last saw. `docs/metrics.md` says what each means.

mod exposition;

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::State, http::header::CONTENT_TYPE, response::IntoResponse, routing};
use model::{CacheName, CacheUid, GeoSample, RegionDesired, ShardIndex};
use parking_lot::Mutex;
use runtime::tasks::Tasks;
use tokio::{
    net::TcpListener,
    time::{Instant, interval},
};

use crate::cache::Host;
use exposition::{Picture, Row};

/// Between two looks at who was heard from.
const PERIOD: Duration = Duration::from_secs(1);

/// The address for scrapes cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} for whoever reads metrics; choose another address, or port 0")]
pub struct MetricsError {
    /// The address.
    address: SocketAddr,
    /// What the attempt met.
    #[source]
    source: io::Error,
}

/// What is known of the caches beside what the workers see.
pub(crate) struct Metrics {
    host: Arc<Host>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    names: BTreeMap<CacheUid, CacheName>,
    /// When a geo-secondary's shard last heard from its geo-primary.
    heard: BTreeMap<(CacheUid, ShardIndex), Instant>,
}

/// Binds the address for scrapes, and tells which it is.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), MetricsError> {
    let failed = |source| MetricsError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Metrics {
    pub(crate) fn new(host: Arc<Host>) -> Arc<Self> {
        let known = Mutex::default();
        Arc::new(Self { host, known })
    }

    /// Learns what the caches are called.
    pub(crate) fn learn(&self, desired: &RegionDesired) {
        let caches = desired.caches.iter();
        self.known.lock().names = caches
            .map(|cache| (cache.uid.clone(), cache.id.name.clone()))
            .collect();
    }

    /// Notes who was heard from.
    fn look(&self) {
        let now = Instant::now();
        let (_, _, caches) = self.host.board.read();
        let mut known = self.known.lock();
        let before = std::mem::take(&mut known.heard);
        for cache in &caches {
            for shard in &cache.shards {
                let Some(GeoSample::Secondary { silent_ms, .. }) = GeoSample::of(cache, shard)
                else {
                    continue;
                };
                let key = (cache.uid.clone(), shard.shard);
                let last = before.get(&key).copied().unwrap_or(now);
                let heard = silent_ms.and_then(|ms| now.checked_sub(Duration::from_millis(ms)));
                let heard = heard.map_or(last, |heard| heard.max(last));
                known.heard.insert(key, heard);
            }
        }
    }

    fn render(&self) -> String {
        self.look();
        let now = Instant::now();
        let (generation, problem, caches) = self.host.board.read();
        let known = self.known.lock();
        let mut rows = Vec::new();
        let mut gateways = Vec::new();
        for cache in caches {
            let name = known.names.get(&cache.uid);
            let name = name.map_or_else(|| cache.uid.to_string(), ToString::to_string);
            if let Some(status) = self.host.fronts.switchboard.status(&cache.uid) {
                gateways.push((name.clone(), status));
            }
            for shard in &cache.shards {
                let heard = known.heard.get(&(cache.uid.clone(), shard.shard));
                let silence = heard.map(|heard| now.saturating_duration_since(*heard));
                let mut row = Row::new(&name, &cache, shard, silence);
                row.lease = self.host.leases.figures(&cache.uid, shard.shard);
                rows.push(row);
            }
        }
        drop(known);
        exposition::render(Picture {
            region: self.host.region.to_string(),
            engine: self.host.programs.installed().version.to_string(),
            generation,
            has_problem: problem.is_some(),
            rows,
            gateways,
        })
    }
}

/// Follows who was heard from, for ever.
pub(crate) async fn watch(metrics: Arc<Metrics>) {
    let mut period = interval(PERIOD);
    loop {
        period.tick().await;
        metrics.look();
    }
}

/// Answers scrapes until the tasks are cancelled.
pub(crate) async fn serve(metrics: Arc<Metrics>, listener: TcpListener, tasks: Tasks) {
    let app = Router::new()
        .route("/metrics", routing::get(scrape))
        .with_state(metrics);
    let served = axum::serve(listener, app)
        .with_graceful_shutdown(async move { tasks.cancelled().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "metrics are no longer served");
    }
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], metrics.render())
}
