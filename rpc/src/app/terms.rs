//! What clients of one service were told, from all levels of the configuration.

use crate::{
    ClientConfig, Config, Error, Result, Retries, ServiceConfig, config, registries,
    tls::{self, Settled},
};
use rpc_core::{
    Method, ServiceDescriptor, Transports,
    client::{Hedges, NotHedged, RetryPolicy, Timeouts},
    observer::target,
    registry::Target,
};

/// What clients of one service were told: of each thing, what is said of the service, or else of all.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Terms {
    /// Where its servers are, unless in the registry of everybody.
    pub(super) target: Option<Target>,
    pub(super) transports: Transports,
    pub(super) timeouts: Timeouts,
    pub(super) hedges: Hedges,
    pub(super) retry: RetryPolicy,
    pub(super) tls: Settled,
    /// The name that certificates of its servers have to bear, and the key that says so.
    pub(super) server_name: Option<(String, String)>,
}

impl Terms {
    /// What the configuration says, and above it these rules, the first that counts first.
    ///
    /// # Errors
    /// When something is said of a method that the service does not have, or asked for that is not built.
    pub(super) fn of(rules: &[&Config], config: &Config, service: &ServiceDescriptor) -> Result<Self> {
        let (mut own, mut all) = (ServiceConfig::default(), ClientConfig::default());
        let mut section = service.name;
        for level in rules.iter().copied().chain([config]) {
            if let Some((name, said)) = level.section(service.name) {
                check_methods(level, service, name, said)?;
                if let Some(target) = &said.target {
                    let key = format!("client.{name}.target");
                    registries::check(level, &key, target)?;
                    declares(level, &key, target)?;
                }
                own = own.or(said);
                section = name;
            }
            all = all.or(&level.client);
        }
        let mut timeouts = Timeouts::default();
        if let Some(timeout) = own.timeout.or(all.timeout) {
            timeouts = timeouts.with_service(timeout);
        }
        let mut hedges = Hedges::default();
        if let Some(hedge) = own.hedge.or(all.hedge) {
            hedges = hedges.with_service(hedge);
        }
        for (name, method) in &own.methods {
            if let Some(timeout) = method.timeout {
                timeouts = timeouts.with_method(name, timeout);
            }
            if let (Some(hedge), Some(known)) = (method.hedge, method_of(service, name)) {
                hedges = hedges.with_method(known, hedge).map_err(|why| no_hedge(config, section, name, why))?;
            }
        }
        let retry = match own.retries.or(all.retries).unwrap_or_default() {
            Retries::On => RetryPolicy::default(),
            Retries::Off => RetryPolicy::Off,
        };
        // No rule speaks of TLS, so the section is that of the configuration.
        let tls =
            tls::settled([(&*format!("client.{section}.tls"), own.tls), ("client.tls", all.tls), ("tls", config.tls)]);
        let of_all = || Some(("client.server_name".to_owned(), all.server_name.clone()?));
        let server_name = own.server_name.map(|name| (format!("client.{section}.server_name"), name)).or_else(of_all);
        let transports = own.transport.or(all.transport).unwrap_or_default();
        Ok(Self { target: own.target, transports, timeouts, hedges, retry, tls, server_name })
    }
}

/// Whether calls to a target that stands under a key have a protocol to be made over.
///
/// # Errors
/// Addresses that nothing is known of: a client would wait for them in vain.
pub(super) fn declares(config: &Config, key: &str, target: &Target) -> Result<()> {
    if !target.lacks_protocol() {
        return Ok(());
    }
    let origin = config.origin(key);
    Err(Error::configuration(format!("{origin}: `{key}`: nothing says which protocol is spoken at {target}"))
        .with_remedy(format!("add it, once for each: {target}?assume=grpc")))
}

/// Warns of a section that is about no service, and has nearly the name of this one, which has none.
pub(super) fn warn_of_misspelt_section(config: &Config, service: &str) {
    if config.section(service).is_none()
        && let Some(meant) = config.client.services.keys().find(|name| is_misspelt(name, service))
    {
        tracing::warn!(
            target: target::CONFIG, section = %format!("[client.{meant}]"), rpc.service = service,
            "is that section meant for this service? The names differ"
        );
    }
}

/// Whether a section has nearly the name of this service.
fn is_misspelt(section: &str, service: &str) -> bool {
    let name = if section.contains('.') { service } else { config::short_name(service) };
    strsim::damerau_levenshtein(section, name) <= 1
}

fn check_methods(config: &Config, service: &ServiceDescriptor, section: &str, said: &ServiceConfig) -> Result<()> {
    for (name, method) in &said.methods {
        let Some(known) = method_of(service, name) else { return Err(no_method(config, service, section, name)) };
        if let Some(hedge) = method.hedge {
            Hedges::default().with_method(known, hedge).map_err(|why| no_hedge(config, section, name, why))?;
        }
    }
    Ok(())
}

fn method_of(service: &ServiceDescriptor, name: &str) -> Option<&'static Method> {
    service.methods.iter().copied().find(|known| known.name == name)
}

fn no_method(config: &Config, service: &ServiceDescriptor, section: &str, name: &str) -> Error {
    let key = format!("client.{section}.methods.{name}");
    let origin = config.origin(&format!("{key}.timeout"));
    let error = Error::configuration(format!("{origin}: [{key}]: the service {} has no method `{name}`", service.name));
    let known = || service.methods.iter().map(|method| method.name);
    match config::nearest(name, known()) {
        Some(meant) => error.with_remedy(format!("write [client.{section}.methods.{meant}], if that was meant")),
        None => error.with_remedy(format!("its methods are {}", known().collect::<Vec<_>>().join(", "))),
    }
}

