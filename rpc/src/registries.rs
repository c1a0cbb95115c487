//! From what a configuration names to a registry.

use crate::{Config, Error, Result};
use rpc_core::{
    Address,
    registry::{Dns, File, Fixed, Here, Memory, Registry, RegistryError, Target},
};
use std::{path::PathBuf, sync::Arc};

/// Whether what stands under a key can be opened, as far as its text and this program's features go.
///
/// # Errors
/// When it is of a kind that is not compiled in, or has an option that makes no sense.
pub(crate) fn check(config: &Config, key: &str, target: &Target) -> Result<()> {
    let Target::ZooKeeper { .. } = target else { return Ok(()) };
    zookeeper(target).map_err(|(why, remedy)| {
        Error::configuration(format!("{}: `{key}`: {why}", config.origin(key))).with_remedy(remedy)
    })
}

/// What is wrong with a URL of ZooKeeper, and what to do about it.
#[cfg(feature = "zookeeper")]
fn zookeeper(target: &Target) -> Result<(), (String, &'static str)> {
    rpc_zookeeper::ZooKeeper::check(&target.to_string())
        .map_err(|error| (error.to_string(), "correct the URL, or leave out what stands behind its `?`"))
}

#[cfg(not(feature = "zookeeper"))]
fn zookeeper(target: &Target) -> Result<(), (String, &'static str)> {
    let why = format!("{target} needs ZooKeeper, which is not compiled into this program");
    Err((why, "enable the feature `zookeeper` of the crate rpc"))
}

/// Opens the registry that a configuration names, which has been [checked](check). Needs a runtime.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn open(target: &Target) -> Result<Arc<dyn Registry>> {
    let opened: Result<Arc<dyn Registry>, RegistryError> = match target {
        Target::File(directory) => File::open(directory).map(|registry| Arc::new(registry) as _),
        Target::Memory => Ok(Arc::new(Memory::new())),
        Target::Fixed { addresses, assume } => Ok(Arc::new(Fixed::new(addresses.clone(), assume.clone()))),
        #[cfg(feature = "zookeeper")]
        Target::ZooKeeper { .. } => {
            rpc_zookeeper::ZooKeeper::open(&target.to_string()).map(|registry| Arc::new(registry) as _)
        }
        Target::Dns { name: Address::Tcp { host, port }, assume } => {
            Ok(Arc::new(Dns::new(host.clone(), *port, assume.clone())))
        }
        Target::Local => Ok(Arc::new(Here::new())),
        _ => {
            return Err(Error::configuration(format!("nothing is known of registries such as {target}"))
                .with_remedy("use zookeeper://, file:///, static://, dns://, local:// or memory://"));
        }
    };
    opened.map_err(|error| cannot_open(target, error))
}

/// The registry of those who have not named any: a folder that only this user of this machine can use, so that every
/// example runs on a fresh machine, across processes.
#[expect(clippy::disallowed_methods, reason = "where a user's folder is, the system says in the environment")]
pub(crate) fn embedded() -> Target {
    Target::File(File::default_directory(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)))
}

fn cannot_open(target: &Target, error: RegistryError) -> Error {
    Error::new(format!("cannot open the registry {target}"))
        .with_source(error)
        .with_remedy("see to that, or name another registry: `registry` (RPC_REGISTRY), or the service's `target`")
}
