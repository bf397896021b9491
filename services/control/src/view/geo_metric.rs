//! Metrics as `Microsoft.Insights` answers them: `arm.md` 4.

use std::collections::BTreeMap;

use model::{CacheRecord, Timestamp};
use serde_json::{Map, Value, json};

use super::operation::time;
use crate::history::{Cell, Metric, Minute};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct MetricQuery {
    pub(crate) metrics: Vec<Metric>,
    /// How to sum up; `None`: as is usual for the metric.
    pub(crate) aggregations: Option<Vec<Aggregation>>,
    pub(crate) range: Range,
    pub(crate) split: Split,
}

/// A range of minutes since the Unix epoch, without `to`, in steps.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) step: u64,
    /// The step, as the API writes it.
    pub(crate) grain: &'static str,
}

/// Whether each shard has a series of its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// One series of all shards.
    No,
    /// Each has.
    Every,
    /// These have, and the others are left out.
    Some(Vec<u16>),
}

/// How samples are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregation {
    Average,
    Minimum,
    Maximum,
    Total,
    Count,
}

impl Aggregation {
    pub(crate) const ALL: [Self; 5] = [
        Self::Average,
        Self::Minimum,
        Self::Maximum,
        Self::Total,
        Self::Count,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Average => "Average",
            Self::Minimum => "Minimum",
            Self::Maximum => "Maximum",
            Self::Total => "Total",
            Self::Count => "Count",
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody has that many samples")]
    fn of(self, cell: &Cell) -> f64 {
        match self {
            Self::Average => cell.average(),
            Self::Minimum => cell.min,
            Self::Maximum => cell.max,
            Self::Total => cell.total,
            Self::Count => cell.count as f64,
        }
    }
}

impl Metric {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Healthy => "GeoReplicationHealthy",
            Self::ConnectivityLag => "GeoReplicationConnectivityLag",
            Self::DataSyncOffset => "GeoReplicationDataSyncOffset",
            Self::FullSyncEventStarted => "GeoReplicationFullSyncEventStarted",
            Self::FullSyncEventFinished => "GeoReplicationFullSyncEventFinished",
        }
    }

    fn display_name(self) -> &'static str {
        match self {
            Self::Healthy => "Geo-replication Healthy",
            Self::ConnectivityLag => "Geo-replication Connectivity Lag",
            Self::DataSyncOffset => "Geo-replication Data Sync Offset",
            Self::FullSyncEventStarted => "Geo-replication Full Sync Event Started",
            Self::FullSyncEventFinished => "Geo-replication Full Sync Event Finished",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Healthy => {
                "1 while the link is healthy, 0 while it is not. Only the geo-secondary has it."
            }
            Self::ConnectivityLag => {
                "Seconds since the geo-secondary last heard from the geo-primary. Only the geo-secondary has it."
            }
            Self::DataSyncOffset => {
                "Bytes that the geo-secondary has not applied. Only the geo-primary has it."
            }
            Self::FullSyncEventStarted => {
                "Full syncs of the geo-secondary that began. Only the geo-secondary has it."
            }
            Self::FullSyncEventFinished => {
                "Full syncs of the geo-secondary that ended well. Only the geo-secondary has it."
            }
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Healthy | Self::FullSyncEventStarted | Self::FullSyncEventFinished => "Count",
            Self::ConnectivityLag => "Seconds",
            Self::DataSyncOffset => "Bytes",
        }
    }

    /// The usual way to sum it up first.
    fn aggregations(self) -> &'static [Aggregation] {
        use Aggregation::{Average, Count, Maximum, Minimum};

        match self {
            Self::Healthy | Self::ConnectivityLag | Self::DataSyncOffset => {
                &[Average, Minimum, Maximum]
            }
            Self::FullSyncEventStarted | Self::FullSyncEventFinished => &[Count],
        }
    }

    fn names(self) -> Value {
        json!({"value": self.name(), "localizedValue": self.display_name()})
    }
}

