//! Servers that a name in the DNS leads to.

use crate::{
    Address, BoxFuture, Tasks,
    observer::target,
    registry::{
        Availability, Endpoint, Identity, Instance, Publisher, Registration, Registry, RegistryError, ServiceName,
        Snapshot, Source, Watch,
    },
};
use std::{collections::BTreeSet, fmt, io, net::SocketAddr, sync::Arc, time::Duration};

/// All addresses of a name, for every service alike.
///
/// The name is resolved again every 10 s or so. While it cannot be, the last list stands, marked as stale; a name that
/// has come to have no address at all cannot be told from that, since the system's resolver does not say, and a list
/// is never emptied because the DNS cannot be asked. Neither addresses nor names say which protocol is spoken there,
/// so configuration has to: `assume` in [`Target`](crate::registry::Target). Registering here changes nothing: that is
/// the business of whoever keeps the zone.
#[derive(Clone)]
pub struct Dns {
    shared: Arc<Shared>,
    // Ends, with the last handle and the last watch, what resolves.
    tasks: Tasks,
}

struct Shared {
    host: String,
    port: u16,
    protocols: Vec<String>,
    resolver: Arc<dyn Resolver>,
}

/// Gives the addresses of a name. The seam for tests, and for resolvers other than the system's.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of `host`. The caller bounds the time.
    ///
    /// # Errors
    /// Why there are none, as the resolver says it.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The resolver of the system, which reads `/etc/hosts` as well.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

impl Dns {
    /// How long a list is taken for current; each time up to a fifth less or more, so that a fleet does not ask at
    /// once.
    const EVERY: Duration = Duration::from_secs(10);
    /// How soon it is tried again when nothing is known yet.
    const SOON: Duration = Duration::from_secs(1);
    /// How long an answer may take.
    const LIMIT: Duration = Duration::from_secs(5);
    /// More addresses are no list of servers.
    const MAX_ADDRESSES: usize = 1024;

    /// The addresses of `host`, at which these protocols are spoken.
    pub fn new(host: impl Into<String>, port: u16, protocols: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::with_resolver(host, port, protocols, Arc::new(SystemResolver))
    }

    /// The same, by another resolver than the system's.
    pub fn with_resolver(
        host: impl Into<String>,
        port: u16,
        protocols: impl IntoIterator<Item = impl Into<String>>,
        resolver: Arc<dyn Resolver>,
    ) -> Self {
        let protocols = protocols.into_iter().map(Into::into).collect();
        let shared = Shared { host: host.into(), port, protocols, resolver };
        Self { shared: Arc::new(shared), tasks: Tasks::owner() }
    }
}

impl Registry for Dns {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        tracing::info!(
            target: target::REGISTRY, instance = %instance.id, registry = self.url(),
            "nobody registers in the DNS; its zone lists the servers"
        );
        Box::pin(async { Ok(Registration::nowhere(&self.tasks)) })
    }

    fn watch(&self, service: &ServiceName) -> Watch {
        let (publisher, watch) = Watch::new(Snapshot::pending(), self.tasks.clone());
        self.tasks.handle().spawn(follow(self.shared.clone(), service.clone(), publisher));
        watch
    }

    fn url(&self) -> String {
        format!("dns://{}", Address::tcp(self.shared.host.clone(), self.shared.port))
    }

    fn is_remote(&self) -> bool {
        !Address::tcp(self.shared.host.clone(), self.shared.port).is_loopback()
    }
}

/// Resolves the name until nobody watches any more.
async fn follow(shared: Arc<Shared>, service: ServiceName, publisher: Publisher) {
    let mut last = BTreeSet::new();
    loop {
        let pause = match shared.ask().await {
            Ok(addresses) => {
                if addresses != last {
                    tracing::info!(
                        target: target::REGISTRY,
                        name = shared.host,
                        addresses = addresses.len(),
                        "the name leads to other servers now"
                    );
                }
                publisher.publish(shared.snapshot(&addresses, &service));
                last = addresses;
                Dns::EVERY
            }
            Err(reason) => {
                tracing::debug!(target: target::REGISTRY, name = shared.host, reason, "cannot be resolved now");
                publisher.unreachable(reason);
                if last.is_empty() { Dns::SOON } else { Dns::EVERY }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause.mul_f64(0.8 + 0.4 * fastrand::f64())) => {}
            () = publisher.abandoned() => return,
        }
    }
}

