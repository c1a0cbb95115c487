//! Puts an [`App`] together.

use super::{App, Inner};
use crate::{Config, Result};
use rpc_core::{Observer, Observers, observer::Tracing, registry::Registry, transport::Transport};
use std::{
    fmt,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

/// Makes an [`App`].
pub struct AppBuilder {
    config: Config,
    transports: Vec<Arc<dyn Transport>>,
    observers: Observers,
    registry: Option<Arc<dyn Registry>>,
}

impl Default for AppBuilder {
    fn default() -> Self {
        Self {
            config: Config::default(),
            transports: Vec::new(),
            observers: Observers::default().with_tracing(Tracing::On),
            registry: None,
        }
    }
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

    /// Whether calls have spans of `tracing`, and connections, registrations and drains are logged; on by default. What
    /// goes wrong is logged in any case.
    #[must_use]
    pub fn tracing(mut self, tracing: Tracing) -> Self {
        self.observers = self.observers.with_tracing(tracing);
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
            sections: Mutex::default(),
            warned: AtomicBool::new(false),
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
