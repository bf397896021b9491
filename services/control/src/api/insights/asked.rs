//! What a query for metrics asks: which, when, in what steps, summed up how.

use model::Timestamp;
use percent_encoding::percent_decode_str;

use crate::{
    api::{ApiError, query},
    history::Metric,
    view::{Aggregation, MetricQuery, Range, Split},
};

/// Minutes of the past that are kept.
const DAY: u64 = 24 * 60;
/// Without a time span, the last hour is meant.
const HOUR: u64 = 60;
/// The grains of time, in minutes.
const GRAINS: [(&str, u64); 8] = [
    ("PT1M", 1),
    ("PT5M", 5),
    ("PT15M", 15),
    ("PT30M", 30),
    ("PT1H", 60),
    ("PT6H", 360),
    ("PT12H", 720),
    ("P1D", DAY),
];

fn bad(message: String) -> ApiError {
    ApiError::bad_request("BadRequest", message)
}

fn shown(text: &str) -> String {
    let text: String = text.chars().take(80).collect();
    text.escape_debug().to_string()
}

/// Reads a query.
pub(super) fn read(asked: &query::Asked, now: Timestamp) -> Result<MetricQuery, ApiError> {
    let metrics = match asked.get("metricnames") {
        None => Metric::ALL.to_vec(),
        Some(names) => list(names).map(metric).collect::<Result<_, _>>()?,
    };
    let aggregations = asked
        .get("aggregation")
        .map(|names| list(names).map(aggregation).collect::<Result<_, _>>())
        .transpose()?;
    let present = now.0 / 60_000;
    let (from, to) = match asked.get("timespan") {
        None => (present.saturating_sub(HOUR), present + 1),
        Some(text) => timespan(text, present)?,
    };
    let (grain, step) = match asked.get("interval") {
        None => ("PT1M", 1),
        Some(text) if text.eq_ignore_ascii_case("FULL") => ("FULL", to.saturating_sub(from).max(1)),
        Some(text) => grain(text).ok_or_else(|| {
            let names: Vec<_> = GRAINS.iter().map(|(name, _)| *name).collect();
            bad(format!(
                "The interval '{}' is not served; use one of {}, FULL.",
                shown(text),
                names.join(", ")
            ))
        })?,
    };
    // Nothing older is kept, and nothing younger is known.
    let from = from.max(present.saturating_sub(DAY));
    let range = Range {
        from: from - if grain == "FULL" { 0 } else { from % step },
        to: to.min(present + 1),
        step,
        grain,
    };
    Ok(MetricQuery {
        metrics,
        aggregations,
        range,
        split: asked.get("$filter").map_or(Ok(Split::No), split)?,
    })
}

fn list(names: &str) -> impl Iterator<Item = &str> {
    names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

fn metric(name: &str) -> Result<Metric, ApiError> {
    let mut all = Metric::ALL.into_iter();
    let found = all.find(|metric| metric.name().eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let names = Metric::ALL.map(Metric::name);
        bad(format!(
            "Failed to find metric configuration for provider: Microsoft.Cache, resource Type: redis, metric: {}, Valid metrics: {}.",
            shown(name),
            names.join(",")
        ))
    })
}

fn aggregation(name: &str) -> Result<Aggregation, ApiError> {
    let mut all = Aggregation::ALL.into_iter();
    let found = all.find(|aggregation| aggregation.name().eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let names = Aggregation::ALL.map(Aggregation::name);
        bad(format!(
            "The aggregation '{}' is not known; use {}.",
            shown(name),
            names.join(", ")
        ))
    })
}

fn grain(text: &str) -> Option<(&'static str, u64)> {
    let mut grains = GRAINS.into_iter();
    grains.find(|(name, _)| name.eq_ignore_ascii_case(text))
}

/// `start/end`, or the length of time before now. Some clients encode it twice.
fn timespan(text: &str, present: u64) -> Result<(u64, u64), ApiError> {
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    if let Some((_, length)) = grain(&decoded) {
        return Ok((present.saturating_sub(length), present + 1));
    }
    let parsed = decoded.split_once('/').and_then(|(start, end)| {
        let (start, end) = (instant(start)?, instant(end)?);
        (start < end).then_some((start / 60_000, end.div_ceil(60_000)))
    });
    parsed.ok_or_else(|| {
        bad(format!(
            "The timespan '{}' is not valid; write it as start/end, such as 2026-03-01T00:00:00Z/2026-03-01T01:00:00Z.",
            shown(&decoded)
        ))
    })
}

