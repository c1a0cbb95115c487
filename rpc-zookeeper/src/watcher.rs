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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{client, server};
    use std::time::Duration;
    use tokio::{runtime::Builder, time::timeout};
    use zookeeper_client::{Acls, AddWatchMode, Client, CreateMode};

    const SHORT: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(5);

    async fn watch(client: &Client, path: &str) -> (TreeWatch, OneshotWatcher) {
        let tree = client.watch(path, AddWatchMode::PersistentRecursive).await.unwrap();
        let (_, once) = client.check_and_watch_stat(&format!("{path}-once")).await.unwrap();
        (TreeWatch::new(tree), once)
    }

    /// Without the guard for a terminated session, the second question panics ("called `Option::unwrap()` on a `None`
    /// value", in the library).
    #[tokio::test]
    async fn a_watch_whose_session_ended_can_be_asked_again() {
        let client = client().await;
        let (mut tree, once) = watch(&client, "/watcher-ended").await;
        client.create("/watcher-ended", b"", &CreateMode::Ephemeral.with_acls(Acls::anyone_all())).await.unwrap();
        assert_eq!(timeout(LONG, tree.changed()).await.unwrap(), "/watcher-ended");
        server().await.expire_session(client.session_id().0).await.unwrap();
        timeout(LONG, any_changed(vec![once])).await.expect("the end of a session is a change");
        for _ in 0..2 {
            assert!(timeout(SHORT, tree.changed()).await.is_err());
        }
    }

    /// Without `catch_unwind`, the first question panics.
    #[test]
    fn a_watch_whose_client_died_can_be_asked() {
        let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
        let scrap = runtime();
        let (mut tree, once) = scrap.block_on(async {
            let client = client().await;
            watch(&client, "/watcher-died").await
        });
        drop(scrap);
        runtime().block_on(async {
            assert!(timeout(SHORT, tree.changed()).await.is_err());
            timeout(LONG, any_changed(vec![once])).await.expect("it is over");
            assert!(timeout(SHORT, any_changed(Vec::new())).await.is_err());
        });
    }
}
