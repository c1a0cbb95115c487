//! From merged values to a [`Config`].

use super::{
    Config, MethodConfig, Said, ServiceConfig, SettingOrigin, keys, rules,
    value::{self, Names},
};
use crate::{Error, Result};
use figment::{
    Figment, Profile, Provider, Source,
    value::{Dict, Map, Value},
};
use rpc_core::{Transports, registry::ServiceName};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Reads what the sources of a figment say together. `file` is the one of them that can be malformed.
pub(super) fn config(figment: &Figment, file: Option<&Path>, names: Names<'_>) -> Result<Config> {
    let values = values(figment, file.unwrap_or(Path::new("rpc.toml")).display())?;
    Reader { figment, rule: None, names, config: Config::default(), origins: BTreeMap::new() }.read(&values)
}

/// Reads rules, all of which are in one place.
pub(super) fn rules(figment: &Figment, rule: SettingOrigin, names: Names<'_>) -> Result<Config> {
    let values = values(figment, &rule)?;
    Reader { figment, rule: Some(rule), names, config: Config::default(), origins: BTreeMap::new() }.read(&values)
}

fn values(figment: &Figment, place: impl fmt::Display) -> Result<Map<Profile, Dict>> {
    figment.data().map_err(|error| {
        let error = Error::configuration(format!("{place} is no TOML")).with_source(error);
        error.with_remedy("correct the line that is named")
    })
}

/// Walks through the merged values.
struct Reader<'a> {
    figment: &'a Figment,
    /// Where they are, if they are rules.
    rule: Option<SettingOrigin>,
    names: Names<'a>,
    config: Config,
    origins: BTreeMap<String, SettingOrigin>,
}

impl Reader<'_> {
    fn read(mut self, values: &Map<Profile, Dict>) -> Result<Config> {
        for dict in values.values() {
            self.dict(&mut Vec::new(), dict)?;
        }
        let Self { mut config, origins, .. } = self;
        config.said = Said::of(&config, origins);
        Ok(config)
    }

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
        let key = if path == ["registry", "url"] { "registry".to_owned() } else { path.join(".") };
        let place = Place { key, origin: self.origin(value), names: self.names };
        let Config { registry, registry_required, tls, rules, max_message, server, client, said: _ } = &mut self.config;
        match path {
            ["registry", "url"] if matches!(value, Value::Array(..)) => {
                return Err(place.wrong("there is one registry for all: write one URL"));
            }
            ["registry", "url"] => *registry = Some(place.parse(value)?),
            ["registry", "required"] => *registry_required = place.flag(value)?,
            ["rules"] => *rules = Some(place.path(value)?),
            ["max_message"] => *max_message = Some(place.number(value, value::size)?),
            ["tls"] => *tls = Some(place.read(value, value::tls)?),
            ["server", "listen"] => server.listen = Some(place.parse(value)?),
            ["server", "advertise"] => server.advertise = Some(place.parse(value)?),
            ["server", "protocols"] => server.protocols = Some(place.protocols(value)?),
            ["server", "admission"] => server.admission = Some(place.number_or_word(value)?),
            ["server", "tls"] => server.tls = Some(place.read(value, value::tls)?),
            ["server", "weight"] => server.weight = Some(place.number(value, value::weight)?),
            ["server", "zone"] => server.zone = Some(place.read(value, value::label)?),
            ["server", "version"] => server.version = Some(place.read(value, value::label)?),
            ["server", "certificate"] => server.certificate = Some(place.path(value)?),
            ["server", "key"] => server.key = Some(place.path(value)?),
            ["server", "client_ca"] => server.client_ca = Some(place.path(value)?),
            ["client", "transport"] => client.transport = Some(place.transport(value)?),
            ["client", "timeout"] => client.timeout = Some(place.read(value, value::duration)?),
            ["client", "retries"] => client.retries = Some(place.read(value, value::retries)?),
            ["client", "hedge"] => client.hedge = Some(place.read(value, value::hedge)?),
            ["client", "tls"] => client.tls = Some(place.read(value, value::tls)?),
            ["client", "ca"] => client.ca = Some(place.path(value)?),
            ["client", "certificate"] => client.certificate = Some(place.path(value)?),
            ["client", "key"] => client.key = Some(place.path(value)?),
            ["client", "server_name"] => client.server_name = Some(place.text(value)?),
            // The name of a service may be written `[client.baedal.orders.v1.Orders]`, without quotes.
            ["client", name @ .., "methods", method, key] if !name.is_empty() => {
                let name = place.service(name)?;
                let own =
                    client.services.entry(name.clone()).or_default().methods.entry((*method).to_owned()).or_default();
                place.method(own, &format!("client.{name}.methods.{method}"), key, value)?;
            }
            ["client", name @ .., key] if !name.is_empty() => {
                let name = place.service(name)?;
                let own = client.services.entry(name.clone()).or_default();
                place.about_service(own, &format!("client.{name}"), key, value)?;
            }
            _ => return Err(place.unknown(&keys::KEYS)),
        }
        if self.rule.is_some() && !rules::changes(&place.key) {
            return Err(rules::fixed(&place.origin, &place.key));
        }
        self.origins.insert(place.key, place.origin);
        Ok(())
    }

    fn origin(&self, value: &Value) -> SettingOrigin {
        if let Some(rule) = &self.rule {
            return rule.clone();
        }
        match self.figment.get_metadata(value.tag()) {
            Some(metadata) => match &metadata.source {
                Some(Source::File(path)) => SettingOrigin::File(path.clone()),
                _ => SettingOrigin::Variable(metadata.name.to_string()),
            },
            None => SettingOrigin::Program,
        }
    }
}

