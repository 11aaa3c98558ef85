//! Tasks that shutdown can ask to stop and wait for.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Everything that runs in the background of one camhook. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs `task` until it ends by itself; a long-running task must watch [`Tasks::stopping`].
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that spawns"
        )]
        drop(tokio::spawn(self.tracker.track_future(task)));
    }

    /// A group of its own within this one: it stops when this one stops, or when it is told to alone.
    pub(crate) fn child(&self) -> Self {
        Self {
            tracker: self.tracker.clone(),
            stop: self.stop.child_token(),
        }
    }

    /// Ends when shutdown begins.
    pub(crate) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Asks every task of this group to stop.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for every task, children's included; false when some still run after `patience`.
    pub(crate) async fn wait(&self, patience: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(patience, self.tracker.wait())
            .await
            .is_ok()
    }
}
