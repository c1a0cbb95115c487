//! The tarpc transport: [tarpc]'s client dispatch and server channel, with requests, frames and a hello of ours.
//!
//! tarpc brings what makes calls of messages: ids, a table of what is in flight, cancellation when a caller leaves.
//! What it leaves to others is here: a wire with versions and limits, frames that are written in place and sent in
//! batches, metadata, statuses, GOAWAY, pings, streams. `WIRE.md` beside this crate specifies every byte.
//!
//! It deliberately does not reconnect, retry or balance; that is the same on every wire and is done above.
//!
//! [tarpc]: https://docs.rs/tarpc

mod client;
mod codec;
mod contexts;
mod frame;
pub mod frames;
mod hello;
mod items;
mod message;
mod server;
mod session;
mod stream;
mod wire;

#[cfg(test)]
mod golden;

use rpc_core::{
    BoxFuture, Io, Status, Tasks,
    transport::{ConnectTarget, Connection, ConnectionInfo, Drain, Recognition, Routes, Transport},
};

/// The target of what this crate logs: filters name it, so it does not change.
pub(crate) const TARGET: &str = "rpc_tarpc";

/// The transport. It has no settings of its own; limits come with each connection.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Tarpc;

impl Transport for Tarpc {
    fn name(&self) -> &'static str {
        "tarpc"
    }

    fn protocol(&self) -> &'static str {
        "tarpc/1"
    }

    fn alpn(&self) -> Option<&'static str> {
        Some("rpc-tarpc/1")
    }

    fn preference(&self) -> u8 {
        20
    }

    fn recognises(&self, first: &[u8]) -> Recognition {
        Recognition::by_prefix(first, &hello::MAGIC)
    }

    fn connect(&self, io: Io, target: ConnectTarget, tasks: Tasks) -> BoxFuture<'static, Result<Connection, Status>> {
        Box::pin(client::connect(io, target, tasks))
    }

    fn serve(
        &self,
        io: Io,
        info: ConnectionInfo,
        routes: Routes,
        tasks: Tasks,
        drain: Drain,
    ) -> BoxFuture<'static, ()> {
        Box::pin(server::serve(io, info, routes, tasks, drain))
    }
}
