//! Clients by name.

use crate::{App, Result};
use rpc_core::client::Client;

/// Gives every generated client its [`discover`](Self::discover). In the prelude.
pub trait Discover: Client {
    /// A client of the service, by the service's name, from the [`App`] of this process: as `rpc.toml` and the
    /// `RPC_...` variables say, through the registry they name. Waits up to 3 s for a first list of servers.
    ///
    /// Cheap when it is not the first of its kind: all clients of a service share one channel.
    ///
    /// # Errors
    /// When the configuration cannot be read, or the registry cannot be opened or gives no list in time.
    fn discover() -> impl Future<Output = Result<Self>> + Send {
        async { App::process()?.client::<Self>().await }
    }
}

impl<C: Client> Discover for C {}
