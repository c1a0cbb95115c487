//! Who watches.

use crate::{
    Address, Method, Status,
    registry::Snapshot,
    transport::{ConnectionState, DrainPhase},
};
use std::{sync::Arc, time::Duration};

/// Told of everything that metrics, logs and tests want to know. Every method does nothing by default.
///
/// Called on the path of calls: an implementation counts and returns. Durations are of the whole call or attempt, its
/// body included.
#[expect(unused_variables, reason = "the names are documentation")]
pub trait Observer: Send + Sync + 'static {
    /// A client's call has ended, after `attempts` attempts; 0 when none could be made.
    fn call_ended(&self, method: &'static Method, outcome: Result<(), &Status>, attempts: u32, took: Duration) {}

    /// One attempt at a call has ended.
    fn attempt_ended(
        &self,
        method: &'static Method,
        endpoint: &Address,
        transport: &'static str,
        outcome: Result<(), &Status>,
        took: Duration,
    ) {
    }

    /// A call is about to be made once more.
    fn retried(&self, method: &'static Method, attempt: u32, because: &Status) {}

    /// A connection of a client changed its state.
    fn connection(&self, endpoint: &Address, transport: &'static str, state: ConnectionState) {}

    /// An instance's protocol is not used for a while, since its hello was refused or not answered.
    fn fell_back(&self, endpoint: &Address, transport: &'static str, because: &Status) {}

    /// A list of instances has arrived.
    fn snapshot(&self, service: &str, snapshot: &Snapshot) {}

    /// A registration changed its state; `state` is a word such as `registered`.
    fn registration(&self, instance: &str, state: &'static str) {}

    /// A server's handler has ended.
    fn handled(&self, method: &'static Method, transport: &'static str, outcome: Result<(), &Status>, took: Duration) {}

    /// A server moved on towards its end.
    fn drain(&self, phase: DrainPhase) {}

    /// A visitor spoke no protocol that is served here.
    fn unclassified(&self, peer: Option<&Address>, first: &[u8]) {}
}

/// The observer, or none: absent, it costs one branch.
#[derive(Clone, Default)]
pub struct Observers(Option<Arc<dyn Observer>>);

impl Observers {
    /// This observer.
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self(Some(observer))
    }

    /// Tells the observer, if there is one.
    #[inline]
    pub fn tell(&self, event: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.0 {
            event(&**observer);
        }
    }

    /// Whether anybody watches; saves taking the time.
    #[inline]
    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }
}

impl std::fmt::Debug for Observers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Observers({})", if self.is_some() { "some" } else { "none" })
    }
}
