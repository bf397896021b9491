//! Work that goes on while the cache is looked after.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use runtime::tasks::Tasks;

/// How long a step of it may take to be given up.
const STOP: Duration = Duration::from_secs(20);

/// Work in a task of its own. When it is dropped, the task ends at its next step.
pub(super) struct Background<T> {
    outcome: Arc<Mutex<Option<T>>>,
    tasks: Tasks,
}

impl<T: Send + 'static> Background<T> {
    pub(super) fn begin(
        tasks: &Tasks,
        name: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let tasks = tasks.child();
        let outcome = Arc::new(Mutex::new(None));
        let told = Arc::clone(&outcome);
        tasks.spawn(name, async move {
            let ended = work.await;
            *told.lock() = Some(ended);
        });
        Self { outcome, tasks }
    }

    /// What it came to, once; `None` while it goes on.
    pub(super) fn outcome(&self) -> Option<T> {
        self.outcome.lock().take()
    }

    /// Ends it, and waits for the end.
    pub(super) async fn stop(self) {
        if !self.tasks.stop(STOP).await {
            tracing::error!("a transfer did not end in {STOP:?}");
        }
    }
}

impl<T> Drop for Background<T> {
    fn drop(&mut self) {
        self.tasks.cancel();
    }
}
