//! What a program's clients and servers share.

use crate::{Config, Error, Result, Retries, Server, registries};
use rpc_core::{
    Observer, Observers,
    client::{Channel, Client, RetryPolicy, Timeouts},
    registry::{Availability, Registry, ServiceName, Target, Watch},
    transport::Transport,
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

/// What the clients and servers of a program share: its configuration, one session with each registry, and one channel
/// per service, whatever the number of clients made of it.
///
/// `OrdersClient::discover()` and [`Server::from_config`] use [`App::process`], the one of the whole process, which is
/// made when it is first needed. Tests, and programs with two configurations, make their own.
///
/// Cloning gives another handle on the same one; connections and sessions end when the last handle, client and server
/// made of it is gone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    config: Config,
    transports: Vec<Arc<dyn Transport>>,
    observers: Observers,
    /// The registry of everybody, when it was handed over rather than named by the configuration.
    given: Option<Arc<dyn Registry>>,
    /// One session per URL.
    registries: Mutex<HashMap<String, Arc<dyn Registry>>>,
    channels: Mutex<HashMap<&'static str, Channel>>,
}

/// The only static in the project; see [`App::process`].
static PROCESS: OnceLock<App> = OnceLock::new();

impl App {
    /// How long a client waits for the first list of servers.
    const FIRST_LIST: Duration = Duration::from_secs(3);

    /// An App to be told things in code. Reads neither file nor environment.
    pub fn builder() -> AppBuilder {
        AppBuilder::default()
    }

    /// An App as `rpc.toml` and the environment say; see [`Config::load`].
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn from_config() -> Result<Self> {
        Ok(Self::builder().config(Config::load()?).build())
    }

    /// The App of the whole process, made from the configuration when it is first asked for.
    ///
    /// # Errors
    /// When it is not there yet and the configuration cannot be read.
    pub fn process() -> Result<Self> {
        if let Some(app) = PROCESS.get() {
            return Ok(app.clone());
        }
        // Of two who come at once, one makes the App that both get.
        let made = Self::from_config()?;
        Ok(PROCESS.get_or_init(|| made).clone())
    }

    /// Makes this the App of the whole process.
    ///
    /// # Errors
    /// When there is one already, since it may be in use.
    pub fn install(self) -> Result<()> {
        PROCESS.set(self).map_err(|_| {
            Error::new("the App of this process is already there")
                .with_remedy("install yours before the first `discover()` or `Server::from_config()`")
        })
    }

    /// What it was told.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// A client of a service, by the service's name. Waits up to 3 s for a first list of its servers; the list may be
    /// empty, and a call then waits for a server to come.
    ///
    /// # Errors
    /// When the registry cannot be opened, or gives no list in time.
    pub async fn client<C: Client>(&self) -> Result<C> {
        let name = C::SERVICE.name;
        if let Some(channel) = self.channels().get(name) {
            return Ok(C::from_channel(channel.clone()));
        }
        let service: ServiceName = name
            .parse()
            .map_err(|error| Error::new(format!("`{name}` cannot be the name of a service")).with_source(error))?;
        let registry = self.registry_of(name)?;
        let mut watch = registry.watch(&service);
        if tokio::time::timeout(Self::FIRST_LIST, watch.known()).await.is_err() {
            return Err(no_list(&*registry, &watch, name));
        }
        // Of two who come at once, both get the same channel.
        let channel = self.channels().entry(name).or_insert_with(|| self.channel(service, watch)).clone();
        Ok(C::from_channel(channel))
    }

    /// A server of this App.
    pub fn server(&self) -> Server {
        Server::new(self.clone())
    }

