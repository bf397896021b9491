//! The wall clock, as a parameter.

use std::time::{SystemTime, UNIX_EPOCH};

use model::Timestamp;

use crate::simulated;

/// Tells the time of day. Durations are measured with `tokio::time::Instant`, never with this.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    /// Milliseconds since the Unix epoch.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system"
    )]
    pub fn now(self) -> Timestamp {
        if let Some(now) = simulated::now() {
            return now;
        }
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
