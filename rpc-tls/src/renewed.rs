//! Certificates that are renewed while a program runs.

use crate::{
    TARGET,
    pem::{Part, Pem, SetupError},
};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// What is made of pieces of PEM.
pub(crate) trait Recipe: Send + Sync + 'static {
    type Config: Send + Sync;

    /// The pieces, in the order in which [`make`](Self::make) wants them.
    fn pieces(&self) -> Vec<(Part, &Pem)>;

    /// # Errors
    /// What is wrong with which piece.
    fn make(&self, pem: &[Vec<u8>]) -> Result<Self::Config, SetupError>;
}

/// A configuration of rustls that follows its files.
///
/// They are looked at when there is a handshake, and not more often than every ten seconds: a program without
/// connections reads nothing, and there is no task and no watch on a folder. What is in them counts, not their dates,
/// so that it does not matter how they are put there (Kubernetes swaps a link). While they make no sense, which is what
/// they do between the writing of a certificate and that of its key, the last good ones hold.
pub(crate) struct Renewed<R: Recipe> {
    recipe: R,
    hasher: RandomState,
    state: Mutex<State<R::Config>>,
}

struct State<C> {
    config: Arc<C>,
    /// Of what it was made of, so that no second copy of a key is kept.
    fingerprint: u64,
    checked: Instant,
}

impl<R: Recipe> Renewed<R> {
    const EVERY: Duration = Duration::from_secs(10);

    pub(crate) fn new(recipe: R) -> Result<Self, SetupError> {
        let pem: Vec<_> = recipe.pieces().into_iter().map(|(part, pem)| pem.read(part)).collect::<Result<_, _>>()?;
        let (hasher, config) = (RandomState::new(), Arc::new(recipe.make(&pem)?));
        let state = State { config, fingerprint: hasher.hash_one(&pem), checked: Instant::now() };
        Ok(Self { recipe, hasher, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State<R::Config>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a handshake that begins now.
    pub(crate) async fn current(&self) -> Arc<R::Config> {
        {
            let mut state = self.lock();
            if state.checked.elapsed() < Self::EVERY {
                return state.config.clone();
            }
            // Of many handshakes at once, one looks.
            state.checked = Instant::now();
        }
        match self.look().await {
            Ok(None) => {}
            Ok(Some(files)) => {
                tracing::info!(
                    target: TARGET, files,
                    "the certificates have changed; new connections have the new ones"
                )
            }
            Err(error) => tracing::warn!(
                target: TARGET,
                "the certificates have changed, and {error} ({}); new connections have the old ones until that is put right",
                error.remedy()
            ),
        }
        self.lock().config.clone()
    }

    /// Reads the files, and says which they are when they have changed.
    async fn look(&self) -> Result<Option<String>, SetupError> {
        let mut pem = Vec::new();
        for (part, piece) in self.recipe.pieces() {
            pem.push(piece.read_again(part).await?);
        }
        let fingerprint = self.hasher.hash_one(&pem);
        if fingerprint == self.lock().fingerprint {
            return Ok(None);
        }
        let config = Arc::new(self.recipe.make(&pem)?);
        let mut state = self.lock();
        (state.config, state.fingerprint) = (config, fingerprint);
        drop(state);
        Ok(Some(self.recipe.pieces().iter().map(|(_, pem)| format!("{pem:?}")).collect::<Vec<_>>().join(", ")))
    }
}

impl<R: Recipe> fmt::Debug for Renewed<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.recipe.pieces()).finish()
    }
}
