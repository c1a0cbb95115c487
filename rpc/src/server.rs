//! A server as people deploy it: configured, registered, drained.

use crate::{
    App, Config, Error, Result, Running,
    listening::Listening,
    offer::{Attributes, Offer},
    signals::Signals,
    tls::{self, Settled},
};
use rpc_core::{
    Address, BoxService, Layer, Layers, Service,
    observer::target,
    registry::{Instance, Registry},
    server::{Admission, NamedService, ServerError},
    transport::{Limits, Transport},
};
use std::{fmt, io::ErrorKind, sync::Arc};

/// Services of this process, on one port, over every protocol, on the list of a registry.
///
/// ```no_run
/// # async fn example(service: impl rpc::NamedService) -> rpc::Result<()> {
/// rpc::Server::from_config()?.service(service).run().await
/// # }
/// ```
pub struct Server {
    app: App,
    core: rpc_core::server::Server,
    layers: Layers,
    limits: Limits,
    admission: Option<Admission>,
    attributes: Attributes,
    /// Certificates that the program brings.
    tls: Option<tls::ServerTls>,
    on_ready: Option<OnReady>,
    /// The first thing that was wrong with what it was told; said when it starts, so that building it stays a chain.
    mistake: Option<Error>,
}

pub(crate) type OnReady = Box<dyn FnOnce(&Running) + Send>;

