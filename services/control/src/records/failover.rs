//! A failover's part of its operation.

use model::{HandoffStep, Region};
use serde::{Deserialize, Serialize};

/// How a failover goes, or went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FailoverRecord {
    pub(crate) kind: FailoverKind,
    /// The attempt; `None` when the geo-primary had nothing left to hand over.
    pub(crate) attempt: Option<u64>,
    /// The round trip between the two sides when it began, in milliseconds.
    pub(crate) round_trip_ms: Option<f64>,
    /// What was done, as far as it was told: the geo-primary's side first.
    pub(crate) steps: Vec<StepRecord>,
}

/// What a failover is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FailoverKind {
    /// The geo-primary hands over.
    Planned,
    /// Nothing is asked of it.
    Forced,
}

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepRecord {
    /// The side, as the two were before.
    pub(crate) side: StepSide,
    /// The region that tells it.
    pub(crate) region: Region,
    pub(crate) step: HandoffStep,
    /// In milliseconds since its side began, on that side's clock.
    pub(crate) ms: f64,
}

/// A side, as the two were before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum StepSide {
    Primary,
    Secondary,
}
