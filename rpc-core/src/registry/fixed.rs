//! Servers that configuration names.

use crate::{
    Address, BoxFuture, Tasks,
    observer::target,
    registry::{
        Availability, Endpoint, Identity, Instance, Registration, Registry, RegistryError, ServiceName, Snapshot,
        Source, Watch,
    },
};
use std::sync::Arc;

/// Servers that configuration names, for every service alike.
///
/// An address says nothing about protocols, so configuration has to: `assume` in
/// [`Target`](crate::registry::Target). Registering here changes nothing, for nobody would read it.
#[derive(Clone, Debug)]
pub struct Fixed {
    addresses: Arc<[Address]>,
    protocols: Arc<[String]>,
    // Ends, with the last handle, what waits for registrations to be closed.
    tasks: Tasks,
}

impl Fixed {
    /// Servers at these addresses that speak these protocols.
    pub fn new(
        addresses: impl IntoIterator<Item = Address>,
        protocols: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            addresses: addresses.into_iter().collect(),
            protocols: protocols.into_iter().map(Into::into).collect(),
            tasks: Tasks::owner(),
        }
    }

    fn instance(&self, address: &Address, service: &ServiceName) -> Arc<Instance> {
        let endpoints = self.protocols.iter().map(|protocol| Endpoint::new(protocol, address.clone()));
        let mut instance = Instance::new(address.to_string(), vec![service.clone()], endpoints.collect());
        instance.identity = Identity::MadeUp;
        Arc::new(instance)
    }
}

impl Registry for Fixed {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        tracing::info!(
            target: target::REGISTRY, instance = %instance.id, registry = self.url(),
            "a fixed list of servers takes no registrations"
        );
        Box::pin(async { Ok(Registration::nowhere(&self.tasks)) })
    }

    fn watch(&self, service: &ServiceName) -> Watch {
        let instances = self.addresses.iter().map(|address| self.instance(address, service));
        let snapshot = Snapshot::new(instances.collect(), Availability::Listed, Source::Fixed);
        Watch::new(snapshot, ()).1
    }

    fn url(&self) -> String {
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        format!("static://{}", addresses.join(","))
    }

    fn is_remote(&self) -> bool {
        !self.addresses.iter().all(Address::is_loopback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::RegistrationState;
    use std::time::Duration;

    #[tokio::test]
    async fn the_list_is_what_it_was_made_of() {
        let addresses = ["10.0.0.1:7000", "unix:/run/orders.sock"].map(|text| text.parse().unwrap());
        let fixed = Fixed::new(addresses, ["grpc"]);
        let snapshot = fixed.watch(&"baedal.Orders".parse().unwrap()).snapshot();
        assert_eq!((snapshot.source, &snapshot.availability), (Source::Fixed, &Availability::Listed));
        assert_eq!(snapshot.instances.len(), 2);
        assert_eq!(snapshot.instances[0].id, "10.0.0.1:7000");
        assert_eq!(snapshot.instances[1].endpoints[0].protocol, "grpc");
        assert_eq!(fixed.url(), "static://10.0.0.1:7000,unix:/run/orders.sock");
        assert!(fixed.is_remote());
    }

    #[tokio::test]
    async fn a_registration_changes_nothing_and_closes() {
        let fixed = Fixed::new(["127.0.0.1:1".parse().unwrap()], ["grpc"]);
        let registration = fixed.register(Instance::new("a", vec![], vec![])).await.unwrap();
        assert_eq!(registration.state(), RegistrationState::Registered);
        assert!(registration.close(Duration::from_secs(1)).await);
    }
}
