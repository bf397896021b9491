//! What a query for metrics asks: which, when, in what steps, summed up how.

use model::Timestamp;
use percent_encoding::percent_decode_str;

use super::{filter, span};
use crate::{
    api::{ApiError, query},
    view::{
        Aggregation, Definition, Dimension, Direction, Filter, MetricQuery, NAMESPACE, Order,
        catalog, find,
    },
};

/// Series that are told apart, when nobody says how many.
const TOP: usize = 10;
/// And when somebody does.
const MOST: usize = 1_000;

pub(super) fn bad(message: String) -> ApiError {
    ApiError::bad_request("BadRequest", message)
}

/// What a client wrote, so that it may stand in a sentence.
pub(super) fn shown(text: &str) -> String {
    let text: String = text.chars().take(80).collect();
    text.escape_debug().to_string()
}

/// Reads a query.
pub(super) fn read(asked: &query::Asked, now: Timestamp) -> Result<MetricQuery, ApiError> {
    namespace(asked)?;
    let metrics = match asked.get("metricnames") {
        // A shard's part under its own name is for who asks for it.
        None => catalog()
            .iter()
            .filter(|metric| !metric.is_legacy)
            .collect(),
        Some(names) => list(names)
            .iter()
            .map(|name| metric(name))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let aggregations = asked.get("aggregation").map(|names| {
        let names = list(names);
        names.iter().map(|name| aggregation(name)).collect()
    });
    let filter = filter(asked)?;
    check(asked, &filter, &metrics)?;
    Ok(MetricQuery {
        aggregations: aggregations.transpose()?,
        range: span::range(asked, now)?,
        top: asked.get("top").map_or(Ok(TOP), top)?,
        order: asked.get("orderby").map(order).transpose()?,
        metadata_alone: asked.get("resulttype").map_or(Ok(false), metadata_alone)?,
        filter,
        metrics,
    })
}

/// Checks `metricnamespace`.
pub(super) fn namespace(asked: &query::Asked) -> Result<(), ApiError> {
    let Some(text) = asked.get("metricnamespace") else {
        return Ok(());
    };
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    if decoded.eq_ignore_ascii_case(NAMESPACE) {
        return Ok(());
    }
    Err(bad(format!(
        "The metric namespace '{}' is not one of this resource; use {NAMESPACE}.",
        shown(&decoded)
    )))
}

/// Words between commas, which some clients encode twice.
fn list(names: &str) -> Vec<String> {
    let decoded = percent_decode_str(names).decode_utf8_lossy();
    decoded
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn metric(name: &str) -> Result<&'static Definition, ApiError> {
    find(name).ok_or_else(|| {
        let names: Vec<_> = catalog().iter().map(|metric| metric.name.as_str()).collect();
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

fn filter(asked: &query::Asked) -> Result<Filter, ApiError> {
    let restrictions = asked.get("$filter").map(filter::restrictions);
    let rolled_up = asked.get("rollupby").map(|names| {
        let names = list(names);
        names.iter().map(|name| dimension(name)).collect()
    });
    let validates = asked.get("validatedimensions");
    Ok(Filter {
        restrictions: restrictions.transpose()?.unwrap_or_default(),
        rolled_up: rolled_up.transpose()?.unwrap_or_default(),
        lenient: validates.is_some_and(|yes| yes.eq_ignore_ascii_case("false")),
    })
}

fn dimension(name: &str) -> Result<Dimension, ApiError> {
    filter::dimension(name).ok_or_else(|| {
        let names = Dimension::ALL.map(Dimension::name);
        bad(format!(
            "The dimension '{}' is not known; there are {}.",
            shown(name),
            names.join(", ")
        ))
    })
}

/// Every metric that is named has the dimensions that are named.
fn check(
    asked: &query::Asked,
    filter: &Filter,
    metrics: &[&'static Definition],
) -> Result<(), ApiError> {
    if asked.get("metricnames").is_none() {
        return Ok(());
    }
    for metric in metrics {
        if let Some(missing) = filter.unsupported(metric) {
            let has: Vec<_> = metric.dimensions().map(Dimension::name).collect();
            return Err(bad(format!(
                "Metric: {} does not support requested dimension combination: {}, supported ones are: {}.",
                metric.name,
                missing.name(),
                if has.is_empty() {
                    "none".to_owned()
                } else {
                    has.join(",")
                }
            )));
        }
    }
    Ok(())
}

fn top(text: &str) -> Result<usize, ApiError> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| {
        bad(format!(
            "The value '{}' of top is not valid; use a number from 1 to {MOST}.",
            shown(text)
        ))
    })
}

/// `maximum desc`, `sum asc`; without a direction the least comes first.
fn order(text: &str) -> Result<Order, ApiError> {
    let refused = || {
        bad(format!(
            "The order '{}' is not valid; write an aggregation and asc or desc, such as sum desc.",
            shown(text)
        ))
    };
    let mut words = text.split_whitespace();
    let by = match words.next() {
        Some(word) if word.eq_ignore_ascii_case("sum") => Aggregation::Total,
        Some(word) => aggregation(word).map_err(|_unknown| refused())?,
        None => return Err(refused()),
    };
    let direction = match words.next() {
        None => Direction::Ascending,
        Some(word) if word.eq_ignore_ascii_case("asc") => Direction::Ascending,
        Some(word) if word.eq_ignore_ascii_case("desc") => Direction::Descending,
        Some(_) => return Err(refused()),
    };
    match words.next() {
        None => Ok(Order { by, direction }),
        Some(_) => Err(refused()),
    }
}

fn metadata_alone(text: &str) -> Result<bool, ApiError> {
    match text.to_ascii_lowercase().as_str() {
        "data" => Ok(false),
        "metadata" => Ok(true),
        _ => Err(bad(format!(
            "The result type '{}' is not known; use Data or Metadata.",
            shown(text)
        ))),
    }
}

#[cfg(test)]
mod tests;
