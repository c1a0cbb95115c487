//! Randomness that can be had again.

use std::fmt;

/// The seed of a test. Printed with what fails, and taken from `RPC_SEED` to see it fail again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// The seed in `RPC_SEED`, or a new one. Says on standard error which, since a failure without its seed is a
    /// rumour.
    ///
    /// # Panics
    /// When `RPC_SEED` is set and is no number.
    pub fn from_env_or_random() -> Self {
        let seed = match std::env::var("RPC_SEED") {
            Ok(text) => Self(text.parse().expect("RPC_SEED is a number, as printed by the test that failed")),
            Err(_) => Self(fastrand::u64(..)),
        };
        eprintln!("seed: RPC_SEED={seed}");
        seed
    }

    /// A fixed seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator that begins with this seed.
    pub fn rng(self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.0)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
