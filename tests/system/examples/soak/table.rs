//! What was seen, a row for each kind of failover and engine.

/// One row.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) engine: String,
    pub(crate) failovers: usize,
    pub(crate) acknowledged: u64,
    /// Acknowledged and not with the new primary.
    pub(crate) lost: u64,
    /// Of those, in no receipt.
    pub(crate) unaccounted: u64,
    /// In a receipt although the new primary has it, or although nobody sent it.
    pub(crate) false_receipts: u64,
    pub(crate) violations: u64,
    /// Errors that clients got who must get none.
    pub(crate) errors: Option<u64>,
    /// Times without any acknowledgement around a failover, in milliseconds.
    pub(crate) outages: Vec<f64>,
    /// A planned failover loses nothing; a forced one may.
    pub(crate) may_lose: bool,
}

impl Row {
    pub(crate) fn is_bad(&self) -> bool {
        let lost = !self.may_lose && self.lost > 0;
        lost || self.errors.is_some_and(|errors| errors > 0)
            || self.unaccounted > 0
            || self.false_receipts > 0
            || self.violations > 0
    }

    fn outage(&self, percent: usize) -> String {
        let mut sorted = self.outages.clone();
        sorted.sort_by(f64::total_cmp);
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted
            .get(at)
            .map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}"))
    }
}

pub(crate) fn print(rows: &[Row]) {
    println!(
        "{:<32} {:<7} {:>9} {:>12} {:>8} {:>12} {:>9} {:>10} {:>7} {:>11} {:>11} {:>11}",
        "failover",
        "engine",
        "times",
        "acknowledged",
        "lost",
        "unaccounted",
        "false",
        "violations",
        "errors",
        "outage p50",
        "outage p99",
        "outage max"
    );
    for row in rows {
        println!(
            "{:<32} {:<7} {:>9} {:>12} {:>8} {:>12} {:>9} {:>10} {:>7} {:>8} ms {:>8} ms {:>8} ms",
            row.what,
            row.engine,
            row.failovers,
            row.acknowledged,
            row.lost,
            row.unaccounted,
            row.false_receipts,
            row.violations,
            row.errors
                .map_or_else(|| "-".to_owned(), |errors| errors.to_string()),
            row.outage(50),
            row.outage(99),
            row.outage(100)
        );
    }
}
