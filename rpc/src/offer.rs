//! What a server puts into the registry.

use crate::{Config, Error, Result, SettingOrigin, config};
use rpc_core::{
    Address, ServiceDescriptor,
    registry::{Endpoint, Instance, ServiceName},
    tls::Security,
    transport::Transport,
};
use std::{collections::BTreeMap, sync::Arc};

/// What a server says of itself in its record, beside where it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) weight: Option<u32>,
    pub(crate) zone: Option<String>,
    pub(crate) version: Option<String>,
}

impl Attributes {
    /// What the configuration says, or else the code of the program.
    ///
    /// # Errors
    /// When something is out of bounds, which it can be where it was not read but set.
    pub(crate) fn settled(self, config: &Config) -> Result<Self> {
        let told = &config.server;
        let refused = |key: &str, told: bool, reason: String| {
            let origin = if told { config.origin(key) } else { SettingOrigin::Program };
            Error::configuration(format!("{origin}: `{key}`: {reason}"))
        };
        let weight = told.weight.or(self.weight);
        if let Some(weight) = weight {
            let checked = config::weight(&weight.to_string());
            checked.map_err(|reason| refused("server.weight", told.weight.is_some(), reason))?;
        }
        let label = |key, told: &Option<String>, own: Option<String>| match told.clone().or(own) {
            Some(text) => config::label(&text).map(Some).map_err(|reason| refused(key, told.is_some(), reason)),
            None => Ok(None),
        };
        let zone = label("server.zone", &told.zone, self.zone)?;
        let version = label("server.version", &told.version, self.version)?;
        Ok(Self { weight, zone, version })
    }
}

/// Services that are reached in the same way, and so share a record.
pub(crate) struct Offer {
    /// The one transport that carries them, by name; `None` when all do.
    only_over: Option<&'static str>,
    services: Vec<ServiceName>,
    /// `fingerprint.SERVICE` and the fingerprint of its schema, for those who read the record: two servers that differ
    /// there do not take the same calls. Nothing is routed by it.
    fingerprints: BTreeMap<String, String>,
    attributes: Attributes,
}

impl Offer {
    /// Nearly always one: all services over all transports.
    pub(crate) fn all(descriptors: &[&'static ServiceDescriptor], attributes: &Attributes) -> Result<Vec<Self>> {
        let mut offers: Vec<Self> = Vec::new();
        for descriptor in descriptors {
            let name = descriptor
                .name
                .parse()
                .map_err(|error| Error::new("a service has a name that no registry takes").with_source(error))?;
            let at = offers.iter().position(|offer| offer.only_over == descriptor.only_over).unwrap_or_else(|| {
                offers.push(Self {
                    only_over: descriptor.only_over,
                    services: Vec::new(),
                    fingerprints: BTreeMap::new(),
                    attributes: attributes.clone(),
                });
                offers.len() - 1
            });
            offers[at].add(name, descriptor);
        }
        Ok(offers)
    }

    fn add(&mut self, name: ServiceName, descriptor: &'static ServiceDescriptor) {
        // A service made for tonic has none, and one with messages of prost's needs their files.
        if self.only_over.is_none()
            && let Ok(schema) = descriptor.schema()
        {
            self.fingerprints.insert(format!("fingerprint.{name}"), schema.fingerprint().to_string());
        }
        self.services.push(name);
    }

    fn is_carried_by(&self, transport: &dyn Transport) -> bool {
        self.only_over.is_none_or(|name| name == transport.name())
    }

    /// Whether anything spoken here carries it.
    pub(crate) fn check(&self, config: &Config, transports: &[Arc<dyn Transport>]) -> Result<()> {
        match self.only_over {
            Some(only) if !transports.iter().any(|transport| self.is_carried_by(&**transport)) => {
                let name = self.services.first().map_or("", ServiceName::as_str);
                let origin = config.origin("server.protocols");
                Err(Error::configuration(format!(
                    "{origin}: `server.protocols`: {name} can be reached over {only} only, which is not among them"
                ))
                .with_remedy(format!("add `{only}` to `server.protocols` (RPC_SERVER_PROTOCOLS)")))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn instance(
        &self,
        id: &str,
        transports: &[Arc<dyn Transport>],
        address: &Address,
        security: Security,
    ) -> Instance {
        let carriers = transports.iter().filter(|transport| self.is_carried_by(&***transport));
        let endpoint = |transport: &Arc<dyn Transport>| {
            let mut endpoint = Endpoint::new(transport.protocol(), address.clone());
            endpoint.tls = security == Security::Tls;
            endpoint
        };
        let endpoints = carriers.map(endpoint).collect();
        let Attributes { weight, zone, version } = self.attributes.clone();
        let mut instance = Instance::new(id, self.services.clone(), endpoints);
        instance.weight = weight.unwrap_or(Instance::WEIGHT);
        (instance.zone, instance.version) = (zone, version);
        instance.extra = self.fingerprints.clone();
        instance
    }
}
