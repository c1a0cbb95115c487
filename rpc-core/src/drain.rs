//! How a server ends.

use std::sync::Arc;
use tokio::sync::watch;

/// How a server ends, in two steps: first no new calls, then no calls.
#[derive(Clone, Debug)]
pub struct Drain {
    phase: watch::Receiver<DrainPhase>,
    /// Where the end of what drives it is not the end of the server.
    _kept: Option<Arc<DrainTrigger>>,
}

/// Where a server is on the way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DrainPhase {
    /// It serves.
    Serving,
    /// New calls are refused as unprocessed (GOAWAY); those in flight end in peace.
    Draining,
    /// Calls still in flight are answered `Unavailable: server draining`, and connections close.
    Stopped,
}

/// What drives a [`Drain`]. Dropping it stops.
#[derive(Debug)]
pub struct DrainTrigger(watch::Sender<DrainPhase>);

impl Drain {
    /// A drain and what drives it.
    pub fn new() -> (DrainTrigger, Self) {
        let (sender, receiver) = watch::channel(DrainPhase::Serving);
        (DrainTrigger(sender), Self { phase: receiver, _kept: None })
    }

    /// The phase reached.
    pub fn phase(&self) -> DrainPhase {
        if self.phase.has_changed().is_err() { DrainPhase::Stopped } else { *self.phase.borrow() }
    }

    /// Waits until `phase` or a later one is reached.
    pub async fn reached(&mut self, phase: DrainPhase) {
        // An error: the trigger was dropped, which is the end.
        let _ = self.phase.wait_for(|now| *now >= phase).await;
    }
}

impl DrainTrigger {
    /// Moves on to `phase`, never back. Whether that was a move.
    pub fn advance(&self, phase: DrainPhase) -> bool {
        self.0.send_if_modified(|now| {
            let forward = phase > *now;
            *now = phase.max(*now);
            forward
        })
    }

    /// Moves to `phase`, also back.
    pub(crate) fn turn(&self, phase: DrainPhase) {
        self.0.send_if_modified(|now| std::mem::replace(now, phase) != phase);
    }

    /// A drain that keeps what drives it.
    pub(crate) fn kept(self: Arc<Self>) -> Drain {
        Drain { phase: self.0.subscribe(), _kept: Some(self) }
    }
}
