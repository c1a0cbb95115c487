//! What a program's clients and servers share.

mod builder;
mod clients;
mod ending;
mod locals;
mod rules;
mod terms;

pub use builder::AppBuilder;
pub(crate) use ending::Serving;
use terms::Terms;

use crate::{
    Config, Error, Result, Server, registries,
    rules::{Levels, RulesFile},
    tls,
};
use rpc_core::{
    Layers, Observers, ServiceDescriptor, Tasks,
    client::Channel,
    registry::{Registry, Target},
    server::Local,
    tls::TlsConnector,
    transport::{Limits, Transport},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize},
    },
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
    layers: AllLayers,
    /// Certificates that the program brings for its clients.
    client_tls: Option<tls::ClientTls>,
    /// What shakes hands for all clients, once one of them has needed it.
    connector: Mutex<Option<Arc<dyn TlsConnector>>>,
    /// The registry of everybody, when it was handed over rather than named by the configuration.
    given: Option<Arc<dyn Registry>>,
    /// One session per URL.
    registries: Mutex<HashMap<String, Arc<dyn Registry>>>,
    clients: Mutex<Clients>,
    /// Rules are changed by one at a time.
    turn: tokio::sync::Mutex<()>,
    rules_file: Option<Arc<RulesFile>>,
    /// Whether the file of rules is looked at.
    watching: AtomicBool,
    tasks: Tasks,
    /// What clients whose target is `local://` call.
    locals: Mutex<HashMap<&'static str, Local>>,
    /// Which service a section of the configuration with a short name was taken to mean.
    sections: Mutex<HashMap<String, &'static str>>,
    /// Whether it has been said that plain text leaves this machine.
    warned: AtomicBool,
    /// Whether it has been shut down.
    ended: AtomicBool,
    /// How many servers of it run.
    serving: AtomicUsize,
    /// How many of them take no new calls any more.
    leaving: AtomicUsize,
}

/// What its clients are, and the rules that hold for them; under one lock, so that no client is made by rules of
/// before.
#[derive(Default)]
struct Clients {
    held: HashMap<&'static str, Held>,
    levels: Arc<Levels>,
}

/// What all clients of one service have.
#[derive(Clone)]
struct Held {
    service: &'static ServiceDescriptor,
    /// Their calls go through it.
    channel: Channel,
    /// To the servers that the configuration names, kept while rules lead elsewhere, so that the way back is connected.
    home: Option<Channel>,
    terms: Terms,
}

/// The layers of the user's, by where they stand.
#[derive(Clone, Default)]
struct AllLayers {
    client: Layers,
    attempt: Layers,
    server: Layers,
}

/// The only global state in the project; see [`App::process`].
static PROCESS: OnceLock<App> = OnceLock::new();

impl App {
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

    /// A server of this App.
    pub fn server(&self) -> Server {
        Server::new(self.clone())
    }

    /// The registry at which servers of this App register.
    ///
    /// # Errors
    /// When it cannot be opened, or nobody has named one and `registry.required` says that somebody has to.
    pub fn registry(&self) -> Result<Arc<dyn Registry>> {
        match (&self.0.given, &self.0.config.registry) {
            (Some(registry), _) => Ok(registry.clone()),
            (None, Some(named)) => {
                registries::check(&self.0.config, "registry", named)?;
                self.open(named)
            }
            (None, None) if self.0.config.registry_required => Err(no_registry(&self.0.config)),
            (None, None) => self.open(&registries::embedded()),
        }
    }

    /// The layers around the services of its servers.
    pub(crate) fn server_layers(&self) -> &Layers {
        &self.0.layers.server
    }

    /// Whether nobody has said which registry to use.
    pub(crate) fn is_on_embedded_registry(&self) -> bool {
        self.0.given.is_none() && self.0.config.registry.is_none()
    }

    /// Whether the configuration names a registry that no other process can read.
    pub(crate) fn is_on_registry_in_memory(&self) -> bool {
        self.0.given.is_none() && self.0.config.registry == Some(Target::Memory)
    }

    pub(crate) fn transports(&self) -> &[Arc<dyn Transport>] {
        &self.0.transports
    }

    /// These limits, but for what the configuration says: it holds on every wire and none.
    pub(crate) fn limits_over(&self, limits: Limits) -> Limits {
        self.0.config.max_message.map_or(limits, |bytes| limits.with_max_message(bytes))
    }

    pub(crate) fn observers(&self) -> &Observers {
        &self.0.observers
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
}

/// Nothing that is done under these locks leaves them half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_registry(config: &Config) -> Error {
    let origin = config.origin("registry.required");
    Error::configuration(format!("no registry is named, and `registry.required` ({origin}) says that one has to be"))
        .with_remedy("set `registry` (RPC_REGISTRY), for instance to zookeeper://HOST:2181/rpc")
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("config", &self.0.config).finish_non_exhaustive()
    }
}