/// Milliseconds since the Unix epoch; a time without an offset is UTC.
fn instant(text: &str) -> Option<u64> {
    // A plus sign that nobody encoded arrives as a space.
    let text = text.trim().replace(' ', "+");
    let parsed = text.parse().or_else(|_| format!("{text}Z").parse());
    let instant: jiff::Timestamp = parsed.ok()?;
    u64::try_from(instant.as_millisecond()).ok()
}

/// `ShardId eq '*'`, or some shards with `or` between them.
fn split(text: &str) -> Result<Split, ApiError> {
    let refused = || {
        bad(format!(
            "The filter '{}' is not served; use ShardId eq '*', or shards such as ShardId eq '0' or ShardId eq '1'.",
            shown(text)
        ))
    };
    let lower = text.to_ascii_lowercase();
    let mut shards = Vec::new();
    for term in lower.split(" or ") {
        let words: Vec<&str> = term
            .trim_matches(|c: char| c == '(' || c == ')' || c.is_whitespace())
            .split_whitespace()
            .collect();
        let ["shardid", "eq", value] = words.as_slice() else {
            return Err(refused());
        };
        match value.trim_matches('\'') {
            "*" => return Ok(Split::Every),
            value => shards.push(value.parse().map_err(|_not_a_shard| refused())?),
        }
    }
    Ok(Split::Some(shards))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_772_366_400_000;

    fn pairs(query: &str) -> query::Asked {
        let uri = format!("/x?{query}").parse().unwrap();
        let axum::extract::Query(pairs) = axum::extract::Query::try_from_uri(&uri).unwrap();
        query::Asked::from_pairs(pairs)
    }

    fn ask(query: &str) -> Result<MetricQuery, ApiError> {
        read(&pairs(query), Timestamp(NOON))
    }

    fn range(query: &str) -> (u64, u64, u64) {
        let range = ask(query).unwrap().range;
        let minute = NOON / 60_000;
        (minute - range.from, range.to - minute, range.step)
    }

    #[test]
    fn a_time_span_may_be_encoded_twice_and_is_cut_to_what_is_kept() {
        assert_eq!(range(""), (60, 1, 1));
        let once = "timespan=2026-03-01T11%3A30%3A00Z%2F2026-03-01T11%3A59%3A10Z";
        assert_eq!(range(once), (30, 0, 1));
        let twice = "timespan=2026-03-01T11%253A30%253A00Z%2F2026-03-01T12%253A00%253A00Z";
        assert_eq!(range(twice), (30, 0, 1));
        let plain = "timespan=2026-03-01T12:00:00+01:00/2026-03-01T12:00:00";
        assert_eq!(range(plain), (60, 0, 1));
        assert_eq!(range("timespan=PT1H&interval=pt5m"), (60, 1, 5));
        let month = "timespan=2026-02-01T00:00:00Z/2026-04-01T00:00:00Z&interval=PT1H";
        assert_eq!(range(month), (24 * 60, 1, 60));
        for bad in [
            "timespan=yesterday",
            "timespan=2026-03-01T12:00:00Z/2026-03-01T11:00:00Z",
            "interval=PT2M",
            "aggregation=Median",
            "metricnames=cachehits",
            "$filter=Port%20eq%20'1'",
        ] {
            let refused = ask(bad).err().unwrap_or_else(|| panic!("{bad}"));
            assert_eq!(refused.code, "BadRequest", "{bad}");
        }
    }

    #[test]
    fn names_are_read_in_any_case() {
        let asked = ask(
            "MetricNames=geoReplicationHealthy,GEOREPLICATIONDATASYNCOFFSET&aggregation=average,maximum",
        )
        .unwrap();
        assert_eq!(asked.metrics, [Metric::Healthy, Metric::DataSyncOffset]);
        assert_eq!(
            asked.aggregations,
            Some(vec![Aggregation::Average, Aggregation::Maximum])
        );
        assert_eq!(ask("").unwrap().metrics.len(), 5);
    }

    #[test]
    fn a_filter_splits_by_shard() {
        let split = |filter: &str| ask(&format!("$filter={filter}")).unwrap().split;
        assert_eq!(split("ShardId%20eq%20'*'"), Split::Every);
        assert_eq!(
            split("(shardid%20eq%20'0')%20or%20ShardId%20eq%20'3'"),
            Split::Some(vec![0, 3])
        );
    }
}
