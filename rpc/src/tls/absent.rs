//! TLS in a program that is built without it.

use crate::{Config, Error, Result};
use rpc_core::{
    tls::{TlsAcceptor, TlsConnector},
    transport::Transport,
};
use std::sync::Arc;

/// Certificates that a program brings for its servers, of which there are none without TLS.
#[derive(Clone, Debug)]
pub(crate) enum ServerTls {}

/// Certificates that a program brings for its clients, of which there are none without TLS.
#[derive(Clone, Debug)]
pub(crate) enum ClientTls {}

pub(crate) fn acceptor(
    config: &Config,
    key: &str,
    _: Option<ServerTls>,
    _: &[Arc<dyn Transport>],
) -> Result<Arc<dyn TlsAcceptor>> {
    Err(absent(config, key))
}

pub(crate) fn connector(config: &Config, key: &str, _: Option<ClientTls>) -> Result<Arc<dyn TlsConnector>> {
    Err(absent(config, key))
}

pub(crate) fn check_name(_: &Config, _: &str, _: &str) -> Result<()> {
    Ok(())
}

#[cold]
fn absent(config: &Config, key: &str) -> Error {
    Error::configuration(format!("{}: `{key}` is \"on\", and this program is built without TLS", config.origin(key)))
        .with_remedy("enable the feature `tls` of the crate rpc: features = [\"tls\"]")
}
