//! From an address to a byte stream.

use crate::{Address, BoxFuture, Io};
use std::{
    io,
    net::{IpAddr, SocketAddr},
};
use tokio::net::{TcpStream, UnixStream, lookup_host};

/// Opens byte streams. The seam for tests, proxies and wires that are no sockets.
pub trait Connector: Send + Sync + 'static {
    /// A new byte stream to `address`. The caller bounds the time.
    ///
    /// # Errors
    /// Why there is none, as the system says it.
    fn connect<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, io::Result<Io>>;
}

/// TCP without Nagle's delay, and Unix sockets.
///
/// A name is looked up each time. Where it leads to is looked at as records are ([`Address::unfit`]), since whoever
/// writes a record may write a name in it that leads anywhere: to the addresses where clouds answer with credentials,
/// for one. An IP address is called as it is; whoever says it has been asked already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sockets;

impl Connector for Sockets {
    fn connect<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, io::Result<Io>> {
        Box::pin(async move {
            match address {
                Address::Tcp { host, port } => Ok(Io::new(connect_tcp(host, *port).await?)),
                Address::Unix(path) => Ok(Io::new(UnixStream::connect(path).await?)),
            }
        })
    }
}

/// Without Nagle's delay: calls are written in batches already, and waiting for more bytes only delays them.
async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = match host.parse::<IpAddr>() {
        Ok(ip) => TcpStream::connect((ip, port)).await?,
        Err(_) => TcpStream::connect(&*fit(host, lookup_host((host, port)).await?)?).await?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Those of the addresses of a name that a server may have.
fn fit(name: &str, found: impl Iterator<Item = SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    let mut refused = None;
    let fit = found.filter(|address| match Address::unfit(address.ip()) {
        Some(reason) => {
            refused = Some(format!("{name} leads to {}, which {reason}", address.ip()));
            false
        }
        None => true,
    });
    let fit: Vec<_> = fit.collect();
    match refused {
        Some(sentence) if fit.is_empty() => Err(io::Error::new(io::ErrorKind::PermissionDenied, sentence)),
        _ => Ok(fit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_called_where_a_server_may_be() {
        let fit = |ips: &[&str]| {
            let found = ips.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 80));
            fit("orders.internal", found).map(|found| found.iter().map(|it| it.ip().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(fit(&["169.254.169.254", "10.0.0.7", "127.0.1.1", "fe80::1"]).unwrap(), ["10.0.0.7", "127.0.1.1"]);
        let error = fit(&["fe80::1", "169.254.169.254"]).unwrap_err().to_string();
        assert_eq!(error, "orders.internal leads to 169.254.169.254, which is a link-local address");
        assert!(fit(&[]).unwrap().is_empty(), "what the resolver says of that is enough");
    }

    /// By the resolver of this machine, which takes this name for the address without asking anybody.
    #[tokio::test]
    async fn a_name_that_leads_to_a_link_local_address_is_not_called() {
        let error = Sockets.connect(&Address::tcp("2851995905", 80)).await.unwrap_err();
        assert_eq!(error.to_string(), "2851995905 leads to 169.254.1.1, which is a link-local address");
    }

    #[tokio::test]
    async fn names_of_this_machine_are_called() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Sockets.connect(&Address::tcp("localhost", port)).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_connected_does_not_wait_for_more_bytes() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            assert!(connect_tcp(host, port).await.unwrap().nodelay().unwrap());
        }
    }
}
