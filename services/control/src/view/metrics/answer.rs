//! The answer to a query.

use std::collections::BTreeMap;

use model::{CacheRecord, Cell, Series, Timestamp};
use serde_json::{Map, Value, json};

use super::{Aggregation, Definition, Direction, MetricQuery, Order, Range};
use crate::{history::Spans, view::operation::time};

/// What tells a series apart: the values of the dimensions that are asked for.
type Key = Vec<String>;
/// By the number of the step.
type Steps = BTreeMap<u64, Cell>;

/// The metrics that are asked for.
pub(crate) fn metrics_json(cache: &CacheRecord, asked: &MetricQuery, spans: &Spans) -> Value {
    let at = |minute: u64| time(Timestamp(minute * 60_000)).unwrap_or_default();
    let value = |metric: &&Definition| {
        json!({
            "id": format!("{}/providers/Microsoft.Insights/metrics/{}", cache.id, metric.name),
            "type": "Microsoft.Insights/metrics",
            "name": metric.names(),
            "displayDescription": metric.description,
            "unit": metric.unit,
            "timeseries": timeseries(cache, metric, asked, spans),
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
fn timeseries(
    cache: &CacheRecord,
    metric: &Definition,
    asked: &MetricQuery,
    spans: &Spans,
) -> Vec<Value> {
    let series = order(collect(cache, metric, asked, spans), metric, asked);
    let ways = asked.aggregations.as_deref();
    let ways = ways.unwrap_or_else(|| metric.aggregations.get(..1).unwrap_or_default());
    let one = |(key, steps): (Key, Steps)| {
        let named = asked.filter.splits(metric).zip(key);
        let named = named.map(|(dimension, value)| {
            let name = dimension.name().to_ascii_lowercase();
            json!({"name": {"value": name, "localizedValue": name}, "value": value})
        });
        let mut shown = json!({"metadatavalues": named.collect::<Vec<_>>()});
        if !asked.metadata_alone {
            shown["data"] = json!(points(&asked.range, ways, &steps));
        }
        shown
    };
    series.into_iter().map(one).collect()
}

/// Sums up what belongs to each series, step by step.
fn collect(
    cache: &CacheRecord,
    metric: &Definition,
    asked: &MetricQuery,
    spans: &Spans,
) -> Vec<(Key, Steps)> {
    let nodes = u64::from(cache.spec.replicas) + 1;
    let mut parts: BTreeMap<Key, BTreeMap<u64, (Cell, Cell)>> = BTreeMap::new();
    for (start, figures) in spans {
        let step = start.saturating_sub(asked.range.from) / asked.range.step;
        for (series, cell) in figures.iter() {
            let Some(of) = metric.source.takes(&series) else {
                continue;
            };
            let Some(key) = key(metric, asked, &series, nodes) else {
                continue;
            };
            let (part, whole) = parts.entry(key).or_default().entry(step).or_default();
            if of.part {
                part.add(cell);
            }
            if of.whole {
                whole.add(cell);
            }
        }
    }
    let finish = |(part, whole)| metric.source.finish(part, whole);
    let series = parts.into_iter().map(|(key, steps)| {
        let steps = steps.into_iter();
        let steps = steps.filter_map(|(step, cells)| Some((step, finish(cells)?)));
        (key, steps.collect())
    });
    series
        .filter(|(_, steps): &(Key, Steps)| !steps.is_empty())
        .collect()
}

/// What tells a series apart; `None`: it does not count.
fn key(metric: &Definition, asked: &MetricQuery, series: &Series, nodes: u64) -> Option<Key> {
    let filter = &asked.filter;
    for (dimension, restriction) in &filter.restrictions {
        if metric.dimensions.contains(dimension) {
            let value = dimension.of(series, nodes)?;
            if !restriction.admits(&value) {
                return None;
            }
        }
    }
    let mut splits = filter.splits(metric);
    splits.try_fold(Key::new(), |mut key, dimension| {
        key.push(dimension.of(series, nodes)?);
        Some(key)
    })
}

/// The first of the series, in the order that is asked for.
fn order(
    mut series: Vec<(Key, Steps)>,
    metric: &Definition,
    asked: &MetricQuery,
) -> Vec<(Key, Steps)> {
    if asked.filter.splits(metric).next().is_none() {
        return series;
    }
    if let Some(Order { by, direction }) = asked.order {
        let whole = |steps: &Steps| {
            let mut whole = Cell::default();
            for cell in steps.values() {
                whole.add(*cell);
            }
            by.of(&whole)
        };
        series.sort_by(|(_, one), (_, other)| {
            let ascending = whole(one).total_cmp(&whole(other));
            match direction {
                Direction::Ascending => ascending,
                Direction::Descending => ascending.reverse(),
            }
        });
    }
    series.truncate(asked.top);
    series
}

/// A point for each step; one without samples has its time alone.
fn points(range: &Range, ways: &[Aggregation], steps: &Steps) -> Vec<Value> {
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
