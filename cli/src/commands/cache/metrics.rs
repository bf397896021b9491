//! `godwit cache metrics`.

use std::time::Duration;

use clap::Args;
use client::metrics::{Metric, Metrics, MetricsQuery, TimeSeries};
use indicatif::HumanCount;
use model::CacheName;

use crate::{
    failure::Failure,
    output::{Form, columns},
    quantity::duration,
    session::Session,
    talk::Talk,
};

/// What people watch.
const USUAL: [&str; 8] = [
    "connectedclients",
    "operationsPerSecond",
    "cachehits",
    "cachemisses",
    "totalkeys",
    "usedmemory",
    "usedmemorypercentage",
    "serverLoad",
];

/// Show figures of the last hours: clients, commands, hits, memory, load
///
/// Names are those of the managed service's metrics; `docs/metrics.md` lists them. Figures of a minute
/// are there a quarter of a minute after its end, by the minute for two days and by the hour for 30.
///
/// Examples:
///   godwit cache metrics demo-east
///   godwit cache metrics demo-east --metric cachehits --metric cachemissrate --since 24h --interval PT1H
///   godwit cache metrics demo-east --metric errors --split ErrorType
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CacheMetrics {
    /// The cache's name
    name: CacheName,
    /// A metric; repeat it for more [default: those that people watch]
    #[arg(long = "metric", short, value_name = "METRIC")]
    metrics: Vec<String>,
    /// How far to look back, such as 30m, 1h or 48h
    #[arg(long, default_value = "1h", value_parser = duration)]
    since: Duration,
    /// The length of a step: PT1M, PT5M, PT15M, PT30M, PT1H, PT6H, PT12H, P1D or FULL [default: PT1M,
    /// and PT1H when that goes back for more than two days]
    #[arg(long)]
    interval: Option<String>,
    /// How to sum up: Average, Minimum, Maximum, Total or Count [default: as is usual for each metric]
    #[arg(long)]
    aggregation: Option<String>,
    /// Tell series apart by this: ShardId, Port, Primary, Ssl or ErrorType
    #[arg(long, value_name = "DIMENSION")]
    split: Option<String>,
}

impl CacheMetrics {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let cache = session.find(&self.name).await?.body;
        let names = if self.metrics.is_empty() {
            USUAL.map(str::to_owned).to_vec()
        } else {
            self.metrics
        };
        let asked = MetricsQuery {
            names,
            minutes: self.since.as_secs().div_ceil(60),
            interval: self.interval,
            aggregation: self.aggregation,
            split: self.split,
        };
        let found = session.management.metrics(&cache.id, &asked).await?;
        if session.form == Form::Table && rows(&found.body).is_empty() {
            Talk.say(&format!("nothing is known of `{}` in that time", self.name));
            return Ok(());
        }
        session.form.write(&found.json, || {
            columns(&header(&found.body), rows(&found.body))
        })
    }
}

/// Every series that there is, with its metric.
fn series(metrics: &Metrics) -> impl Iterator<Item = (&Metric, &TimeSeries)> {
    let all = metrics.value.iter();
    all.flat_map(|metric| metric.timeseries.iter().map(move |series| (metric, series)))
}

fn header(metrics: &Metrics) -> Vec<String> {
    let named = series(metrics).map(|(metric, series)| {
        let values = series.metadatavalues.iter().map(|of| of.value.clone());
        let words: Vec<_> = std::iter::once(metric.name.value.clone())
            .chain(values)
            .collect();
        words.join(" ")
    });
    std::iter::once("TIME".to_owned()).chain(named).collect()
}

/// A row for each step of which anything is known.
fn rows(metrics: &Metrics) -> Vec<Vec<String>> {
    let Some((_, first)) = series(metrics).next() else {
        return Vec::new();
    };
    let steps = first.data.iter().enumerate().map(|(step, point)| {
        let values = series(metrics).map(|(_, series)| {
            let point = series.data.get(step)?;
            point.values.values().next().copied()
        });
        (point.at.clone(), values.collect::<Vec<_>>())
    });
    let known = steps.filter(|(_, values)| values.iter().any(Option::is_some));
    known
        .map(|(at, values)| {
            let values = values
                .into_iter()
                .map(|value| value.map_or_else(|| "-".to_owned(), shown));
            std::iter::once(at).chain(values).collect()
        })
        .collect()
}

/// Whole numbers as such, others to a hundredth.
fn shown(value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and within bounds"
    )]
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        HumanCount(value as u64).to_string()
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_series_has_a_column_and_each_known_step_a_row() {
        let metrics: Metrics = serde_json::from_value(json!({
            "interval": "PT1M",
            "value": [
                {"name": {"value": "cachehits"}, "unit": "Count", "timeseries": [{
                    "metadatavalues": [{"name": {"value": "shardid"}, "value": "0"}],
                    "data": [
                        {"timeStamp": "2026-03-01T12:00:00Z", "total": 1200.0},
                        {"timeStamp": "2026-03-01T12:01:00Z"},
                        {"timeStamp": "2026-03-01T12:02:00Z"},
                    ],
                }]},
                {"name": {"value": "serverLoad"}, "unit": "Percent", "timeseries": [{
                    "metadatavalues": [],
                    "data": [
                        {"timeStamp": "2026-03-01T12:00:00Z", "maximum": 1.234},
                        {"timeStamp": "2026-03-01T12:01:00Z"},
                        {"timeStamp": "2026-03-01T12:02:00Z", "maximum": 0.0},
                    ],
                }]},
                {"name": {"value": "GeoReplicationHealthy"}, "unit": "Count", "timeseries": []},
            ],
        }))
        .unwrap();
        assert_eq!(
            columns(&header(&metrics), rows(&metrics)),
            "TIME                  cachehits 0  serverLoad\n\
             2026-03-01T12:00:00Z  1,200        1.23\n\
             2026-03-01T12:02:00Z  -            0"
        );
    }
}
