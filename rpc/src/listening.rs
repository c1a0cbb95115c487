//! A server between its port and its record.

use crate::{App, Error, Result, Running, advertise, container, offer::Offer, server::OnReady};
use futures_util::future::try_join_all;
use rpc_core::{
    Address,
    observer::target,
    registry::{Instance, Registration, RegistrationState, Registry, ServiceName},
    tls::Security,
    transport::Transport,
};
use std::{sync::Arc, time::Duration};

/// A server whose port is open, and which nobody has been told of yet. Dropping it closes the port.
pub(crate) struct Listening {
    pub(crate) app: App,
    pub(crate) core: rpc_core::server::Running,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) id: String,
    pub(crate) offers: Vec<Offer>,
    pub(crate) transports: Vec<Arc<dyn Transport>>,
    pub(crate) security: Security,
    pub(crate) on_ready: Option<OnReady>,
}

impl Listening {
    /// How long a server that could not be registered has to close its port.
    const UNREGISTERED: Duration = Duration::from_millis(100);

    /// Registers what is offered at the port that listens: whoever reads the record must find it open. All at once, so
    /// that a registry which does not answer is waited for once. Dropping this withdraws what is there already.
    pub(crate) async fn register(&self) -> Result<Vec<Registration>> {
        let said = self.app.config().server.advertise.as_ref();
        let address = advertise::address(self.core.address(), said, &*self.registry).await?;
        let instances =
            self.offers.iter().map(|offer| offer.instance(&self.id, &self.transports, &address, self.security));
        try_join_all(instances.map(|instance| self.put(instance))).await
    }

    async fn put(&self, instance: Instance) -> Result<Registration> {
        let registry = &*self.registry;
        log_start(registry, self.core.address(), &instance);
        let registration = registry.register(instance).await.map_err(|error| {
            Error::new(format!("cannot register at {}: {error}", registry.url()))
                .with_source(error)
                .with_remedy("see to that, or name another registry: `registry` (RPC_REGISTRY)")
        })?;
        warn_unless_listed(registry, registration.state());
        registration.observe(&self.id, self.app.observers().clone());
        Ok(registration)
    }

    /// Serves if that went well; if it did not, the port is free when this returns.
    pub(crate) async fn settle(mut self, registered: Result<Vec<Registration>>) -> Result<Running> {
        let registrations = match registered {
            Ok(registrations) => registrations,
            Err(error) => {
                self.core.shutdown(Self::UNREGISTERED).await;
                return Err(error);
            }
        };
        if self.app.is_on_embedded_registry() {
            warn_of_embedded_registry(&*self.registry, self.core.address());
        } else if self.app.is_on_registry_in_memory() {
            tracing::warn!(
                target: target::SERVER,
                registry = self.registry.url(),
                "only this process can find this server: set `registry` (RPC_REGISTRY) to one that others read"
            );
        }
        let ready = self.on_ready.take();
        let running = self.serve(registrations);
        if let Some(ready) = ready {
            ready(&running);
        }
        Ok(running)
    }

    /// Serves with these records, perhaps none.
    pub(crate) fn serve(self, registrations: Vec<Registration>) -> Running {
        Running::new(self.core, registrations, &*self.registry, &self.app)
    }
}

/// A server whose registry does not answer serves all the same, and is listed once it does; but whoever wonders why
/// nobody finds it should not have to look far.
fn warn_unless_listed(registry: &dyn Registry, state: RegistrationState) {
    if state != RegistrationState::Registered {
        tracing::warn!(
            target: target::SERVER,
            registry = registry.url(),
            registration = state.word(),
            "not on the list yet, so nobody finds this server; it goes on trying. See whether the registry runs and lets \
             this server write, and whether `registry` (RPC_REGISTRY) names the right one"
        );
    }
}

/// One line that says what this server uses, because most of what goes wrong in production is seen in it.
fn log_start(registry: &dyn Registry, listening: &Address, instance: &Instance) {
    let protocols: Vec<_> = instance.endpoints.iter().map(|endpoint| endpoint.protocol.as_str()).collect();
    let advertised = instance.endpoints.first().map(|endpoint| endpoint.address.to_string());
    let services: Vec<_> = instance.services.iter().map(ServiceName::as_str).collect();
    tracing::info!(
        target: target::SERVER,
        %listening, advertised, registry = registry.url(), ?protocols, ?services, instance = instance.id,
        "serving"
    );
}

/// The server comes up, looks healthy, and is found by nobody: somebody has forgotten to name the registry.
fn warn_of_embedded_registry(registry: &dyn Registry, listening: &Address) {
    if !listening.is_loopback() {
        tracing::warn!(
            target: target::SERVER,
            registry = registry.url(),
            "others can reach this server, but only this machine can find it: set `registry` (RPC_REGISTRY) to a shared one"
        );
    } else if container::is_here() {
        tracing::warn!(
            target: target::SERVER,
            registry = registry.url(),
            "only this container can find this server: set `registry` (RPC_REGISTRY) to a shared one"
        );
    }
}
