//! Waiting for news of servers.

use tokio::sync::watch;

/// Wakes whoever waits for a change of a fleet.
pub(crate) struct Changes(pub(crate) watch::Receiver<()>);

impl Changes {
    /// Waits for a change since the last one seen.
    pub(crate) async fn wait(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