    /// The registry at which servers of this App register.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn registry(&self) -> Result<Arc<dyn Registry>> {
        match &self.0.given {
            Some(registry) => Ok(registry.clone()),
            None => self.open(&self.0.config.registry.clone().unwrap_or_else(registries::embedded)),
        }
    }

    pub(crate) fn transports(&self) -> &[Arc<dyn Transport>] {
        &self.0.transports
    }

    pub(crate) fn observers(&self) -> &Observers {
        &self.0.observers
    }

    fn registry_of(&self, service: &str) -> Result<Arc<dyn Registry>> {
        match self.0.config.service(service).and_then(|service| service.target.as_ref()) {
            Some(target) => self.open(target),
            None => self.registry(),
        }
    }

    fn open(&self, target: &Target) -> Result<Arc<dyn Registry>> {
        let mut open = lock(&self.0.registries);
        if let Some(registry) = open.get(&target.to_string()) {
            return Ok(registry.clone());
        }
        let registry = registries::open(target)?;
        open.insert(target.to_string(), registry.clone());
        Ok(registry)
    }

    fn channel(&self, service: ServiceName, watch: Watch) -> Channel {
        let Config { client: all, .. } = &self.0.config;
        let own = self.0.config.service(service.as_str());
        let mut timeouts = Timeouts::default();
        if let Some(timeout) = own.and_then(|own| own.timeout).or(all.timeout) {
            timeouts = timeouts.with_service(timeout);
        }
        let transports = own.and_then(|own| own.transport).or(all.transport).unwrap_or_default();
        let mut builder = Channel::builder(service, watch).timeouts(timeouts).transports(transports);
        for transport in &self.0.transports {
            builder = builder.transport(transport.clone());
        }
        builder = builder.observer(self.0.observers.clone());
        if all.retries == Some(Retries::Off) {
            builder = builder.retry(RetryPolicy::Off);
        }
        builder.build()
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<&'static str, Channel>> {
        lock(&self.0.channels)
    }
}

/// Nothing that is done under these locks leaves them half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_list(registry: &dyn Registry, watch: &Watch, service: &str) -> Error {
    let why = match &watch.snapshot().availability {
        Availability::Unreachable(reason) => format!(": {reason}"),
        _ => String::new(),
    };
    let seconds = App::FIRST_LIST.as_secs();
    Error::new(format!("the registry {} has given no list of {service} within {seconds} s{why}", registry.url()))
        .with_remedy("see whether the registry runs and can be reached from here, and whether `registry` (RPC_REGISTRY) names the right one")
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// Makes an [`App`].
#[derive(Default)]
pub struct AppBuilder {
    config: Config,
    transports: Vec<Arc<dyn Transport>>,
    observers: Observers,
    registry: Option<Arc<dyn Registry>>,
}

impl AppBuilder {
    /// What it is told.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Reads what it is told as [`Config::load`] does; transports that were [added](Self::transport) before can be named
    /// there.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn load_config(self) -> Result<Self> {
        let names: Vec<_> = self.transports.iter().map(|transport| transport.name()).collect();
        let config = Config::load_with(&names)?;
        Ok(self.config(config))
    }

    /// A transport beside those that are compiled in: servers speak it on their port, and clients where a server
    /// advertises it. One of the same name takes the other's place.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transports.push(transport);
        self
    }

    /// Where servers register and clients look, instead of what the configuration says. For tests, and for registries
    /// that this crate does not know.
    #[must_use]
    pub fn registry(mut self, registry: Arc<dyn Registry>) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Who watches its clients, its servers and their registrations. There may be several: each is told of everything.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers = self.observers.and(observer);
        self
    }

    /// The App. Connects to nothing yet.
    pub fn build(self) -> App {
        let mut transports = compiled_in();
        for added in self.transports {
            transports.retain(|transport| transport.name() != added.name());
            transports.push(added);
        }
        App(Arc::new(Inner {
            config: self.config,
            transports,
            observers: self.observers,
            given: self.registry,
            registries: Mutex::default(),
            channels: Mutex::default(),
        }))
    }
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The transports whose features are on.
fn compiled_in() -> Vec<Arc<dyn Transport>> {
    vec![
        #[cfg(feature = "grpc")]
        Arc::new(rpc_grpc::Grpc::default()),
        #[cfg(feature = "tarpc")]
        Arc::new(rpc_tarpc::Tarpc::default()),
    ]
}
