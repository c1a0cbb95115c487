//! The only module that spawns.

use pin_project_lite::pin_project;
use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};
use tokio::runtime::Handle;
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFutureOwned},
    task::TaskTracker,
};

/// Tasks with an owner: none outlives it.
///
/// Cloning gives another handle on the same set. [`abort`](Self::abort), and dropping the last handle of the
/// [`owner`](Self::owner) kind, end every task at its next `.await`.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    /// The runtime in which the set was first seen, for what is started where none is.
    runtime: Arc<OnceLock<Handle>>,
    owner: Option<Arc<StopOnDrop>>,
}

/// Ends the tasks of a set when the last share of it is gone.
#[derive(Debug)]
pub(crate) struct StopOnDrop(CancellationToken);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Tasks {
    /// A new set, and the handle that owns it: when all its clones are dropped, the tasks end.
    pub fn owner() -> Self {
        let stop = CancellationToken::new();
        let owner = Some(Arc::new(StopOnDrop(stop.clone())));
        let tasks = Self { tracker: TaskTracker::new(), stop, runtime: Arc::default(), owner };
        tasks.settle();
        tasks
    }

    /// A handle that spawns into this set without keeping it alive. What the tasks themselves should hold.
    #[must_use]
    pub fn handle(&self) -> Self {
        Self { tracker: self.tracker.clone(), stop: self.stop.clone(), runtime: self.runtime.clone(), owner: None }
    }

    /// What keeps the tasks, if this handle does: for whoever needs them to live and nothing else of them.
    pub(crate) fn keeper(&self) -> Option<Arc<StopOnDrop>> {
        self.owner.clone()
    }

    /// Makes the runtime in which this is called the one of tasks that are started outside of any, if there is none
    /// yet: a set may be made before its runtime.
    pub(crate) fn settle(&self) {
        if self.runtime.get().is_none()
            && let Ok(runtime) = Handle::try_current()
        {
            let _ = self.runtime.set(runtime);
        }
    }

    /// Starts a task. It is dropped when the owner is; after that nothing starts any more. Outside a runtime it runs in
    /// the one that the set was made in, and not at all once that has ended.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.start(Stoppable { stopped: self.stop.clone().cancelled_owned(), future });
    }

    /// Starts a task for one call on a connection: one that ends by itself when the task which drives the connection
    /// does, as that one is dropped with the owner. It is counted like the others, and spared what makes a task
    /// stoppable, which every call would pay for.
    pub fn spawn_call(&self, future: impl Future<Output = ()> + Send + 'static) {
        if !self.stop.is_cancelled() {
            self.start(future);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the module that spawns")]
    fn start(&self, future: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = Handle::try_current().ok().as_ref().or_else(|| self.runtime.get()) {
            drop(runtime.spawn(self.tracker.track_future(future)));
        }
    }

    /// Does what may wait for a disk where that holds up nobody else, and waits for it. Nothing can end it before it is
    /// done, not even its owner, who is whoever waits: so it must be short.
    ///
    /// # Errors
    /// When it panicked, or the runtime ends.
    #[expect(clippy::disallowed_methods, reason = "this is the module that spawns")]
    pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
    }

    /// How many are running.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Whether none is running.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Ends every task at its next `.await`.
    pub fn abort(&self) {
        self.stop.cancel();
    }

    /// Waits until none is running.
    pub fn finished(&self) -> impl Future<Output = ()> + Send + '_ {
        self.tracker.close();
        self.tracker.wait()
    }
}

pin_project! {
    /// A future that is over once its owner is. (An `async` block would hold the future twice: as it came, and as it
    /// is polled.)
    struct Stoppable<F> {
        #[pin]
        stopped: WaitForCancellationFutureOwned,
        #[pin]
        future: F,
    }
}

impl<F: Future<Output = ()>> Future for Stoppable<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stopped.poll(cx).is_ready() { Poll::Ready(()) } else { this.future.poll(cx) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_end_with_their_owner() {
        let owner = Tasks::owner();
        let handle = owner.handle();
        owner.spawn(std::future::pending());
        handle.spawn(std::future::pending());
        assert_eq!(handle.len(), 2);
        drop(owner);
        handle.finished().await;
        assert!(handle.is_empty());
    }
}
