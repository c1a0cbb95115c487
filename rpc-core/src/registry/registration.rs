//! A record that is kept where it is.

use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Keeps an instance on the list. Dropping it withdraws the record in the background;
/// [`close`](Self::close) does so and waits.
#[derive(Debug)]
pub struct Registration {
    state: watch::Receiver<RegistrationState>,
    close: CancellationToken,
}

/// The registry's end of a [`Registration`].
#[derive(Debug)]
pub struct Registrar {
    state: watch::Sender<RegistrationState>,
    close: CancellationToken,
}

/// Where a registration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationState {
    /// The record is not there, or not known to be; it is being tried.
    Pending,
    /// The record is there, and ours.
    Registered,
    /// The registry refuses, and will until somebody changes its configuration; it is tried again all the same.
    Refused,
    /// Withdrawn, for good.
    Closed,
}

impl RegistrationState {
    /// One word for logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Registered => "registered",
            Self::Refused => "refused",
            Self::Closed => "closed",
        }
    }
}

impl Registration {
    /// A registration, and what keeps it.
    pub fn new() -> (Registrar, Self) {
        let (sender, state) = watch::channel(RegistrationState::Pending);
        let close = CancellationToken::new();
        (Registrar { state: sender, close: close.clone() }, Self { state, close })
    }

    /// Where it is.
    pub fn state(&self) -> RegistrationState {
        *self.state.borrow()
    }

    /// Waits until it is in this state; false when it never will be.
    pub async fn reached(&mut self, state: RegistrationState) -> bool {
        self.state.wait_for(|now| *now == state).await.is_ok()
    }

    /// Waits until the registry has tried for the first time, whatever came of it. For registries.
    pub async fn tried(&mut self) {
        // An error: the registry is gone, and will not try.
        let _ = self.state.changed().await;
    }

    /// Withdraws the record, waiting at most `limit`. True when the registry has confirmed that it is gone; otherwise
    /// it goes when the registry notices that this process has.
    pub async fn close(mut self, limit: Duration) -> bool {
        self.close.cancel();
        tokio::time::timeout(limit, self.reached(RegistrationState::Closed)).await.unwrap_or(false)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.close.cancel();
    }
}

impl Registrar {
    /// Says where the registration is.
    pub fn set(&self, state: RegistrationState) {
        self.state.send_replace(state);
    }

    /// Waits until the record is to be withdrawn.
    pub async fn closing(&self) {
        self.close.cancelled().await;
    }

    /// Whether the record is to be withdrawn.
    pub fn is_closing(&self) -> bool {
        self.close.is_cancelled()
    }
}
