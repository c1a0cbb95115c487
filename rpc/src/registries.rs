//! From what a configuration names to a registry.

use crate::{Error, Result};
use rpc_core::{
    Address,
    registry::{Dns, File, Fixed, Here, Memory, Registry, RegistryError, Target},
};
use std::{path::PathBuf, sync::Arc};

/// Opens the registry that a configuration names. Needs a runtime.
///
/// # Errors
/// When it cannot be opened, or is of a kind that is not compiled in.
pub(crate) fn open(target: &Target) -> Result<Arc<dyn Registry>> {
    let opened: Result<Arc<dyn Registry>, RegistryError> = match target {
        Target::File(directory) => File::open(directory).map(|registry| Arc::new(registry) as _),
        Target::Memory => Ok(Arc::new(Memory::new())),
        Target::Fixed { addresses, assume } => Ok(Arc::new(Fixed::new(addresses.clone(), assume.clone()))),
        Target::ZooKeeper { .. } => return zookeeper(target),
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

#[cfg(feature = "zookeeper")]
fn zookeeper(target: &Target) -> Result<Arc<dyn Registry>> {
    let opened = rpc_zookeeper::ZooKeeper::open(&target.to_string());
    opened.map(|registry| Arc::new(registry) as _).map_err(|error| cannot_open(target, error))
}

#[cfg(not(feature = "zookeeper"))]
fn zookeeper(target: &Target) -> Result<Arc<dyn Registry>> {
    Err(Error::configuration(format!("{target} needs ZooKeeper, which is not compiled into this program"))
        .with_remedy("enable the feature `zookeeper` of the crate rpc"))
}

fn cannot_open(target: &Target, error: RegistryError) -> Error {
    Error::new(format!("cannot open the registry {target}: {error}")).with_source(error)
}
