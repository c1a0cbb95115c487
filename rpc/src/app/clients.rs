//! The clients of an [`App`].

use super::{
    App, lock,
    terms::{self, Terms},
};
use crate::{
    Config, Error, Result,
    rules::Levels,
    tls::{self, Settled},
};
use rpc_core::{
    ServiceDescriptor,
    client::{Channel, Client, Servers},
    observer::target,
    registry::{Availability, Registry, ServiceName, Target, Watch},
    tls::Encryption,
    transport::Limits,
};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

impl App {
    /// How long a client waits for the first list of servers.
    const FIRST_LIST: Duration = Duration::from_secs(3);

    /// A client of a service, by the service's name. Waits up to 3 s for a first list of its servers; the list may be
    /// empty, and a call then waits for a server to come.
    ///
    /// # Errors
    /// When what the configuration says of the service makes no sense, or the registry cannot be opened or gives no
    /// list in time. Outside a tokio runtime.
    pub async fn client<C: Client>(&self) -> Result<C> {
        let name = C::SERVICE.name;
        if let Some(held) = lock(&self.0.clients).held.get(name) {
            return Ok(C::from_channel(held.channel.clone()));
        }
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::new(format!("a client of {name} needs a tokio runtime, and here is none"))
                .with_remedy("make clients in what `#[tokio::main]` or `Runtime::block_on` runs"));
        }
        if self.0.ended.load(Relaxed) {
            return Err(too_late(name));
        }
        self.watch_rules();
        loop {
            let levels = self.levels();
            let terms = self.terms(C::SERVICE, &levels)?;
            let made = self.lead(C::SERVICE, terms, None).await?;
            let mut clients = lock(&self.0.clients);
            // It was waited for a list, and what ends the App closes only the clients that it finds here.
            if self.0.ended.load(Relaxed) {
                drop(clients);
                // The one that was opened anew for this.
                lock(&self.0.registries).clear();
                return Err(too_late(name));
            }
            // Unless there are other rules by now.
            if Arc::ptr_eq(&clients.levels, &levels) {
                // Of two who come at once, both get the same channel.
                let held = clients.held.entry(name).or_insert(made);
                return Ok(C::from_channel(held.channel.clone()));
            }
        }
    }

    /// Where the servers of a service are, on these terms, and how connections to them are made.
    pub(super) async fn servers(&self, name: &str, terms: &Terms) -> Result<(Servers, Encryption)> {
        let service = service_name(name)?;
        if let (None, Some(registry)) = (&terms.target, self.registry_of_all()) {
            terms::declares(&self.0.config, "registry", registry)?;
        }
        match terms.target.as_ref().or(self.registry_of_all()) {
            Some(Target::Local) => Ok((Servers::Here(self.local(name)?), Encryption::Off)),
            target => {
                let encryption = self.encryption(terms, target)?;
                let registry = terms.target.as_ref().map_or_else(|| self.registry(), |target| self.open(target))?;
                Ok((Servers::Listed(self.listed(&*registry, &service, terms).await?), encryption))
            }
        }
    }

    /// What the configuration names as the registry of all, unless one was handed over.
    fn registry_of_all(&self) -> Option<&Target> {
        self.0.config.registry.as_ref().filter(|_| self.0.given.is_none())
    }

    /// The first list of the servers of a service.
    async fn listed(&self, registry: &dyn Registry, service: &ServiceName, terms: &Terms) -> Result<Watch> {
        let mut watch = registry.watch(service);
        if tokio::time::timeout(Self::FIRST_LIST, watch.known()).await.is_err() {
            return Err(no_list(registry, &watch, service.as_str()));
        }
        if terms.tls == Settled::Unsaid {
            self.warn_of_plain_text(&watch, service.as_str());
        }
        Ok(watch)
    }

    /// What clients of a service have been told of TLS. All share what shakes hands, and the certificates in it.
    fn encryption(&self, terms: &Terms, target: Option<&Target>) -> Result<Encryption> {
        let Settled::On(key) = &terms.tls else { return Ok(Encryption::Off) };
        if let Some((key, name)) = &terms.server_name {
            tls::check_name(&self.0.config, key, name)?;
        }
        let mut made = lock(&self.0.connector);
        let connector = match &*made {
            Some(connector) => connector.clone(),
            None => made.insert(tls::connector(&self.0.config, key, self.0.client_tls.clone())?).clone(),
        };
        let server_name = match (&terms.server_name, target) {
            (Some((_, name)), _) => Some(name.clone()),
            // What is connected to are addresses, and what was named is this.
            (None, Some(Target::Dns { name, .. })) => Some(name.host().into_owned()),
            (None, _) => None,
        };
        Ok(Encryption::Tls { connector, server_name })
    }

    /// What the configuration, and the rules above it, say of clients of a service.
    pub(super) fn terms(&self, service: &'static ServiceDescriptor, levels: &Levels) -> Result<Terms> {
        let (rules, config) = (levels.in_order(), &self.0.config);
        for level in rules.into_iter().chain([config]) {
            self.one_meaning(level, service)?;
            terms::warn_of_misspelt_section(level, service.name);
        }
        let mut terms = Terms::of(&rules, config, service)?;
        terms.tls = terms.tls.or_on(self.0.client_tls.is_some());
        terms.tls = terms.tls.unless_forgotten(config, "client.ca", config.client.ca.is_some())?;
        Ok(terms)
    }

    /// A section with a short name is about one service.
    fn one_meaning(&self, config: &Config, service: &'static ServiceDescriptor) -> Result<()> {
        if let Some((short, _)) = config.section(service.name)
            && short != service.name
        {
            let first = *lock(&self.0.sections).entry(short.to_owned()).or_insert(service.name);
            if first != service.name {
                return Err(Error::configuration(format!(
                    "[client.{short}] means {first}, and {} as well",
                    service.name
                ))
                .with_remedy(format!("write the full names: [client.{first}], [client.{}]", service.name)));
            }
        }
        Ok(())
    }

    pub(super) fn channel(
        &self,
        service: &'static ServiceDescriptor,
        (servers, encryption): (Servers, Encryption),
        terms: &Terms,
    ) -> Result<Channel> {
        let layers = &self.0.layers;
        let mut builder = Channel::builder(service_name(service.name)?, servers)
            .encryption(encryption)
            .timeouts(terms.timeouts.clone())
            .hedges(terms.hedges.clone())
            .transports(terms.transports)
            .retry(terms.retry)
            .limits(self.limits_over(Limits::default()))
            .observer(self.0.observers.clone())
            .layers(layers.client.clone())
            .layers_per_attempt(layers.attempt.clone());
        for transport in &self.0.transports {
            builder = builder.transport(transport.clone());
        }
        Ok(builder.build())
    }

    /// Once: a program has many clients, and the network is the same for all of them.
    fn warn_of_plain_text(&self, watch: &Watch, service: &str) {
        let snapshot = watch.snapshot();
        let mut endpoints = snapshot.instances.iter().flat_map(|instance| &instance.endpoints);
        if let Some(far) = endpoints.find(|endpoint| !endpoint.address.is_loopback())
            && !self.0.warned.swap(true, Relaxed)
        {
            tracing::warn!(
                target: target::CLIENT,
                { rpc.service = service, server.address = %far.address },
                "calls leave this machine in plain text: set `tls = \"off\"` (RPC_TLS) if that is meant"
            );
        }
    }
}

fn service_name(name: &str) -> Result<ServiceName> {
    name.parse().map_err(|error| Error::new(format!("`{name}` cannot be the name of a service")).with_source(error))
}

fn too_late(service: &str) -> Error {
    Error::new(format!("a client of {service} was asked for after the App had been shut down"))
        .with_remedy("make clients before that, or another App")
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
