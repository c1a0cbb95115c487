//! Whether a server takes traffic, for those who ask from outside.

use rpc_core::registry::RegistrationState;
use tokio::sync::watch;

/// Whether a server takes traffic. Kept by whoever answers probes; it outlives the [`Running`](crate::Running).
#[derive(Clone, Debug)]
pub struct Health {
    stage: watch::Receiver<Readiness>,
    registrations: Vec<watch::Receiver<RegistrationState>>,
}

/// What a probe is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// It serves, and is on the list.
    Ready,
    /// It serves those who know it, and is not on the list (yet); that is being tried.
    Unlisted,
    /// It is about to leave: it serves those who come, and should be sent nobody.
    Draining,
    /// It is gone.
    Stopped,
}

impl Health {
    pub(crate) fn new(
        stage: watch::Receiver<Readiness>,
        registrations: Vec<watch::Receiver<RegistrationState>>,
    ) -> Self {
        Self { stage, registrations }
    }

    /// What it is now.
    pub fn readiness(&self) -> Readiness {
        // An error: whoever served was dropped.
        let stage = if self.stage.has_changed().is_err() { Readiness::Stopped } else { *self.stage.borrow() };
        let listed = self.registrations.iter().all(|state| *state.borrow() == RegistrationState::Registered);
        if stage == Readiness::Ready && !listed { Readiness::Unlisted } else { stage }
    }

    /// Whether traffic should be sent there.
    pub fn is_ready(&self) -> bool {
        self.readiness() == Readiness::Ready
    }
}
