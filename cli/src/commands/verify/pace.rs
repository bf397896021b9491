//! Waits so that neither side is asked for more than it may be.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use verify::{Budget, Side};

/// The rates of a comparison.
pub(super) struct Pace {
    began: Instant,
    keys_a_second: Option<u64>,
    keys: Mutex<Budget>,
    primary: Mutex<Budget>,
    secondary: Mutex<Budget>,
}

impl Pace {
    pub(super) fn new(keys: Option<u64>, bytes: Option<u64>) -> Self {
        Self {
            began: Instant::now(),
            keys_a_second: keys,
            keys: Mutex::new(Budget::new(keys)),
            primary: Mutex::new(Budget::new(bytes)),
            secondary: Mutex::new(Budget::new(bytes)),
        }
    }

    /// How many keys are due in so long; `usize::MAX` without a limit.
    pub(super) fn keys_in(&self, time: Duration) -> usize {
        let due = |rate: u64| u128::from(rate) * time.as_millis() / 1_000;
        let keys = self.keys_a_second.map(due);
        keys.map_or(usize::MAX, |keys| {
            usize::try_from(keys).unwrap_or(usize::MAX)
        })
    }

    /// Waits until the next keys may be looked at, and counts them.
    pub(super) async fn keys(&self, count: usize) {
        self.wait(&self.keys).await;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.keys.lock().spend(count, self.began.elapsed());
    }

    /// Waits until a side may be asked for more bytes.
    pub(super) async fn bytes(&self, side: Side) {
        self.wait(self.bytes_of(side)).await;
    }

    /// Counts what a side handed out.
    pub(super) fn spent(&self, side: Side, bytes: u64) {
        self.bytes_of(side)
            .lock()
            .spend(bytes, self.began.elapsed());
    }

    fn bytes_of(&self, side: Side) -> &Mutex<Budget> {
        match side {
            Side::Primary => &self.primary,
            Side::Secondary => &self.secondary,
        }
    }

    async fn wait(&self, budget: &Mutex<Budget>) {
        loop {
            let wait = budget.lock().wait(self.began.elapsed());
            if wait.is_zero() {
                return;
            }
            sleep(wait).await;
        }
    }
}
