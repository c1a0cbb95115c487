//! What is known of a service's instances at one moment.

use crate::registry::Instance;
use std::{any::Any, fmt, sync::Arc};
use tokio::{sync::watch, time::Instant};

/// The instances of one service, whole, at one moment. The last one wins.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// The instances whose records could be read.
    pub instances: Vec<Arc<Instance>>,
    /// What an empty list means.
    pub availability: Availability,
    /// Where the list comes from.
    pub source: Source,
    /// How many records were skipped because they could not be read.
    pub skipped: usize,
    /// When it was known to be true.
    pub at: Instant,
}

/// What is known, and what an empty list means: three different answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Nothing is known yet.
    Pending,
    /// The registry cannot be asked, and never could be; the reason.
    Unreachable(String),
    /// Nobody has ever registered this service.
    NoService,
    /// The service is known; these are its instances, and there may be none.
    Listed,
}

/// Where a list comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The registry, which is being watched.
    Live,
    /// The registry, before it went away: the list stands until there is a better one.
    Stale,
    /// Configuration: it does not change.
    Fixed,
}

impl Snapshot {
    /// Nothing is known yet.
    pub fn pending() -> Self {
        Self::new(Vec::new(), Availability::Pending, Source::Live)
    }

    /// A list as it is now.
    pub fn new(instances: Vec<Arc<Instance>>, availability: Availability, source: Source) -> Self {
        Self { instances, availability, source, skipped: 0, at: Instant::now() }
    }

    /// Whether there is a list, be it empty.
    pub fn is_known(&self) -> bool {
        matches!(self.availability, Availability::Listed | Availability::NoService)
    }
}

/// Follows the snapshots of one service. Dropping the last clone ends the watch.
#[derive(Clone)]
pub struct Watch {
    receiver: watch::Receiver<Arc<Snapshot>>,
    _keep: Arc<dyn Any + Send + Sync>,
}

/// The registry's end of a [`Watch`].
#[derive(Debug)]
pub struct Publisher(watch::Sender<Arc<Snapshot>>);

impl Watch {
    /// A watch, and what feeds it. `keep` is dropped with the last clone of the watch; whatever works for the watch
    /// should end with it.
    pub fn new(first: Snapshot, keep: impl Any + Send + Sync) -> (Publisher, Self) {
        let (sender, receiver) = watch::channel(Arc::new(first));
        (Publisher(sender), Self { receiver, _keep: Arc::new(keep) })
    }

    /// The latest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.receiver.borrow().clone()
    }

    /// Waits for another snapshot than the last one taken by this method. Waits for ever when there will be none.
    pub async fn changed(&mut self) -> Arc<Snapshot> {
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.receiver.borrow_and_update().clone()
    }

    /// Waits until there is a list, be it empty.
    pub async fn known(&mut self) -> Arc<Snapshot> {
        // The guard must be gone before the next await, or nothing that waits here could move between threads.
        let known = self.receiver.wait_for(|snapshot| snapshot.is_known()).await.map(|snapshot| snapshot.clone());
        match known {
            Ok(snapshot) => snapshot,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Publisher {
    /// Replaces the snapshot.
    pub fn publish(&self, snapshot: Snapshot) {
        self.0.send_replace(Arc::new(snapshot));
    }

    /// Says that the registry cannot be reached. A list that is there stays, marked as stale.
    pub fn unreachable(&self, reason: impl Into<String>) {
        self.0.send_modify(|current| {
            let snapshot = Arc::make_mut(current);
            if snapshot.is_known() {
                snapshot.source = Source::Stale;
            } else {
                snapshot.availability = Availability::Unreachable(reason.into());
            }
        });
    }

    /// The latest snapshot.
    pub fn latest(&self) -> Arc<Snapshot> {
        self.0.borrow().clone()
    }

    /// Whether nobody watches any more.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits until nobody watches any more.
    pub async fn abandoned(&self) {
        self.0.closed().await;
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&*self.receiver.borrow()).finish()
    }
}
