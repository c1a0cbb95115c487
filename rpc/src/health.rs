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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_while_it_serves_and_is_on_every_list() {
        let stage = watch::Sender::new(Readiness::Ready);
        let lists = [RegistrationState::Registered, RegistrationState::Pending].map(watch::Sender::new);
        let health = Health::new(stage.subscribe(), lists.iter().map(watch::Sender::subscribe).collect());
        assert_eq!((health.readiness(), health.is_ready()), (Readiness::Unlisted, false));
        lists[1].send_replace(RegistrationState::Registered);
        assert_eq!((health.readiness(), health.is_ready()), (Readiness::Ready, true));
        lists[0].send_replace(RegistrationState::Refused);
        assert_eq!(health.readiness(), Readiness::Unlisted);
        // Whoever leaves has withdrawn its record, and is more than unlisted.
        stage.send_replace(Readiness::Draining);
        assert_eq!((health.readiness(), health.is_ready()), (Readiness::Draining, false));
        // Dropped, and not shut down: nobody has said so.
        drop(stage);
        assert_eq!(health.readiness(), Readiness::Stopped);
    }
}
