//! The port.

use crate::{Address, Io, observer::target};
use rustix::io::Errno;
use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// A port that is listened on: TCP or a Unix socket.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// Removes the socket from the file system when the listener goes, unless another has taken its place: a server that is
/// being replaced would take the path from its successor.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode of what was bound.
    bound: (u64, u64),
}

impl SocketFile {
    fn new(path: PathBuf) -> io::Result<Self> {
        Ok(Self { bound: file_at(&path)?, path })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if file_at(&self.path).is_ok_and(|file| file == self.bound) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn file_at(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

impl Listener {
    pub(crate) async fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp { host, port } => Ok(Self::Tcp(TcpListener::bind((host.as_str(), *port)).await?)),
            Address::Unix(path) => {
                let listener = UnixListener::bind(path)?;
                Ok(Self::Unix(listener, SocketFile::new(path.clone())?))
            }
        }
    }

    /// Where it listens, with the port that was given out for port 0.
    pub(crate) fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => Ok(listener.local_addr()?.into()),
            Self::Unix(_, file) => Ok(Address::Unix(file.path.clone())),
        }
    }

    /// The next connection. When none can be accepted (too many open files), waits a little, so as not to spin.
    ///
    /// # Errors
    /// When there will never be one again: somebody has taken the port away from the process (as `ss -K` does).
    pub(crate) async fn accept(&self) -> io::Result<(Io, Option<Address>)> {
        let mut pause = Duration::from_millis(5);
        loop {
            let accepted = match self {
                Self::Tcp(listener) => {
                    accept_tcp(listener).await.map(|(stream, peer)| (Io::new(stream), Some(peer.into())))
                }
                Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| (Io::new(stream), None)),
            };
            match accepted {
                Ok(connection) => return Ok(connection),
                Err(error) if is_one_connections(&error) => {}
                Err(error) if is_the_ports_end(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(target: target::SERVER, %error, "cannot accept connections just now; raise the limit of open files if this stays");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
            }
        }
    }
}

/// A connection without Nagle's delay: replies are written in batches already; waiting for more bytes only delays them.
async fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    let _ = stream.set_nodelay(true);
    Ok((stream, peer))
}

/// Errors of the connection that was about to be accepted, not of the port.
fn is_one_connections(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}

/// Errors that stay: it is no socket any more, or none that listens. (`EOPNOTSUPP` may be a connection's, on Linux.)
fn is_the_ports_end(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::BADF | Errno::NOTSOCK | Errno::INVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_socket_that_was_bound_is_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("orders.sock");
        let old = Listener::bind(&Address::Unix(path.clone())).await.unwrap();
        // As a deploy does.
        fs::remove_file(&path).unwrap();
        let new = Listener::bind(&Address::Unix(path.clone())).await.unwrap();
        drop(old);
        assert!(path.exists(), "it is the successor's");
        drop(new);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_is_accepted_does_not_wait_for_more_bytes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (_client, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), accept_tcp(&listener));
        assert!(accepted.unwrap().0.nodelay().unwrap());
    }
}
