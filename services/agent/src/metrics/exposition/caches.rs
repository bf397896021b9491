//! The caches' figures, as metrics: the same that the management API has.

use std::fmt;

use model::Figure;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::sampling::Exposed;

/// The figures of one moment, with their caches' names.
#[derive(Debug)]
pub(super) struct Caches {
    pub(super) region: String,
    pub(super) caches: Vec<(String, Exposed)>,
}

impl Collector for Caches {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for figure in Figure::ALL {
            let Some(shown) = figure.exposition() else {
                continue;
            };
            let kind = if shown.counts {
                MetricType::Counter
            } else {
                MetricType::Gauge
            };
            let mut family = encoder.encode_descriptor(shown.name, shown.help, None, kind)?;
            for (cache, exposed) in &self.caches {
                let lines = if shown.counts {
                    &exposed.totals
                } else {
                    &exposed.latest
                };
                for ((of, shard, label), value) in lines {
                    if of != figure {
                        continue;
                    }
                    let shard = shard.to_string();
                    let mut labels = vec![
                        ("cache", cache.as_str()),
                        ("region", self.region.as_str()),
                        ("shard", shard.as_str()),
                    ];
                    labels.extend(shown.label.map(|name| (name, *label)));
                    let value = value / shown.divisor;
                    let line = family.encode_family(&labels)?;
                    if shown.counts {
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
