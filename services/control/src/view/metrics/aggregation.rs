//! How samples are summed up.

use model::Cell;

/// How samples are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregation {
    Average,
    Minimum,
    Maximum,
    Total,
    Count,
}

impl Aggregation {
    pub(crate) const ALL: [Self; 5] = [
        Self::Average,
        Self::Minimum,
        Self::Maximum,
        Self::Total,
        Self::Count,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Average => "Average",
            Self::Minimum => "Minimum",
            Self::Maximum => "Maximum",
            Self::Total => "Total",
            Self::Count => "Count",
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody has that many samples")]
    pub(crate) fn of(self, cell: &Cell) -> f64 {
        match self {
            Self::Average => cell.average(),
            Self::Minimum => cell.min,
            Self::Maximum => cell.max,
            Self::Total => cell.total,
            Self::Count => cell.count as f64,
        }
    }
}
