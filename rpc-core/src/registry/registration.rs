//! A record that is kept where it is.

use crate::{Observers, Tasks};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Keeps an instance on the list. Dropping it withdraws the record in the background;
/// [`close`](Self::close) does so and waits.
#[derive(Debug)]
pub struct Registration {
    state: watch::Receiver<RegistrationState>,
    close: CancellationToken,
    told: Arc<Mutex<Told>>,
}

/// The registry's end of a [`Registration`].
#[derive(Debug)]
pub struct Registrar {
    state: watch::Sender<RegistrationState>,
    close: CancellationToken,
    told: Arc<Mutex<Told>>,
}

/// Who is told of the states of a registration, and the last one told.
#[derive(Debug, Default)]
struct Told {
    instance: String,
    observers: Observers,
    last: Option<RegistrationState>,
}

impl Told {
    /// Registries repeat themselves; observers hear of changes.
    fn tell(&mut self, state: RegistrationState) {
        if !self.observers.is_none() && self.last.replace(state) != Some(state) {
            self.observers.tell(|observer| observer.registration(&self.instance, state));
        }
    }
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
        let told = Arc::new(Mutex::default());
        let registrar = Registrar { state: sender, close: close.clone(), told: told.clone() };
        (registrar, Self { state, close, told })
    }

    /// A registration at a place that keeps no records: it is there at once, and closes when it is asked to.
    pub(crate) fn nowhere(tasks: &Tasks) -> Self {
        let (registrar, registration) = Self::new();
        registrar.set(RegistrationState::Registered);
        tasks.handle().spawn(async move {
            registrar.closing().await;
            registrar.set(RegistrationState::Closed);
        });
        registration
    }

    /// Tells `observers` where the registration of `instance` is, and from now on of every change, until it is closed,
    /// even if this is dropped before.
    pub fn observe(&self, instance: impl Into<String>, observers: Observers) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        *told = Told { instance: instance.into(), observers, last: None };
        told.tell(self.state());
    }

    /// Where it is.
    pub fn state(&self) -> RegistrationState {
        *self.state.borrow()
    }

    /// Where it is, for those who look from elsewhere.
    pub fn follow(&self) -> watch::Receiver<RegistrationState> {
        self.state.clone()
    }

    /// Waits until it is in this state, without a limit; false when it never will be, since the registration has ended.
    pub async fn reached(&mut self, state: RegistrationState) -> bool {
        self.state.wait_for(|now| *now == state).await.is_ok()
    }

    /// Waits until the registry has tried for the first time, whatever came of it. For registries.
    pub async fn tried(&mut self) {
        // An error: the registry is gone, and will not try.
        let _ = self.state.changed().await;
    }

    /// Withdraws the record once something has happened, if what this gives is polled until then. That ends when the
    /// registration does, and does not keep it.
    pub fn withdraw_after<F: Future<Output = ()> + Send>(&self, event: F) -> impl Future<Output = ()> + Send + use<F> {
        let close = self.close.clone();
        async move {
            close.run_until_cancelled(event).await;
            close.cancel();
        }
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
        // First those who watch: whoever waits for the state may look at what they were told.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.tell(state);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Observer;

    #[derive(Default)]
    struct States(Mutex<Vec<String>>);

    impl Observer for States {
        fn registration(&self, instance: &str, state: RegistrationState) {
            self.0.lock().unwrap().push(format!("{instance} {}", state.word()));
        }
    }

    #[tokio::test]
    async fn a_record_is_withdrawn_after_an_event_and_not_kept_until_then() {
        let (registrar, registration) = Registration::new();
        let mut withdrawn = std::pin::pin!(registration.withdraw_after(tokio::task::yield_now()));
        assert!(futures_util::poll!(&mut withdrawn).is_pending());
        assert!(!registrar.is_closing());
        withdrawn.await;
        assert!(registrar.is_closing());

        let (registrar, registration) = Registration::new();
        let withdrawn = registration.withdraw_after(std::future::pending());
        drop(registration);
        assert!(registrar.is_closing());
        withdrawn.await;
    }

    #[test]
    fn observers_hear_of_every_change_once_also_after_the_registration_is_gone() {
        let (registrar, registration) = Registration::new();
        registrar.set(RegistrationState::Refused);
        let states = Arc::new(States::default());
        registration.observe("id", Observers::new(states.clone()));
        registrar.set(RegistrationState::Refused);
        registrar.set(RegistrationState::Registered);
        registrar.set(RegistrationState::Registered);
        drop(registration);
        registrar.set(RegistrationState::Closed);
        assert_eq!(*states.0.lock().unwrap(), ["id refused", "id registered", "id closed"]);
    }
}
