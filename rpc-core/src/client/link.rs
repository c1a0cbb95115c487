//! Keeps one protocol of one server connected.

use crate::{
    client::{
        backoff::Backoff,
        changes::Changes,
        dialer::Dialer,
        place::{Failure, Place},
    },
    transport::{Connection, ConnectionState},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout, timeout_at};

/// For how long a slower protocol stands in for one whose hello failed.
const FALLBACK: Duration = Duration::from_secs(60);

/// Who is told what becomes of links, and knows what is wanted of them.
pub(crate) trait Home: Send + Sync + 'static {
    fn connected(self: &Arc<Self>, place: &Place, connection: Connection);

    /// It is connected no longer.
    fn lost(self: &Arc<Self>, place: &Place);

    fn failed(self: &Arc<Self>, place: &Place, failure: Failure);

    /// Whether a slower protocol stands in for this one.
    fn is_replaced(&self, place: &Place) -> bool;

    /// Wakes when any of this may have changed.
    fn changes(&self) -> Changes;
}

/// Connects, and connects again, until the endpoint is not wanted any more.
pub(crate) async fn run(home: Arc<impl Home>, dialer: Arc<Dialer>, place: Place) {
    let stop = place.stop.clone();
    stop.run_until_cancelled(keep(home, dialer, place)).await;
}

async fn keep(home: Arc<impl Home>, dialer: Arc<Dialer>, place: Place) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    loop {
        match dialer.connect(&place).await {
            Ok(connection) => {
                let (since, answers) = (Instant::now(), place.load.answers());
                serve(&home, &place, connection).await;
                // One that ends at once and was of no use must not be made in a tight loop.
                if since.elapsed() > Dialer::LIMIT || place.load.answers() != answers {
                    backoff.reset();
                }
            }
            Err(failure) => {
                let failed = Instant::now();
                let hello = matches!(failure, Failure::Hello(_));
                home.failed(&place, failure);
                if hello {
                    stand_aside(&*home, &place, failed).await;
                }
            }
        }
        tokio::time::sleep(backoff.next(fastrand::u64(..))).await;
    }
}

/// Publishes a connection for as long as it takes calls.
async fn serve(home: &Arc<impl Home>, place: &Place, connection: Connection) {
    let mut state = connection.state.clone();
    home.connected(place, connection);
    tokio::select! {
        // An error: whatever kept it has gone, and so has it.
        _ = state.wait_for(|state| *state != ConnectionState::Open) => {}
        () = place.renew.notified() => {}
    }
    // Calls in flight hold what they need of it.
    home.lost(place);
}

/// Waits while a slower protocol stands in for this one, for 60 s at most.
async fn stand_aside(home: &impl Home, place: &Place, failed: Instant) {
    let mut changes = home.changes();
    // The other protocol needs a moment to connect before it can stand in.
    let replaced = async {
        while !home.is_replaced(place) {
            changes.wait().await;
        }
    };
    if timeout(Dialer::LIMIT, replaced).await.is_err() {
        return;
    }
    let mut changes = home.changes();
    let needed = async {
        while home.is_replaced(place) {
            changes.wait().await;
        }
    };
    // Whether it is needed sooner or the time is up: either way it is tried again.
    let _ = timeout_at(failed + FALLBACK, needed).await;
}
