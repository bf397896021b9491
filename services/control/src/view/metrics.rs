//! Metrics as `Microsoft.Insights` answers them: `arm.md` 4.

mod aggregation;
mod answer;
mod catalog;
mod dimension;
mod query;

pub(crate) use aggregation::Aggregation;
pub(crate) use answer::metrics_json;
pub(crate) use catalog::{Definition, catalog, definitions_json, find, offered};
pub(crate) use dimension::Dimension;
pub(crate) use query::{Direction, Filter, MetricQuery, Order, Range, Restriction};

/// The one namespace of a cache's metrics.
pub(crate) const NAMESPACE: &str = "Microsoft.Cache/redis";

#[cfg(test)]
mod tests;