/// The definitions of all metrics.
pub(crate) fn metric_definitions(cache: &CacheRecord) -> Vec<Value> {
    let grains = [
        "PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D",
    ];
    let available = grains.map(|grain| json!({"timeGrain": grain, "retention": "P1D"}));
    let definition = |metric: Metric| {
        let aggregations = metric.aggregations();
        let names: Vec<_> = aggregations.iter().map(|way| way.name()).collect();
        json!({
            "id": format!(
                "{}/providers/microsoft.insights/metricdefinitions/{}", cache.id, metric.name()
            ),
            "resourceId": cache.id.to_string(),
            "namespace": "Microsoft.Cache/Redis",
            "name": metric.names(),
            "displayDescription": metric.description(),
            "category": "Geo-replication",
            "isDimensionRequired": false,
            "unit": metric.unit(),
            "primaryAggregationType": names.first(),
            "supportedAggregationTypes": names,
            "metricAvailabilities": available,
            "dimensions": [{"value": "ShardId", "localizedValue": "Shard Id"}],
        })
    };
    Metric::ALL.map(definition).to_vec()
}

/// The metrics that are asked for.
pub(crate) fn metrics_json(
    cache: &CacheRecord,
    asked: &MetricQuery,
    minutes: &BTreeMap<u64, Minute>,
) -> Value {
    let at = |minute: u64| time(Timestamp(minute * 60_000)).unwrap_or_default();
    let value = |metric: &Metric| {
        json!({
            "id": format!("{}/providers/Microsoft.Insights/metrics/{}", cache.id, metric.name()),
            "type": "Microsoft.Insights/metrics",
            "name": metric.names(),
            "displayDescription": metric.description(),
            "unit": metric.unit(),
            "timeseries": series(*metric, asked, minutes),
            "errorCode": "Success",
        })
    };
    json!({
        "cost": 0,
        "timespan": format!("{}/{}", at(asked.range.from), at(asked.range.to)),
        "interval": asked.range.grain,
        "namespace": "Microsoft.Cache/Redis",
        "resourceregion": cache.region.as_str(),
        "value": asked.metrics.iter().map(value).collect::<Vec<_>>(),
    })
}

/// The series of a metric. A cache without the role for it has none.
fn series(metric: Metric, asked: &MetricQuery, minutes: &BTreeMap<u64, Minute>) -> Vec<Value> {
    // By series (`None`: all shards together), by the number of the step.
    let mut cells: BTreeMap<Option<u16>, BTreeMap<u64, Cell>> = BTreeMap::new();
    for (minute, value) in minutes {
        for (shard, cell) in value.0.get(&metric).into_iter().flatten() {
            let key = match &asked.split {
                Split::No => None,
                Split::Some(shards) if !shards.contains(shard) => continue,
                Split::Every | Split::Some(_) => Some(*shard),
            };
            let step = minute.saturating_sub(asked.range.from) / asked.range.step;
            let steps = cells.entry(key).or_default();
            steps.entry(step).or_default().add(*cell);
        }
    }
    let ways = asked.aggregations.as_deref();
    let ways = ways.unwrap_or_else(|| metric.aggregations().get(..1).unwrap_or_default());
    let one = |(shard, steps): (Option<u16>, BTreeMap<u64, Cell>)| {
        let name = json!({"value": "shardid", "localizedValue": "shardid"});
        let dimension = shard.map(|shard| json!({"name": name, "value": shard.to_string()}));
        json!({
            "metadatavalues": dimension.into_iter().collect::<Vec<_>>(),
            "data": points(&asked.range, ways, &steps),
        })
    };
    cells.into_iter().map(one).collect()
}

/// A point for each step; one without samples has its time alone.
fn points(range: &Range, ways: &[Aggregation], steps: &BTreeMap<u64, Cell>) -> Vec<Value> {
    let count = range.to.saturating_sub(range.from).div_ceil(range.step);
    let point = |step: u64| {
        let at = Timestamp((range.from + step * range.step) * 60_000);
        let mut point = Map::new();
        point.insert("timeStamp".to_owned(), time(at).into());
        for way in ways {
            if let Some(cell) = steps.get(&step) {
                point.insert(way.name().to_ascii_lowercase(), way.of(cell).into());
            }
        }
        Value::Object(point)
    };
    (0..count).map(point).collect()
}