impl Server {
    /// A server of the [`App`] of this process, as `rpc.toml` and the `RPC_...` variables say.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn from_config() -> Result<Self> {
        Ok(App::process()?.server())
    }

    pub(crate) fn new(app: App) -> Self {
        let layers = app.server_layers().clone();
        Self {
            app,
            core: rpc_core::server::Server::new(),
            layers,
            limits: Limits::default(),
            admission: None,
            attributes: Attributes::default(),
            tls: None,
            on_ready: None,
            mistake: None,
        }
    }

    /// Adds a service: what `..Server::new` gives.
    #[must_use]
    pub fn service(mut self, service: impl NamedService) -> Self {
        // `Server::service` takes the server with it when it fails; there is nothing left to start then.
        match std::mem::take(&mut self.core).service(service) {
            Ok(core) => self.core = core,
            Err(twice) => self.mistake = self.mistake.or_else(|| Some(Error::new(twice.to_string()))),
        }
        self
    }

    /// A layer around all its services: inside the layers that every server has (observe, catch panics, keep the
    /// deadline) and those of the [`App`], outside the router. The first one added is the outermost. A call that it
    /// answers itself never reaches a handler:
    ///
    /// ```
    /// use rpc::{BoxService, Layer, Request, Response, Service, Status};
    ///
    /// struct KnowsCallers;
    ///
    /// impl Layer<BoxService> for KnowsCallers {
    ///     type Service = KnownCallers;
    ///     fn layer(&self, inner: BoxService) -> KnownCallers {
    ///         KnownCallers(inner)
    ///     }
    /// }
    ///
    /// struct KnownCallers(BoxService);
    ///
    /// impl Service for KnownCallers {
    ///     async fn call(&self, request: Request) -> Result<Response, Status> {
    ///         match request.context.metadata().get("authorization") {
    ///             Some(_) => self.0.call(request).await,
    ///             None => Err(Status::new(rpc::Code::Unauthenticated, "say who calls: `authorization`")),
    ///         }
    ///     }
    /// }
    ///
    /// let server = rpc::App::builder().build().server().layer(KnowsCallers);
    /// ```
    #[must_use]
    pub fn layer(mut self, layer: impl Layer<BoxService, Service: Service> + Send + Sync + 'static) -> Self {
        self.layers = self.layers.and(layer);
        self
    }

    /// Speaks TLS with these certificates instead of those that the configuration names, unless it says `tls = "off"`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Its share of the calls relative to other servers, from 0 to 10,000: 100 is ordinary, 0 is none. The
    /// configuration (`server.weight`) overrules it, since whoever runs a server knows its machine.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.attributes.weight = Some(weight);
        self
    }

    /// The failure domain it stands in, for those who read its record. The configuration (`server.zone`) overrules it.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.attributes.zone = Some(zone.into());
        self
    }

    /// The version of the program, for those who read its record, as in `.version(env!("CARGO_PKG_VERSION"))`. The
    /// configuration (`server.version`) overrules it.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.attributes.version = Some(version.into());
        self
    }

    /// What it accepts from clients: the size of a message, how many calls on a connection, how many connections. The
    /// configuration (`max_message`) overrules it.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many calls it lets in at once, instead of as many as it gets done. The configuration (`server.admission`)
    /// overrules it.
    #[must_use]
    pub fn admission(mut self, admission: Admission) -> Self {
        self.admission = Some(admission);
        self
    }

    /// What to do once it listens and is registered: say where it listens, for instance.
    #[must_use]
    pub fn on_ready(mut self, ready: impl FnOnce(&Running) + Send + 'static) -> Self {
        self.on_ready = Some(Box::new(ready));
        self
    }

    /// Listens, registers, and serves until SIGTERM or Ctrl-C, then drains; see [`Running::shutdown`]. A second signal
    /// ends the process at once, with the exit code that a shell gives for the signal. Both also count while it starts:
    /// then it drains what has come already, and registers no more.
    ///
    /// # Errors
    /// As for [`start`](Self::start); and when the system takes the port away, after a drain: nobody could come any
    /// more.
    pub async fn run(self) -> Result<()> {
        let mut signals = Signals::listen()?;
        let listening = tokio::select! {
            listening = self.listen() => listening?,
            // Nobody can have come.
            _ = signals.next() => return Ok(()),
        };
        let registering = tokio::select! {
            registered = listening.register() => Ok(registered),
            signal = signals.next() => Err(signal),
        };
        let (running, signal) = match registering {
            Ok(registered) => {
                let running = listening.settle(registered).await?;
                tokio::select! {
                    signal = signals.next() => (running, signal),
                    () = running.port_closed() => {
                        let port = running.address().to_string();
                        running.end().await;
                        return Err(port_lost(&port));
                    }
                }
            }
            // Its port is open, and not everybody finds it by the registry: who calls already is let finish. A record
            // that may have got there is withdrawn meanwhile, as what was registering it is gone.
            Err(signal) => (listening.serve(Vec::new()), signal),
        };
        tracing::info!(target: target::SERVER, signal = signal.name(), "draining; a second signal exits at once");
        tokio::select! {
            _ = running.end() => Ok(()),
            second = signals.next() => {
                tracing::warn!(
                    target: target::SERVER, signal = second.name(),
                    "exiting at once, whatever is still in flight"
                );
                std::process::exit(second.exit_code())
            }
        }
    }

    /// Listens, then registers, and serves until the [`Running`] is shut down or dropped.
    ///
    /// # Errors
    /// When there is no service or no protocol, a certificate cannot be used, the port cannot be had, the registry
    /// cannot be opened or refuses, or the address would be of no use to those who read it there.
    pub async fn start(self) -> Result<Running> {
        let listening = self.listen().await?;
        let registered = listening.register().await;
        listening.settle(registered).await
    }

    async fn listen(self) -> Result<Listening> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let descriptors = self.core.router().descriptors();
        if descriptors.is_empty() {
            return Err(
                Error::new("a server without a service").with_remedy("add one: `.service(OrdersServer::new(..))`")
            );
        }
        let offers = Offer::all(descriptors, &self.attributes.settled(self.app.config())?)?;
        let registry = self.app.registry()?;
        let config = self.app.config();
        let tls = tls::settled([("server.tls", config.server.tls), ("tls", config.tls)])
            .or_on(self.tls.is_some())
            .unless_forgotten(config, "server.certificate", config.server.certificate.is_some())?;
        let listen = listen(config, &*registry)?;
        let transports = transports(config, self.app.transports())?;
        for offer in &offers {
            offer.check(config, &transports)?;
        }

        let id = Instance::random_id();
        let admission = config.server.admission.or(self.admission).unwrap_or_default();
        let limits = self.app.limits_over(self.limits);
        let mut core = self.core.instance(&id).layers(self.layers).limits(limits).admission(admission);
        for transport in &transports {
            core = core.transport(transport.clone());
        }
        if let Settled::On(key) = &tls {
            core = core.tls(tls::acceptor(config, key, self.tls, &transports)?);
        }
        core = core.observer(self.app.observers().clone());
        let core = core.bind(&listen).await.map_err(cannot_bind)?;
        if tls == Settled::Unsaid && !core.address().is_loopback() {
            tracing::warn!(
                target: target::SERVER,
                listening = %core.address(),
                "others can call this server, and read along: set `tls = \"off\"` (RPC_TLS) if plain text is meant"
            );
        }
        let (app, security, on_ready) = (self.app, tls.security(), self.on_ready);
        Ok(Listening { app, core, registry, id, offers, transports, security, on_ready })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("core", &self.core).finish_non_exhaustive()
    }
}

