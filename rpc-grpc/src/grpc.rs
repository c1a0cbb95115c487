//! The transport itself.

use crate::{connect, serve};
use rpc_core::{
    BoxFuture, Io, Status, Tasks,
    transport::{ConnectTarget, Connection, ConnectionInfo, Drain, Recognition, Routes, Transport},
};
use std::time::Duration;

/// gRPC over HTTP/2.
///
/// # Keeping connections alive
/// A client that has calls in flight asks a silent server whether it is there, every 20 seconds, and gives it 10 to
/// answer, so that one that is gone is given up 30 to 50 seconds after its last byte; a server asks a client once a
/// minute, and gives it 20 seconds. Without that a machine that lost its power would be noticed only by the deadlines
/// of the calls. An idle connection is left alone by clients.
///
/// Servers of other frameworks may resent being asked: theirs allow one question in five minutes unless told otherwise,
/// and cut the connection at the third that comes too early. Only streams that stay silent for a minute get there, and
/// only towards servers that were not found through a registry: of a server whose instance id is known the client
/// assumes that it is one of this framework's. [`with_keep_alive`](Self::with_keep_alive) changes the interval for all.
///
/// # Unix sockets
/// Clients built on gRPC's C core (Python, Ruby, C++) send the socket's path, percent-encoded, as `:authority`. The
/// HTTP/2 library below would refuse that; on such sockets it is shown another name. This client sends `localhost`.
///
/// # What it does not do
/// It neither compresses nor takes what is compressed: `Unimplemented`, as the specification has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grpc {
    keep_alive: Option<Duration>,
}

impl Grpc {
    /// What a client sends first on every HTTP/2 connection.
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    /// With another interval at which a client that has calls in flight asks a silent server whether it is there.
    /// Below 10 seconds servers of other frameworks refuse.
    #[must_use]
    pub fn with_keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = Some(interval);
        self
    }
}

impl Transport for Grpc {
    fn name(&self) -> &'static str {
        "grpc"
    }

    fn alpn(&self) -> Option<&'static str> {
        Some("h2")
    }

    fn preference(&self) -> u8 {
        10
    }

    fn recognises(&self, first: &[u8]) -> Recognition {
        Recognition::by_prefix(first, Self::PREFACE)
    }

    fn connect(&self, io: Io, target: ConnectTarget, tasks: Tasks) -> BoxFuture<'static, Result<Connection, Status>> {
        Box::pin(connect::connect(io, target, tasks, self.keep_alive))
    }

    fn serve(
        &self,
        io: Io,
        info: ConnectionInfo,
        routes: Routes,
        tasks: Tasks,
        drain: Drain,
    ) -> BoxFuture<'static, ()> {
        Box::pin(serve::serve(io, info, routes, tasks, drain))
    }
}
