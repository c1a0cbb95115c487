//! Connects one protocol of one server.

use crate::{
    Io, Status, Tasks,
    client::{
        connector::Connector,
        dial::{Dial, Failure},
        secure::Lines,
    },
    transport::{ConnectTarget, Connection, Limits, ProtocolRefused},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Connects servers of one service: opens a byte stream, makes it what lines have to be, and greets.
pub(crate) struct Dialer {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) lines: Lines,
    pub(crate) limits: Limits,
    /// For what a connection needs. Not the owning handle.
    pub(crate) tasks: Tasks,
}

impl Dialer {
    /// How long connecting may take, its hello included.
    pub(crate) const LIMIT: Duration = Duration::from_secs(1);

    /// Connects a link.
    pub(crate) async fn connect(&self, dial: &Dial) -> Result<Connection, Failure> {
        let limit = Instant::now() + Self::LIMIT;
        let io = self.open(dial, limit).await.map_err(Failure::Unreachable)?;
        let line = self.lines.open(dial, io, limit).await?;
        let mut target = ConnectTarget::new(self.lines.authority(&dial.address))
            .with_security(self.lines.encryption().security())
            .with_limits(self.limits);
        target.instance.clone_from(&dial.expected);
        let failed = match timeout_at(limit, dial.transport.connect(line.io, target, self.tasks.handle())).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(status)) => Some(status),
            Err(_) => None,
        };
        Err(match (line.doubt.confirmed(&self.lines, &dial.address), failed) {
            // No protocol would fare better there.
            (Some(status), _) => Failure::Unreachable(status),
            (None, Some(status)) if ProtocolRefused::caused(&status) => Failure::Hello(status),
            (None, Some(status)) => Failure::Unreachable(status),
            (None, None) => {
                Failure::Hello(Status::unavailable(format!("no answer to the hello within {:?}", Self::LIMIT)))
            }
        })
    }

    async fn open(&self, dial: &Dial, limit: Instant) -> Result<Io, Status> {
        match timeout_at(limit, self.connector.connect(&dial.address)).await {
            Ok(Ok(io)) => Ok(io),
            Ok(Err(error)) => Err(Status::unavailable(error.to_string()).with_source(error)),
            Err(_) => Err(Status::unavailable(format!("not connected within {:?}", Self::LIMIT))),
        }
    }
}
