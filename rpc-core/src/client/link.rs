//! Keeps one protocol of one server connected.

use crate::{
    Address, Io, Status,
    client::{backoff::Backoff, fleet::Fleet, load::Load, secure},
    transport::{ConnectTarget, Connection, ConnectionState, ProtocolRefused, Transport},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// How long connecting may take, its hello included.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// For how long a slower protocol stands in for one whose hello failed.
const FALLBACK: Duration = Duration::from_secs(60);

/// Which link of which endpoint a task works for.
pub(crate) struct Place {
    pub(crate) endpoint: u32,
    pub(crate) link: usize,
    pub(crate) load: Arc<Load>,
    /// The id of the instance that is expected at the address, where the record knows it.
    pub(crate) expected: Option<String>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) address: Address,
    /// Another connection is wanted in the place of this one.
    pub(crate) renew: Arc<Notify>,
    /// The endpoint is not wanted any more.
    pub(crate) stop: CancellationToken,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody is there, or the wrong one; another protocol would fare no better.
    Unreachable(Status),
    /// Somebody is there, and does not speak the protocol.
    Hello(Status),
}

/// Connects, and connects again, until the endpoint is not wanted any more.
pub(crate) async fn run(fleet: Arc<Fleet>, place: Place) {
    let stop = place.stop.clone();
    stop.run_until_cancelled(keep(fleet, place)).await;
}

async fn keep(fleet: Arc<Fleet>, place: Place) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    loop {
        match connect(&fleet, &place).await {
            Ok(connection) => {
                let since = Instant::now();
                serve(&fleet, &place, connection).await;
                // One that ends at once must not be made in a tight loop.
                if since.elapsed() > CONNECT_LIMIT {
                    backoff.reset();
                }
            }
            Err(failure) => {
                let failed = Instant::now();
                let hello = matches!(failure, Failure::Hello(_));
                fleet.failed(&place, failure);
                if hello {
                    stand_aside(&fleet, &place, failed).await;
                }
            }
        }
        tokio::time::sleep(backoff.next(fastrand::u64(..))).await;
    }
}

/// Publishes a connection for as long as it takes calls.
async fn serve(fleet: &Arc<Fleet>, place: &Place, connection: Connection) {
    let mut state = connection.state.clone();
    fleet.connected(place, connection);
    tokio::select! {
        // An error: whatever kept it has gone, and so has it.
        _ = state.wait_for(|state| *state != ConnectionState::Open) => {}
        () = place.renew.notified() => {}
    }
    // Calls in flight hold what they need of it.
    fleet.lost(place);
}

/// Waits while a slower protocol stands in for this one, for 60 s at most.
async fn stand_aside(fleet: &Fleet, place: &Place, failed: Instant) {
    let mut changes = fleet.changes();
    // The other protocol needs a moment to connect before it can stand in.
    let replaced = async {
        while !fleet.is_replaced(place) {
            changes.wait().await;
        }
    };
    if timeout(CONNECT_LIMIT, replaced).await.is_err() {
        return;
    }
    let mut changes = fleet.changes();
    let needed = async {
        while fleet.is_replaced(place) {
            changes.wait().await;
        }
    };
    // Whether it is needed sooner or the time is up: either way it is tried again.
    let _ = timeout_at(failed + FALLBACK, needed).await;
}

async fn connect(fleet: &Fleet, place: &Place) -> Result<Connection, Failure> {
    let limit = Instant::now() + CONNECT_LIMIT;
    let io = open(fleet, place, limit).await.map_err(Failure::Unreachable)?;
    let line = secure::line(fleet, place, io, limit).await?;
    let mut target = ConnectTarget::new(fleet.authority(&place.address))
        .with_security(fleet.encryption.security())
        .with_limits(fleet.limits);
    target.instance.clone_from(&place.expected);
    let failed = match timeout_at(limit, place.transport.connect(line.io, target, fleet.tasks.handle())).await {
        Ok(Ok(connection)) => return Ok(connection),
        Ok(Err(status)) => Some(status),
        Err(_) => None,
    };
    Err(match (line.doubt.confirmed(fleet, &place.address), failed) {
        // No protocol would fare better there.
        (Some(status), _) => Failure::Unreachable(status),
        (None, Some(status)) if ProtocolRefused::caused(&status) => Failure::Hello(status),
        (None, Some(status)) => Failure::Unreachable(status),
        (None, None) => Failure::Hello(Status::unavailable(format!("no answer to the hello within {CONNECT_LIMIT:?}"))),
    })
}

async fn open(fleet: &Fleet, place: &Place, limit: Instant) -> Result<Io, Status> {
    match timeout_at(limit, fleet.connector.connect(&place.address)).await {
        Ok(Ok(io)) => Ok(io),
        Ok(Err(error)) => Err(Status::unavailable(error.to_string()).with_source(error)),
        Err(_) => Err(Status::unavailable(format!("not connected within {CONNECT_LIMIT:?}"))),
    }
}
