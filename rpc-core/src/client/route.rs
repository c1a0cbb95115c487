//! Where the calls of a channel go: all of it that may change while clients use it.

use crate::{
    BoxService, Tasks, Transports,
    client::{Hedges, Timeouts, fleet::Fleet, retry::History},
    server::Local,
};
use arc_swap::ArcSwap;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

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

/// The route that holds, and what held before it.
pub(crate) struct Switch {
    /// A call reads it without waiting or locking.
    route: ArcSwap<Route>,
    /// What it led to before, which is there for as long as there are calls to it.
    left: Mutex<Vec<Weak<Fleet>>>,
}

impl Switch {
    pub(crate) fn new(route: Route) -> Self {
        Self { route: ArcSwap::from_pointee(route), left: Mutex::default() }
    }

    pub(crate) fn route(&self) -> Arc<Route> {
        self.route.load_full()
    }

    /// From the next call on.
    pub(crate) fn lead(&self, to: Arc<Route>) {
        let from = self.route.swap(to);
        let mut left = self.left();
        left.retain(|fleet| fleet.strong_count() > 0);
        if let Some(fleet) = from.fleet().map(Arc::downgrade)
            && !left.iter().any(|known| known.ptr_eq(&fleet))
        {
            left.push(fleet);
        }
    }

    /// All to which there may be calls.
    pub(crate) fn fleets(&self) -> Vec<Arc<Fleet>> {
        let mut fleets: Vec<_> = self.left().iter().filter_map(Weak::upgrade).collect();
        if let Some(fleet) = self.route().fleet()
            && !fleets.iter().any(|known| Arc::ptr_eq(known, fleet))
        {
            fleets.push(fleet.clone());
        }
        fleets
    }

    fn left(&self) -> MutexGuard<'_, Vec<Weak<Fleet>>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.route.load().fmt(f)
    }
}

/// The servers behind a route, for another one to lead to them as well.
#[derive(Clone)]
pub(crate) enum Reached {
    /// Over connections, for which `owner` works.
    Remote { fleet: Arc<Fleet>, owner: Arc<Tasks>, history: Arc<History> },
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
