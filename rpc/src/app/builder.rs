//! Puts an [`App`] together.

use super::{AllLayers, App, Inner};
use crate::{Config, Result, rules::RulesFile, tls};
use rpc_core::{
    BoxService, Layer, Observer, Observers, Service, Tasks, observer::Tracing, registry::Registry, transport::Transport,
};
use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize},
    },
};

/// Makes an [`App`].
pub struct AppBuilder {
    config: Config,
    transports: Vec<Arc<dyn Transport>>,
    observers: Observers,
    registry: Option<Arc<dyn Registry>>,
    layers: AllLayers,
    client_tls: Option<tls::ClientTls>,
}

impl Default for AppBuilder {
    fn default() -> Self {
        Self {
            config: Config::default(),
            transports: Vec::new(),
            observers: Observers::default().with_tracing(Tracing::On),
            registry: None,
            layers: AllLayers::default(),
            client_tls: None,
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

    /// Reads what it is told as [`Config::load`] does; transports that were [added](Self::transport) before can be
    /// named there.
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

    /// Lets its clients speak TLS with these certificates instead of those that the configuration names, unless it says
    /// `tls = "off"`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn client_tls(mut self, tls: crate::ClientTls) -> Self {
        self.client_tls = Some(tls);
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

    /// A layer around the calls of all its clients, which sees each call once, whatever the number of attempts: inside
    /// the deadline, outside the retries. The first one added is the outermost. Where credentials attach:
    ///
    /// ```
    /// use rpc::{BoxService, Layer, Request, Response, Service, Status};
    ///
    /// struct Credentials(&'static str);
    ///
    /// impl Layer<BoxService> for Credentials {
    ///     type Service = Authorized;
    ///     fn layer(&self, inner: BoxService) -> Authorized {
    ///         Authorized { inner, token: self.0 }
    ///     }
    /// }
    ///
    /// struct Authorized {
    ///     inner: BoxService,
    ///     token: &'static str,
    /// }
    ///
    /// impl Service for Authorized {
    ///     async fn call(&self, mut request: Request) -> Result<Response, Status> {
    ///         let mut metadata = request.context.metadata().clone();
    ///         metadata.append("authorization", self.token).map_err(|error| Status::internal(error.to_string()))?;
    ///         request.context = request.context.with_metadata(metadata);
    ///         self.inner.call(request).await
    ///     }
    /// }
    ///
    /// let app = rpc::App::builder().client_layer(Credentials("Bearer 1234")).build();
    /// ```
    ///
    /// Middleware that was written for tower comes in through [`TowerLayer`](crate::tower::TowerLayer).
    #[must_use]
    pub fn client_layer(mut self, layer: impl Layer<BoxService, Service: Service> + Send + Sync + 'static) -> Self {
        self.layers.client = self.layers.client.and(layer);
        self
    }

    /// A layer around every attempt at the calls of all its clients: inside the retries, before a server is chosen.
    #[must_use]
    pub fn client_layer_per_attempt(
        mut self,
        layer: impl Layer<BoxService, Service: Service> + Send + Sync + 'static,
    ) -> Self {
        self.layers.attempt = self.layers.attempt.and(layer);
        self
    }

    /// A layer around the services of all its servers, those in this process among them: inside the layers that every
    /// server has, outside the router. Layers of one [`Server`](crate::Server) stand inside these.
    #[must_use]
    pub fn server_layer(mut self, layer: impl Layer<BoxService, Service: Service> + Send + Sync + 'static) -> Self {
        self.layers.server = self.layers.server.and(layer);
        self
    }

    /// The App. Connects to nothing yet; reads the rules, if the configuration names a file of them.
    pub fn build(self) -> App {
        let mut transports = compiled_in();
        for added in self.transports {
            transports.retain(|transport| transport.name() != added.name());
            transports.push(added);
        }
        let rules_file = self.config.rules.clone().map(RulesFile::new).map(Arc::new);
        let app = App(Arc::new(Inner {
            config: self.config,
            transports,
            observers: self.observers,
            layers: self.layers,
            client_tls: self.client_tls,
            connector: Mutex::default(),
            given: self.registry,
            registries: Mutex::default(),
            clients: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            rules_file,
            watching: AtomicBool::new(false),
            tasks: Tasks::owner(),
            locals: Mutex::default(),
            sections: Mutex::default(),
            warned: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            serving: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
        }));
        app.read_rules();
        app
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
