//! Tasks that are named, owned, cancelled and joined.

use std::{future::Future, time::Duration};

use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

/// A group of tasks with one owner. Clones and children spawn into the same tree: cancelling a
/// group cancels its children, and joining it waits for them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    token: CancellationToken,
}

impl Tasks {
    /// A group that nothing cancels but its owner.
    pub fn new() -> Self {
        Self::default()
    }

    /// A group within this one: cancelled with it, or alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            tracker: TaskTracker::new(),
            token: self.token.child_token(),
        }
    }

    /// Starts a task. It is dropped at its next await point once the group is cancelled; a task
    /// that must finish something first watches [`Tasks::cancelled`] itself, in
    /// [`Tasks::spawn_until_done`].
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let token = self.token.clone();
        let span = tracing::debug_span!("task", task.name = name);
        let run = async move {
            token.run_until_cancelled_owned(task).await;
        };
        self.tracker.spawn(run.instrument(span));
    }

    /// Starts a task that ends by itself, soon after [`Tasks::cancelled`] resolves.
    pub fn spawn_until_done(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let span = tracing::debug_span!("task", task.name = name);
        self.tracker.spawn(task.instrument(span));
    }

    /// Resolves when the group is cancelled.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Tells whether the group is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Asks every task to end, without waiting.
    pub fn cancel(&self) {
        self.token.cancel();
    }

    /// Cancels, then waits for every task. `false`: some still ran after `grace`.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.token.cancel();
        self.tracker.close();
        timeout(grace, self.tracker.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Arc};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn stop_cancels_and_joins() {
        let tasks = Tasks::new();
        tasks.spawn("waits for ever", pending());
        assert!(tasks.stop(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn a_child_stops_alone_and_with_its_parent() {
        let parent = Tasks::new();
        let (one, two) = (parent.child(), parent.child());
        assert!(one.stop(Duration::from_secs(5)).await);
        assert!(!two.is_cancelled());
        parent.cancel();
        assert!(two.is_cancelled());
    }

    #[tokio::test]
    async fn a_task_may_finish_what_it_began() {
        let tasks = Tasks::new();
        let done = Arc::new(Notify::new());
        let (inner, signal) = (tasks.clone(), Arc::clone(&done));
        tasks.spawn_until_done("tidies up", async move {
            inner.cancelled().await;
            signal.notify_one();
        });
        assert!(tasks.stop(Duration::from_secs(5)).await);
        done.notified().await;
    }
}
