//! `/metrics`: what Prometheus reads of this server, made anew for each scrape. `docs/metrics.md` says
//! what each means.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use axum::{Router, extract::State, http::header::CONTENT_TYPE, response::IntoResponse, routing};
use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::{Registry, Unit},
};
use runtime::tasks::Tasks;
use tokio::{net::TcpListener, time::Instant};

use crate::{
    served::Served,
    tally::{Tally, Transport, Withheld},
};

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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

/// What is shown.
pub(crate) struct Metrics {
    tally: Arc<Tally>,
    served: Served,
    started: Instant,
    /// The generation that is served, and since when.
    since: Mutex<Option<(u64, Instant)>>,
}

/// Binds the address for scrapes, and tells which it is.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), MetricsError> {
    let failed = |source| MetricsError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Metrics {
    pub(crate) fn new(tally: Arc<Tally>, served: Served) -> Arc<Self> {
        Arc::new(Self {
            tally,
            served,
            started: Instant::now(),
            since: Mutex::default(),
        })
    }

    /// Notes which generation is served.
    fn look(&self) -> Option<(u64, Instant)> {
        let generation = self.served.present()?.names.generation;
        let mut since = self.since.lock();
        match *since {
            Some((known, at)) if known == generation => Some((known, at)),
            Some(_) | None => {
                let now = (generation, Instant::now());
                *since = Some(now);
                Some(now)
            }
        }
    }

    fn render(&self) -> String {
        let mut registry = Registry::default();
        let build = Info::new([("service", "dns"), ("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("godwit_build", "The version that runs", build);
        let names = self.served.present().map(|served| served.names.names.len());
        registry.register_collector(Box::new(Picture {
            tally: Arc::clone(&self.tally),
            generation: self.look(),
            names: names.unwrap_or_default(),
            heard: self.tally.heard().unwrap_or(self.started),
        }));
        let mut page = String::new();
        // A text takes whatever is written.
        let _infallible = text::encode(&mut page, &registry);
        page
    }
}

/// Follows the generations, for ever.
pub(crate) async fn watch(metrics: Arc<Metrics>) {
    let mut served = metrics.served.0.clone();
    loop {
        metrics.look();
        if served.changed().await.is_err() {
            return;
        }
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
        tracing::error!(%error, "Metrics are no longer served");
    }
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, TEXT)], metrics.render())
}

#[derive(Debug)]
struct Picture {
    tally: Arc<Tally>,
    generation: Option<(u64, Instant)>,
    names: usize,
    heard: Instant,
}

impl Collector for Picture {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut questions = encoder.encode_descriptor(
            "godwit_dns_questions",
            "Questions, by what they ask for and how they came",
            None,
            MetricType::Counter,
        )?;
        for transport in Transport::ALL {
            for (kind, count) in self.tally.questions(transport) {
                let labels = [("kind", kind), ("transport", transport.name())];
                ConstCounter::new(count).encode(questions.encode_family(&labels)?)?;
            }
        }
        let mut answers = encoder.encode_descriptor(
            "godwit_dns_answers",
            "Answers that were made, by what they say and how the question came",
            None,
            MetricType::Counter,
        )?;
        for transport in Transport::ALL {
            for (code, count) in self.tally.answers(transport) {
                let labels = [("rcode", code), ("transport", transport.name())];
                ConstCounter::new(count).encode(answers.encode_family(&labels)?)?;
            }
        }
        let mut withheld = encoder.encode_descriptor(
            "godwit_dns_withheld",
            "What got no answer, or another one: beyond the rate limit, no question, too many connections",
            None,
            MetricType::Counter,
        )?;
        for how in Withheld::ALL {
            let labels = [("reason", how.name())];
            let count = ConstCounter::new(self.tally.withheld(how));
            count.encode(withheld.encode_family(&labels)?)?;
        }
        self.generation(&mut encoder)
    }
}

impl Picture {
    fn generation(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let names = encoder.encode_descriptor(
            "godwit_dns_names",
            "Names that are served",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(figure(self.names as u64)).encode(names)?;
        if let Some((generation, since)) = self.generation {
            let number = encoder.encode_descriptor(
                "godwit_dns_generation",
                "The generation of the names that is served; absent before the first",
                None,
                MetricType::Gauge,
            )?;
            ConstGauge::new(figure(generation)).encode(number)?;
            let age = encoder.encode_descriptor(
                "godwit_dns_generation_age",
                "For how long this process has served it",
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?;
            ConstGauge::new(since.elapsed().as_secs_f64()).encode(age)?;
        }
        let news = encoder.encode_descriptor(
            "godwit_dns_news_age",
            "Time since the control plane was heard: it answers every 20 s, if there is nothing new",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        ConstGauge::new(self.heard.elapsed().as_secs_f64()).encode(news)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no more digits")]
fn figure(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
