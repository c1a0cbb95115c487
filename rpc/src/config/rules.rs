//! Rules: what is said of clients while the program runs, in the grammar of the file.

use super::{
    ClientConfig, Config, MethodConfig, Said, ServiceConfig, SettingOrigin, load::Normalised, read, value::Names,
};
use crate::{Error, Result};
use figment::{
    Figment,
    providers::{Format, Toml},
};
use std::{collections::BTreeMap, path::Path};

impl Config {
    /// Reads rules: a text with the sections about clients, and nothing else. `file` is where it stands.
    ///
    /// # Errors
    /// As for [`load`](Self::load), and for a key that holds for as long as the program runs.
    pub(crate) fn rules(text: &str, file: Option<&Path>, transports: &[&'static str]) -> Result<Self> {
        let rule = SettingOrigin::Rule(file.map(Path::to_owned));
        read::rules(&Figment::from(Normalised(Toml::string(text))), rule, Names { added: transports })
    }

    /// Rules that were made rather than read.
    ///
    /// # Errors
    /// When one says something that holds for as long as the program runs.
    pub(crate) fn rules_of(client: ClientConfig) -> Result<Self> {
        let mut config = Self { client, ..Self::default() };
        let keys = super::origin::said(&config);
        if let Some(key) = keys.iter().find(|key| !changes(key)) {
            return Err(fixed(&SettingOrigin::Rule(None), key));
        }
        config.said = Said::of(&config, keys.into_iter().map(|key| (key, SettingOrigin::Rule(None))).collect());
        Ok(config)
    }
}

/// Of clients, what holds for as long as a program runs: connections are what they were when they were made.
const FIXED: [&str; 5] = [".tls", ".ca", ".certificate", ".key", ".server_name"];

/// Whether a key can be in a rule.
pub(super) fn changes(key: &str) -> bool {
    key.starts_with("client.") && !FIXED.iter().any(|fixed| key.ends_with(fixed))
}

/// A key that holds for as long as the program runs.
pub(super) fn fixed(origin: &SettingOrigin, key: &str) -> Error {
    Error::configuration(format!("{origin}: `{key}` cannot change while the program runs")).with_remedy(
        "say it in rpc.toml, and start the program again; rules are about clients: [client], [client.NAME] and \
         [client.NAME.methods.METHOD], without what belongs to TLS",
    )
}

// Taken apart whole, so that nobody adds a key and forgets it here.

impl ClientConfig {
    /// What is said here, and where nothing is, what is said there. Of services nothing: those are found by two names.
    pub(crate) fn or(&self, below: &Self) -> Self {
        let Self { transport, timeout, retries, hedge, tls, ca, certificate, key, server_name, services: _ } =
            self.clone();
        Self {
            transport: transport.or(below.transport),
            timeout: timeout.or(below.timeout),
            retries: retries.or(below.retries),
            hedge: hedge.or(below.hedge),
            tls: tls.or(below.tls),
            ca: ca.or_else(|| below.ca.clone()),
            certificate: certificate.or_else(|| below.certificate.clone()),
            key: key.or_else(|| below.key.clone()),
            server_name: server_name.or_else(|| below.server_name.clone()),
            services: BTreeMap::new(),
        }
    }
}

impl ServiceConfig {
    /// What is said here, and where nothing is, what is said there.
    pub(crate) fn or(&self, below: &Self) -> Self {
        let Self { target, transport, timeout, retries, hedge, tls, server_name, methods } = self.clone();
        let mut all = below.methods.clone();
        for (name, own) in methods {
            let merged = all.get(&name).map_or_else(|| own.clone(), |below| own.or(below));
            all.insert(name, merged);
        }
        Self {
            target: target.or_else(|| below.target.clone()),
            transport: transport.or(below.transport),
            timeout: timeout.or(below.timeout),
            retries: retries.or(below.retries),
            hedge: hedge.or(below.hedge),
            tls: tls.or(below.tls),
            server_name: server_name.or_else(|| below.server_name.clone()),
            methods: all,
        }
    }
}

impl MethodConfig {
    fn or(&self, below: &Self) -> Self {
        let Self { timeout, hedge } = self.clone();
        Self { timeout: timeout.or(below.timeout), hedge: hedge.or(below.hedge) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tls;

    #[test]
    fn what_cannot_change_is_refused_and_said_so() {
        for (toml, key) in [
            ("registry = \"memory://\"", "`registry`"),
            ("[server]\nlisten = \"127.0.0.1:1\"", "`server.listen`"),
            ("rules = \"others.toml\"", "`rules`"),
            ("[client]\ntls = \"off\"", "`client.tls`"),
            ("[client.Orders]\ntls = \"off\"", "`client.Orders.tls`"),
            ("[client]\nca = \"ca.pem\"", "`client.ca`"),
            ("[client]\ncertificate = \"c.pem\"", "`client.certificate`"),
            ("[client]\nkey = \"c.key\"", "`client.key`"),
            ("[client]\nserver_name = \"a\"", "`client.server_name`"),
            ("[client.Orders]\nserver_name = \"a\"", "`client.Orders.server_name`"),
        ] {
            let error = format!("{:?}", Config::rules(toml, None, &[]).unwrap_err());
            assert!(error.contains(key) && error.contains("cannot change while the program runs"), "{error}");
        }
        let mut client = ClientConfig { tls: Some(Tls::Off), ..ClientConfig::default() };
        let error = Config::rules_of(client.clone()).unwrap_err();
        assert!(error.to_string().contains("`client.tls` cannot change"), "{error}");
        client.tls = None;
        Config::rules_of(client).unwrap();
    }

    #[test]
    fn mistakes_are_named_as_in_the_file() {
        let place = Path::new("/etc/rules.toml");
        let error = format!("{:?}", Config::rules("[client.Orders]\ntimout = \"1s\"", Some(place), &[]).unwrap_err());
        assert!(error.contains("rule in /etc/rules.toml: there is no key `client.Orders.timout`"), "{error}");
        assert!(error.contains("write `client.Orders.timeout`"), "{error}");
        let error = format!("{:?}", Config::rules("[client", Some(place), &[]).unwrap_err());
        assert!(error.contains("rule in /etc/rules.toml is no TOML"), "{error}");
        let error = Config::rules("[client]\ntimeout = \"1\"", None, &[]).unwrap_err();
        assert!(error.to_string().starts_with("rule of the program: `client.timeout`"), "{error}");
    }
}
