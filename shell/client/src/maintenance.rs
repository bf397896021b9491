//! When a cache's nodes are restarted, and for what, as the control plane answers it.

use serde::{Deserialize, Serialize};

use crate::resources::or_default;

/// Nodes to reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebootKind {
    /// The one that takes writes.
    Primary,
    /// All others.
    Replicas,
    /// All.
    All,
}

impl RebootKind {
    /// The word of the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Primary => "PrimaryNode",
            Self::Replicas => "SecondaryNode",
            Self::All => "AllNodes",
        }
    }
}

/// A patch schedule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PatchSchedule {
    /// The rest.
    #[serde(default, deserialize_with = "or_default")]
    pub properties: ScheduleProperties,
}

/// The rest of a patch schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScheduleProperties {
    /// Its windows.
    #[serde(deserialize_with = "or_default")]
    pub schedule_entries: Vec<PatchEntry>,
}

/// A window of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PatchEntry {
    /// The day on which it begins, `Everyday` or `Weekend`.
    pub day_of_week: String,
    /// The hour at which it begins, in UTC.
    pub start_hour_utc: u8,
    /// Its length as ISO 8601 writes it; `None`: five hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance_window: Option<String>,
}

/// What an upgrade, or a reboot, came to when it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Told {
    /// A sentence.
    #[serde(deserialize_with = "or_default")]
    pub message: String,
}

/// What the control plane sees of a cache's maintenance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MaintenanceStatus {
    /// A newer engine that is installed beside it.
    pub available: Option<String>,
    /// Why the installed engine is not for its nodes.
    pub refused: Option<String>,
    /// When the newer one is brought in, or what has to be so first.
    pub plan: Option<String>,
    /// When its next patch window begins.
    pub next_window: Option<String>,
    /// The restarts that are under way.
    pub order: Option<OrderStatus>,
}

/// Restarts that are under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OrderStatus {
    /// What for.
    #[serde(deserialize_with = "or_default")]
    pub what: String,
    /// What is being done, or waited for.
    #[serde(deserialize_with = "or_default")]
    pub doing: String,
}
