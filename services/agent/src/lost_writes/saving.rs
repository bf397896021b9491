//! Saving in the background: begun, looked at, and ended in order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use runtime::tasks::Tasks;
use tokio::task::spawn_blocking;

use super::{Outcome, SaveError};

/// How long one step of the work may take on a slow disk.
const STOP: Duration = Duration::from_secs(20);

/// How far the saving has come, in bytes of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    pub(crate) done: u64,
    pub(crate) total: u64,
}

/// What the work looks at and tells while it goes on.
#[derive(Debug, Default)]
pub(super) struct Watch {
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

impl Watch {
    pub(super) fn tell(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// An error once nobody waits for the work any more.
    pub(super) fn go_on(&self) -> Result<(), SaveError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(SaveError::Stopped);
        }
        Ok(())
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// A saving that goes on. When it is dropped, it ends soon and leaves nothing half.
#[derive(Debug)]
pub(crate) struct Saving {
    watch: Arc<Watch>,
    outcome: Arc<Mutex<Option<Result<Outcome, SaveError>>>>,
    tasks: Tasks,
}

impl Saving {
    pub(super) fn begin(
        tasks: &Tasks,
        work: impl FnOnce(&Watch) -> Result<Outcome, SaveError> + Send + 'static,
    ) -> Self {
        let tasks = tasks.child();
        let watch = Arc::<Watch>::default();
        let outcome = Arc::default();
        let saving = Self {
            watch: Arc::clone(&watch),
            outcome: Arc::clone(&outcome),
            tasks: tasks.clone(),
        };
        tasks
            .clone()
            .spawn_until_done("save lost writes", async move {
                let stopping = Arc::clone(&watch);
                let mut working = spawn_blocking(move || work(&watch));
                let ended = tokio::select! {
                    ended = &mut working => ended,
                    () = tasks.cancelled() => {
                        stopping.stop();
                        working.await
                    }
                };
                *outcome.lock() = Some(ended.unwrap_or(Err(SaveError::Stopped)));
            });
        saving
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            done: self.watch.done.load(Ordering::Relaxed),
            total: self.watch.total.load(Ordering::Relaxed),
        }
    }

    /// What it came to, once; `None` while it goes on.
    pub(crate) fn outcome(&self) -> Option<Result<Outcome, SaveError>> {
        self.outcome.lock().take()
    }

    /// Ends it and waits for the end.
    pub(crate) async fn stop(self) {
        if !self.tasks.stop(STOP).await {
            tracing::error!("saving lost writes did not end in {STOP:?}");
        }
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        self.tasks.cancel();
    }
}
