//! How a failover is asked for, what is known before it, and how long its steps took: Godwit's own
//! `failover` and `failoverPreflight`, which the managed service does not have.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::resources::or_default;

/// How to fail over; `None` leaves it to the control plane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailoverOptions {
    /// A handoff that is not decided by then is given up, in milliseconds.
    pub abort_after_ms: Option<u64>,
    /// The oldest write that may be missing at the beginning, in milliseconds.
    pub max_lag_ms: Option<u64>,
    /// Ask nothing of the geo-primary.
    pub force: bool,
}

impl FailoverOptions {
    /// The same as far as a preflight takes it.
    #[must_use]
    pub fn without_patience(self) -> Self {
        Self {
            abort_after_ms: None,
            ..self
        }
    }

    pub(crate) fn body(&self) -> Option<Value> {
        let fields = [
            ("abortAfterMs", self.abort_after_ms.map(|ms| json!(ms))),
            ("maxLagMs", self.max_lag_ms.map(|ms| json!(ms))),
            ("force", self.force.then_some(json!(true))),
        ];
        let asked: Map<_, _> = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect();
        (!asked.is_empty()).then_some(Value::Object(asked))
    }
}

/// What a failover would meet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preflight {
    /// The present geo-primary.
    pub primary: Option<String>,
    /// The present geo-secondary, which would take over.
    pub secondary: Option<String>,
    /// `Planned` or `Forced`.
    pub kind: Option<String>,
    /// Nothing stands in the way.
    pub possible: bool,
    /// What was looked at.
    #[serde(deserialize_with = "or_default")]
    pub findings: Vec<Finding>,
    /// By shard.
    #[serde(deserialize_with = "or_default")]
    pub shards: Vec<ShardBehind>,
    /// The geo-primary's agent reports.
    pub primary_heard: Option<bool>,
    /// How long ago it was last heard, in milliseconds.
    pub primary_last_heard_ms: Option<u64>,
    /// `none` or `lease`.
    pub fencing: Option<String>,
    /// How long the geo-primary's last lease may still count, in milliseconds.
    pub lease_left_ms: Option<u64>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Finding {
    /// `Blocker`, `Warning`, `Advice` or `Ok`.
    #[serde(deserialize_with = "or_default")]
    pub level: String,
    /// What, in a word.
    #[serde(deserialize_with = "or_default")]
    pub code: String,
    /// A sentence.
    #[serde(deserialize_with = "or_default")]
    pub message: String,
}

/// How far a shard of the geo-secondary is known to be behind.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShardBehind {
    /// Its number.
    pub shard: u16,
    /// Stream bytes that it has not applied.
    pub bytes_behind: Option<u64>,
    /// Age of the oldest of them then, in milliseconds.
    pub lag_ms: Option<f64>,
    /// Age of the report that says so, in milliseconds.
    pub as_of_ms: Option<u64>,
}

/// How a failover went.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailoverTimes {
    /// `Planned` or `Forced`.
    pub kind: Option<String>,
    /// For how long no cache took writes, in milliseconds.
    pub write_pause_ms: Option<f64>,
    /// In their order.
    #[serde(deserialize_with = "or_default")]
    pub steps: Vec<FailoverStep>,
}

/// A step of a failover.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailoverStep {
    /// `primary` or `secondary`, as the two were before.
    #[serde(deserialize_with = "or_default")]
    pub side: String,
    /// The region that tells it.
    #[serde(deserialize_with = "or_default")]
    pub region: String,
    /// What was done: `WritesPaused`, ….
    #[serde(deserialize_with = "or_default")]
    pub step: String,
    /// When, in milliseconds since its side began.
    pub ms: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_say_only_what_is_asked() {
        assert_eq!(FailoverOptions::default().body(), None);
        let options = FailoverOptions {
            abort_after_ms: Some(500),
            max_lag_ms: Some(0),
            force: false,
        };
        let expected = json!({"abortAfterMs": 500, "maxLagMs": 0});
        assert_eq!(options.body(), Some(expected));
    }

    #[test]
    fn nothing_of_a_preflight_is_required() {
        let nothing: Preflight = serde_json::from_value(json!({"findings": null})).unwrap();
        assert_eq!(nothing, Preflight::default());
        assert!(!nothing.possible);
    }
}