/// Where a value stands, and the transports that it may name.
struct Place<'a> {
    key: String,
    origin: SettingOrigin,
    names: Names<'a>,
}

impl Place<'_> {
    fn about_service(&self, own: &mut ServiceConfig, section: &str, key: &str, value: &Value) -> Result<()> {
        let ServiceConfig { target, transport, timeout, retries, hedge, tls, server_name, methods: _ } = own;
        match key {
            "target" => *target = Some(self.parse(value)?),
            "transport" => *transport = Some(self.transport(value)?),
            "timeout" => *timeout = Some(self.read(value, value::duration)?),
            "retries" => *retries = Some(self.read(value, value::retries)?),
            "hedge" => *hedge = Some(self.read(value, value::hedge)?),
            "tls" => *tls = Some(self.read(value, value::tls)?),
            "server_name" => *server_name = Some(self.text(value)?),
            method if section.ends_with(".methods") => {
                return Err(self.unknown::<&str>(&[]).with_remedy(format!(
                    "what is said of a method stands in a section of its own: [{section}.{method}], with `timeout` in it"
                )));
            }
            _ => return Err(self.unknown(&keys::SERVICE_KEYS.map(|key| format!("{section}.{key}")))),
        }
        Ok(())
    }

    fn method(&self, own: &mut MethodConfig, section: &str, key: &str, value: &Value) -> Result<()> {
        match key {
            "timeout" => own.timeout = Some(self.read(value, value::duration)?),
            "hedge" => own.hedge = Some(self.read(value, value::hedge)?),
            _ => return Err(self.unknown(&keys::METHOD_KEYS.map(|key| format!("{section}.{key}")))),
        }
        Ok(())
    }

    fn service(&self, name: &[&str]) -> Result<String> {
        let name: ServiceName = name.join(".").parse().map_err(|error| self.wrong(error))?;
        Ok(name.as_str().to_owned())
    }

    fn parse<T: FromStr<Err: fmt::Display>>(&self, value: &Value) -> Result<T> {
        self.read(value, |text| text.parse::<T>().map_err(|error| error.to_string()))
    }

    /// A number, which the file may write without quotes, or a word.
    fn number_or_word<T: FromStr<Err: fmt::Display>>(&self, value: &Value) -> Result<T> {
        match value {
            Value::Num(_, number) => {
                let text = number.to_i128().map_or_else(|| "a fraction".to_owned(), |number| number.to_string());
                text.parse().map_err(|error| self.wrong(error))
            }
            _ => self.parse(value),
        }
    }

    fn read<T>(&self, value: &Value, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T> {
        if let Some(text) = value.as_str() {
            return read(text).map_err(|reason| self.wrong(reason));
        }
        let unquoted = match value {
            Value::Num(_, number) => number.to_i128().map(|number| number.to_string()),
            Value::Bool(_, flag) => Some(flag.to_string()),
            _ => None,
        };
        // What is wrong with it, besides, says the form.
        let more =
            unquoted.map(|text| read(&text).map_or_else(|reason| format!(": {reason}"), |_| format!(": \"{text}\"")));
        Err(self.wrong(format!("its value must be a text in quotes{}", more.unwrap_or_default())))
    }

    fn text(&self, value: &Value) -> Result<String> {
        self.read(value, |text| Ok(text.to_owned()))
    }

    /// A path, from the folder of the file that names it.
    fn path(&self, value: &Value) -> Result<PathBuf> {
        let path = self.read(value, value::path)?;
        Ok(match &self.origin {
            SettingOrigin::File(file) => file.parent().unwrap_or(Path::new("")).join(path),
            _ => path,
        })
    }

    fn transport(&self, value: &Value) -> Result<Transports> {
        self.read(value, |text| self.names.transport(text))
    }

    /// `true` or `false`; a variable says it as a text.
    fn flag(&self, value: &Value) -> Result<bool> {
        match (value, value.as_str()) {
            (Value::Bool(_, flag), _) => Ok(*flag),
            (_, Some("true")) => Ok(true),
            (_, Some("false")) => Ok(false),
            _ => Err(self.wrong("its value must be true or false")),
        }
    }

    /// A whole number; a variable says it as a text.
    fn number<T>(&self, value: &Value, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T> {
        match value.to_i128() {
            Some(number) => read(&number.to_string()).map_err(|reason| self.wrong(reason)),
            None if value.as_str().is_some() => self.read(value, read),
            None => Err(self.wrong("its value must be a whole number")),
        }
    }

    /// A list, or a text with commas, which is how a variable says it.
    fn protocols(&self, value: &Value) -> Result<Vec<&'static str>> {
        let names: Vec<_> = match value {
            Value::Array(_, names) => {
                names.iter().map(|name| self.read(name, |text| self.names.protocol(text))).collect::<Result<_>>()?
            }
            _ => self.read(value, |text| text.split(',').map(|name| self.names.protocol(name.trim())).collect())?,
        };
        if names.is_empty() { Err(self.wrong("a server has to speak something")) } else { Ok(names) }
    }

    fn wrong(&self, reason: impl fmt::Display) -> Error {
        Error::configuration(format!("{}: `{}`: {reason}", self.origin, self.key))
    }

    fn unknown<S: AsRef<str>>(&self, known: &[S]) -> Error {
        let error = Error::configuration(format!("{}: there is no key `{}`", self.origin, self.key));
        match keys::nearest(&self.key, known.iter().map(AsRef::as_ref)) {
            Some(meant) => error.with_remedy(format!("write `{meant}`, if that was meant")),
            None => {
                let known: Vec<_> = known.iter().map(AsRef::as_ref).collect();
                error.with_remedy(format!("the keys are {}", known.join(", ")))
            }
        }
    }
}
