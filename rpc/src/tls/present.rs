//! The certificates that a configuration names, or a program brings.

pub use rpc_tls::{ClientTls, ServerTls};

use crate::{Config, Error, Result};
use rpc_core::{
    tls::{TlsAcceptor, TlsConnector},
    transport::Transport,
};
use rpc_tls::SetupError;
use std::{path::Path, sync::Arc};

/// For a server that speaks these protocols; `key` is what says that it is to speak TLS.
///
/// # Errors
/// When certificates are not named, cannot be read, or do not belong together.
pub(crate) fn acceptor(
    config: &Config,
    key: &str,
    brought: Option<ServerTls>,
    transports: &[Arc<dyn Transport>],
) -> Result<Arc<dyn TlsAcceptor>> {
    let section = if brought.is_some() { None } else { Some("server") };
    let tls = match brought {
        Some(tls) => tls,
        None => of_server(config, key)?,
    };
    let alpn = transports.iter().filter_map(|transport| transport.alpn());
    tls.acceptor(alpn).map_err(|error| unusable(config, section, &error))
}

/// For all clients; `key` is what says that one of them is to speak TLS.
///
/// # Errors
/// As for a server.
pub(crate) fn connector(config: &Config, key: &str, brought: Option<ClientTls>) -> Result<Arc<dyn TlsConnector>> {
    let section = if brought.is_some() { None } else { Some("client") };
    let tls = match brought {
        Some(tls) => tls,
        None => of_client(config, key)?,
    };
    tls.connector().map_err(|error| unusable(config, section, &error))
}

/// Whether a certificate can bear the name that `key` gives.
///
/// # Errors
/// When it cannot.
pub(crate) fn check_name(config: &Config, key: &str, name: &str) -> Result<()> {
    if rpc_tls::is_name(name) {
        return Ok(());
    }
    Err(Error::configuration(format!("{}: `{key}`: `{name}` can stand in no certificate", config.origin(key)))
        .with_remedy("write a DNS name or an IP address, without a port"))
}

fn of_server(config: &Config, key: &str) -> Result<ServerTls> {
    let own = &config.server;
    let (certificate, own_key) = pair(config, key, "server", own.certificate.as_deref(), own.key.as_deref())?
        .ok_or_else(|| {
            unnamed(config, key, "a server has to show a certificate", "set `server.certificate` and `server.key`")
        })?;
    let tls = ServerTls::new(certificate, own_key);
    Ok(match &own.client_ca {
        Some(ca) => tls.with_client_ca(ca.as_path()),
        None => tls,
    })
}

fn of_client(config: &Config, key: &str) -> Result<ClientTls> {
    let own = &config.client;
    let ca = own.ca.as_deref().ok_or_else(|| {
        unnamed(
            config,
            key,
            "a client has to know whom to trust",
            "set `client.ca` (RPC_CLIENT_CA) to the PEM file of the CA that issues the servers' certificates",
        )
    })?;
    let tls = ClientTls::new(ca);
    Ok(match pair(config, key, "client", own.certificate.as_deref(), own.key.as_deref())? {
        Some((certificate, own_key)) => tls.with_certificate(certificate, own_key),
        None => tls,
    })
}

/// A certificate and its key, or neither.
fn pair<'a>(
    config: &Config,
    key: &str,
    section: &str,
    certificate: Option<&'a Path>,
    own_key: Option<&'a Path>,
) -> Result<Option<(&'a Path, &'a Path)>> {
    let lonely = |there: &str, missing: &str| {
        let why = format!("`{section}.{there}` is of no use without `{section}.{missing}`");
        unnamed(config, key, &why, &format!("set `{section}.{missing}`"))
    };
    match (certificate, own_key) {
        (Some(certificate), Some(own_key)) => Ok(Some((certificate, own_key))),
        (Some(_), None) => Err(lonely("certificate", "key")),
        (None, Some(_)) => Err(lonely("key", "certificate")),
        (None, None) => Ok(None),
    }
}

#[cold]
fn unnamed(config: &Config, key: &str, why: &str, remedy: &str) -> Error {
    Error::configuration(format!("{}: `{key}` is \"on\", and {why}", config.origin(key))).with_remedy(remedy)
}

#[cold]
fn unusable(config: &Config, section: Option<&str>, error: &SetupError) -> Error {
    let place = match section {
        Some(section) => {
            let key = format!("{section}.{}", error.part());
            format!("{}: `{key}`", config.origin(&key))
        }
        None => format!("the `{}` that the program brings", error.part()),
    };
    Error::configuration(format!("{place}: {error}")).with_remedy(error.remedy())
}