fn no_hedge(config: &Config, section: &str, name: &str, why: NotHedged) -> Error {
    let key = format!("client.{section}.methods.{name}.hedge");
    Error::configuration(format!("{}: `{key}`: {why}", config.origin(&key)))
        .with_remedy("take the key out, or mark the method `#[rpc(idempotent)]` if twice is as good as once")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpc_core::{Kind, client::Hedge};
    use std::time::Duration;

    static FIND: Method = Method::new("baedal.v1.Orders", "Find", "/baedal.v1.Orders/Find", Kind::Unary);
    static ORDERS: ServiceDescriptor = ServiceDescriptor::new("baedal.v1.Orders", &[&FIND], "");

    fn terms(toml: &str) -> Result<Terms> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rpc.toml");
        std::fs::write(&path, toml).unwrap();
        Terms::of(&[], &Config::read(Some(&path), []).unwrap(), &ORDERS)
    }

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn what_is_said_of_the_service_goes_before_what_is_said_of_all() {
        let all = "[client]\ntimeout = \"2s\"\nretries = \"off\"\ntransport = \"grpc\"\n";
        let terms_of_all = terms(all).unwrap();
        assert_eq!(terms_of_all.timeouts, Timeouts::default().with_service(millis(2000)));
        assert_eq!((terms_of_all.retry, terms_of_all.transports), (RetryPolicy::Off, Transports::Only("grpc")));
        let own = terms(&format!(
            "{all}[client.Orders]\ntimeout = \"1s\"\nretries = \"on\"\ntransport = \"auto\"\n\
             [client.Orders.methods.Find]\ntimeout = \"300ms\""
        ))
        .unwrap();
        assert_eq!(own.timeouts, Timeouts::default().with_service(millis(1000)).with_method("Find", millis(300)));
        assert_eq!((own.retry, own.transports), (RetryPolicy::default(), Transports::Auto));
    }

    #[test]
    fn hedges_are_for_methods_that_may_be_called_twice() {
        let of = |toml: &str| terms(toml).map(|terms| terms.hedges);
        assert_eq!(of("[client]\nhedge = \"off\"\n[client.Orders]\nhedge = \"p95\"").unwrap(), {
            Hedges::default().with_service(Hedge::P95)
        });
        let error = of("[client.Orders.methods.Find]\nhedge = \"50ms\"").unwrap_err().to_string();
        assert!(error.contains("rpc.toml") && error.contains("`client.Orders.methods.Find.hedge`"), "{error}");
        assert!(error.contains("not `#[rpc(idempotent)]`"), "{error}");
        let off = Hedges::default().with_method(&FIND, Hedge::Off).unwrap();
        assert_eq!(of("[client.Orders.methods.Find]\nhedge = \"off\"").unwrap(), off);
    }

    #[test]
    fn a_method_that_is_not_there_is_an_error_that_names_the_nearest() {
        let error = terms("[client.Orders.methods.Fnid]\ntimeout = \"1s\"").unwrap_err();
        let text = format!("{error:?}");
        assert!(text.contains("rpc.toml") && text.contains("no method `Fnid`"), "{text}");
        assert!(text.contains("[client.Orders.methods.Find]"), "{text}");
        let error = terms("[client.Orders.methods.Subscribe]\ntimeout = \"1s\"").unwrap_err();
        assert!(format!("{error:?}").contains("its methods are Find"), "{error:?}");
    }

    #[test]
    fn addresses_without_a_protocol_are_refused_with_what_to_add() {
        for target in ["static://10.0.0.1:7000,10.0.0.2:7000", "dns://orders.internal:7000"] {
            let error = terms(&format!("[client.Orders]\ntarget = \"{target}\"")).unwrap_err();
            let text = format!("{error:?}");
            assert!(text.contains("rpc.toml: `client.Orders.target`: nothing says"), "{text}");
            assert!(text.ends_with(&format!("{target}?assume=grpc")), "{text}");
            terms(&format!("[client.Orders]\ntarget = \"{target}?assume=grpc\"")).unwrap();
        }
    }

    #[test]
    fn tls_and_the_name_to_expect_are_said_of_one_service_or_of_all() {
        let on = |key: &str| Settled::On(key.to_owned());
        for (toml, settled) in [
            ("tls = \"on\"", on("tls")),
            ("tls = \"off\"\n[client]\ntls = \"on\"", on("client.tls")),
            ("[client]\ntls = \"off\"\n[client.Orders]\ntls = \"on\"", on("client.Orders.tls")),
            ("tls = \"on\"\n[client]\ntls = \"off\"", Settled::Off),
            ("", Settled::Unsaid),
        ] {
            assert_eq!(terms(toml).unwrap().tls, settled, "{toml}");
        }
        let name = |toml: &str| terms(toml).unwrap().server_name;
        let said = |key: &str, name: &str| Some((key.to_owned(), name.to_owned()));
        let all = "[client]\nserver_name = \"fleet\"\n";
        assert_eq!(name(all), said("client.server_name", "fleet"));
        let own = format!("{all}[client.Orders]\nserver_name = \"orders\"");
        assert_eq!(name(&own), said("client.Orders.server_name", "orders"));
        assert_eq!(name(""), None);
    }
}
