//! The caches' figures, as their agents told them last: the same that the management API has.

use std::fmt;

use model::Figure;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::{latest::Shown, plane::Plane};

/// Caches whose figures are on the page, in the order of their names: with more, whoever wants all
/// scrapes the agents.
const MOST: usize = 1_000;

/// The figures of one moment.
#[derive(Debug)]
pub(super) struct Caches(Vec<Of>);

#[derive(Debug)]
struct Of {
    cache: String,
    region: String,
    shown: Shown,
}

impl Caches {
    pub(super) fn of(plane: &Plane) -> Self {
        let state = plane.store.state();
        let caches = state.caches.iter().take(MOST);
        let shown = caches.filter_map(|cache| {
            Some(Of {
                cache: cache.id.name.to_string(),
                region: cache.region.to_string(),
                shown: plane.latest.of(&cache.uid)?,
            })
        });
        Self(shown.collect())
    }
}

impl Collector for Caches {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for figure in Figure::ALL {
            let Some(page) = figure.exposition() else {
                continue;
            };
            let kind = if page.counts {
                MetricType::Counter
            } else {
                MetricType::Gauge
            };
            let mut family = encoder.encode_descriptor(page.name, page.help, None, kind)?;
            for Of {
                cache,
                region,
                shown,
            } in &self.0
            {
                let lines = if page.counts {
                    &shown.totals
                } else {
                    &shown.latest
                };
                for ((of, shard, label), value) in lines {
                    if of != figure {
                        continue;
                    }
                    let shard = shard.to_string();
                    let mut labels = vec![
                        ("cache", cache.as_str()),
                        ("region", region.as_str()),
                        ("shard", shard.as_str()),
                    ];
                    labels.extend(page.label.map(|name| (name, *label)));
                    let value = value / page.divisor;
                    let line = family.encode_family(&labels)?;
                    if page.counts {
                        ConstCounter::new(value).encode(line)?;
                    } else {
                        ConstGauge::new(value).encode(line)?;
                    }
                }
            }
        }
        Ok(())
    }
}
