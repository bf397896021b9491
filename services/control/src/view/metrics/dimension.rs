//! What the series of a metric are told apart by.

use model::{Part, Series};

/// The TLS port of a cache's first node, as `instances` of a cache has it.
const FIRST_PORT: u64 = 15_000;

/// A dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dimension {
    ShardId,
    /// The port of a node, as `instances` has it.
    Port,
    /// Whether the node leads its shard.
    Primary,
    /// Whether connections are encrypted.
    Ssl,
    ErrorType,
}

impl Dimension {
    pub(crate) const ALL: [Self; 5] = [
        Self::ShardId,
        Self::Port,
        Self::Primary,
        Self::Ssl,
        Self::ErrorType,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ShardId => "ShardId",
            Self::Port => "Port",
            Self::Primary => "Primary",
            Self::Ssl => "Ssl",
            Self::ErrorType => "ErrorType",
        }
    }

    pub(super) fn display_name(self) -> &'static str {
        match self {
            Self::ShardId => "Shard Id",
            Self::Port => "Port",
            Self::Primary => "Primary",
            Self::Ssl => "Ssl",
            Self::ErrorType => "Error Type",
        }
    }

    /// Its value for a series of a cache that has so many nodes in each shard; `None`: the series has
    /// none.
    pub(super) fn of(self, series: &Series, nodes: u64) -> Option<String> {
        match (self, series.part) {
            (Self::ShardId, _) => Some(series.shard.to_string()),
            (Self::Port, Part::Node { index, .. }) => {
                let node = u64::from(series.shard) * nodes + u64::from(index);
                Some((FIRST_PORT + node).to_string())
            }
            (Self::Primary, Part::Node { leads, .. }) => Some(leads.to_string()),
            // Clients are led to the node that leads.
            (Self::Primary, Part::Connections { .. }) => Some(true.to_string()),
            (Self::Ssl, Part::Connections { encrypted }) => Some(encrypted.to_string()),
            (Self::ErrorType, Part::Error(kind)) => Some(kind.name().to_owned()),
            (Self::Port, Part::Whole | Part::Connections { .. } | Part::Error(_))
            | (Self::Primary, Part::Whole | Part::Error(_))
            | (Self::Ssl, Part::Whole | Part::Node { .. } | Part::Error(_))
            | (Self::ErrorType, Part::Whole | Part::Node { .. } | Part::Connections { .. }) => None,
        }
    }
}
