//! Figures of caches, summed up: what agents sample, and what the control plane samples and keeps.
//!
//! A [`Cell`] holds how many samples there were, their sum, the least and the greatest. Cells of any
//! parts of a time add up to the cell of the whole, so that nothing is lost when minutes become hours
//! but the order of the samples within.

mod cell;
mod exposition;
mod key;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CacheUid, Region};

pub use cell::Cell;
pub use exposition::Exposition;
pub use key::{ErrorKind, Figure, Part, Series};

/// Figures of one cache over one span of time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Cell>", into = "BTreeMap<String, Cell>")]
pub struct Figures(BTreeMap<Series, Cell>);

impl Figures {
    /// Adds the samples of a cell. One of no events says that none happened, and is there.
    pub fn add(&mut self, series: Series, cell: Cell) {
        self.0.entry(series).or_default().add(cell);
    }

    /// Adds the samples of other figures.
    pub fn merge(&mut self, other: &Self) {
        for (series, cell) in &other.0 {
            self.add(*series, *cell);
        }
    }

    /// Every series with its cell, in the order of the series.
    pub fn iter(&self) -> impl Iterator<Item = (Series, Cell)> {
        self.0.iter().map(|(series, cell)| (*series, *cell))
    }

    /// The cell of a series.
    #[must_use]
    pub fn get(&self, series: &Series) -> Option<Cell> {
        self.0.get(series).copied()
    }

    /// No sample at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Series, Cell)> for Figures {
    fn from_iter<T: IntoIterator<Item = (Series, Cell)>>(all: T) -> Self {
        let mut figures = Self::default();
        for (series, cell) in all {
            figures.add(series, cell);
        }
        figures
    }
}

/// What a later version samples and this one does not know is left out.
impl From<BTreeMap<String, Cell>> for Figures {
    fn from(spelt: BTreeMap<String, Cell>) -> Self {
        let known = spelt.into_iter();
        known
            .filter_map(|(text, cell)| Some((text.parse().ok()?, cell)))
            .collect()
    }
}

impl From<Figures> for BTreeMap<String, Cell> {
    fn from(figures: Figures) -> Self {
        let all = figures.0.into_iter();
        all.map(|(series, cell)| (series.to_string(), cell))
            .collect()
    }
}

/// What an agent sampled of a cache in a minute, or in a part of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampledPart {
    /// Counts the parts that this run of the agent told, from 1.
    pub sequence: u64,
    /// The cache.
    pub cache: CacheUid,
    /// The minute, counted since the Unix epoch on the agent's clock.
    pub minute: u64,
    /// What was sampled.
    pub figures: Figures,
}

/// Parts that an agent tells at once, in the order of their sequence. It tells them again until it
/// hears that they are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampledReport {
    /// The agent's region.
    pub region: Region,
    /// Names this run of the agent.
    pub boot: u64,
    /// The parts.
    pub parts: Vec<SampledPart>,
}

#[cfg(test)]
mod tests;