/// Where to listen when nobody has said so: on a registry that others read, nowhere.
fn listen(config: &Config, registry: &dyn Registry) -> Result<Address> {
    match &config.server.listen {
        Some(address) => Ok(address.clone()),
        None if registry.is_remote() => Err(Error::configuration(format!(
            "the registry {} is shared, and nobody has said where this server listens",
            registry.url()
        ))
        .with_remedy("set `server.listen` (RPC_SERVER_LISTEN), for instance to 0.0.0.0:7000")),
        None => Ok(Address::tcp("127.0.0.1", 0)),
    }
}

/// The protocols to speak: those asked for, or all there are.
fn transports(config: &Config, compiled: &[Arc<dyn Transport>]) -> Result<Vec<Arc<dyn Transport>>> {
    let Some(asked) = &config.server.protocols else { return Ok(compiled.to_vec()) };
    let find = |name: &&str| {
        compiled.iter().find(|transport| transport.name() == *name).cloned().ok_or_else(|| {
            let origin = config.origin("server.protocols");
            Error::configuration(format!("{origin}: `server.protocols`: {name} is not compiled into this program"))
                .with_remedy(format!("enable the feature `{name}` of the crate rpc, or leave it out"))
        })
    };
    asked.iter().map(find).collect()
}

fn port_lost(port: &str) -> Error {
    Error::new(format!("{port} cannot be listened on any more: something has closed this process's port"))
        .with_remedy("start the server again")
}

fn cannot_bind(error: ServerError) -> Error {
    match error {
        ServerError::Bind { ref address, ref source } => {
            let remedy = how_to_listen(address, source.kind());
            Error::new(error.to_string()).with_remedy(remedy).with_source(error)
        }
        // Of what this program was built with.
        error => Error::configuration(error.to_string()),
    }
}

/// What to do when the system does not let this address be listened on.
fn how_to_listen(address: &Address, kind: ErrorKind) -> &'static str {
    match (kind, address) {
        (ErrorKind::AddrInUse, Address::Unix(_)) => {
            "choose another path in `server.listen` (RPC_SERVER_LISTEN), or remove the file if nobody listens there"
        }
        (ErrorKind::AddrInUse, _) => {
            "choose another port in `server.listen` (RPC_SERVER_LISTEN), or port 0 for any free one"
        }
        (ErrorKind::AddrNotAvailable, _) => {
            "this machine does not have that address: choose one that it has in `server.listen` (RPC_SERVER_LISTEN), or \
             0.0.0.0 for all of them; the one under which others reach it is `server.advertise`"
        }
        (ErrorKind::PermissionDenied, Address::Unix(_)) => {
            "choose a folder that this user may write to in `server.listen` (RPC_SERVER_LISTEN)"
        }
        (ErrorKind::PermissionDenied, _) => {
            "choose a port above 1023 in `server.listen` (RPC_SERVER_LISTEN), or let the program have those below"
        }
        (ErrorKind::NotFound, Address::Unix(_)) => {
            "make the folder, or choose another one in `server.listen` (RPC_SERVER_LISTEN)"
        }
        _ => "see whether `server.listen` (RPC_SERVER_LISTEN) names an address of this machine",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_cannot_listen_is_told_of_the_key_and_what_to_write_there() {
        for (address, kind, part) in [
            ("127.0.0.1:7000", ErrorKind::AddrInUse, "port 0 for any free one"),
            ("unix:/run/orders.sock", ErrorKind::AddrInUse, "remove the file"),
            ("10.0.0.7:7000", ErrorKind::AddrNotAvailable, "0.0.0.0 for all of them"),
            ("127.0.0.1:80", ErrorKind::PermissionDenied, "a port above 1023"),
            ("unix:/run/orders.sock", ErrorKind::PermissionDenied, "a folder that this user may write to"),
            ("unix:/nowhere/orders.sock", ErrorKind::NotFound, "make the folder"),
            ("orders.internal:7000", ErrorKind::Other, "an address of this machine"),
        ] {
            let bind = ServerError::Bind { address: address.parse().unwrap(), source: kind.into() };
            let error = cannot_bind(bind);
            let remedy = error.remedy().unwrap();
            assert!(remedy.contains("`server.listen` (RPC_SERVER_LISTEN)") && remedy.contains(part), "{error:?}");
            assert!(error.to_string().starts_with(&format!("cannot listen on {address}")), "{error:?}");
        }
    }
}
