//! No registry: clients call services of their own process.

use crate::{
    BoxFuture, Tasks,
    observer::target,
    registry::{Availability, Instance, Registration, Registry, RegistryError, ServiceName, Snapshot, Source, Watch},
};

/// What stands for a registry where clients call services of their own process, without a wire. It lists nothing, and
/// registering here changes nothing.
#[derive(Clone, Debug)]
pub struct Here {
    // Ends, with the last handle, what waits for registrations to be closed.
    tasks: Tasks,
}

impl Here {
    /// This process.
    pub fn new() -> Self {
        Self { tasks: Tasks::owner() }
    }
}

impl Default for Here {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry for Here {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        tracing::info!(
            target: target::REGISTRY, instance = %instance.id, registry = self.url(),
            "this server is on no list: others need its address"
        );
        Box::pin(async { Ok(Registration::nowhere(&self.tasks)) })
    }

    fn watch(&self, _: &ServiceName) -> Watch {
        Watch::new(Snapshot::new(Vec::new(), Availability::Listed, Source::Fixed), ()).1
    }

    fn url(&self) -> String {
        "local://".to_owned()
    }

    fn is_remote(&self) -> bool {
        false
    }
}
