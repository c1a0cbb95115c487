//! A codec as a transport.

use super::{Codec, connect, serve};
use crate::{
    BoxFuture, Io, Status, Tasks,
    transport::{ConnectTarget, Connection, ConnectionInfo, Drain, Recognition, Routes, Transport},
};
use std::fmt;

/// A whole [`Transport`] from a [`Codec`].
///
/// It is below gRPC and tarpc for clients that choose the fastest wire; [`with_preference`](Self::with_preference)
/// changes that.
#[derive(Clone, Copy)]
pub struct Framed<C> {
    name: &'static str,
    protocol: &'static str,
    magic: &'static [u8],
    preference: u8,
    codec: C,
}

impl<C: Codec + Sync> Framed<C> {
    /// With its name in configuration (`"json-lines"`), its name and version in records of instances
    /// (`"json-lines/1"`), and the bytes with which every connection begins: at most 24, and such as no other protocol
    /// begins with. They are how the codec writes the beginning of every [`Hello`](super::Hello).
    pub const fn new(name: &'static str, protocol: &'static str, magic: &'static [u8], codec: C) -> Self {
        Self { name, protocol, magic, preference: 1, codec }
    }

    /// How fast it is beside others: gRPC has 10, tarpc 20.
    #[must_use]
    pub const fn with_preference(mut self, preference: u8) -> Self {
        self.preference = preference;
        self
    }
}

impl<C: Codec + Sync> Transport for Framed<C> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn protocol(&self) -> &'static str {
        self.protocol
    }

    fn preference(&self) -> u8 {
        self.preference
    }

    fn recognises(&self, first: &[u8]) -> Recognition {
        Recognition::by_prefix(first, self.magic)
    }

    fn connect(&self, io: Io, target: ConnectTarget, tasks: Tasks) -> BoxFuture<'static, Result<Connection, Status>> {
        Box::pin(connect(io, self.codec.clone(), target, tasks))
    }

    fn serve(
        &self,
        io: Io,
        info: ConnectionInfo,
        routes: Routes,
        tasks: Tasks,
        drain: Drain,
    ) -> BoxFuture<'static, ()> {
        Box::pin(serve(io, self.codec.clone(), self.name, info, routes, tasks, drain))
    }
}

impl<C> fmt::Debug for Framed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Framed({})", self.protocol)
    }
}
