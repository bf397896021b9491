//! Which metrics there are: names, units and ways to sum up as the managed service has them
//! (`arm.md` 4.1 and 4.2), and what each is made of.

mod table;

use std::sync::LazyLock;

use model::{CacheRecord, Cell, Figure, Part, Series};
use serde_json::{Value, json};

use super::{Aggregation, Dimension};
use crate::history::{HOURS_KEPT, MINUTES_KEPT};

/// A metric.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(super) display_name: String,
    pub(super) description: String,
    pub(super) unit: &'static str,
    pub(super) category: &'static str,
    /// The ways in which it can be summed up, the usual one first.
    pub(super) aggregations: &'static [Aggregation],
    pub(super) dimensions: &'static [Dimension],
    pub(super) source: Source,
    /// It is one shard's part of another metric, as it was before there were dimensions.
    pub(crate) is_legacy: bool,
}

/// What a metric is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) what: What,
    pub(super) scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The samples of a figure.
    Samples(Figure),
    /// The part of the lookups that found nothing, in percent: of each step as a whole, so that it is
    /// right however long the step is.
    MissRate,
}

/// Of which nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those that lead, of all shards.
    Leading,
    /// That which leads this shard.
    Shard(u16),
    /// All.
    Every,
}

/// For what a cell counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) part: bool,
    pub(super) whole: bool,
}

impl Source {
    /// Whether a series belongs to it.
    pub(super) fn takes(self, series: &Series) -> Option<Taken> {
        let part = Taken {
            part: true,
            whole: false,
        };
        let taken = match self.what {
            What::Samples(figure) => (figure == series.figure).then_some(part),
            What::MissRate => {
                let is_miss = series.figure == Figure::Misses;
                (is_miss || series.figure == Figure::Hits).then_some(Taken {
                    part: is_miss,
                    whole: true,
                })
            }
        }?;
        let leads = !matches!(series.part, Part::Node { leads: false, .. });
        let is_in = match self.scope {
            Scope::Leading => leads,
            Scope::Shard(shard) => leads && series.shard == shard,
            Scope::Every => true,
        };
        is_in.then_some(taken)
    }

    /// What a step comes to; `None`: nothing is known of it.
    pub(super) fn finish(self, part: Cell, whole: Cell) -> Option<Cell> {
        match self.what {
            What::Samples(_) => Some(part),
            // Without a lookup there is no rate.
            What::MissRate => {
                (whole.total > 0.0).then(|| Cell::one(part.total * 100.0 / whole.total))
            }
        }
    }
}

impl Definition {
    /// What its series can be told apart by.
    pub(crate) fn dimensions(&self) -> impl Iterator<Item = Dimension> {
        self.dimensions.iter().copied()
    }

    pub(super) fn names(&self) -> Value {
        json!({"value": self.name, "localizedValue": self.display_name})
    }
}

static CATALOG: LazyLock<Vec<Definition>> = LazyLock::new(table::all);

/// Every metric.
pub(crate) fn catalog() -> &'static [Definition] {
    &CATALOG
}

/// The metric of this name, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Definition> {
    let mut all = catalog().iter();
    all.find(|metric| metric.name.eq_ignore_ascii_case(name))
}

/// A span of time as ISO 8601 has it.
struct Grain {
    text: &'static str,
    minutes: u64,
}

/// The steps that are offered, in minutes, and their names.
pub(crate) fn offered() -> impl Iterator<Item = (&'static str, u64)> {
    GRAINS.iter().map(|grain| (grain.text, grain.minutes))
}

const GRAINS: [Grain; 8] = [
    Grain {
        text: "PT1M",
        minutes: 1,
    },
    Grain {
        text: "PT5M",
        minutes: 5,
    },
    Grain {
        text: "PT15M",
        minutes: 15,
    },
    Grain {
        text: "PT30M",
        minutes: 30,
    },
    Grain {
        text: "PT1H",
        minutes: 60,
    },
    Grain {
        text: "PT6H",
        minutes: 360,
    },
    Grain {
        text: "PT12H",
        minutes: 720,
    },
    Grain {
        text: "P1D",
        minutes: 1_440,
    },
];

/// The definitions of all metrics.
pub(crate) fn definitions_json(cache: &CacheRecord) -> Vec<Value> {
    let days = |minutes: u64| format!("P{}D", minutes / 1_440);
    let available: Vec<_> = GRAINS
        .iter()
        .map(|grain| {
            let kept = if grain.minutes < 60 {
                MINUTES_KEPT
            } else {
                HOURS_KEPT
            };
            json!({"timeGrain": grain.text, "retention": days(kept)})
        })
        .collect();
    let definition = |metric: &Definition| {
        let names: Vec<_> = metric.aggregations.iter().map(|way| way.name()).collect();
        let dimensions = metric.dimensions.iter();
        let dimensions = dimensions.map(|dimension| {
            json!({"value": dimension.name(), "localizedValue": dimension.display_name()})
        });
        json!({
            "id": format!(
                "{}/providers/microsoft.insights/metricdefinitions/{}", cache.id, metric.name
            ),
            "resourceId": cache.id.to_string(),
            "namespace": "Microsoft.Cache/Redis",
            "name": metric.names(),
            "displayDescription": metric.description,
            "category": metric.category,
            "isDimensionRequired": false,
            "unit": metric.unit,
            "primaryAggregationType": names.first(),
            "supportedAggregationTypes": names,
            "metricAvailabilities": available,
            "dimensions": dimensions.collect::<Vec<_>>(),
        })
    };
    catalog().iter().map(definition).collect()
}
