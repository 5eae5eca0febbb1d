//! [`Tasks`]: where the tasks of the upstreams run, and what ends them.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of all upstreams of a run, or of one connection.
#[derive(Clone)]
pub struct Tasks {
    /// All of them, to be waited for.
    pub tracker: TaskTracker,
    /// Ends them.
    pub stop: CancellationToken,
}

impl Tasks {
    /// None yet.
    pub fn new() -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new() }
    }

    /// Tasks that can be ended apart from the others, and end with them.
    pub fn part(&self) -> Self {
        Self { tracker: self.tracker.clone(), stop: self.stop.child_token() }
    }

    /// Runs a future until it is done or everything ends.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = future => {}
            }
        });
    }
}