impl Shared {
    async fn ask(&self) -> Result<BTreeSet<SocketAddr>, String> {
        let name = &self.host;
        match tokio::time::timeout(Dns::LIMIT, self.resolver.resolve(name, self.port)).await {
            Err(_) => Err(format!("nobody has said within {} s where {name} is", Dns::LIMIT.as_secs())),
            Ok(Err(error)) => Err(format!("{name} cannot be resolved: {error}")),
            Ok(Ok(addresses)) if addresses.is_empty() => Err(format!("{name} has no address")),
            Ok(Ok(addresses)) => Ok(addresses.into_iter().take(Dns::MAX_ADDRESSES).collect()),
        }
    }

    fn snapshot(&self, addresses: &BTreeSet<SocketAddr>, service: &ServiceName) -> Snapshot {
        let instance = |address: &SocketAddr| {
            let place = Address::from(*address);
            let endpoints = self.protocols.iter().map(|protocol| Endpoint::new(protocol, place.clone())).collect();
            let mut instance = Instance::new(address.to_string(), vec![service.clone()], endpoints);
            instance.identity = Identity::MadeUp;
            Arc::new(instance)
        };
        Snapshot::new(addresses.iter().map(instance).collect(), Availability::Listed, Source::Live)
    }
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dns({}:{})", self.shared.host, self.shared.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::time::Instant;

    /// Says what it was last told to say.
    #[derive(Clone, Default)]
    struct Zone(Arc<Mutex<Option<Vec<&'static str>>>>);

    impl Zone {
        fn set(&self, addresses: Option<&[&'static str]>) {
            *self.0.lock().unwrap() = addresses.map(<[_]>::to_vec);
        }
    }

    impl Resolver for Zone {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            let answer = self.0.lock().unwrap().clone();
            Box::pin(async move {
                let addresses = answer.ok_or_else(|| io::Error::other("try again later"))?;
                Ok(addresses.iter().map(|address| address.parse().unwrap()).collect())
            })
        }
    }

    fn orders() -> ServiceName {
        "baedal.Orders".parse().unwrap()
    }

    fn ids(snapshot: &Snapshot) -> Vec<&str> {
        snapshot.instances.iter().map(|instance| instance.id.as_str()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_come_and_go_and_stay_while_nobody_can_be_asked() {
        let zone = Zone::default();
        let dns = Dns::with_resolver("orders.internal", 7000, ["grpc"], Arc::new(zone.clone()));
        let mut watch = dns.watch(&orders());
        let first = watch.changed().await;
        assert!(matches!(&first.availability, Availability::Unreachable(why) if why.contains("try again later")));

        zone.set(Some(&["10.0.0.2:7000", "10.0.0.1:7000", "10.0.0.1:7000"]));
        let known = watch.known().await;
        assert_eq!(ids(&known), ["10.0.0.1:7000", "10.0.0.2:7000"]);
        assert_eq!(known.instances[0].endpoints[0].protocol, "grpc");
        assert_eq!((known.source, known.instances[0].identity), (Source::Live, Identity::MadeUp));

        zone.set(None);
        let asked = Instant::now();
        let stale = watch.changed().await;
        assert!((8..=12).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
        assert_eq!(
            (ids(&stale), stale.source, stale.at),
            (ids(&known), Source::Stale, known.at),
            "and its age is told"
        );
        zone.set(Some(&[]));
        let empty = watch.changed().await;
        assert_eq!((ids(&empty), empty.source), (ids(&known), Source::Stale));

        zone.set(Some(&["10.0.0.3:7000"]));
        let again = watch.changed().await;
        assert_eq!((ids(&again), again.source), (vec!["10.0.0.3:7000"], Source::Live));
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_ends_with_the_watch_and_a_watch_outlives_its_registry() {
        let zone = Zone::default();
        zone.set(Some(&["10.0.0.1:7000"]));
        let dns = Dns::with_resolver("orders.internal", 7000, ["grpc"], Arc::new(zone.clone()));
        let tasks = dns.tasks.handle();
        let mut watch = dns.watch(&orders());
        drop(dns);
        let known = watch.known().await;
        assert_eq!(ids(&known), ["10.0.0.1:7000"]);
        drop(watch);
        tasks.finished().await;
    }

    #[tokio::test]
    async fn localhost_is_found_by_the_system() {
        let dns = Dns::new("localhost", 7000, ["tarpc/1"]);
        assert_eq!((dns.url().as_str(), dns.is_remote()), ("dns://localhost:7000", false));
        let known = dns.watch(&orders()).known().await;
        assert!(!known.instances.is_empty());
        for instance in &known.instances {
            assert!(instance.endpoints[0].address.is_loopback(), "{instance:?}");
        }
        let registration = dns.register(Instance::new("a", vec![orders()], vec![])).await.unwrap();
        assert!(registration.close(Duration::from_secs(60)).await);
    }
}
