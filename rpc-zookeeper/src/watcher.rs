//! Watches that can be waited for without fear.
//!
//! The library's watchers panic when they are asked again after their session's end, and when its task has died. Both
//! only mean that nothing more will come: the session's own supervision sees to the rest.

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use std::panic::AssertUnwindSafe;
use zookeeper_client::{EventType, OneshotWatcher, PersistentWatcher};

/// A watch on a node and everything below it.
#[derive(Debug)]
pub(crate) struct TreeWatch {
    watcher: Option<PersistentWatcher>,
}

impl TreeWatch {
    pub(crate) fn new(watcher: PersistentWatcher) -> Self {
        Self { watcher: Some(watcher) }
    }

    /// The path of the next node that changed. Never ready once the session is over. Nothing is lost when it is
    /// dropped while it waits.
    pub(crate) async fn changed(&mut self) -> String {
        while let Some(watcher) = &mut self.watcher {
            match AssertUnwindSafe(watcher.changed()).catch_unwind().await {
                Ok(event) if event.event_type != EventType::Session => return event.path,
                Ok(event) if !event.session_state.is_terminated() => {}
                _ => self.watcher = None,
            }
        }
        std::future::pending().await
    }
}

/// Ready when one of the watched nodes has changed, or the session has ended. Never, when nothing is watched.
pub(crate) async fn any_changed(watchers: Vec<OneshotWatcher>) {
    let changes = watchers.into_iter().map(|watcher| AssertUnwindSafe(watcher.changed()).catch_unwind());
    if changes.collect::<FuturesUnordered<_>>().next().await.is_none() {
        std::future::pending::<()>().await;
    }
}
