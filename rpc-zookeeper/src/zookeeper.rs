//! The registry.

use crate::{
    discovery::Follower,
    location::Location,
    policy::Reach,
    record::{Assumptions, Record},
    registration::{Heart, Keeper},
    runtime::Runtime,
    session::opener,
};
use rpc_core::{
    BoxFuture,
    registry::{Instance, Registration, Registry, RegistryError, ServiceName, Snapshot, Watch},
};
use std::{fmt, time::Duration};
use tokio::sync::oneshot;

/// A ZooKeeper ensemble: one session, shared by everything that is registered and watched through this value.
///
/// Clones share the session. It lives on a thread of its own, since a busy application must not miss its heartbeats,
/// and ends with the last of the clones, registrations and watches.
#[derive(Clone)]
pub struct ZooKeeper {
    location: Location,
    runtime: Runtime,
}

impl ZooKeeper {
    /// Opens `zookeeper://HOST:PORT,HOST:PORT/BASE?session_timeout=15s&assume=grpc`. Does not wait for a connection.
    ///
    /// The port is 2181 and the base path `/rpc` when left out. The session timeout (15 s unless set; the ensemble
    /// has the last word) is how long our records outlive a server that died without a word.
    ///
    /// `assume`, once for each protocol, is what servers speak whose records declare none, as those of Curator and
    /// Armeria: the record's `port` is called then, and its `sslPort` over TLS. Without it they are known and cannot be
    /// called. It changes nothing for records that say what is spoken.
    ///
    /// # Errors
    /// A URL that is none, or no thread to be had.
    pub fn open(url: &str) -> Result<Self, RegistryError> {
        let location: Location = url.parse()?;
        let runtime = Runtime::start(opener(&location), location.session_timeout())?;
        Ok(Self { location, runtime })
    }

    /// Whether a URL is one that can be opened, for those who want to know before there is a runtime.
    ///
    /// # Errors
    /// When it is none.
    pub fn check(url: &str) -> Result<(), RegistryError> {
        url.parse::<Location>().map(drop)
    }

    fn reach(&self) -> Reach {
        if self.location.is_loopback() { Reach::Loopback } else { Reach::Network }
    }
}

impl Registry for ZooKeeper {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        Box::pin(async move {
            let record = Record::new(&instance, self.location.base(), self.reach())?;
            let (registrar, registration) = Registration::new();
            let (tried, first_try) = oneshot::channel();
            let keeper = Keeper::new(record, registrar, self.runtime.clone(), tried);
            // It beats here, where the program's tasks run, and is listened to there.
            self.runtime.spawn(keeper.run(Heart::begin()));
            // Not an answer but the end of the first try, however it came out: `tried` is dropped.
            let _ = first_try.await;
            Ok(registration)
        })
    }

    fn watch(&self, service: &ServiceName) -> Watch {
        let (publisher, watch) = Watch::new(Snapshot::pending(), self.runtime.clone());
        let assumptions = Assumptions { reach: self.reach(), protocols: self.location.assume().into() };
        let follower = Follower::new(service, self.location.base(), assumptions);
        self.runtime.spawn(follower.run(publisher, self.runtime.link()));
        watch
    }

    fn url(&self) -> String {
        self.location.to_string()
    }

    fn is_remote(&self) -> bool {
        !self.location.is_loopback()
    }

    fn propagation(&self) -> Duration {
        if self.is_remote() { Duration::from_secs(2) } else { Follower::PUBLISHED }
    }
}

impl fmt::Debug for ZooKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ZooKeeper").field(&self.location.to_string()).finish()
    }
}
