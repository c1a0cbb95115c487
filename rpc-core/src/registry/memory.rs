//! A registry inside this process.

use crate::{
    BoxFuture, Tasks,
    registry::{
        Availability, Instance, Publisher, Registrar, Registration, RegistrationState, Registry, RegistryError,
        ServiceName, Snapshot, Source, Watch,
    },
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A registry inside this process: clones share it, other processes do not see it. For tests, and for programs whose
/// servers and clients are one process.
#[derive(Clone)]
pub struct Memory(Arc<Shared>);

struct Shared {
    // A registration's task holds this whole: the record is withdrawn even after the last `Memory` is gone.
    tasks: Tasks,
    services: Mutex<Services>,
}

type Services = BTreeMap<ServiceName, Entry>;

#[derive(Default)]
struct Entry {
    // In the order of registration; a list that does not jump is easier to read.
    instances: Vec<Arc<Instance>>,
    known: bool,
    publishers: Vec<Publisher>,
}

impl Memory {
    /// An empty registry.
    pub fn new() -> Self {
        Self(Arc::new(Shared { tasks: Tasks::owner(), services: Mutex::default() }))
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry for Memory {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        Box::pin(async move {
            if instance.services.is_empty() {
                return Err(RegistryError::new(format!(
                    "instance {} offers no service; add one to the server before it registers",
                    instance.id
                )));
            }
            let instance = Arc::new(instance);
            let (registrar, registration) = Registration::new();
            self.0.add(&instance);
            registrar.set(RegistrationState::Registered);
            self.0.tasks.handle().spawn(keep(self.0.clone(), instance, registrar));
            Ok(registration)
        })
    }

    fn watch(&self, service: &ServiceName) -> Watch {
        let mut services = self.0.lock();
        let entry = services.entry(service.clone()).or_default();
        let (publisher, watch) = Watch::new(entry.snapshot(), self.clone());
        entry.publishers.push(publisher);
        watch
    }

    fn url(&self) -> String {
        "memory://".to_owned()
    }

    fn is_remote(&self) -> bool {
        false
    }
}

/// Waits for the end of a registration, and withdraws its record.
async fn keep(shared: Arc<Shared>, instance: Arc<Instance>, registrar: Registrar) {
    registrar.closing().await;
    shared.remove(&instance);
    registrar.set(RegistrationState::Closed);
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Services> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, instance: &Arc<Instance>) {
        let mut services = self.lock();
        for service in &instance.services {
            let entry = services.entry(service.clone()).or_default();
            entry.known = true;
            entry.instances.retain(|other| other.id != instance.id);
            entry.instances.push(instance.clone());
            entry.publish();
        }
    }

    fn remove(&self, instance: &Arc<Instance>) {
        let mut services = self.lock();
        for service in &instance.services {
            if let Some(entry) = services.get_mut(service) {
                // By identity: a later registration under the same id is not this one's to withdraw.
                entry.instances.retain(|other| !Arc::ptr_eq(other, instance));
                entry.publish();
            }
        }
    }
}

impl Entry {
    fn snapshot(&self) -> Snapshot {
        let availability = if self.known { Availability::Listed } else { Availability::NoService };
        Snapshot::new(self.instances.clone(), availability, Source::Live)
    }

    fn publish(&mut self) {
        self.publishers.retain(|publisher| !publisher.is_abandoned());
        let snapshot = self.snapshot();
        for publisher in &self.publishers {
            publisher.publish(snapshot.clone());
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} services)", self.0.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn orders() -> ServiceName {
        "baedal.Orders".parse().unwrap()
    }

    #[tokio::test]
    async fn a_record_is_there_until_its_registration_ends() {
        let registry = Memory::new();
        let mut watch = registry.watch(&orders());
        assert_eq!(watch.snapshot().availability, Availability::NoService);

        let first = registry.register(Instance::new("a", vec![orders()], vec![])).await.unwrap();
        assert_eq!(first.state(), RegistrationState::Registered);
        assert_eq!(watch.changed().await.instances.len(), 1);
        let second = registry.register(Instance::new("b", vec![orders()], vec![])).await.unwrap();
        assert_eq!(watch.changed().await.instances.len(), 2);

        drop(first);
        assert_eq!(watch.changed().await.instances[0].id, "b");
        assert!(second.close(Duration::from_secs(1)).await);
        let last = watch.changed().await;
        assert!(last.instances.is_empty());
        assert_eq!(last.availability, Availability::Listed);
    }

    #[tokio::test]
    async fn an_earlier_registration_does_not_withdraw_a_later_one() {
        let registry = Memory::new();
        let earlier = registry.register(Instance::new("a", vec![orders()], vec![])).await.unwrap();
        let _later = registry.register(Instance::new("a", vec![orders()], vec![])).await.unwrap();
        assert!(earlier.close(Duration::from_secs(1)).await);
        assert_eq!(registry.watch(&orders()).snapshot().instances.len(), 1);
    }

    #[tokio::test]
    async fn records_are_withdrawn_after_the_registry_itself_was_dropped() {
        let registry = Memory::new();
        let registration = registry.register(Instance::new("a", vec![orders()], vec![])).await.unwrap();
        drop(registry);
        assert!(registration.close(Duration::from_secs(1)).await);
    }

    #[tokio::test]
    async fn an_instance_without_services_is_refused() {
        let error = Memory::new().register(Instance::new("a", vec![], vec![])).await.unwrap_err();
        assert_eq!(error.to_string(), "instance a offers no service; add one to the server before it registers");
    }
}
