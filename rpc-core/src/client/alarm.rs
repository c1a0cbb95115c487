//! Wakes who keeps an eye on servers.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::Notify;

/// Failures in a row that a server is ejected for (Envoy and Finagle: 5).
pub(crate) const RUN: u16 = 5;

/// For how long is counted before comparing (Envoy and gRFC A50: 10 s).
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

/// Wakes the task that keeps an eye on servers; a fleet without failures has nothing to wake it.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    notify: Notify,
    /// Whether failures were seen since the last comparison.
    failures: AtomicBool,
}

impl Alarm {
    /// A call has failed, the last of a run of so many.
    pub(crate) fn failure(&self, run: u16) {
        let first = !self.failures.load(Relaxed) && !self.failures.swap(true, Relaxed);
        // Not every time: where nobody may be ejected, all fail, and fast.
        if first || run == RUN || (run > 0 && run.is_multiple_of(64)) {
            self.ring();
        }
    }

    pub(crate) fn ring(&self) {
        self.notify.notify_one();
    }

    /// Waits until it rings.
    pub(crate) async fn rung(&self) {
        self.notify.notified().await;
    }

    /// Whether there were failures since the last comparison.
    pub(crate) fn has_failures(&self) -> bool {
        self.failures.load(Relaxed)
    }

    /// What was counted has been compared.
    pub(crate) fn forget_failures(&self) {
        self.failures.store(false, Relaxed);
    }
}
