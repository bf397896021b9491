//! What a query for metrics asks.

use super::{Aggregation, Definition, Dimension};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct MetricQuery {
    pub(crate) metrics: Vec<&'static Definition>,
    /// How to sum up; `None`: as is usual for the metric.
    pub(crate) aggregations: Option<Vec<Aggregation>>,
    pub(crate) range: Range,
    pub(crate) filter: Filter,
    /// As many series at most, when they are told apart.
    pub(crate) top: usize,
    /// In which order; `None`: by what tells them apart.
    pub(crate) order: Option<Order>,
    /// Which series there are, without their points.
    pub(crate) metadata_alone: bool,
}

/// A range of minutes since the Unix epoch, without `to`, in steps.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) step: u64,
    /// The step, as the API writes it.
    pub(crate) grain: &'static str,
}

/// Which series count, and which are told apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// All of them hold.
    pub(crate) restrictions: Vec<(Dimension, Restriction)>,
    /// Dimensions of the restrictions by which series are not told apart.
    pub(crate) rolled_up: Vec<Dimension>,
    /// Dimensions that a metric does not have are left out of account.
    pub(crate) lenient: bool,
}

/// Which values of a dimension count; they are compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Restriction {
    Any,
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
}

/// `orderby`: by what a series comes to over the whole range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) by: Aggregation,
    pub(crate) direction: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

impl Filter {
    /// The dimensions that tell the series of a metric apart.
    pub(super) fn splits<'a>(
        &'a self,
        metric: &'a Definition,
    ) -> impl Iterator<Item = Dimension> + 'a {
        let asked = self.restrictions.iter().map(|(dimension, _)| *dimension);
        asked.filter(|dimension| {
            metric.dimensions.contains(dimension) && !self.rolled_up.contains(dimension)
        })
    }

    /// The dimension that a metric does not have although it is asked for.
    pub(crate) fn unsupported(&self, metric: &Definition) -> Option<Dimension> {
        let mut asked = self.restrictions.iter().map(|(dimension, _)| *dimension);
        let missing = asked.find(|dimension| !metric.dimensions.contains(dimension));
        missing.filter(|_| !self.lenient)
    }
}

impl Restriction {
    pub(super) fn admits(&self, value: &str) -> bool {
        let among = |values: &[String]| values.iter().any(|one| one.eq_ignore_ascii_case(value));
        match self {
            Self::Any => true,
            Self::OneOf(values) => among(values),
            Self::NoneOf(values) => !among(values),
        }
    }
}
