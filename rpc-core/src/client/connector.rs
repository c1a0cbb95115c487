//! From an address to a byte stream.

use crate::{Address, BoxFuture, Io};
use std::io;

/// Opens byte streams. The seam for tests, proxies and wires that are no sockets.
pub trait Connector: Send + Sync + 'static {
    /// A new byte stream to `address`. The caller bounds the time.
    ///
    /// # Errors
    /// Why there is none, as the system says it.
    fn connect<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, io::Result<Io>>;
}

/// TCP without Nagle's delay, and Unix sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sockets;

impl Connector for Sockets {
    fn connect<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, io::Result<Io>> {
        Box::pin(async move {
            match address {
                Address::Tcp { host, port } => {
                    let stream = tokio::net::TcpStream::connect((host.as_str(), *port)).await?;
                    stream.set_nodelay(true)?;
                    Ok(Io::new(stream))
                }
                Address::Unix(path) => Ok(Io::new(tokio::net::UnixStream::connect(path).await?)),
            }
        })
    }
}
