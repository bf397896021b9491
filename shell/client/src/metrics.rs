//! Metrics of a cache, as `Microsoft.Insights` answers them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What is asked of a cache's metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricsQuery {
    /// Names of metrics; none: all.
    pub names: Vec<String>,
    /// Minutes before now.
    pub minutes: u64,
    /// The length of a step, such as `PT5M`; `None`: as the control plane has it.
    pub interval: Option<String>,
    /// How to sum up, such as `Average`; `None`: as is usual for each metric.
    pub aggregation: Option<String>,
    /// The dimension to tell series apart by, such as `ShardId`.
    pub split: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, Deserialize)]
pub struct Metrics {
    /// The length of its steps.
    #[serde(default)]
    pub interval: String,
    /// Each metric that was asked for.
    pub value: Vec<Metric>,
}

/// A metric.
#[derive(Debug, Clone, Deserialize)]
pub struct Metric {
    /// Its name.
    pub name: Named,
    /// What it is counted in.
    #[serde(default)]
    pub unit: String,
    /// Its series; none when the cache does not have it.
    #[serde(default)]
    pub timeseries: Vec<TimeSeries>,
}

/// A name.
#[derive(Debug, Clone, Deserialize)]
pub struct Named {
    /// As programs have it.
    pub value: String,
}

/// A series.
#[derive(Debug, Clone, Deserialize)]
pub struct TimeSeries {
    /// What tells it apart.
    #[serde(default)]
    pub metadatavalues: Vec<Metadata>,
    /// Its points, oldest first.
    #[serde(default)]
    pub data: Vec<Point>,
}

/// A dimension's value.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// The dimension.
    pub name: Named,
    /// Its value.
    pub value: String,
}

/// A step of a series.
#[derive(Debug, Clone, Deserialize)]
pub struct Point {
    /// When it begins.
    #[serde(rename = "timeStamp")]
    pub at: String,
    /// What its samples come to, by the way to sum them up; empty without samples.
    #[serde(flatten)]
    pub values: BTreeMap<String, f64>,
}
