//! Which file and which variables are read.

use super::{Config, keys, read, value::Names};
use crate::{Error, Result};
use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    util::nest,
    value::{Dict, Map, Value},
};
use rpc_core::observer::target;
use std::path::{Path, PathBuf};

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
    #[expect(clippy::disallowed_methods, reason = "here the environment is read")]
    pub(crate) fn load_with(transports: &[&'static str]) -> Result<Self> {
        let named = std::env::var_os(keys::FILE).map(PathBuf::from);
        let file = named.or_else(|| Some(PathBuf::from("rpc.toml")).filter(|path| path.exists()));
        // The whole path: whoever reads the log does not know the current folder.
        let file = file.map(|path| std::path::absolute(&path).unwrap_or(path));
        // A variable whose name or value is no text cannot be one of ours.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())));
        let config = Self::read_with(transports, file.as_deref(), variables)?;
        match &file {
            Some(path) => tracing::info!(target: target::CONFIG, path = %path.display(), "configuration read"),
            None => {
                tracing::debug!(
                    target: target::CONFIG,
                    "no rpc.toml here, and RPC_CONFIG is not set: defaults and RPC_ variables hold"
                )
            }
        }
        Ok(config)
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
                return Err(Error::configuration(format!("there is no configuration at {}", path.display()))
                    .with_remedy(format!(
                        "correct {}, or unset it to use rpc.toml in the current folder",
                        keys::FILE
                    )));
            }
            figment = figment.merge(Normalised(Toml::file_exact(path)));
        }
        for (name, value) in variables {
            if let Some(key) = recognise(&name, &value) {
                figment = figment.merge(Normalised(Variable { name, key, value }));
            }
        }
        read::config(&figment, file, Names { added: transports })
    }
}

/// The key that a variable sets; a warning for one that looks like ours and is not.
fn recognise(name: &str, value: &str) -> Option<&'static str> {
    if !name.starts_with("RPC_") || name == keys::FILE {
        return None;
    }
    let key = keys::of_variable(name);
    if key.is_none() && !keys::is_injected(name, value) {
        let meant = keys::nearest(name, keys::KEYS.map(keys::variable));
        tracing::warn!(target: target::CONFIG, variable = name, meant, "unknown variable ignored");
    }
    key
}

/// One variable as a source of configuration.
struct Variable {
    name: String,
    key: &'static str,
    value: String,
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let value = nest(self.key, Value::from(self.value.clone()));
        Ok(Profile::Default.collect(value.into_dict().unwrap_or_default()))
    }
}

/// `registry = "URL"` is short for `[registry] url = "URL"`. Each source is brought into the long form before they are
/// merged, or the short form of one would replace the whole table of another.
pub(super) struct Normalised<P>(pub(super) P);

impl<P: Provider> Provider for Normalised<P> {
    fn metadata(&self) -> Metadata {
        self.0.metadata()
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let mut data = self.0.data()?;
        for dict in data.values_mut() {
            if let Some(url) = dict.get("registry").filter(|value| value.as_dict().is_none()) {
                dict.insert("registry".to_owned(), Value::from(Dict::from([("url".to_owned(), url.clone())])));
            }
        }
        Ok(data)
    }
}
