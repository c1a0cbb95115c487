//! Lets a single call through.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Lets a single call through to a server that was ejected, and remembers what became of it.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicU8);

/// What became of the one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    Well,
    Unwell,
    /// The server would not take it, so nobody knows yet.
    Refused,
    /// Nothing can be said; another one is to be made.
    Again,
}

impl Gate {
    const SHUT: u8 = 0;
    const OPEN: u8 = 1;
    const TAKEN: u8 = 2;
    const WELL: u8 = 3;
    const UNWELL: u8 = 4;
    const REFUSED: u8 = 5;

    /// The next call may pass.
    pub(crate) fn open(&self) {
        self.0.store(Self::OPEN, Relaxed);
    }

    pub(crate) fn shut(&self) {
        self.0.store(Self::SHUT, Relaxed);
    }

    /// Whether the caller is the one that passes.
    pub(crate) fn pass(&self) -> bool {
        self.0.compare_exchange(Self::OPEN, Self::TAKEN, Relaxed, Relaxed).is_ok()
    }

    /// The one that passed is back.
    pub(crate) fn back(&self, probe: Probe) {
        let state = match probe {
            Probe::Well => Self::WELL,
            Probe::Unwell => Self::UNWELL,
            Probe::Refused => Self::REFUSED,
            Probe::Again => Self::OPEN,
        };
        // The server may have been ejected anew, or be gone, since.
        let _shut = self.0.compare_exchange(Self::TAKEN, state, Relaxed, Relaxed);
    }

    /// How the one that passed has fared, if it is back.
    pub(crate) fn outcome(&self) -> Option<Probe> {
        match self.0.load(Relaxed) {
            Self::WELL => Some(Probe::Well),
            Self::UNWELL => Some(Probe::Unwell),
            Self::REFUSED => Some(Probe::Refused),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_at_a_time() {
        let gate = Gate::default();
        assert!(!gate.pass());
        gate.open();
        assert!(gate.pass() && !gate.pass());
        gate.back(Probe::Again);
        assert!(gate.pass() && gate.outcome().is_none());
        gate.back(Probe::Well);
        assert_eq!(gate.outcome(), Some(Probe::Well));
        assert!(!gate.pass());
        gate.shut();
        gate.back(Probe::Unwell);
        assert_eq!(gate.outcome(), None);
    }
}
