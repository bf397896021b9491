//! What a run is about, drawn from its seed.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::faults::{self, Fault};

/// How long the trouble lasts.
const STORM: Duration = Duration::from_secs(40);

/// A run's plan.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// The link asks for leases.
    pub(crate) leases: bool,
    /// Thousandths of the true time that the agents' monotonic clocks show.
    pub(crate) clocks: [u64; 2],
    /// When somebody asks for a failover, and whether with force.
    pub(crate) failovers: Vec<(Duration, bool)>,
    pub(crate) faults: Vec<(Duration, Fault)>,
    /// The longest way of a message.
    pub(crate) latency: Duration,
    pub(crate) storm: Duration,
}

impl Scenario {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let leases = dice.random_bool(0.4);
        let storm = u64::try_from(STORM.as_millis()).unwrap_or(u64::MAX);
        let mut failovers: Vec<_> = (0..dice.random_range(2..7))
            .map(|_| {
                let at = Duration::from_millis(dice.random_range(0..storm));
                (at, dice.random_bool(0.35))
            })
            .collect();
        failovers.sort();
        Self {
            leases,
            clocks: [dice.random_range(985..1_015), dice.random_range(985..1_015)],
            failovers,
            latency: Duration::from_millis(dice.random_range(2..120)),
            faults: faults::draw(&mut dice, STORM),
            storm: STORM,
        }
    }
}
