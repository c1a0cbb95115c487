//! Which values hold, and who has said so.

use super::{Config, Retries, Tls, value};
use crate::registries;
use rpc_core::{
    Address, Transports,
    client::{Hedge, Timeouts},
    registry::{Instance, Target},
    server::Admission,
};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// One value of a [`Config`], as it is written, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The key, as in `server.listen`.
    pub key: String,
    /// The value that holds, as the file would write it; in words where the default is no value.
    pub value: String,
    /// Who has said so.
    pub origin: SettingOrigin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingOrigin {
    /// Nobody has said anything.
    BuiltIn,
    /// A file.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// The program itself: its code, or its command line.
    Program,
    /// A rule, which holds while the program runs: in a file, or set by the program. See [`Rules`](crate::Rules).
    Rule(Option<PathBuf>),
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::Program => f.write_str("the program or its command line"),
            Self::Rule(Some(path)) => write!(f, "rule in {}", path.display()),
            Self::Rule(None) => f.write_str("rule of the program"),
        }
    }
}

/// What was read: the text and the origin of each value. A field that is not what was read has been changed since.
#[derive(Clone, Debug, Default)]
pub(super) struct Said(BTreeMap<String, (String, SettingOrigin)>);

impl Said {
    /// Remembers the values of a configuration that has just been read from these places.
    pub(super) fn of(config: &Config, mut places: BTreeMap<String, SettingOrigin>) -> Self {
        let said = values(config).into_iter().filter_map(|(key, value, _)| {
            let origin = places.remove(&key)?;
            Some((key, (value?, origin)))
        });
        Self(said.collect())
    }

    fn origin(&self, key: &str, value: &str) -> SettingOrigin {
        match self.0.get(key) {
            Some((read, origin)) if read == value => origin.clone(),
            _ => SettingOrigin::Program,
        }
    }
}

impl Config {
    /// Who has said what holds for a key; for errors.
    pub(crate) fn origin(&self, key: &str) -> SettingOrigin {
        let setting = self.settings().into_iter().find(|setting| setting.key == key);
        setting.map_or(SettingOrigin::BuiltIn, |setting| setting.origin)
    }
}

pub(super) fn settings(config: &Config) -> Vec<Setting> {
    let setting = |(key, value, default): Value| match (value, default) {
        (Some(value), _) => Some(Setting { origin: config.said.origin(&key, &value), key, value }),
        (None, Some(default)) => Some(Setting { key, value: default, origin: SettingOrigin::BuiltIn }),
        (None, None) => None,
    };
    values(config).into_iter().filter_map(setting).collect()
}

/// The keys of which something was said.
pub(super) fn said(config: &Config) -> Vec<String> {
    values(config).into_iter().filter_map(|(key, value, _)| value.map(|_| key)).collect()
}

/// A key, what was said, and what holds when nothing was.
type Value = (String, Option<String>, Option<String>);

fn values(config: &Config) -> Vec<Value> {
    let Config { registry, registry_required, tls, rules, max_message, server, client, said: _ } = config;
    let mut values = Vec::new();
    let listen = match registry {
        Some(Target::ZooKeeper { servers, .. }) if !servers.iter().all(Address::is_loopback) => {
            "has to be set, since the registry is shared"
        }
        _ => "127.0.0.1:0",
    };
    let mut say = |key: &str, value: Option<String>, default: Option<&str>| {
        values.push((key.to_owned(), value, default.map(str::to_owned)));
    };
    say("registry", registry.as_ref().map(ToString::to_string), Some(&registries::embedded().to_string()));
    say("registry.required", registry_required.then(|| "true".to_owned()), Some("false"));
    say("tls", tls.map(written_tls), Some("off"));
    say("rules", rules.as_ref().map(|path| path.display().to_string()), Some("none"));
    say("max_message", max_message.map(value::written_size), Some("4MiB"));
    say("server.listen", server.listen.as_ref().map(ToString::to_string), Some(listen));
    say("server.advertise", server.advertise.as_ref().map(ToString::to_string), Some("where it listens"));
    say("server.protocols", server.protocols.as_ref().map(|names| names.join(", ")), Some("all there are"));
    say(
        "server.admission",
        server.admission.as_ref().map(ToString::to_string),
        Some(&Admission::default().to_string()),
    );
    say("server.tls", server.tls.map(written_tls), Some("as `tls` says"));
    say("server.weight", server.weight.map(|weight| weight.to_string()), Some(&Instance::WEIGHT.to_string()));
    say("server.zone", server.zone.clone(), Some("none"));
    say("server.version", server.version.clone(), Some("none"));
    say("server.certificate", server.certificate.as_deref().map(written_path), Some("none"));
    say("server.key", server.key.as_deref().map(written_path), Some("none"));
    say("server.client_ca", server.client_ca.as_deref().map(written_path), Some("none"));
    say("client.transport", client.transport.map(written_transport), Some("auto"));
    say(
        "client.timeout",
        client.timeout.map(written),
        Some(&format!("{}, or the method's own", written(Timeouts::DEFAULT))),
    );
    say("client.retries", client.retries.map(written_retries), Some("on"));
    say("client.hedge", client.hedge.map(written_hedge), Some("off"));
    say("client.tls", client.tls.map(written_tls), Some("as `tls` says"));
    say("client.ca", client.ca.as_deref().map(written_path), Some("none"));
    say("client.certificate", client.certificate.as_deref().map(written_path), Some("none"));
    say("client.key", client.key.as_deref().map(written_path), Some("none"));
    say("client.server_name", client.server_name.clone(), Some("the host of each address"));
    for (name, service) in &client.services {
        let key = |key: &str| format!("client.{name}.{key}");
        say(&key("target"), service.target.as_ref().map(ToString::to_string), None);
        say(&key("transport"), service.transport.map(written_transport), None);
        say(&key("timeout"), service.timeout.map(written), None);
        say(&key("retries"), service.retries.map(written_retries), None);
        say(&key("hedge"), service.hedge.map(written_hedge), None);
        say(&key("tls"), service.tls.map(written_tls), None);
        say(&key("server_name"), service.server_name.clone(), None);
        for (method, own) in &service.methods {
            say(&key(&format!("methods.{method}.timeout")), own.timeout.map(written), None);
            say(&key(&format!("methods.{method}.hedge")), own.hedge.map(written_hedge), None);
        }
    }
    values
}

fn written(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Where a file is, not what is in it: that may be a private key.
fn written_path(path: &Path) -> String {
    path.display().to_string()
}

fn written_hedge(hedge: Hedge) -> String {
    match hedge {
        Hedge::After(delay) => written(delay),
        hedge => hedge.to_string(),
    }
}

fn written_tls(tls: Tls) -> String {
    match tls {
        Tls::Off => "off".to_owned(),
        Tls::On => "on".to_owned(),
    }
}

fn written_retries(retries: Retries) -> String {
    match retries {
        Retries::On => "on".to_owned(),
        Retries::Off => "off".to_owned(),
    }
}

fn written_transport(transports: Transports) -> String {
    match transports {
        Transports::Auto => "auto".to_owned(),
        Transports::Only(name) => name.to_owned(),
    }
}
