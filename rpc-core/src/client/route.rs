//! Where the calls of a channel go: all of it that may change while clients use it.

use crate::{
    BoxService, Tasks, Transports,
    client::{Hedges, Timeouts, fleet::Fleet},
    server::Local,
};
use std::{fmt, sync::Arc};

/// Where calls go, and what holds for those that say nothing themselves.
///
/// A call keeps the route that it began on, and with it the connections, until it is over.
pub(crate) struct Route {
    pub(crate) service: BoxService,
    pub(crate) servers: Reached,
    pub(crate) timeouts: Timeouts,
    pub(crate) hedges: Hedges,
    pub(crate) transports: Transports,
}

/// The servers behind a route, for another one to lead to them as well.
#[derive(Clone)]
pub(crate) enum Reached {
    /// Over connections, for which `owner` works.
    Remote { fleet: Arc<Fleet>, owner: Arc<Tasks> },
    /// In this process.
    Here(Local),
    /// Behind a service that was handed over, with the layers that it came with.
    Behind(BoxService),
}

impl Route {
    /// To a service that was handed over.
    pub(crate) fn to(service: BoxService) -> Self {
        Self {
            servers: Reached::Behind(service.clone()),
            service,
            timeouts: Timeouts::default(),
            hedges: Hedges::default(),
            transports: Transports::default(),
        }
    }

    /// Those that have connections.
    pub(crate) fn fleet(&self) -> Option<&Arc<Fleet>> {
        match &self.servers {
            Reached::Remote { fleet, .. } => Some(fleet),
            Reached::Here(_) | Reached::Behind(_) => None,
        }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.servers {
            Reached::Remote { fleet, .. } => fleet.fmt(f),
            Reached::Here(_) => f.write_str("in this process"),
            Reached::Behind(service) => service.fmt(f),
        }
    }
}
