//! Where servers are found.

mod dns;
mod file;
mod fixed;
mod here;
mod instance;
mod memory;
mod name;
mod registration;
mod snapshot;
mod target;

pub use dns::{Dns, Resolver, SystemResolver};
pub use file::File;
pub use fixed::Fixed;
pub use here::Here;
pub use instance::{Endpoint, Identity, Instance, InstanceStatus};
pub use memory::Memory;
pub use name::{ServiceName, ServiceNameError};
pub use registration::{Registrar, Registration, RegistrationState};
pub use snapshot::{Availability, Publisher, Snapshot, Source, Watch};
pub use target::{Target, TargetError, assumed};

use crate::BoxFuture;
use std::{error::Error, fmt, time::Duration};

/// A place where servers say that they are there, and clients read it.
///
/// Rules for every registry: a record appears only once the port listens, and is withdrawn before it closes; a
/// registration is a state machine whose one goal is "my record is there and mine", until it is closed, for good; a
/// list never empties because the registry cannot be reached; one bad record is skipped and counted, and harms nobody.
pub trait Registry: Send + Sync + 'static {
    /// Puts an instance on the list, under every service it offers, and keeps it there until the registration is
    /// closed or dropped. Returns once the record is there, or once the first try has failed in a way that passes (the
    /// registration then goes on trying).
    ///
    /// # Errors
    /// What no amount of trying would mend: an instance that cannot be registered here.
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>>;

    /// The instances of a service, now and from now on.
    fn watch(&self, service: &ServiceName) -> Watch;

    /// How it is written in configuration: `zookeeper://h1:2181/rpc`. Holds no secrets.
    fn url(&self) -> String;

    /// Whether others than this machine can read it; a loopback address is useless there.
    fn is_remote(&self) -> bool;

    /// How long it may take until every client knows that a record is gone. A server that leaves goes on serving for so
    /// long. 2 s where others than this machine read it, else 300 ms; a registry that knows better says so.
    fn propagation(&self) -> Duration {
        if self.is_remote() { Duration::from_secs(2) } else { Duration::from_millis(300) }
    }
}

/// Why a registry cannot do what it was asked to.
#[derive(Debug)]
pub struct RegistryError {
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl RegistryError {
    /// With a sentence that names the place and the remedy.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for RegistryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
