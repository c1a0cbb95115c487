//! From a file and the environment to a [`Config`].

use super::{
    Config, ServiceConfig, keys,
    value::{self, Names},
};
use crate::{Error, Result};
use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    util::nest,
    value::{Dict, Map, Value},
};
use std::{
    fmt,
    path::{Path, PathBuf},
};

impl Config {
    /// Reads the file that `RPC_CONFIG` names, or else `rpc.toml` in the current folder if there is one, and over it
    /// the `RPC_...` variables.
    ///
    /// # Errors
    /// When the file that `RPC_CONFIG` names is not there, has a key that does not exist, or a value makes no sense.
    pub fn load() -> Result<Self> {
        Self::load_with(&[])
    }

    /// The same in a program that brings transports of its own: these are their names.
    pub(crate) fn load_with(transports: &[&'static str]) -> Result<Self> {
        let named = std::env::var_os(keys::FILE).map(PathBuf::from);
        let file = named.or_else(|| Some(PathBuf::from("rpc.toml")).filter(|path| path.exists()));
        match &file {
            Some(path) => tracing::info!(path = %path.display(), "configuration read"),
            None => tracing::debug!("no rpc.toml here, and RPC_CONFIG is not set: defaults and RPC_ variables hold"),
        }
        // A variable whose name or value is no text cannot be one of ours.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())));
        Self::read_with(transports, file.as_deref(), variables)
    }

    /// Reads a file, if one is given, and over it those of these variables that begin with `RPC_`.
    ///
    /// An unknown key in the file is an error, since the file was written for this program. An unknown variable is a
    /// warning in the log: anybody can put one there.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn read(file: Option<&Path>, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        Self::read_with(&[], file, variables)
    }

    fn read_with(
        transports: &[&'static str],
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let mut figment = Figment::new();
        if let Some(path) = file {
            // Figment takes a file that is not there for an empty one.
            if !path.is_file() {
                return Err(Error::new(format!("there is no configuration at {}", path.display())).with_remedy(
                    format!("correct {}, or unset it to use rpc.toml in the current folder", keys::FILE),
                ));
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        for (name, value) in variables {
            if let Some(key) = recognise(&name, &value) {
                figment = figment.merge(Variable { name, key, value });
            }
        }
        let values = figment.data().map_err(|error| {
            Error::new("the configuration cannot be read").with_source(error).with_remedy("correct the TOML")
        })?;
        let mut config = Self::default();
        for dict in values.values() {
            let names = Names { added: transports };
            Reader { figment: &figment, config: &mut config, names }.dict(&mut Vec::new(), dict)?;
        }
        Ok(config)
    }
}

/// The key that a variable sets; a warning for one that looks like ours and is not.
fn recognise(name: &str, value: &str) -> Option<&'static str> {
    if !name.starts_with("RPC_") || name == keys::FILE || keys::is_injected(name, value) {
        return None;
    }
    let key = keys::of_variable(name);
    if key.is_none() {
        let meant = keys::nearest(name, keys::KEYS.map(keys::variable));
        tracing::warn!(variable = name, meant, "unknown variable ignored");
    }
    key
}

/// One variable as a source of configuration, so that errors name it.
struct Variable {
    name: String,
    key: &'static str,
    value: String,
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("the variable {}", self.name))
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let value = nest(self.key, Value::from(self.value.clone()));
        Ok(Profile::Default.collect(value.into_dict().unwrap_or_default()))
    }
}

/// Walks through the merged values.
struct Reader<'a> {
    figment: &'a Figment,
    config: &'a mut Config,
    names: Names<'a>,
}

impl Reader<'_> {
    fn dict<'v>(&mut self, path: &mut Vec<&'v str>, dict: &'v Dict) -> Result<()> {
        for (key, value) in dict {
            path.push(key);
            match value {
                Value::Dict(_, inner) => self.dict(path, inner)?,
                leaf => self.leaf(path, leaf)?,
            }
            path.pop();
        }
        Ok(())
    }

    fn leaf(&mut self, path: &[&str], value: &Value) -> Result<()> {
        let place = Place { key: path.join("."), origin: self.origin(value) };
        let names = self.names;
        let Config { registry, server, client } = &mut *self.config;
        match path {
            ["registry"] => *registry = Some(place.parse(value)?),
            ["server", "listen"] => server.listen = Some(place.parse(value)?),
            ["server", "advertise"] => server.advertise = Some(place.parse(value)?),
            ["server", "protocols"] => server.protocols = Some(place.protocols(value, names)?),
            ["client", "transport"] => client.transport = Some(place.read(value, |text| names.transport(text))?),
            ["client", "timeout"] => client.timeout = Some(place.read(value, value::duration)?),
            ["client", "retries"] => client.retries = Some(place.read(value, value::retries)?),
            // The name of a service may be written `[client.baedal.orders.v1.Orders]`, without quotes.
            ["client", name @ .., key] if !name.is_empty() => {
                let ServiceConfig { target, transport, timeout } = client.services.entry(name.join(".")).or_default();
                match *key {
                    "target" => *target = Some(place.parse(value)?),
                    "transport" => *transport = Some(place.read(value, |text| names.transport(text))?),
                    "timeout" => *timeout = Some(place.read(value, value::duration)?),
                    _ => {
                        return Err(
                            place.unknown(&keys::SERVICE_KEYS.map(|key| format!("client.{}.{key}", name.join("."))))
                        );
                    }
                }
            }
            _ => return Err(place.unknown(&keys::KEYS)),
        }
        Ok(())
    }

    fn origin(&self, value: &Value) -> String {
        let Some(metadata) = self.figment.get_metadata(value.tag()) else { return "the configuration".to_owned() };
        metadata.source.as_ref().map_or_else(|| metadata.name.to_string(), |source| source.to_string())
    }
}

/// Where a value stands, for errors.
struct Place {
    key: String,
    origin: String,
}

impl Place {
    fn parse<T: std::str::FromStr<Err: fmt::Display>>(&self, value: &Value) -> Result<T> {
        self.read(value, |text| text.parse::<T>().map_err(|error| error.to_string()))
    }

    fn read<T>(&self, value: &Value, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T> {
        let text = value.as_str().ok_or_else(|| self.wrong("its value must be a text in quotes"))?;
        read(text).map_err(|reason| self.wrong(&reason))
    }

    /// A list, or a text with commas, which is how a variable says it.
    fn protocols(&self, value: &Value, known: Names<'_>) -> Result<Vec<&'static str>> {
        let names: Vec<_> = match value {
            Value::Array(_, names) => {
                names.iter().map(|name| self.read(name, |text| known.protocol(text))).collect::<Result<_>>()?
            }
            _ => self.read(value, |text| text.split(',').map(|name| known.protocol(name.trim())).collect())?,
        };
        if names.is_empty() { Err(self.wrong("a server has to speak something")) } else { Ok(names) }
    }

    fn wrong(&self, reason: &str) -> Error {
        Error::new(format!("{}: `{}`: {reason}", self.origin, self.key))
    }

    fn unknown(&self, known: &[impl AsRef<str>]) -> Error {
        let error = Error::new(format!("{}: there is no key `{}`", self.origin, self.key));
        match keys::nearest(&self.key, known.iter().map(AsRef::as_ref)) {
            Some(meant) => error.with_remedy(format!("write `{meant}`, if that was meant")),
            None => {
                let known: Vec<_> = known.iter().map(AsRef::as_ref).collect();
                error.with_remedy(format!("the keys are {}", known.join(", ")))
            }
        }
    }
}
