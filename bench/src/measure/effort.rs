//! Processor time, which says more than time on a machine that others use too.

use std::time::Duration;

use serde::Serialize;

use crate::{processes, rig::Rig};

/// Who used the processors between two moments, in seconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Effort {
    pub(crate) engines: f64,
    /// Everything else of the deployment.
    pub(crate) beyond_engines: f64,
    /// Everybody but the deployment and this program: what disturbed the measurement.
    pub(crate) elsewhere: f64,
}

/// A moment.
pub(crate) struct Meter {
    engines: Duration,
    beyond_engines: Duration,
    own: Duration,
    machine: Duration,
}

impl Meter {
    pub(crate) fn read(rig: &dyn Rig) -> Self {
        let (engines, beyond_engines) = rig.yard().cpu();
        Self {
            engines,
            beyond_engines,
            own: processes::own_cpu(),
            machine: processes::machine_cpu(),
        }
    }

    /// From this moment to now.
    pub(crate) fn effort(&self, rig: &dyn Rig) -> Effort {
        let now = Self::read(rig);
        let since = |of: fn(&Self) -> Duration| of(&now).saturating_sub(of(self)).as_secs_f64();
        let engines = since(|meter| meter.engines);
        let beyond_engines = since(|meter| meter.beyond_engines);
        let known = engines + beyond_engines + since(|meter| meter.own);
        Effort {
            engines,
            beyond_engines,
            elsewhere: (since(|meter| meter.machine) - known).max(0.0),
        }
    }
}
