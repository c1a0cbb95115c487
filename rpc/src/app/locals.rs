//! Services that clients of the same process call without a wire.

use super::{App, lock};
use crate::{Error, NamedService, Result};
use rpc_core::{
    server::{Admission, Fidelity, Local},
    transport::Limits,
};
use std::collections::hash_map::Entry;

impl App {
    /// Offers a service to clients of this process: those whose target is `local://`, in `[client.NAME]` or as the
    /// registry of all. They call it without a wire, through the same layers, deadlines and limits as any other; which
    /// it is, configuration says, and the code stays the same.
    ///
    /// ```
    /// # use rpc::prelude::*;
    /// # #[rpc_service]
    /// # pub trait Greeter { async fn greet(&self, name: String) -> Result<String, Status>; }
    /// # struct Host;
    /// # impl Greeter for Host {
    /// #     async fn greet(&self, name: String) -> Result<String, Status> { Ok(format!("hello, {name}")) }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> rpc::Result<()> {
    /// let mut config = rpc::Config::default();                  // as `registry = "local://"` in rpc.toml does
    /// config.registry = Some("local://".parse().unwrap());
    /// let app = rpc::App::builder().config(config).build();
    /// app.serve_local(GreeterServer::new(Host))?;
    /// let greeter: GreeterClient = app.client().await?;
    /// assert_eq!(greeter.greet("Mina".to_owned()).await?, "hello, Mina");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When there is one of that name already.
    pub fn serve_local(&self, service: impl NamedService) -> Result<()> {
        let name = service.descriptor().name;
        match lock(&self.0.locals).entry(name) {
            Entry::Occupied(_) => {
                return Err(Error::new(format!("this process serves {name} already"))
                    .with_remedy("serve each service once, or give one of them another `name` or `package`"));
            }
            Entry::Vacant(entry) => {
                let (layers, observers) = (self.0.layers.server.clone(), self.0.observers.clone());
                // What calls from here has been let in before: it is refused only where somebody has asked for it.
                let admission = self.config().server.admission.unwrap_or(Admission::Off);
                let limits = self.limits_over(Limits::default());
                entry.insert(Local::new(service, Fidelity::Value, admission, layers, observers).limits(limits));
            }
        }
        self.tell_locals();
        Ok(())
    }

    pub(super) fn local(&self, name: &str) -> Result<Local> {
        lock(&self.0.locals).get(name).cloned().ok_or_else(|| {
            Error::configuration(format!("the target of {name} is local://, and this process does not serve it")).with_remedy(
                "serve it before clients of it are made (`app.serve_local(..Server::new(..))`), or name a registry in its `target`",
            )
        })
    }
}
