//! Keeps one protocol of one server connected.

use crate::{
    client::{
        backoff::Backoff,
        changes::Changes,
        dial::{Dial, Failure},
        dialer::Dialer,
    },
    transport::{Connection, ConnectionState},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout, timeout_at};

/// For how long a slower protocol stands in for one whose hello failed.
const FALLBACK: Duration = Duration::from_secs(60);

/// Who is told what becomes of links, and knows what is wanted of them.
pub(crate) trait LinkOwner: Send + Sync + 'static {
    fn connected(self: &Arc<Self>, dial: &Dial, connection: Connection);

    /// It is connected no longer.
    fn lost(self: &Arc<Self>, dial: &Dial);

    fn failed(self: &Arc<Self>, dial: &Dial, failure: Failure);

    /// Whether a slower protocol stands in for this one.
    fn is_replaced(&self, dial: &Dial) -> bool;

    /// Wakes when any of this may have changed.
    fn changes(&self) -> Changes;
}

/// Connects, and connects again, until the endpoint is not wanted any more.
pub(crate) async fn run(owner: Arc<impl LinkOwner>, dialer: Arc<Dialer>, dial: Dial) {
    let stop = dial.stop.clone();
    stop.run_until_cancelled(keep(owner, dialer, dial)).await;
}

async fn keep(owner: Arc<impl LinkOwner>, dialer: Arc<Dialer>, dial: Dial) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    loop {
        match dialer.connect(&dial).await {
            Ok(connection) => {
                let (since, answers) = (Instant::now(), dial.load.answers());
                serve(&owner, &dial, connection).await;
                // One that ends at once and was of no use must not be made in a tight loop.
                if since.elapsed() > Dialer::LIMIT || dial.load.answers() != answers {
                    backoff.reset();
                }
            }
            Err(failure) => {
                let failed = Instant::now();
                let hello = matches!(failure, Failure::Hello(_));
                owner.failed(&dial, failure);
                if hello {
                    stand_aside(&*owner, &dial, failed).await;
                }
            }
        }
        tokio::time::sleep(backoff.next(fastrand::u64(..))).await;
    }
}

/// Publishes a connection for as long as it takes calls.
async fn serve(owner: &Arc<impl LinkOwner>, dial: &Dial, connection: Connection) {
    let mut state = connection.state.clone();
    owner.connected(dial, connection);
    tokio::select! {
        // An error: whatever kept it has gone, and so has it.
        _ = state.wait_for(|state| *state != ConnectionState::Open) => {}
        () = dial.renew.notified() => {}
    }
    // Calls in flight hold what they need of it.
    owner.lost(dial);
}

/// Waits while a slower protocol stands in for this one, for 60 s at most.
async fn stand_aside(owner: &impl LinkOwner, dial: &Dial, failed: Instant) {
    let mut changes = owner.changes();
    // The other protocol needs a moment to connect before it can stand in.
    let replaced = async {
        while !owner.is_replaced(dial) {
            changes.wait().await;
        }
    };
    if timeout(Dialer::LIMIT, replaced).await.is_err() {
        return;
    }
    let mut changes = owner.changes();
    let needed = async {
        while owner.is_replaced(dial) {
            changes.wait().await;
        }
    };
    // Whether it is needed sooner or the time is up: either way it is tried again.
    let _ = timeout_at(failed + FALLBACK, needed).await;
}
