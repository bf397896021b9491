//! `/metrics`: what Prometheus reads of the control plane, made anew for each scrape.
//! `docs/metrics.md` says what each means.

mod caches;
mod log;

use std::{collections::BTreeMap, fmt, sync::Arc};

use model::{LinkId, Timestamp};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::{Registry, Unit},
};

use crate::{
    chronicle::Ended,
    handoff::write_pause,
    observations::Seen,
    plane::Plane,
    reconciler::{Took, link_seen},
    store::State,
    view::{link_is_healthy, receipts},
};
use log::Log;

/// The content type of [`render`]'s text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every metric of the control plane, in the OpenMetrics text format.
pub(crate) fn render(plane: &Plane) -> String {
    let mut registry = Registry::default();
    registry.register(
        "godwit_build",
        "The version that runs",
        Info::new([
            ("service", "control"),
            ("version", env!("CARGO_PKG_VERSION")),
        ]),
    );
    registry.register_collector(Box::new(Picture {
        state: plane.store.state(),
        seen: plane.observations.seen(),
        ended: plane.failovers.ended(),
        passes: plane.passes.counted(),
        log: Log::of(plane),
        authority_expires: plane.authority.certificate().expires().0 / 1_000,
    }));
    registry.register_collector(Box::new(caches::Caches::of(plane)));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("a text takes whatever is written");
    text
}

/// What is known at one moment.
struct Picture {
    state: Arc<State>,
    seen: Seen,
    ended: BTreeMap<Ended, u64>,
    passes: [(&'static str, Took); 2],
    log: Log,
    /// In seconds since the Unix epoch.
    authority_expires: u64,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture of revision {}", self.state.revision)
    }
}

impl Collector for Picture {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = &self.state;
        let running = state.operations.iter().filter(|op| op.is_running()).count();
        for (name, help, value) in [
            (
                "godwit_control_store_revision",
                "Commits to the store since it was made",
                figure(state.revision),
            ),
            (
                "godwit_control_caches",
                "Caches",
                count(state.caches.iter()),
            ),
            ("godwit_control_links", "Links", count(state.links.iter())),
            (
                "godwit_control_operations_running",
                "Operations that have not ended",
                count(0..running),
            ),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(gauge)?;
        }
        self.passes(&mut encoder)?;
        let expiry = encoder.encode_descriptor(
            "godwit_control_authority_expiry_timestamp",
            "When the certificate authority expires, in seconds since the Unix epoch",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        ConstGauge::new(figure(self.authority_expires)).encode(expiry)?;
        self.agents(&mut encoder)?;
        self.links(&mut encoder)?;
        self.failovers(&mut encoder)?;
        self.lost_writes(&mut encoder)?;
        self.log.encode(&self.state, &mut encoder)
    }
}

impl Picture {
    fn passes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut passes = encoder.encode_descriptor(
            "godwit_control_reconcile_passes",
            "Passes of the reconciler, by what they looked at: what is on its way, or everything",
            None,
            MetricType::Counter,
        )?;
        for (breadth, took) in self.passes {
            let labels = [("breadth", breadth)];
            ConstCounter::new(took.passes).encode(passes.encode_family(&labels)?)?;
        }
        let mut seconds = encoder.encode_descriptor(
            "godwit_control_reconcile_pass",
            "Time that those passes took to look and to plan",
            Some(&Unit::Seconds),
            MetricType::Counter,
        )?;
        for (breadth, took) in self.passes {
            let labels = [("breadth", breadth)];
            let total = ConstCounter::new(took.total.as_secs_f64());
            total.encode(seconds.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn agents(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut ages = encoder.encode_descriptor(
            "godwit_control_agent_report_age",
            "Age of the latest report of a region's agent; absent before the first",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for heard in self.seen.all() {
            let age = self.seen.age(heard).as_secs_f64();
            let region = heard.report.region.as_str();
            put(&mut ages, &[("region", region)], age)?;
        }
        Ok(())
    }

    fn links(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut healthy = encoder.encode_descriptor(
            "godwit_control_link_healthy",
            "1 while a link is healthy, 0 while it is not or something is under way",
            None,
            MetricType::Gauge,
        )?;
        for link in self.state.links.iter() {
            let sides = link_seen(&self.seen, link);
            let value = if link_is_healthy(link, sides) {
                1.0
            } else {
                0.0
            };
            put(&mut healthy, &labels(link), value)?;
        }
        let mut epochs = encoder.encode_descriptor(
            "godwit_control_link_epoch",
            "The epoch of a link: it grows with every change of the roles",
            None,
            MetricType::Gauge,
        )?;
        for link in self.state.links.iter() {
            put(&mut epochs, &labels(link), figure(link.epoch.0))?;
        }
        Ok(())
    }
}

impl Picture {
    fn failovers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut ended = encoder.encode_descriptor(
            "godwit_control_failovers",
            "Failovers that ended since the start, by what they were and what came of them",
            None,
            MetricType::Counter,
        )?;
        for (how, count) in &self.ended {
            let labels = [("kind", how.kind), ("outcome", how.outcome)];
            ConstCounter::new(*count).encode(ended.encode_family(&labels)?)?;
        }
        let mut pauses = encoder.encode_descriptor(
            "godwit_control_failover_write_pause",
            "For how long no cache of a link took writes in its last planned failover; absent before the first, and a day after it",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        let mut last: BTreeMap<&LinkId, (Timestamp, f64)> = BTreeMap::new();
        for op in self.state.operations.iter() {
            let pause = op.failover.as_ref().and_then(write_pause);
            if let (Some(link), Some(ms)) = (op.work.link(), pause) {
                let known = last.entry(link).or_insert((op.started, ms));
                if op.started >= known.0 {
                    *known = (op.started, ms);
                }
            }
        }
        for link in self.state.links.iter() {
            if let Some((_, ms)) = last.get(&link.id) {
                put(&mut pauses, &labels(link), ms / 1_000.0)?;
            }
        }
        Ok(())
    }

    fn lost_writes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kept = || {
            self.state.caches.iter().filter_map(|cache| {
                let all = receipts(&self.seen, &cache.region, &cache.uid);
                (!all.is_empty()).then(|| (cache.id.name.as_str(), all))
            })
        };
        let mut receipts = encoder.encode_descriptor(
            "godwit_control_lost_writes_receipts",
            "Receipts of lost writes that a cache's agent keeps, by its latest report; absent without any",
            None,
            MetricType::Gauge,
        )?;
        for (cache, all) in kept() {
            put(&mut receipts, &[("cache", cache)], count(all.iter()))?;
        }
        let mut commands = encoder.encode_descriptor(
            "godwit_control_lost_writes_commands",
            "Commands in those receipts",
            None,
            MetricType::Gauge,
        )?;
        for (cache, all) in kept() {
            let sum = all.iter().map(|receipt| receipt.commands).sum();
            put(&mut commands, &[("cache", cache)], figure(sum))?;
        }
        Ok(())
    }
}

fn labels(link: &model::LinkRecord) -> [(&'static str, &str); 2] {
    [
        ("primary", link.primary.id.name.as_str()),
        ("secondary", link.secondary.id.name.as_str()),
    ]
}

fn put<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: &[(&'static str, &str); N],
    value: f64,
) -> fmt::Result {
    ConstGauge::new(value).encode(family.encode_family(labels)?)
}

fn count(things: impl Iterator) -> f64 {
    figure(u64::try_from(things.count()).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no more digits")]
fn figure(number: u64) -> f64 {
    number as f64
}
