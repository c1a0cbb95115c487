//! What the clients' side of every attempt looked like.

use rpc::{Address, Method, Observer, Status, observer::AttemptEnded};
use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Counts attempts by server, and retries. One watches the calls of one transport.
#[derive(Default)]
pub(crate) struct Watch {
    attempts: Mutex<HashMap<Address, Attempts>>,
    failed: AtomicU64,
    retried: AtomicU64,
}

/// The attempts that were made at one server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempts {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
}

/// What went wrong so far, of which some was made good.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Trouble {
    pub(crate) attempts_failed: u64,
    pub(crate) retried: u64,
}

impl Watch {
    pub(crate) fn attempts(&self, server: &Address) -> Attempts {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.get(server).copied().unwrap_or_default()
    }

    pub(crate) fn trouble(&self) -> Trouble {
        Trouble { attempts_failed: self.failed.load(Relaxed), retried: self.retried.load(Relaxed) }
    }
}

impl Observer for Watch {
    fn attempt_ended(&self, attempt: &AttemptEnded<'_>) {
        let AttemptEnded { endpoint, outcome, .. } = *attempt;
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if !attempts.contains_key(endpoint) {
            attempts.insert(endpoint.clone(), Attempts::default());
        }
        let Some(server) = attempts.get_mut(endpoint) else { return };
        match outcome {
            Ok(()) => server.succeeded += 1,
            Err(status) => {
                server.failed += 1;
                self.failed.fetch_add(1, Relaxed);
                tracing::info!(%endpoint, %status, "an attempt failed");
            }
        }
    }

    fn retried(&self, _: &'static Method, _: u32, _: &Status) {
        self.retried.fetch_add(1, Relaxed);
    }
}

impl std::ops::Sub for Trouble {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { attempts_failed: self.attempts_failed - before.attempts_failed, retried: self.retried - before.retried }
    }
}

impl std::ops::Add for Trouble {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { attempts_failed: self.attempts_failed + other.attempts_failed, retried: self.retried + other.retried }
    }
}
