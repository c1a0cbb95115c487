//! The thread that talks to ZooKeeper.
//!
//! A session lives by its heartbeats. On the application's runtime, handlers that block would stop them, the session
//! would expire and the server vanish from the list because it is busy. So everything here runs on a runtime of its
//! own with one thread of its own: the only thread that the framework starts.

use crate::session::{Link, Open, Supervisor};
use rpc_core::{Tasks, registry::RegistryError};
use std::{sync::Arc, thread, time::Duration};
use tokio::{
    runtime::{Builder, Handle},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// A handle on the thread. With the last clone it closes the session, waits for that at most 2 s, and ends.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    handle: Handle,
    tasks: Tasks,
    link: watch::Receiver<Link>,
    _stop: Arc<StopOnDrop>,
}

#[derive(Debug)]
struct StopOnDrop(CancellationToken);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Runtime {
    #[expect(clippy::disallowed_methods, reason = "the only thread that the framework starts")]
    pub(crate) fn start(open: Open, session_timeout: Duration) -> Result<Self, RegistryError> {
        let failed = |error: std::io::Error| {
            RegistryError::new("the thread for ZooKeeper cannot be started; raise the limit on threads or open files")
                .with_source(error)
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (sender, link) = watch::channel(Link::Opening);
        let stop = CancellationToken::new();
        let supervisor = Supervisor::new(open, session_timeout, sender, stop.clone());
        let owner = Tasks::owner();
        let tasks = owner.handle();
        thread::Builder::new()
            .name("rpc-zookeeper".into())
            .spawn(move || {
                // What is left to do when the last handle is gone are watches that nobody reads.
                runtime.block_on(async {
                    supervisor.run().await;
                    owner.abort();
                    owner.finished().await;
                });
            })
            .map_err(failed)?;
        Ok(Self { handle, tasks, link, _stop: Arc::new(StopOnDrop(stop)) })
    }

    /// Starts a task on the thread. It holds the thread only if it holds a clone of this handle.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let _context = self.handle.enter();
        self.tasks.spawn(task);
    }

    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }
}
