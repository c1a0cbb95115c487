//! What the tests against a real ZooKeeper share.

use rpc_core::{
    Address, Observer,
    registry::{Endpoint, Instance, Registration, RegistrationState, Registry, ServiceName, Snapshot, Watch},
};
use rpc_testkit::ZooKeeperServer;
use rpc_zookeeper::ZooKeeper;
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{sync::OnceCell, task::JoinHandle, time::timeout};
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions, Error, Stat};

pub(crate) const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());
pub(crate) const EPHEMERAL: CreateOptions<'static> = CreateMode::Ephemeral.with_acls(Acls::anyone_all());

static SERVER: OnceCell<ZooKeeperServer> = OnceCell::const_new();
static PLACES: AtomicU32 = AtomicU32::new(0);

/// The server that all tests of a binary share which do it no harm. (It ends with their process, and its folder too.)
pub(crate) async fn server() -> &'static ZooKeeperServer {
    SERVER.get_or_init(async || ZooKeeperServer::start().await.expect("a ZooKeeper")).await
}

/// A base path of one test's own.
pub(crate) fn place() -> String {
    format!("/test-{}/rpc", PLACES.fetch_add(1, Ordering::Relaxed))
}

/// A registry on this host and port, with sessions of 2 s.
pub(crate) fn registry(host: &str, base: &str) -> ZooKeeper {
    with_session(host, base, 2)
}

/// A registry on this host and port, with sessions of so many seconds.
pub(crate) fn with_session(host: &str, base: &str, seconds: u32) -> ZooKeeper {
    ZooKeeper::open(&format!("zookeeper://{host}{base}?session_timeout={seconds}s")).expect("a registry")
}

/// A plain client, to see what stands there.
pub(crate) async fn client(host: &str) -> Client {
    Client::connector().with_session_timeout(Duration::from_secs(10)).connect(host).await.expect("a client")
}

pub(crate) fn service(name: &str) -> ServiceName {
    name.parse().expect("a name")
}

/// An instance that offers these services on a port.
pub(crate) fn instance(services: &[&str], port: u16) -> Instance {
    let endpoints = vec![Endpoint::new("grpc", Address::tcp("127.0.0.1", port))];
    Instance::new(Instance::random_id(), services.iter().map(|name| service(name)).collect(), endpoints)
}

pub(crate) fn ids(snapshot: &Snapshot) -> BTreeSet<String> {
    snapshot.instances.iter().map(|instance| instance.id.clone()).collect()
}

pub(crate) fn set<const N: usize>(ids: [&Instance; N]) -> BTreeSet<String> {
    ids.into_iter().map(|instance| instance.id.clone()).collect()
}

/// Waits until a watch shows what is wanted; the last list when it does not within the limit.
pub(crate) async fn until(
    watch: &mut Watch,
    limit: Duration,
    wanted: impl Fn(&Snapshot) -> bool,
) -> Result<(), String> {
    let shown = async {
        let mut snapshot = watch.snapshot();
        while !wanted(&snapshot) {
            snapshot = watch.changed().await;
        }
    };
    match timeout(limit, shown).await {
        Ok(()) => Ok(()),
        Err(_) => Err(format!("after {limit:?} the list is {:?}", watch.snapshot())),
    }
}

/// Writes down every list that a watch shows.
pub(crate) struct Scribe {
    lists: Arc<Mutex<Vec<BTreeSet<String>>>>,
    task: JoinHandle<()>,
}

impl Scribe {
    pub(crate) fn new(mut watch: Watch) -> Self {
        let lists = Arc::new(Mutex::new(Vec::new()));
        let written = lists.clone();
        #[expect(clippy::disallowed_methods, reason = "a test may spawn; it is aborted below")]
        let task = tokio::spawn(async move {
            loop {
                let snapshot = watch.changed().await;
                written.lock().unwrap().push(ids(&snapshot));
            }
        });
        Self { lists, task }
    }

    pub(crate) fn assert_always(self, expected: &BTreeSet<String>) {
        self.task.abort();
        let lists = self.lists.lock().unwrap();
        assert!(lists.iter().all(|list| list == expected), "{lists:?}");
    }
}

/// Registers, and waits until the record is there.
pub(crate) async fn register(registry: &ZooKeeper, instance: &Instance) -> Registration {
    let mut registration = registry.register(instance.clone()).await.expect("an instance that can be registered");
    reached(&mut registration, RegistrationState::Registered, Duration::from_secs(5)).await;
    registration
}

/// The states of a registration that an observer was told of, without the trying in between.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<&'static str>>);

impl Told {
    pub(crate) fn states(&self) -> Vec<&'static str> {
        self.0.lock().expect("nobody panics under it").clone()
    }
}

impl Observer for Told {
    fn registration(&self, _: &str, state: RegistrationState) {
        if state != RegistrationState::Pending {
            self.0.lock().expect("nobody panics under it").push(state.word());
        }
    }
}

pub(crate) async fn reached(registration: &mut Registration, state: RegistrationState, limit: Duration) {
    let reached = timeout(limit, registration.reached(state)).await;
    assert_eq!(reached, Ok(true), "the registration is {:?} and not {state:?}", registration.state());
}

/// What stands in a node, if it is there.
pub(crate) async fn node(client: &Client, path: &str) -> Option<(String, Stat)> {
    match client.get_data(path).await {
        Ok((data, stat)) => Some((String::from_utf8(data).expect("text"), stat)),
        Err(Error::NoNode) => None,
        Err(error) => panic!("{path}: {error}"),
    }
}

/// Waits until a node is there (or not), asking every few milliseconds.
pub(crate) async fn node_is(client: &Client, path: &str, there: bool, limit: Duration) -> Option<Stat> {
    let look = async {
        loop {
            match client.check_stat(path).await {
                Ok(stat) if stat.is_some() == there => return stat,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(limit, look).await.unwrap_or_else(|_| panic!("{path}: there: {there} did not come true within {limit:?}"))
}
