//! Samples, summed up.

use serde::{Deserialize, Serialize};

/// Samples of one series over one span of time, summed up.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "(u64, f64, f64, f64)", into = "(u64, f64, f64, f64)")]
pub struct Cell {
    /// How many; of a series of events, how many events.
    pub count: u64,
    /// Their sum.
    pub total: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Cell {
    /// One sample. What is no number counts as 0.
    #[must_use]
    pub fn one(value: f64) -> Self {
        let value = if value.is_finite() { value } else { 0.0 };
        Self {
            count: 1,
            total: value,
            min: value,
            max: value,
        }
    }

    /// One sample that is a whole number.
    #[expect(clippy::cast_precision_loss, reason = "a metric needs no more digits")]
    #[must_use]
    pub fn whole(value: u64) -> Self {
        Self::one(value as f64)
    }

    /// So many events.
    #[expect(clippy::cast_precision_loss, reason = "nobody has that many events")]
    #[must_use]
    pub fn events(count: u64) -> Self {
        let one = if count > 0 { 1.0 } else { 0.0 };
        Self {
            count,
            total: count as f64,
            min: one,
            max: one,
        }
    }

    /// Adds the samples of `other`.
    pub fn add(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other;
            return;
        }
        self.count += other.count;
        self.total += other.total;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The mean; 0 without samples.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an average needs no more digits"
    )]
    #[must_use]
    pub fn average(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.total / self.count as f64
        }
    }
}

impl From<(u64, f64, f64, f64)> for Cell {
    fn from((count, total, min, max): (u64, f64, f64, f64)) -> Self {
        Self {
            count,
            total,
            min,
            max,
        }
    }
}

impl From<Cell> for (u64, f64, f64, f64) {
    fn from(cell: Cell) -> Self {
        (cell.count, cell.total, cell.min, cell.max)
    }
}
